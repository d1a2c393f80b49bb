namespace Gateway.Messaging;

/// <summary>
/// The time by which entries expire (rule 10). It is never ahead of the wall clock and never runs faster than the monotonic one; a sequence is never
/// behind the wall clock at which it was given out; so an entry whose life is counted from its sequence has really had it, whatever the wall clock
/// was set to meanwhile. Only a start takes the wall clock's word for what has passed. There, and when it runs away, a wall clock that is further
/// ahead than <paramref name="maxJumpSeconds"/> suspends expiry until an operator says that it is right: a machine that starts in the wrong year
/// must not throw away what everybody's devices are waiting for. Owned by its home.
/// </summary>
public sealed class ExpiryClock(uint maxJumpSeconds)
{
    /// <summary>When the node ran last, ms since 1970; 0 once the start has been found in order, or if it never ran.</summary>
    private long _lastKnownMs;

    /// <summary>What this clock said, and the monotonic one with it; null at the start and when an operator has said that the wall clock is right.</summary>
    private (long UnixMs, long MonotonicMs)? _said;

    /// <summary>Nothing expires.</summary>
    public bool IsSuspended { get; private set; }

    /// <summary>Seconds since 1970; 0 while suspended: at that time nothing has expired.</summary>
    public uint NowSeconds { get; private set; }

    /// <summary>Before the first time is told: when the node ran last (seconds since 1970, 0: never), and whether expiry was suspended then.</summary>
    public void Restore(uint lastKnownSeconds, bool isSuspended) => (_lastKnownMs, IsSuspended) = (lastKnownSeconds * 1000L, isSuspended);

    /// <summary>Tells the time. False: the wall clock has just turned out to be too far ahead of <paramref name="expected"/>.</summary>
    /// <param name="nowMs">Monotonic.</param>
    /// <param name="unixMicros">The wall clock, since 1970.</param>
    /// <param name="expected">What it should say at the latest, seconds since 1970.</param>
    public bool SetTime(long nowMs, ulong unixMicros, out uint expected)
    {
        var wallMs = (long)(unixMicros / 1000);
        var latestMs = _said is { } said ? said.UnixMs + nowMs - said.MonotonicMs : wallMs;
        var expectedMs = _lastKnownMs != 0 ? _lastKnownMs : latestMs;
        var isBelieved = wallMs <= expectedMs + maxJumpSeconds * 1000L;
        if (isBelieved) _lastKnownMs = 0;
        var suspends = !isBelieved && !IsSuspended;
        IsSuspended |= suspends;
        _said = (Math.Min(wallMs, latestMs), nowMs);
        NowSeconds = IsSuspended ? 0 : (uint)(_said.Value.UnixMs / 1000);
        expected = (uint)(expectedMs / 1000);
        return !suspends;
    }

    /// <summary>An operator says that the wall clock is right.</summary>
    public void Resume() => (_lastKnownMs, _said, IsSuspended) = (0, null, false);
}
