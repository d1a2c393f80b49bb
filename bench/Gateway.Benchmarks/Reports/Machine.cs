using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Gateway.Benchmarks.Reports;

/// <summary>What a report says of where it was made.</summary>
internal sealed record Machine(string Commit, string Kernel, string Cpu, int Cores, double MemoryGiB, string DotNet, string Gcc, string Disk)
{
    public static Machine Look(string dataFolder)
    {
        var changes = Ask("git", "-C", BenchPaths.Root, "status", "--porcelain", "--", "src", "bench", "tools");
        var cpu = File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim();
        var memory = File.ReadLines("/proc/meminfo").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        return new Machine(
            Ask("git", "-C", BenchPaths.Root, "rev-parse", "--short=12", "HEAD") + (changes.Length == 0 ? "" : " with uncommitted changes"),
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
