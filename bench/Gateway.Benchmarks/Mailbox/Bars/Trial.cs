using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>
/// One thing that bars ask for: prepared once, measured in each round, disposed of with what it keeps below its folder. All of it on one thread.
/// In a round its sides are measured one after another, beginning with another one each round.
/// </summary>
internal abstract class Trial : IDisposable
{
    /// <summary>As <c>--only</c> takes it.</summary>
    public abstract string Name { get; }

    /// <summary>What is measured against what, for the reader of a report. Markdown.</summary>
    public abstract string What { get; }

    /// <summary>Rounds that tell no more than these; what they take is not worth the rest.</summary>
    public virtual int MostRounds => int.MaxValue;

    /// <param name="folder">Its own and empty, on the disk in question.</param>
    /// <param name="settings">Of the run.</param>
    /// <exception cref="MeasuringException">It cannot.</exception>
    public abstract void Prepare(string folder, MailboxSettings settings);

    /// <param name="round">From 1 on.</param>
    /// <param name="into">Takes what was measured.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="MeasuringException">Something did not add up.</exception>
    public abstract void Measure(int round, Readings into, CancellationToken stop);

    public virtual void Dispose() => GC.SuppressFinalize(this);

    /// <summary>All of them, new, in the order of the bars.</summary>
    public static IReadOnlyList<Trial> All() =>
    [
        new PairTrial(), new ProcessorTrial(), new OneWaiterTrial(), new WaitersTrial(), new PagingTrial(), new IndexTrial(), new RecoveryTrial(), new CompactionTrial(),
        new BacklogTrial(),
    ];

    /// <summary>The sides' turns, in this round's order.</summary>
    protected static void TakeTurns(int round, params ReadOnlySpan<Action> sides)
    {
        for (var i = 0; i < sides.Length; i++) sides[(i + round - 1) % sides.Length]();
    }
}
