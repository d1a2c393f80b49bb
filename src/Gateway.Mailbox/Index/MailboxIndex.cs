using System.Numerics;

namespace Gateway.Mailbox.Index;

/// <summary>Entries that left a mailbox together; bytes of log.</summary>
internal readonly record struct RemovedEntries(long Messages, long Receipts, long Bytes)
{
    public static RemovedEntries operator +(RemovedEntries a, RemovedEntries b) => new(a.Messages + b.Messages, a.Receipts + b.Receipts, a.Bytes + b.Bytes);
}

internal enum AddResult : byte
{
    Added,
    /// <summary>This very sequence is pending already; nothing changed.</summary>
    Duplicate,
    /// <summary>The sequence is below the mailbox's last and not pending; nothing changed.</summary>
    OutOfOrder,
}

/// <summary>
/// What is pending in one partition's mailboxes, in sequence order, in native memory. The partition's owner thread only (recovery before that).
/// Invariant: a mailbox has a slot exactly while something of it is pending; a slot with one entry holds it inline, one with more holds a
/// chain of chunks none of which is empty, and its counts are the sums over them.
/// </summary>
internal sealed unsafe partial class MailboxIndex(ulong seed) : IDisposable
{
    private readonly SlotTable _slots = new(seed);
    private readonly ChunkSlab _chunks = new();
    private long _liveBytes;

    /// <summary>Running totals for whoever watches; null when nobody does. Set before the first entry.</summary>
    public Backlog? Backlog { get; init; }

    public long Mailboxes => _slots.Count;

    /// <summary>Memory held for slots and chunks, in use or not.</summary>
    public long MemoryBytes => _slots.Bytes + _chunks.Bytes;

    /// <summary>Bytes of log that pending entries' records take. Any thread.</summary>
    public long LiveBytes => Volatile.Read(ref _liveBytes);

    public AddResult Add(ulong mailbox, IndexEntry entry)
    {
        var slot = _slots.Find(mailbox);
        if (slot is null)
        {
            slot = _slots.Add(mailbox);
            // SAFETY: slot pointers hold until the table changes; the table does not change below, here and in the methods that follow.
            slot->SetSingle(entry);
            Backlog?.Resize(mailbox, 0, 1);
        }
        else
        {
            var last = Last(slot);
            if (entry.Sequence <= last.Sequence) return Contains(slot, entry.Sequence) ? AddResult.Duplicate : AddResult.OutOfOrder;
            Append(slot, entry);
            Backlog?.Resize(mailbox, slot->Entries - 1, slot->Entries);
        }

        CountLive(entry, 1);
        return AddResult.Added;
    }

    /// <summary>Takes out every entry with a sequence up to this one, but for those that have expired.</summary>
    public RemovedEntries AckUpTo(ulong mailbox, ulong sequence)
    {
        var slot = _slots.Find(mailbox);
        if (slot is null) return default;
        if (!slot->HasMany)
        {
            var single = slot->Single;
            if (single.Sequence > sequence || single.HasExpired) return default;
            CountLive(single, -1);
            _slots.Remove(mailbox);
            Backlog?.Resize(mailbox, 1, 0);
            return Removed(single);
        }

        var (first, last) = (slot->FirstChunk, slot->LastChunk);
        RemovedEntries removed = default;
        uint previous = 0;
        for (var at = first; at != 0;)
        {
            var chunk = _chunks[at];
            if (ChunkSlab.Entries(chunk)[chunk->Start].Sequence > sequence) break;
            TakeUpTo(chunk, sequence, ref removed);
            var next = chunk->Next;
            if (chunk->Count > 0) previous = at;
            else Unchain(at, previous, ref first, ref last);
            at = next;
        }

        Settle(mailbox, slot, first, last, slot->Entries - removed.Messages - removed.Receipts, slot->Bytes - removed.Bytes);
        return removed;
    }

