namespace Gateway.Messaging;

/// <summary>
/// How many logins a reactor takes up in a second, and when those are to come back that it sends away. A token bucket kept as the time at which
/// it will be full again (the generic cell rate algorithm, ITU-T I.371): a login is taken up while that lies less than the burst ahead. Who
/// finds none is given a moment of its own, one gap behind the one given before (virtual scheduling), so that a storm comes back at the rate and
/// not at once. How far ahead moments are given is bounded; beyond it they are spread over the later half of that time.
/// Owned by its reactor; time is an argument, in milliseconds of the reactor's clock.
/// </summary>
public sealed class LoginBucket
{
    /// <summary>Nobody is to come back at once: the wait that is asked of everybody, in milliseconds.</summary>
    public const uint ShortestWaitMs = 500;

    /// <summary>The furthest ahead that a moment is given, in milliseconds beyond <see cref="ShortestWaitMs"/>.</summary>
    public const uint LongestWaitMs = 300_000;

    private const long NsPerMs = 1_000_000;
    // The golden ratio of 2^32: its multiples, modulo that, lie as evenly as any sequence's.
    private const uint Stride = 0x9E37_79B9;

    private readonly long _gapNs;
    private readonly long _toleranceNs;
    private long _fullAtNs;
    private long _givenNs;
    private uint _spread;

    /// <param name="perSecond">Logins a second; above 0.</param>
    /// <param name="burst">Logins at once after a rest; at least 1.</param>
    public LoginBucket(double perSecond, double burst)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(perSecond);
        ArgumentOutOfRangeException.ThrowIfLessThan(burst, 1);
        _gapNs = (long)Math.Max(1, 1e9 / perSecond);
        _toleranceNs = (long)((burst - 1) * _gapNs);
    }

    /// <summary>Takes up a login; false: come back later, see <see cref="GiveMoment"/>.</summary>
    public bool TryTake(long nowMs)
    {
        var now = nowMs * NsPerMs;
        var fullAt = Math.Max(_fullAtNs, now);
        if (fullAt - now > _toleranceNs) return false;
        _fullAtNs = fullAt + _gapNs;
        return true;
    }

    /// <summary>A login that was taken up came to nothing and cost next to nothing: another may have its place.</summary>
    public void GiveBack() => _fullAtNs -= _gapNs;

    /// <summary>In how many milliseconds the next one who is sent away is to come back.</summary>
    public uint GiveMoment(long nowMs)
    {
        var now = nowMs * NsPerMs;
        _givenNs = Math.Max(_givenNs, now) + _gapNs;
        if (_givenNs - now <= LongestWaitMs * NsPerMs) return ShortestWaitMs + (uint)((_givenNs - now) / NsPerMs);
        _givenNs = now + LongestWaitMs * NsPerMs;
        _spread += Stride;
        return ShortestWaitMs + LongestWaitMs / 2 + (uint)((ulong)_spread * (LongestWaitMs / 2) >> 32);
    }
}
