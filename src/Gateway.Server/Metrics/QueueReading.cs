namespace Gateway.Server.Metrics;

/// <summary>One queue of one reactor at one moment, whichever part it belongs to. SEAMS.md, "Queues".</summary>
/// <param name="Name">Of the queue, as metrics and <c>/status</c> show it.</param>
/// <param name="Reactor">Whose.</param>
/// <param name="Depth">Entries in it.</param>
/// <param name="Capacity">Entries it takes; 0 when it has no bound of its own.</param>
/// <param name="HighMark">The most it ever held.</param>
/// <param name="In">Entries that came in since the start.</param>
/// <param name="Out">Entries that went.</param>
/// <param name="OldestAge">How long its oldest entry has been in it; zero when it is empty.</param>
public readonly record struct QueueReading(string Name, int Reactor, long Depth, long Capacity, long HighMark, long In, long Out, TimeSpan OldestAge)
{
    internal static QueueReading Of(in QueueCounts counts, int reactor) =>
        new(counts.Name, reactor, counts.Depth, counts.Capacity, counts.HighMark, counts.In, counts.Out, counts.OldestAge);
}
