namespace Gateway.Client;

/// <summary>
/// Pings after silence, either way, and takes a node for dead that is silent for longer. No I/O, no clock. Written by the two loops of a session:
/// each field has one writer but for the ping's, and a late read delays a decision by one turn at most.
/// </summary>
/// <param name="firstMs">Silence after which the first ping leaves.</param>
/// <param name="intervalMs">Silence after which each further one does.</param>
/// <param name="timeoutMs">Further silence from the node after which it is dead.</param>
/// <param name="nowMs">Now.</param>
internal sealed class KeepAlive(long firstMs, long intervalMs, long timeoutMs, long nowMs)
{
    private const long WithoutIdleTimeoutMs = 300_000;

    private long _receivedMs = nowMs;
    private long _sentMs = nowMs;
    private long _pingedMs = nowMs;
    private long _silenceMs = firstMs;

    /// <summary>
    /// Half of the idle timeout, less up to a tenth of it, and the first time a random part of that, so that devices do not ping in step. One that is
    /// configured holds from the first on. PROTOCOL.md, "Liveness".
    /// </summary>
    public static (long FirstMs, long IntervalMs) Intervals(TimeSpan? configured, uint idleTimeoutMs, Jitter jitter)
    {
        if (configured is { } given) return (Math.Max(1, (long)given.TotalMilliseconds), Math.Max(1, (long)given.TotalMilliseconds));
        var interval = (idleTimeoutMs == 0 ? WithoutIdleTimeoutMs : idleTimeoutMs / 2) * jitter.Between(0.9, 1);
        return (Math.Max(1, (long)(interval * jitter.Between(0, 1))), Math.Max(1, (long)interval));
    }

    /// <summary>When a ping is due.</summary>
    public long DueMs =>
        Math.Max(Volatile.Read(ref _pingedMs), Math.Min(Volatile.Read(ref _receivedMs), Volatile.Read(ref _sentMs))) + Volatile.Read(ref _silenceMs);

    /// <summary>When the node is dead unless something arrives before.</summary>
    public long DeadMs => Volatile.Read(ref _receivedMs) + intervalMs + timeoutMs;

    public void OnReceived(long nowMs) => Volatile.Write(ref _receivedMs, nowMs);

    public void OnSent(long nowMs) => Volatile.Write(ref _sentMs, nowMs);

    public void OnPinged(long nowMs)
    {
        Volatile.Write(ref _pingedMs, nowMs);
        Volatile.Write(ref _silenceMs, intervalMs);
    }
}