    /// <summary>Takes out one entry, wherever it lies.</summary>
    public RemovedEntries Remove(ulong mailbox, ulong sequence)
    {
        var slot = _slots.Find(mailbox);
        if (slot is null) return default;
        if (!slot->HasMany)
        {
            var single = slot->Single;
            if (single.Sequence != sequence) return default;
            CountLive(single, -1);
            _slots.Remove(mailbox);
            Backlog?.Resize(mailbox, 1, 0);
            return Removed(single);
        }

        var (first, last) = (slot->FirstChunk, slot->LastChunk);
        uint previous = 0;
        var at = ChunkHolding(first, sequence, ref previous);
        if (at == 0) return default;
        var chunk = _chunks[at];
        var list = ChunkSlab.Entries(chunk);
        var position = FirstAbove(chunk, sequence - 1);
        if (position == chunk->Start + chunk->Count || list[position].Sequence != sequence) return default;
        var entry = list[position];
        CountLive(entry, -1);
        for (var i = position + 1; i < chunk->Start + chunk->Count; i++) list[i - 1] = list[i];
        chunk->Count--;
        if (chunk->Count == 0) Unchain(at, previous, ref first, ref last);
        Settle(mailbox, slot, first, last, slot->Entries - 1, slot->Bytes - entry.Bytes);
        return Removed(entry);
    }

    public bool Contains(ulong mailbox, ulong sequence)
    {
        var slot = _slots.Find(mailbox);
        return slot is not null && Contains(slot, sequence);
    }

    /// <summary>Lists mailboxes from a place on, as <see cref="SlotTable.Next"/> finds them; fewer than asked for: there are no more.</summary>
    public int List(ref int table, ref int slot, Span<ulong> into)
    {
        var found = 0;
        while (found < into.Length && _slots.Next(ref table, ref slot) is var next && next is not null) into[found++] = next->Mailbox;
        return found;
    }

    public MailboxState State(ulong mailbox)
    {
        var slot = _slots.Find(mailbox);
        if (slot is null) return default;
        if (!slot->HasMany)
        {
            var single = slot->Single;
            return new MailboxState(1, single.Bytes, single.Sequence, single.Sequence);
        }

        var chunk = _chunks[slot->FirstChunk];
        return new MailboxState(slot->Entries, slot->Bytes, ChunkSlab.Entries(chunk)[chunk->Start].Sequence, Last(slot).Sequence);
    }

    /// <summary>
    /// Copies entries above <paramref name="afterSequence"/>, those that have expired or all others, in order while their records end at or before <paramref name="committed"/>
    /// and fit <paramref name="maxBytes"/> together; the first may exceed it if it fits <paramref name="maxFirstBytes"/>. Returns how many.
    /// </summary>
    public int Collect(ulong mailbox, ulong afterSequence, long committed, long maxBytes, long maxFirstBytes, Span<IndexEntry> into, bool expired = false)
    {
        var slot = _slots.Find(mailbox);
        if (slot is null || into.IsEmpty) return 0;
        var taken = 0;
        long bytes = 0;
        if (!slot->HasMany)
        {
            var single = slot->Single;
            return single.Sequence > afterSequence && single.HasExpired == expired && Fits(single) ? Take(single, into) : 0;
        }

        for (var at = slot->FirstChunk; at != 0; at = _chunks[at]->Next)
        {
            var chunk = _chunks[at];
            var list = ChunkSlab.Entries(chunk);
            var end = chunk->Start + chunk->Count;
            if (list[end - 1].Sequence <= afterSequence) continue;
            for (var i = FirstAbove(chunk, afterSequence); i < end; i++)
            {
                if (list[i].HasExpired != expired) continue;
                if (taken == into.Length || !Fits(list[i])) return taken;
                Take(list[i], into);
            }
        }

        return taken;

        bool Fits(IndexEntry entry) =>
            entry.Address + entry.Bytes <= committed && (bytes + entry.Bytes <= maxBytes || (taken == 0 && entry.Bytes <= maxFirstBytes));

        int Take(IndexEntry entry, Span<IndexEntry> to)
        {
            bytes += entry.Bytes;
            to[taken] = entry;
            return ++taken;
        }
    }

