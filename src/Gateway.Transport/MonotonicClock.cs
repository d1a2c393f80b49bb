namespace Gateway.Transport;

/// <summary>Milliseconds and ticks since the group was made, the same for all its reactors. Starts at 1 ms, so that 0 can mean never.</summary>
internal sealed class MonotonicClock(TimeProvider time, int tickMs)
{
    private readonly long _start = time.GetTimestamp();
    private readonly long _frequency = time.TimestampFrequency;

    public int TickMs => tickMs;

    public long NowUs()
    {
        // Whole seconds apart, so that nothing overflows within any uptime.
        var (seconds, rest) = Math.DivRem(time.GetTimestamp() - _start, _frequency);
        return 1000 + seconds * 1_000_000 + rest * 1_000_000 / _frequency;
    }

    /// <summary>The tick that a time in milliseconds lies in.</summary>
    public uint TickOf(long ms) => (uint)(ms / tickMs);

    /// <summary>Ticks to wait so that at least <paramref name="ms"/> pass, wherever in the current tick now lies.</summary>
    public uint TicksFor(long ms) => (uint)((ms + tickMs - 1) / tickMs + 1);
}
