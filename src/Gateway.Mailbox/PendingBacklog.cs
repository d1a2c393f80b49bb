using System.Runtime.CompilerServices;

namespace Gateway.Mailbox;

/// <summary>
/// What is pending in one partition (or, summed, in several), by running totals. Bytes as in <see cref="MailboxState"/>; mailboxes by how much
/// they hold, receipts included.
/// </summary>
public readonly struct PendingBacklog
{
    /// <summary>Thresholds: mailboxes with at least 1, 10, 100, ... 10,000,000 entries.</summary>
    public const int Decades = 8;

    private readonly ByDecade _mailboxes;

    internal PendingBacklog(long messages, long receipts, long bytes, ReadOnlySpan<long> mailboxesByDecade)
    {
        (Messages, Receipts, Bytes) = (messages, receipts, bytes);
        mailboxesByDecade.CopyTo(_mailboxes);
    }

    public long Messages { get; private init; }

    public long Receipts { get; private init; }

    public long Bytes { get; private init; }

    /// <summary>Mailboxes that hold at least ten to this power of entries.</summary>
    /// <param name="decade">0 to <see cref="Decades"/> - 1.</param>
    public long MailboxesHolding(int decade)
    {
        long sum = 0;
        for (var i = decade; i < Decades; i++) sum += _mailboxes[i];
        return sum;
    }

    public static PendingBacklog operator +(PendingBacklog a, PendingBacklog b)
    {
        Span<long> mailboxes = stackalloc long[Decades];
        for (var i = 0; i < Decades; i++) mailboxes[i] = a._mailboxes[i] + b._mailboxes[i];
        return new PendingBacklog(a.Messages + b.Messages, a.Receipts + b.Receipts, a.Bytes + b.Bytes, mailboxes);
    }

    public static PendingBacklog Add(PendingBacklog left, PendingBacklog right) => left + right;

    /// <summary>1 to 9 entries, as nearly every mailbox holds that holds any.</summary>
    internal static bool IsInFirstDecade(long entries) => (ulong)(entries - 1) < 9;

    /// <summary>-1 for none, 0 for 1 to 9 entries, 1 for 10 to 99, and so on; everything from the last threshold up is the last.</summary>
    internal static int DecadeOf(long entries) => entries switch
    {
        < 1 => -1,
        < 10 => 0,
        < 100 => 1,
        < 1_000 => 2,
        < 10_000 => 3,
        < 100_000 => 4,
        < 1_000_000 => 5,
        < 10_000_000 => 6,
        _ => 7,
    };

    [InlineArray(Decades)]
    private struct ByDecade
    {
        private long _first;
    }
}
