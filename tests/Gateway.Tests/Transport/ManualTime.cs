namespace Gateway.Tests.Transport;

/// <summary>A clock that stands until it is moved. Reactors look at it at least every tick of real time.</summary>
internal sealed class ManualTime : TimeProvider
{
    private long _ms;

    public override long TimestampFrequency => 1000;

    public override long GetTimestamp() => Interlocked.Read(ref _ms);

    public void Advance(int ms) => Interlocked.Add(ref _ms, ms);
}
