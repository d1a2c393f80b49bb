using System.Globalization;

namespace Gateway.Load.Measure;

/// <summary>
/// What the kernel knows of the server: proc(5), /proc/PID/stat and /proc/PID/smaps_rollup of its process and of the processes that descend from
/// it, as helpers of some servers do. Every answer is null once the process is gone or may not be looked at.
/// </summary>
internal sealed class ServerProcess(int pid)
{
    /// <summary>USER_HZ, the unit of times in /proc: 100 on every Linux that .NET runs on.</summary>
    private const double TicksPerSecond = 100;

    public int Pid => pid;

    /// <summary>User and system time of all threads, seconds; steps of 10 ms. Of a helper that has ended it counts no more.</summary>
    public double? CpuSeconds() => Sum(CpuTicksOf) / TicksPerSecond;

    /// <summary>Memory that is its own, with its share of what it shares, swapped out or not: Pss + SwapPss, bytes.</summary>
    public long? MemoryBytes() => Sum(name => RollupOf(name, "Pss:", "SwapPss:")) * 1024;

    /// <summary>Resident memory, what it shares counted whole: Rss, bytes.</summary>
    public long? ResidentBytes() => Sum(name => RollupOf(name, "Rss:")) * 1024;

    /// <summary>Open files.</summary>
    public long? Descriptors() => Sum(DescriptorsOf);

    private long? Sum(Func<string, long?> figure)
    {
        var name = pid.ToString(CultureInfo.InvariantCulture);
        if (figure(name) is not { } sum) return null;
        foreach (var descendant in DescendantsOf(name)) sum += figure(descendant) ?? 0;
        return sum;
    }

    private static IEnumerable<string> DescendantsOf(string process)
    {
        string[] threads;
        try
        {
            threads = Directory.GetDirectories($"/proc/{process}/task");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            yield break;
        }

        // A child is listed under the thread that started it.
        foreach (var thread in threads)
        {
            if (Read($"{thread}/children") is not { } children) continue;
            foreach (var child in children.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                yield return child;
                foreach (var descendant in DescendantsOf(child)) yield return descendant;
            }
        }
    }

    private static long? CpuTicksOf(string process)
    {
        if (Read($"/proc/{process}/stat") is not { } text) return null;
        // The second field is the program's name in parentheses and may hold anything; utime and stime are fields 14 and 15.
        var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
    }

    private static long? DescriptorsOf(string process)
    {
        try
        {
            return Directory.EnumerateFileSystemEntries($"/proc/{process}/fd").LongCount();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Kilobytes.</summary>
    private static long? RollupOf(string process, params ReadOnlySpan<string> names)
    {
        if (Read($"/proc/{process}/smaps_rollup") is not { } text) return null;
        long kilobytes = 0;
        foreach (var line in text.Split('\n'))
        {
            foreach (var name in names)
            {
                if (line.StartsWith(name, StringComparison.Ordinal)) kilobytes += long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
            }
        }

        return kilobytes;
    }

    private static string? Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
