namespace Gateway.Client;

/// <summary>How long to wait before the next attempt: doubling, capped, with half of it jitter, so that devices which lost one node do not return together.</summary>
internal sealed class ReconnectBackoff(TimeSpan min, TimeSpan max, TimeSpan stableAfter, Jitter jitter)
{
    private int _failures;

    /// <summary>Attempts in a row that led to no lasting session.</summary>
    public int Failures => _failures;

    /// <summary>A session ended. One that lasted ends the row of failures.</summary>
    public void OnSessionEnded(TimeSpan lived)
    {
        if (lived >= stableAfter) _failures = 0;
    }

    /// <summary>The pause before the next attempt. A hint of the node, which has spread it already, is obeyed where it is longer.</summary>
    public TimeSpan Next(TimeSpan? hint = null)
    {
        var ceiling = Math.Min(max.TotalMilliseconds, min.TotalMilliseconds * Math.Pow(2, Math.Min(_failures, 40)));
        _failures++;
        var pause = TimeSpan.FromMilliseconds(jitter.Between(ceiling / 2, ceiling));
        // The node's hint is for a first return; after it, a node that still turns the device away gets the growing pause.
        if (hint is not { } h) return pause;
        return _failures == 1 || h > pause ? h : pause;
    }
}
