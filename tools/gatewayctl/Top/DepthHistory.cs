using System.Text.Json.Nodes;

namespace Gateway.Ctl.Top;

/// <summary>The depths of each queue over the last minute, as this program has seen them. One thread.</summary>
internal sealed class DepthHistory
{
    public static readonly TimeSpan Span = TimeSpan.FromMinutes(1);

    private readonly Dictionary<(string Name, int Reactor), List<(TimeSpan At, long Depth)>> _depths = [];
    private double _uptimeSeconds;

    /// <param name="status">GET /status.</param>
    /// <param name="at">Monotonic.</param>
    public void Note(JsonNode status, TimeSpan at)
    {
        // Another process has another past.
        var uptime = (double)status["uptimeSeconds"]!;
        if (uptime < _uptimeSeconds) _depths.Clear();
        _uptimeSeconds = uptime;
        foreach (var queue in status["nodeQueues"]!.AsArray().Concat(status["queues"]!.AsArray()).Select(q => new QueueRow(q!)))
        {
            var depths = _depths.TryGetValue((queue.Name, queue.Reactor), out var known) ? known : _depths[(queue.Name, queue.Reactor)] = [];
            depths.RemoveAll(d => at - d.At >= Span);
            depths.Add((at, queue.Depth));
        }
    }

    /// <summary>The greatest depth in each of <paramref name="places"/> equal parts of the minute before <paramref name="at"/>, oldest first; null where there was no look.</summary>
    public IReadOnlyList<long?> Of(QueueRow queue, int places, TimeSpan at)
    {
        var shown = new long?[places];
        foreach (var (seen, depth) in _depths.GetValueOrDefault((queue.Name, queue.Reactor)) ?? [])
        {
            var place = places - 1 - (int)((at - seen) / Span * places);
            if (place >= 0 && place < places) shown[place] = Math.Max(shown[place] ?? 0, depth);
        }

        // Looks may be further apart than places: between two of them the depth was what it was.
        for (var i = 1; i < places; i++)
        {
            if (shown[i] is null && Array.Exists(shown[i..], s => s is not null)) shown[i] = shown[i - 1];
        }

        return shown;
    }
}
