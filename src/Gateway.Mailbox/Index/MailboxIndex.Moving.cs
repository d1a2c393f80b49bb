namespace Gateway.Mailbox.Index;

/// <summary>What compaction and its recovery need: entries keep their sequence and change their address.</summary>
internal sealed unsafe partial class MailboxIndex
{
    /// <summary>What <see cref="AckUpTo"/> would take out.</summary>
    public RemovedEntries CountUpTo(ulong mailbox, ulong sequence)
    {
        var slot = _slots.Find(mailbox);
        if (slot is null) return default;
        if (!slot->HasMany) return slot->Single.Sequence > sequence || slot->Single.HasExpired ? default : Removed(slot->Single);
        RemovedEntries counted = default;
        for (var at = slot->FirstChunk; at != 0; at = _chunks[at]->Next)
        {
            var chunk = _chunks[at];
            // SAFETY: here and below, a chunk in a slot's chain lives until the index changes.
            var list = ChunkSlab.Entries(chunk);
            for (var i = chunk->Start; i < chunk->Start + chunk->Count; i++)
            {
                if (list[i].Sequence > sequence) return counted;
                if (!list[i].HasExpired) counted += Removed(list[i]);
            }
        }

        return counted;
    }

    /// <summary>The pending entry of this sequence; false when there is none.</summary>
    public bool TryGet(ulong mailbox, ulong sequence, out IndexEntry entry)
    {
        entry = default;
        var slot = _slots.Find(mailbox);
        if (slot is null) return false;
        if (!slot->HasMany)
        {
            entry = slot->Single;
            return entry.Sequence == sequence;
        }

        var found = Locate(slot, sequence);
        if (found is null) return false;
        entry = *found;
        return true;
    }

    /// <summary>Says where the entry's record lies from now on. False when the entry is not pending.</summary>
    public bool Relocate(ulong mailbox, ulong sequence, long address)
    {
        var slot = _slots.Find(mailbox);
        if (slot is null) return false;
        if (!slot->HasMany)
        {
            if (slot->Single.Sequence != sequence) return false;
            slot->SetSingle(slot->Single.At(address));
            return true;
        }

        var found = Locate(slot, sequence);
        if (found is null) return false;
        *found = found->At(address);
        return true;
    }

    /// <summary>
    /// Recovery: puts entries back among those of a mailbox that are pending, wherever their sequences belong. None of them is pending yet.
    /// </summary>
    public void Restore(ulong mailbox, IReadOnlyCollection<IndexEntry> entries)
    {
        var slot = _slots.Find(mailbox);
        var all = new List<IndexEntry>(entries);
        var before = 0L;
        if (slot is not null)
        {
            before = slot->HasMany ? slot->Entries : 1;
            TakeOut(slot, all);
            _slots.Remove(mailbox);
        }

        all.Sort(static (a, b) => a.Sequence.CompareTo(b.Sequence));
        slot = _slots.Add(mailbox);
        slot->SetSingle(all[0]);
        for (var i = 1; i < all.Count; i++) Append(slot, all[i]);
        Backlog?.Resize(mailbox, before, all.Count);
        foreach (var entry in entries) CountLive(entry, 1);
    }

    private void TakeOut(MailboxSlot* slot, List<IndexEntry> into)
    {
        if (!slot->HasMany)
        {
            into.Add(slot->Single);
            return;
        }

        for (var at = slot->FirstChunk; at != 0;)
        {
            var chunk = _chunks[at];
            for (var i = chunk->Start; i < chunk->Start + chunk->Count; i++) into.Add(ChunkSlab.Entries(chunk)[i]);
            var next = chunk->Next;
            _chunks.Free(at);
            at = next;
        }
    }

    private IndexEntry* Locate(MailboxSlot* slot, ulong sequence)
    {
        uint previous = 0;
        var at = ChunkHolding(slot->FirstChunk, sequence, ref previous);
        if (at == 0) return null;
        var chunk = _chunks[at];
        var position = FirstAbove(chunk, sequence - 1);
        if (position == chunk->Start + chunk->Count) return null;
        var entry = ChunkSlab.Entries(chunk) + position;
        return entry->Sequence == sequence ? entry : null;
    }
}
