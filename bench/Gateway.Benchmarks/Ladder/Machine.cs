using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Gateway.Benchmarks.Ladder;

/// <summary>CPU time since boot, seconds over all cores (proc(5), /proc/stat), and of this process's ended children.</summary>
internal readonly record struct CpuClock(double Busy, double Stolen, double Children)
{
    /// <summary>USER_HZ: 100 on every Linux that .NET runs on.</summary>
    private const double TicksPerSecond = 100;

    public static CpuClock Now()
    {
        var fields = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..8];
        var ticks = fields.Select(f => double.Parse(f, CultureInfo.InvariantCulture)).ToArray();
        // user nice system idle iowait irq softirq steal
        var stolen = double.Parse(File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[8], CultureInfo.InvariantCulture);
        var busy = ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6];
        var self = StatOf("self");
        return new CpuClock(busy / TicksPerSecond, stolen / TicksPerSecond, (self[13] + self[14]) / TicksPerSecond);
    }

    /// <summary>User and system time of a process, seconds.</summary>
    public static double OfProcess(int id)
    {
        var stat = StatOf(id.ToString(CultureInfo.InvariantCulture));
        return (stat[11] + stat[12]) / TicksPerSecond;
    }

    /// <summary>The numbers of /proc/ID/stat behind the name and the state: [11] is field 14, utime.</summary>
    private static double[] StatOf(string id)
    {
        var text = File.ReadAllText($"/proc/{id}/stat");
        var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return [.. fields.Select((f, i) => i == 0 ? 0 : double.Parse(f, CultureInfo.InvariantCulture))];
    }
}

/// <summary>What a report says of where it was made.</summary>
internal sealed record Machine(string Commit, string Kernel, string Cpu, int Cores, double MemoryGiB, string DotNet, string Gcc, string Disk)
{
    public static Machine Look(string dataFolder)
    {
        var changes = Ask("git", "-C", LadderPaths.Root, "status", "--porcelain", "--", "src", "bench", "tools");
        var cpu = File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim();
        var memory = File.ReadLines("/proc/meminfo").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        return new Machine(
            Ask("git", "-C", LadderPaths.Root, "rev-parse", "--short=12", "HEAD") + (changes.Length == 0 ? "" : " with uncommitted changes"),
            "Linux " + File.ReadAllText("/proc/sys/kernel/osrelease").Trim(),
            $"{cpu ?? "unknown CPU"}, {RuntimeInformation.ProcessArchitecture}",
            Environment.ProcessorCount,
            double.Parse(memory, CultureInfo.InvariantCulture) / (1 << 20),
            RuntimeInformation.FrameworkDescription,
            Ask("gcc", "--version").Split('\n')[0],
            new DriveInfo(dataFolder).DriveFormat);
    }

    public static string LoadAverage() => string.Join(' ', File.ReadAllText("/proc/loadavg").Split(' ')[..3]);

    private static string Ask(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var text = process.StandardOutput.ReadToEnd().Trim();
            process.WaitForExit();
            return process.ExitCode == 0 ? text : "unknown";
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "unknown";
        }
    }
}
