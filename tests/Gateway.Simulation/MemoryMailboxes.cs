using System.Runtime.InteropServices;
using Gateway.Messaging;

namespace Gateway.Simulation;

/// <summary>
/// An entry that is pending: where its record lies, and what is asked for without reading it. A life of 0 s is endless; it has expired when a record
/// says so.
/// </summary>
internal readonly record struct PendingEntry(ulong Sequence, long Position, int BodyBytes, bool IsReceipt, uint LifeSeconds, bool HasExpired)
{
    public bool IsOver(uint nowSeconds) => HasExpired || (LifeSeconds != 0 && Sequence / 1_000_000 + LifeSeconds < nowSeconds);
}

/// <summary>
/// What is pending in the mailboxes of one home, and what became of the rest: a fold over the home's records in log order, the same whether
/// they are appended or recovered. Owned by its log.
/// Invariant: a mailbox's entries rise in sequence, and one without entries is not kept.
/// </summary>
internal sealed class MemoryMailboxes
{
    private sealed class Mailbox
    {
        public readonly List<PendingEntry> Entries = [];
        public int Head;
        public long Bytes;

        public int Count => Entries.Count - Head;
        public ReadOnlySpan<PendingEntry> Pending => CollectionsMarshal.AsSpan(Entries)[Head..];
    }

    private readonly Dictionary<ulong, Mailbox> _mailboxes = [];
    private LedgerTotals _messages;
    private LedgerTotals _receipts;

    public long PendingBytes => _mailboxes.Values.Sum(m => m.Bytes);

    public LedgerTotals Messages => _messages with { Pending = CountPending(receipts: false) };
    public LedgerTotals Receipts => _receipts with { Pending = CountPending(receipts: true) };

    /// <exception cref="InvalidOperationException">The record does not follow from what is pending: whoever appended it is at fault.</exception>
    public void Apply(StoredRecord record, long position)
    {
        switch (record.Type)
        {
            case LogRecordType.Message:
            case LogRecordType.Receipt:
                Add(record, position);
                break;
            case LogRecordType.AckUpTo:
                for (var i = CountUpTo(record.Mailbox, record.Sequence) - 1; i >= 0; i--)
                {
                    if (!Pending(record.Mailbox)[i].HasExpired) RemoveAt(record.Mailbox, i, RemoveReason.None);
                }

                break;
            case LogRecordType.Expire:
                var over = IndexOf(record.Mailbox, record.Sequence);
                if (over < 0) break;
                ref var entry = ref CollectionsMarshal.AsSpan(_mailboxes[record.Mailbox].Entries)[_mailboxes[record.Mailbox].Head + over];
                entry = entry with { HasExpired = true };
                break;
            case LogRecordType.Remove:
                var at = IndexOf(record.Mailbox, record.Sequence);
                if (at >= 0) RemoveAt(record.Mailbox, at, (RemoveReason)record.Kind);
                break;
            case LogRecordType.Window:
            case LogRecordType.Device:
                break;
            default:
                throw new InvalidOperationException($"A record of type {record.Type} says nothing.");
        }
    }

    public bool IsEmpty => _mailboxes.Count == 0;

    /// <summary>Mailboxes that hold something.</summary>
    public IEnumerable<ulong> Numbers => _mailboxes.Keys;

    public MailboxState State(ulong mailbox)
    {
        if (!_mailboxes.TryGetValue(mailbox, out var box)) return default;
        var pending = box.Pending;
        return new MailboxState(pending.Length, box.Bytes, pending[0].Sequence, pending[^1].Sequence);
    }

    /// <summary>The pending entries of a mailbox, in order of sequence.</summary>
    public ReadOnlySpan<PendingEntry> Pending(ulong mailbox) => _mailboxes.TryGetValue(mailbox, out var box) ? box.Pending : default;

    private void Add(StoredRecord record, long position)
    {
        if (!_mailboxes.TryGetValue(record.Mailbox, out var box)) _mailboxes.Add(record.Mailbox, box = new Mailbox());
        if (box.Count != 0 && box.Entries[^1].Sequence >= record.Sequence)
            throw new InvalidOperationException($"Sequence {record.Sequence} does not rise above {box.Entries[^1].Sequence}, the last of its mailbox.");
        if (record.Previous >= record.Sequence)
            throw new InvalidOperationException($"Sequence {record.Sequence} names {record.Previous} as the one before it.");

        var isReceipt = record.Type == LogRecordType.Receipt;
        var life = record.ExpiresAt == 0 ? 0 : Math.Max(1, record.ExpiresAt - record.EnqueuedAt);
        box.Entries.Add(new PendingEntry(record.Sequence, position, record.BodyBytes, isReceipt, life, HasExpired: false));
        box.Bytes += record.BodyBytes;
        TotalsOf(isReceipt) = TotalsOf(isReceipt) with { Accepted = TotalsOf(isReceipt).Accepted + 1 };
    }

    private int CountUpTo(ulong mailbox, ulong sequence)
    {
        var pending = Pending(mailbox);
        var count = 0;
        while (count < pending.Length && pending[count].Sequence <= sequence) count++;
        return count;
    }

    private int IndexOf(ulong mailbox, ulong sequence)
    {
        var pending = Pending(mailbox);
        for (var i = 0; i < pending.Length; i++)
        {
            if (pending[i].Sequence == sequence) return i;
        }

        return -1;
    }

    private void RemoveAt(ulong mailbox, int index, RemoveReason reason)
    {
        var box = _mailboxes[mailbox];
        var entry = box.Entries[box.Head + index];
        box.Bytes -= entry.BodyBytes;
        ref var totals = ref TotalsOf(entry.IsReceipt);
        totals = reason switch
        {
            RemoveReason.None => totals with { Delivered = totals.Delivered + 1 },
            RemoveReason.Rejected => totals with { Rejected = totals.Rejected + 1 },
            RemoveReason.Expired => totals with { Expired = totals.Expired + 1 },
            RemoveReason.Discarded => totals with { Discarded = totals.Discarded + 1 },
            RemoveReason.Lost => totals with { Lost = totals.Lost + 1 },
            _ => throw new InvalidOperationException($"An entry cannot be removed for the reason {reason}."),
        };

        if (index == 0) box.Head++;
        else box.Entries.RemoveAt(box.Head + index);
        if (box.Count == 0)
        {
            _mailboxes.Remove(mailbox);
        }
        else if (box.Head > 1024)
        {
            box.Entries.RemoveRange(0, box.Head);
            box.Head = 0;
        }
    }

    private ref LedgerTotals TotalsOf(bool receipts)
    {
        if (receipts) return ref _receipts;
        return ref _messages;
    }

    private long CountPending(bool receipts)
    {
        var count = 0L;
        foreach (var box in _mailboxes.Values)
        {
            foreach (var entry in box.Pending) count += entry.IsReceipt == receipts ? 1 : 0;
        }

        return count;
    }
}
