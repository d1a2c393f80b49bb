namespace Gateway.Load.Measure;

/// <summary>
/// Microseconds of the machine's monotonic clock. It has one origin for all processes of a machine (CLOCK_MONOTONIC), so that the
/// stamps of several load processes can be compared. Any thread; never 0, so that 0 can mean "none".
/// </summary>
internal sealed class MonotonicTime(TimeProvider time)
{
    private readonly long _ticksPerSecond = time.TimestampFrequency;

    public long NowUs()
    {
        var ticks = time.GetTimestamp();
        return _ticksPerSecond == 1_000_000_000 ? ticks / 1000 + 1 : (long)((Int128)ticks * 1_000_000 / _ticksPerSecond) + 1;
    }
}
