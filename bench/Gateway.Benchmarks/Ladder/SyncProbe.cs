using System.Diagnostics;
using System.Runtime.InteropServices;
using Gateway.Benchmarks.Reports;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Benchmarks.Ladder;

/// <summary>
/// What the disk takes for one commit: a write of so many bytes into a file whose blocks exist already, as the log's segments do, and
/// fdatasync. The floor below which no durable answer can lie.
/// </summary>
internal static partial class SyncProbe
{
    private const int Syncs = 300;
    private const int FileBytes = 64 << 20;
    private const int SectorBytes = 512;

    /// <summary>Median and 99th percentile, µs.</summary>
    /// <param name="folder">On the disk in question.</param>
    /// <param name="bytes">Of each write; rounded up to sectors.</param>
    public static (double Median, double P99) Run(string folder, int bytes)
    {
        var path = Path.Combine(folder, "sync-probe");
        var block = new byte[Math.Clamp((bytes + SectorBytes - 1) / SectorBytes * SectorBytes, SectorBytes, FileBytes / Syncs)];
        Random.Shared.NextBytes(block);
        var times = new double[Syncs];
        try
        {
            using var file = File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite, preallocationSize: FileBytes);
            // Written once, so that what is timed neither allocates blocks nor grows the file.
            var zeros = new byte[1 << 20];
            for (var at = 0; at < FileBytes; at += zeros.Length) RandomAccess.Write(file, zeros, at);
            RandomAccess.FlushToDisk(file);
            for (var i = 0; i < Syncs; i++)
            {
                var begun = Stopwatch.GetTimestamp();
                RandomAccess.Write(file, block, (long)i * block.Length);
                if (SyncData(file) != 0) throw new MeasuringException($"fdatasync failed with errno {Marshal.GetLastPInvokeError()}");
                times[i] = Stopwatch.GetElapsedTime(begun).TotalMicroseconds;
            }
        }
        finally
        {
            File.Delete(path);
        }

        Array.Sort(times);
        return (Statistics.Median(times), times[Syncs * 99 / 100]);
    }

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    private static partial int SyncData(SafeFileHandle file);
}
