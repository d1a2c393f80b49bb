using Gateway.Messaging.Queues;

namespace Gateway.Messaging;

/// <summary>What a home tells of its queues: written by its thread in passing, read by any without a lock.</summary>
public sealed partial class Home
{
    /// <summary>The most that <see cref="TryReadSenders"/> lists.</summary>
    public const int SendersCounted = 64;

    private readonly QueueGauge? _commitGauge;
    private readonly QueueGauge? _owedGauge;
    private readonly BusiestSenders? _senders;

    /// <summary>
    /// Adds the readings of <c>commits</c> (records appended here that are not yet durable and released) and <c>receipts_owed</c> (receipts asked
    /// for and not yet durable, whose entries stay until then); nothing without <see cref="HomeOptions.MeasureQueues"/>. Any thread.
    /// </summary>
    /// <param name="nowMs">Of the clock that <see cref="SetTime"/> is told, read now.</param>
    /// <param name="into">Added to.</param>
    public void ReadQueues(long nowMs, ICollection<QueueCounts> into)
    {
        ArgumentNullException.ThrowIfNull(into);
        if (_commitGauge is null || _owedGauge is null) return;
        into.Add(_commitGauge.Read(nowMs));
        into.Add(_owedGauge.Read(nowMs));
    }

    /// <summary>
    /// Adds the devices of this home that send most, at most <see cref="SendersCounted"/>, in no order. Any thread; false when there was no quiet
    /// moment to read in, and without <see cref="HomeOptions.MeasureQueues"/>.
    /// </summary>
    /// <param name="into">Added to.</param>
    /// <param name="totals">What the shares are of, and what may be missing.</param>
    public bool TryReadSenders(ICollection<SenderShare> into, out SenderTotals totals)
    {
        ArgumentNullException.ThrowIfNull(into);
        totals = default;
        return _senders is not null && _senders.TryRead(into, out totals);
    }

    /// <summary>Whose connection it is; 0 when the session is not this connection's. Opens nothing.</summary>
    public ulong DeviceOf(ulong connection, uint session) =>
        session < _sessions.End && _sessions.TryRead(session, out var s) && s.Connection == connection ? s.Key : 0;

    private static (QueueGauge Commits, QueueGauge Owed) MakeGauges(HomeOptions options)
    {
        var unit = TimeSpan.FromMilliseconds(1);
        return (new QueueGauge("commits", options.MaxUncommitted, unit), new QueueGauge("receipts_owed", options.MaxDelivered, unit));
    }
}
