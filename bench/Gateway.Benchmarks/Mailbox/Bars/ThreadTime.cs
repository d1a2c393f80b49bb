using System.Runtime.InteropServices;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>Processor time of the calling thread, user and system. Stateless.</summary>
internal static partial class ThreadTime
{
    /// <summary>CLOCK_THREAD_CPUTIME_ID of linux/time.h, on every architecture .NET runs on.</summary>
    private const int OfThread = 3;

    /// <exception cref="MeasuringException">The kernel refused.</exception>
    public static TimeSpan Now() =>
        Read(OfThread, out var time) == 0 ? new TimeSpan(time.Seconds * TimeSpan.TicksPerSecond + time.Nanoseconds / TimeSpan.NanosecondsPerTick) : throw new MeasuringException("clock_gettime failed");

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int Read(int clock, out Timespec time);

    [StructLayout(LayoutKind.Sequential)]
    private struct Timespec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
