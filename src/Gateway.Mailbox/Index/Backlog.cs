using Gateway.Mailbox.Queues;

namespace Gateway.Mailbox.Index;

/// <summary>
/// Running totals of what is pending in one partition, kept as entries come and go, so that they can be read at any time without walking
/// the index. Written by the index's thread, read by any. Sequences are the microseconds at which they were given out, so an entry's age is
/// known without a further word for it.
/// Invariant: the totals are what a walk over the index would count; <see cref="MailboxPartition.CountPending"/> does walk, and the ledger
/// trusts only that.
/// </summary>
internal sealed class Backlog
{
    /// <summary>Ages to the millisecond at best: sequences count microseconds.</summary>
    private const int AgeShift = 10;

    private readonly QueueGauge _entries = new("mailbox_backlog", 0, TimeSpan.FromMicroseconds(1), AgeShift);
    private readonly long[] _mailboxesByDecade = new long[PendingBacklog.Decades];
    private long _messages;
    private long _receipts;
    private long _bytes;

    /// <summary>Who holds most of it.</summary>
    public DeepestMailboxes Deepest { get; } = new();

    public void Enter(IndexEntry entry)
    {
        _entries.Enter((long)entry.Sequence);
        Count(entry, 1);
    }

    public void Leave(IndexEntry entry)
    {
        _entries.Leave((long)entry.Sequence);
        Count(entry, -1);
    }

    /// <summary>A mailbox that held so many entries holds so many now.</summary>
    public void Resize(ulong mailbox, long before, long after)
    {
        if (PendingBacklog.IsInFirstDecade(before) && PendingBacklog.IsInFirstDecade(after)) return;
        Deepest.Resize(mailbox, before, after);
        var (from, to) = (PendingBacklog.DecadeOf(before), PendingBacklog.DecadeOf(after));
        if (from == to) return;
        if (from >= 0) Volatile.Write(ref _mailboxesByDecade[from], _mailboxesByDecade[from] - 1);
        if (to >= 0) Volatile.Write(ref _mailboxesByDecade[to], _mailboxesByDecade[to] + 1);
        if (to < from) Deepest.Tighten(_mailboxesByDecade);
    }

    public QueueCounts ReadQueue(long nowUs) => _entries.Read(nowUs);

    /// <summary>Any thread; each value is whole, the set is not one instant.</summary>
    public PendingBacklog Read()
    {
        Span<long> byDecade = stackalloc long[PendingBacklog.Decades];
        for (var i = 0; i < byDecade.Length; i++) byDecade[i] = Volatile.Read(ref _mailboxesByDecade[i]);
        return new PendingBacklog(Volatile.Read(ref _messages), Volatile.Read(ref _receipts), Volatile.Read(ref _bytes), byDecade);
    }

    private void Count(IndexEntry entry, int sign)
    {
        ref var entries = ref entry.IsReceipt ? ref _receipts : ref _messages;
        Volatile.Write(ref entries, entries + sign);
        Volatile.Write(ref _bytes, _bytes + (long)sign * entry.Bytes);
    }
}
