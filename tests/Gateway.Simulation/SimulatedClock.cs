namespace Gateway.Simulation;

/// <summary>Time that moves only when told to. Monotonic milliseconds, and the wall clock that runs beside it.</summary>
public sealed class SimulatedClock
{
    /// <summary>2026-01-01, so that seconds, incarnations and sequences look like real ones.</summary>
    private const ulong StartMicros = 1_767_225_600_000_000;

    private const long StartMs = 1_000;

    private long _micros;

    public long NowMs { get; private set; } = StartMs;

    /// <summary>Microseconds since 1970.</summary>
    public ulong UnixMicros { get; private set; } = StartMicros;

    /// <summary>The monotonic clock's moment as seconds since 1970: no step of the wall clock reaches it.</summary>
    public uint SteadySeconds => (uint)((StartMicros + (ulong)_micros) / 1_000_000);

    public uint UnixSeconds => (uint)(UnixMicros / 1_000_000);

    public void Advance(long milliseconds)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(milliseconds);
        _micros += milliseconds * 1000;
        NowMs += milliseconds;
        UnixMicros += (ulong)milliseconds * 1000;
    }

    /// <summary>Moves on to a moment of the monotonic clock that lies ahead, told in microseconds since the run began.</summary>
    public void AdvanceTo(long micros)
    {
        var ahead = micros - _micros;
        ArgumentOutOfRangeException.ThrowIfNegative(ahead);
        _micros = micros;
        NowMs = StartMs + micros / 1000;
        UnixMicros += (ulong)ahead;
    }

    /// <summary>Sets the wall clock alone, back included: sequences must not follow it down.</summary>
    public void StepWall(long milliseconds) => UnixMicros = (ulong)((long)UnixMicros + milliseconds * 1000);
}
