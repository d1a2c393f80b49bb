using Gateway.Protocol;

namespace Gateway.Server;

/// <summary>
/// What became of mailbox entries and what is pending, by running totals: cheap at any time, each value right by itself, the set not of one
/// instant. The ledger (<see cref="INode.GetLedgerAsync"/>) is the exact account. Totals of entries are since the log was made.
/// </summary>
public sealed record MailboxCounters
{
    /// <summary>Reasons of rejections that are told apart: a device's 0 to 15, and in the last place all others.</summary>
    public const int RejectionReasons = Mailbox.MailboxPartition.RejectionReasons;

    public static MailboxCounters None { get; } = new();

    public LedgerTotals Messages { get; init; }
    public LedgerTotals Receipts { get; init; }

    /// <summary>Bytes of log that pending entries take, receipts included.</summary>
    public long PendingBytes { get; init; }

    /// <summary>Mailboxes that hold at least 1, 10, 100, ... entries, receipts included.</summary>
    public IReadOnlyList<long> MailboxesHolding { get; init; } = new long[Mailbox.PendingBacklog.Decades];

    /// <summary>Messages rejected, by the device's reason.</summary>
    public IReadOnlyList<long> Rejected { get; init; } = new long[RejectionReasons];

    /// <summary>Sends refused since the process started, by reason.</summary>
    public IReadOnlyDictionary<RefusalReason, long> Refused { get; init; } = new Dictionary<RefusalReason, long>();

    /// <summary>Gauge: memory of the index of what is pending.</summary>
    public long IndexBytes { get; init; }
}
