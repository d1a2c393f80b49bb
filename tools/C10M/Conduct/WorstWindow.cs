using Gateway.Load.Measure;

namespace Gateway.Load.Conduct;

/// <summary>
/// The latency of each stretch of a measurement, so that a bad moment is not lost in a long run's percentile. A message belongs to the stretch in which its
/// double check came: one that waited for a stalled node is in the stretch after the stall. For the conductor's thread.
/// </summary>
internal sealed class WorstWindow
{
    private const long LengthUs = 5_000_000;

    private readonly List<long> _p99Us = [];
    private readonly Histogram _last = new();
    private long _startedUs;

    /// <summary>The p99 of each stretch of 5 s, in order, the last shorter or longer; 0 where nothing came.</summary>
    public IReadOnlyList<long> P99Us => _p99Us;

    /// <summary>The worst of them; null before the first has ended.</summary>
    public long? WorstP99Us => _p99Us.Count == 0 ? null : _p99Us.Max();

    public void Look(long nowUs, LoadSnapshot snapshot)
    {
        if (_startedUs == 0) _startedUs = nowUs;
        if (nowUs - _startedUs >= LengthUs) End(nowUs, snapshot);
    }

    /// <summary>Ends the stretch under way; at the end of the measurement, so that none of it is left out.</summary>
    public void End(long nowUs, LoadSnapshot snapshot)
    {
        _p99Us.Add(snapshot.DoubleCheck.Since(_last).Quantile(0.99));
        _last.Clear();
        _last.Add(snapshot.DoubleCheck);
        _startedUs = nowUs;
    }
}
