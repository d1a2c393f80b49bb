namespace Gateway.PowerLoss.Load;

/// <summary>A clock that moves when told, either way.</summary>
internal sealed class SteppedTime(DateTimeOffset start) : TimeProvider
{
    private long _ticks = start.UtcTicks;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public void Step(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);
    public override DateTimeOffset GetUtcNow() => new(Volatile.Read(ref _ticks), TimeSpan.Zero);
    public override long GetTimestamp() => Volatile.Read(ref _ticks);
}
