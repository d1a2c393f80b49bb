using Gateway.Server.Health;
using Gateway.Server.Metrics;

namespace Gateway.Server.Operator;

/// <summary>How a queue stands, in one word for a person, the worst first.</summary>
internal enum QueueStanding
{
    /// <summary>An alert is raised for it.</summary>
    Alert = 0,
    /// <summary>It grows, and holds enough for that to matter.</summary>
    Growing = 1,
    Draining = 2,
    Steady = 3,
    /// <summary>It holds something, and nothing comes or goes.</summary>
    Resting = 4,
    /// <summary>A few entries on their way: which way it moves says nothing.</summary>
    Flowing = 5,
    Empty = 6,
}

/// <summary>Gives queues their standing and their order. Stateless.</summary>
internal static class QueueStandings
{
    /// <summary>Of fewer entries a tick's chance decides whether they grow.</summary>
    private const int Few = 100;

    /// <summary>Standing, then who takes longest to drain, then who holds the oldest and the most; what holds next to nothing by name, so that it stays in its place.</summary>
    public static IComparer<QueueBody> WorstFirst { get; } = Comparer<QueueBody>.Create((a, b) =>
        Rank(a).CompareTo(Rank(b)) is var rank and not 0 ? rank
        : Rank(a) == QueueStanding.Empty ? string.CompareOrdinal(a.Name, b.Name)
        : (b.DrainSeconds ?? double.MaxValue).CompareTo(a.DrainSeconds ?? double.MaxValue) is var drain and not 0 ? drain
        : b.OldestAgeSeconds.CompareTo(a.OldestAgeSeconds) is var age and not 0 ? age
        : b.Depth.CompareTo(a.Depth) is var depth and not 0 ? depth
        : string.CompareOrdinal(a.Name, b.Name));

    public static QueueStanding Of(QueueHealth queue, bool hasAlert) => queue.Motion switch
    {
        _ when hasAlert => QueueStanding.Alert,
        QueueMotion.Empty => QueueStanding.Empty,
        QueueMotion.AtRest => QueueStanding.Resting,
        _ when queue.Reading.Depth < Few => QueueStanding.Flowing,
        QueueMotion.Growing => QueueStanding.Growing,
        QueueMotion.Draining => QueueStanding.Draining,
        _ => QueueStanding.Steady,
    };

    /// <summary>What drains, is steady or rests differs by how long it takes, and what flows or is empty by nothing.</summary>
    private static QueueStanding Rank(QueueBody queue) => queue.Standing switch
    {
        QueueStanding.Steady or QueueStanding.Resting => QueueStanding.Draining,
        QueueStanding.Flowing => QueueStanding.Empty,
        var other => other,
    };
}

/// <summary>The queues of one name as one: a person wants to know which queue first, and of which reactor second. Stateless.</summary>
internal static class QueueSums
{
    /// <summary>Depths, capacities, totals and rates added up; the greatest age and high mark; reactor -1. Not seen while one of them was not.</summary>
    public static IEnumerable<(QueueReading Reading, QueueHealth? Seen)> Of(
        IReadOnlyList<QueueReading> queues, IReadOnlyDictionary<(string Name, int Reactor), QueueHealth> seen)
    {
        foreach (var named in queues.GroupBy(q => q.Name))
        {
            var reading = named.Aggregate((a, b) => new QueueReading(
                a.Name, -1, a.Depth + b.Depth, a.Capacity + b.Capacity, Math.Max(a.HighMark, b.HighMark), a.In + b.In, a.Out + b.Out,
                a.OldestAge > b.OldestAge ? a.OldestAge : b.OldestAge)) with { Reactor = -1 };
            var rates = named.Select(q => seen.GetValueOrDefault((q.Name, q.Reactor))).ToList();
            yield return (reading, rates.Contains(null) ? null : new QueueHealth(reading, rates.Aggregate(default(QueueRates), (sum, q) => Add(sum, q!.Rates))));
        }
    }

    private static QueueRates Add(in QueueRates a, in QueueRates b) => new(
        a.In1s + b.In1s, a.In10s + b.In10s, a.In100s + b.In100s, a.Out1s + b.Out1s, a.Out10s + b.Out10s, a.Out100s + b.Out100s);
}