    /// <summary>By walking every entry, not from any running total.</summary>
    public PendingCount CountPending()
    {
        long messages = 0, receipts = 0, bytes = 0, mailboxes = 0;
        foreach (var slot in _slots)
        {
            mailboxes++;
            if (!slot->HasMany)
            {
                Count(slot->Single);
                continue;
            }

            for (var at = slot->FirstChunk; at != 0; at = _chunks[at]->Next)
            {
                var chunk = _chunks[at];
                for (var i = chunk->Start; i < chunk->Start + chunk->Count; i++) Count(ChunkSlab.Entries(chunk)[i]);
            }
        }

        return new PendingCount(messages, receipts, bytes, mailboxes);

        void Count(IndexEntry entry)
        {
            bytes += entry.Bytes;
            if (entry.IsReceipt) receipts++;
            else messages++;
        }
    }

    /// <summary>Checks the type's invariant; for tests.</summary>
    /// <exception cref="LogFailedException">It does not hold.</exception>
    public void CheckInvariant()
    {
        foreach (var slot in _slots)
        {
            if (!slot->HasMany) continue;
            long entries = 0, bytes = 0;
            ulong sequence = 0;
            uint last = 0;
            for (var at = slot->FirstChunk; at != 0; at = _chunks[at]->Next)
            {
                var chunk = _chunks[at];
                Require(chunk->Count > 0, "an empty chunk is chained");
                Require(chunk->Start + chunk->Count <= ChunkSlab.Capacity(chunk->Class), "a chunk holds more than its capacity");
                for (var i = chunk->Start; i < chunk->Start + chunk->Count; i++)
                {
                    var entry = ChunkSlab.Entries(chunk)[i];
                    Require(entry.Sequence > sequence, "sequences do not rise");
                    (sequence, entries, bytes) = (entry.Sequence, entries + 1, bytes + entry.Bytes);
                }

                last = at;
            }

            Require(entries > 1 && entries == slot->Entries && bytes == slot->Bytes && last == slot->LastChunk, "a slot's counts are not its chunks'");
        }

        static void Require(bool holds, string what)
        {
            if (!holds) throw new LogFailedException($"Mailbox index: {what}.");
        }
    }

    public void Dispose()
    {
        _slots.Dispose();
        _chunks.Dispose();
    }

    /// <summary>Takes out of a chunk what is up to a sequence and has not expired; its count may become 0.</summary>
    private void TakeUpTo(ChunkHeader* chunk, ulong sequence, ref RemovedEntries removed)
    {
        var list = ChunkSlab.Entries(chunk);
        var end = FirstAbove(chunk, sequence);
        var kept = end;
        for (var i = end - 1; i >= chunk->Start; i--)
        {
            if (list[i].HasExpired)
            {
                list[--kept] = list[i];
                continue;
            }

            CountLive(list[i], -1);
            removed += Removed(list[i]);
        }

        chunk->Count -= (ushort)(kept - chunk->Start);
        chunk->Start = (ushort)kept;
    }

    /// <summary>Frees an empty chunk and takes it out of its chain.</summary>
    private void Unchain(uint chunk, uint previous, ref uint first, ref uint last)
    {
        var next = _chunks[chunk]->Next;
        if (previous == 0) first = next;
        else _chunks[previous]->Next = next;
        if (last == chunk) last = previous;
        _chunks.Free(chunk);
    }

    private static RemovedEntries Removed(IndexEntry entry) => new(entry.IsReceipt ? 0 : 1, entry.IsReceipt ? 1 : 0, entry.Bytes);

    private IndexEntry Last(MailboxSlot* slot)
    {
        if (!slot->HasMany) return slot->Single;
        var chunk = _chunks[slot->LastChunk];
        return ChunkSlab.Entries(chunk)[chunk->Start + chunk->Count - 1];
    }

