namespace Gateway.Client;

/// <summary>
/// How long to wait before the next attempt, always with chance in it, so that the devices which lost one node do not return together.
/// PROTOCOL.md, "Reconnecting" and "GoAway". One loop's own.
/// </summary>
internal sealed class ReconnectBackoff(GatewayClientOptions options, Jitter jitter)
{
    private const int MaxDoublings = 30;

    private int _attempts;

    /// <summary>A session ended. One that held for long enough ends the row of attempts.</summary>
    public void OnSessionEnded(TimeSpan lived)
    {
        if (lived >= options.StableAfter) _attempts = 0;
    }

    /// <summary>Between 0 and min × 2^n, at most max, where n counts the attempts since a session last held.</summary>
    public TimeSpan Next()
    {
        var ceiling = Math.Min(options.ReconnectMax.TotalMilliseconds, options.ReconnectMin.TotalMilliseconds * Math.Pow(2, _attempts));
        _attempts = Math.Min(_attempts + 1, MaxDoublings);
        return WholeMs(jitter.Between(0, ceiling));
    }

    /// <summary>The node's hint and up to a quarter more; a node that goes on sending the device away gets the growing pause where that is longer.</summary>
    public TimeSpan AfterHint(TimeSpan hint)
    {
        var again = _attempts != 0;
        var pause = Next();
        var hinted = WholeMs(hint.TotalMilliseconds * jitter.Between(1, 1.25));
        return again && pause > hinted ? pause : hinted;
    }

    /// <summary>Once to twice the slow pause.</summary>
    public TimeSpan Slow()
    {
        Next();
        return WholeMs(options.SlowReconnect.TotalMilliseconds * jitter.Between(1, 2));
    }

    /// <summary>Timers count in milliseconds; what is announced is what is waited for.</summary>
    private static TimeSpan WholeMs(double ms) => TimeSpan.FromMilliseconds((long)Math.Ceiling(ms));
}
