using System.Diagnostics.CodeAnalysis;

#if QUEUES_OF_TRANSPORT
namespace Gateway.Transport.Pools;
#else
namespace Gateway.Messaging.Pools;
#endif

/// <summary>
/// Has the pools and queues of one owner give back what a burst took, a bounded number of pieces at a time. Owned by their thread.
/// </summary>
/// <param name="intervalMs">What was not needed for this long, or up to twice as long, goes.</param>
[SuppressMessage("Performance", "CA1812", Justification = "Compiled into several parts.")]
internal sealed class Housekeeping(long intervalMs)
{
    private const int PiecesPerRun = 16;

    private readonly List<IElastic> _kept = [];
    private long _rolledAtMs = long.MinValue;
    private int _next;

    public void Add(params ReadOnlySpan<IElastic> elastics)
    {
        foreach (var elastic in elastics) _kept.Add(elastic);
    }

    /// <summary>Owner, every so often: a share of the work that there is.</summary>
    public void Run(long nowMs)
    {
        if (_rolledAtMs == long.MinValue) _rolledAtMs = nowMs;
        if (nowMs - _rolledAtMs >= intervalMs)
        {
            _rolledAtMs = nowMs;
            foreach (var elastic in _kept) elastic.Roll();
        }

        var pieces = 0;
        for (var looked = 0; looked < _kept.Count && pieces < PiecesPerRun; looked++)
        {
            if (_next >= _kept.Count) _next = 0;
            while (pieces < PiecesPerRun && _kept[_next].GiveBack()) pieces++;
            // Where the share ended there may be more: the next run begins there.
            if (pieces < PiecesPerRun) _next++;
        }
    }
}