    private void Append(MailboxSlot* slot, IndexEntry entry)
    {
        if (!slot->HasMany)
        {
            var single = slot->Single;
            var first = _chunks.Allocate(0);
            var head = _chunks[first];
            ChunkSlab.Entries(head)[0] = single;
            ChunkSlab.Entries(head)[1] = entry;
            head->Count = 2;
            slot->SetMany(first, first, 2, (long)single.Bytes + entry.Bytes);
            return;
        }

        var last = slot->LastChunk;
        var chunk = _chunks[last];
        if (chunk->Start + chunk->Count == ChunkSlab.Capacity(chunk->Class))
        {
            // A third more: a quarter of a chain is air at most, and chains stay short.
            var added = _chunks.Allocate(ClassFor(slot->Entries / 3));
            chunk->Next = added;
            last = added;
            chunk = _chunks[last];
        }

        ChunkSlab.Entries(chunk)[chunk->Start + chunk->Count++] = entry;
        slot->SetMany(slot->FirstChunk, last, slot->Entries + 1, slot->Bytes + entry.Bytes);
    }

    /// <summary>After a removal: frees, goes back inline, or repacks a chain that has become mostly air.</summary>
    private void Settle(ulong mailbox, MailboxSlot* slot, uint first, uint last, long entries, long bytes)
    {
        Backlog?.Resize(mailbox, slot->Entries, entries);
        if (entries == 0)
        {
            _slots.Remove(mailbox);
            return;
        }

        if (entries == 1)
        {
            var chunk = _chunks[first];
            slot->SetSingle(ChunkSlab.Entries(chunk)[chunk->Start]);
            _chunks.Free(first);
            return;
        }

        slot->SetMany(first, last, entries, bytes);

        // Only short chains can be mostly air: every chunk between the first and the last is as full as removals from its middle left it.
        if (_chunks[first]->Next == last || first == last)
        {
            var capacity = ChunkSlab.Capacity(_chunks[first]->Class) + (first == last ? 0 : ChunkSlab.Capacity(_chunks[last]->Class));
            if (capacity > 8 && entries * 4 <= capacity) Repack(slot);
        }
    }

    private void Repack(MailboxSlot* slot)
    {
        var packed = _chunks.Allocate(ClassFor(slot->Entries));
        var target = _chunks[packed];
        for (var at = slot->FirstChunk; at != 0;)
        {
            var chunk = _chunks[at];
            for (var i = chunk->Start; i < chunk->Start + chunk->Count; i++) ChunkSlab.Entries(target)[target->Count++] = ChunkSlab.Entries(chunk)[i];
            var next = chunk->Next;
            _chunks.Free(at);
            at = next;
        }

        slot->SetMany(packed, packed, slot->Entries, slot->Bytes);
    }

    /// <summary>The smallest class of chunk for this many entries.</summary>
    private static int ClassFor(long entries) => Math.Clamp(BitOperations.Log2((ulong)entries | 2) - 1, 0, ChunkSlab.Classes - 1);

    private bool Contains(MailboxSlot* slot, ulong sequence)
    {
        return slot->HasMany ? Locate(slot, sequence) is not null : slot->Single.Sequence == sequence;
    }

    /// <summary>The first chunk whose last sequence reaches this one, 0 when none does; and the chunk before it.</summary>
    private uint ChunkHolding(uint first, ulong sequence, ref uint previous)
    {
        for (var at = first; at != 0; previous = at, at = _chunks[at]->Next)
        {
            var chunk = _chunks[at];
            if (ChunkSlab.Entries(chunk)[chunk->Start + chunk->Count - 1].Sequence >= sequence) return at;
        }

        return 0;
    }

    /// <summary>Index in the chunk of the first entry above a sequence, by halving.</summary>
    private static int FirstAbove(ChunkHeader* chunk, ulong sequence)
    {
        var list = ChunkSlab.Entries(chunk);
        int low = chunk->Start, high = chunk->Start + chunk->Count;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (list[middle].Sequence > sequence) high = middle;
            else low = middle + 1;
        }

        return low;
    }

    private void CountLive(IndexEntry entry, int sign)
    {
        Volatile.Write(ref _liveBytes, _liveBytes + (long)sign * entry.Bytes);
        if (sign > 0) Backlog?.Enter(entry);
        else Backlog?.Leave(entry);
    }
}
