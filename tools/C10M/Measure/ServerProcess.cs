using System.Globalization;

namespace Gateway.Load.Measure;

/// <summary>
/// What the kernel knows of the node's process: proc(5), /proc/PID/stat and /proc/PID/smaps_rollup. Every answer is null once the process is gone
/// or may not be looked at.
/// </summary>
internal sealed class ServerProcess(int pid)
{
    /// <summary>USER_HZ, the unit of times in /proc: 100 on every Linux that .NET runs on.</summary>
    private const double TicksPerSecond = 100;

    public int Pid => pid;

    /// <summary>User and system time of all its threads, seconds; steps of 10 ms.</summary>
    public double? CpuSeconds()
    {
        var text = Read("stat");
        if (text is null) return null;
        // The second field is the program's name in parentheses and may hold anything; utime and stime are fields 14 and 15.
        var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / TicksPerSecond;
    }

    /// <summary>Memory that is its own, with its share of what it shares, swapped out or not: Pss + SwapPss, bytes.</summary>
    public long? MemoryBytes()
    {
        var text = Read("smaps_rollup");
        if (text is null) return null;
        long kilobytes = 0;
        foreach (var line in text.Split('\n'))
        {
            if (!line.StartsWith("Pss:", StringComparison.Ordinal) && !line.StartsWith("SwapPss:", StringComparison.Ordinal)) continue;
            kilobytes += long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
        }

        return kilobytes * 1024;
    }

    private string? Read(string file)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/{file}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
