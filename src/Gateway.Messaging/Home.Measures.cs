using Gateway.Messaging.Queues;

namespace Gateway.Messaging;

/// <summary>What a home tells of its queues: written by its thread in passing, read by any without a lock.</summary>
public sealed partial class Home
{
    private readonly QueueGauge? _commitGauge;
    private readonly QueueGauge? _owedGauge;

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

    private static (QueueGauge Commits, QueueGauge Owed) MakeGauges(HomeOptions options)
    {
        var unit = TimeSpan.FromMilliseconds(1);
        return (new QueueGauge("commits", options.MaxUncommitted, unit), new QueueGauge("receipts_owed", options.MaxDelivered, unit));
    }
}
