using System.Runtime.InteropServices;
using Gateway.Load.Devices;
using Gateway.Load.Measure;
using Gateway.Transport;

namespace Gateway.Load.Conduct;

/// <summary>
/// Wakes reactors when their next message is due: the transport's tick is in milliseconds, an open loop needs better. One thread of its
/// own that sleeps at most <see cref="LongestSleepUs"/>, so that a due time which moved is seen soon.
/// </summary>
internal sealed class Pacer : IDisposable
{
    private const long LongestSleepUs = 200;
    private const long ShortestSleepUs = 20;

    private readonly IReadOnlyList<Reactor> _reactors;
    private readonly IFleet[] _fleets;
    private readonly MonotonicTime _time;
    private readonly Thread _thread;
    private volatile bool _stopping;

    public Pacer(IReadOnlyList<Reactor> reactors, IFleet[] fleets, MonotonicTime time)
    {
        _reactors = reactors;
        _fleets = fleets;
        _time = time;
        _thread = new Thread(Run) { IsBackground = true, Name = "pacer" };
        _thread.Start();
    }

    public void Dispose()
    {
        _stopping = true;
        _thread.Join();
    }

    private void Run()
    {
        while (!_stopping)
        {
            var now = _time.NowUs();
            var next = now + LongestSleepUs;
            for (var i = 0; i < _fleets.Length; i++)
            {
                var wakeAt = _fleets[i].WakeAtUs;
                if (wakeAt <= now) _reactors[i].Wake();
                else next = Math.Min(next, wakeAt);
            }

            Sleep(Math.Max(next - now, ShortestSleepUs));
        }
    }

    private static void Sleep(long us)
    {
        var time = new TimeSpec { Nanoseconds = us * 1000 };
        // An interrupted sleep only ends early.
        _ = clock_nanosleep(ClockMonotonic, 0, in time, 0);
    }

    private const int ClockMonotonic = 1;

    /// <summary>struct timespec of 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }

    [DllImport("libc")]
    private static extern int clock_nanosleep(int clock, int flags, in TimeSpec request, nint remain);
}
