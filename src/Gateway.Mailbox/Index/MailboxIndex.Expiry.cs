using OverdueEntry = (ulong Mailbox, ulong Sequence, bool IsRecorded);

namespace Gateway.Mailbox.Index;

/// <summary>Where a sweep over the whole index goes on. Entries that come and go meanwhile may be passed over or met twice.</summary>
internal struct SweepPosition
{
    public int Table;
    public int Slot;

    /// <summary>The mailbox within which it stopped, 0 for none, and the sequence behind which it goes on there.</summary>
    public ulong Mailbox;
    public ulong After;
}

/// <summary>
/// What expiry needs. Nothing is kept in order of expiry, which would cost a link an entry: a sweep looks at every entry once in a while, at
/// about a nanosecond each.
/// </summary>
internal sealed unsafe partial class MailboxIndex
{
    /// <summary>The entry's life is over; false when it is not pending, or that was said before.</summary>
    public bool Expire(ulong mailbox, ulong sequence)
    {
        var slot = _slots.Find(mailbox);
        if (slot is null) return false;
        if (!slot->HasMany)
        {
            var single = slot->Single;
            if (single.Sequence != sequence || single.HasExpired) return false;
            slot->SetSingle(single.Expired());
            return true;
        }

        var found = Locate(slot, sequence);
        if (found is null || found->HasExpired) return false;
        *found = found->Expired();
        return true;
    }

    /// <summary>
    /// Looks at about <paramref name="most"/> entries from the position on and lists those whose records end at or before
    /// <paramref name="through"/> and whose life is over at <paramref name="now"/>, seconds since 1970; of those whose end is recorded
    /// already, the first of a mailbox. <paramref name="ended"/>: there is nothing behind; the position is at the start again.
    /// </summary>
    public int FindOverdue(ref SweepPosition position, uint now, long through, int most, Span<OverdueEntry> into, out bool ended)
    {
        var found = 0;
        for (var looked = 0; looked < most && found < into.Length;)
        {
            var slot = position.Mailbox != 0 ? _slots.Find(position.Mailbox) : null;
            if (slot is null)
            {
                slot = _slots.Next(ref position.Table, ref position.Slot);
                if (slot is null)
                {
                    position = default;
                    ended = true;
                    return found;
                }

                (position.Mailbox, position.After) = (slot->Mailbox, 0);
            }

            if (LookAt(slot, ref position.After, now, through, most, ref looked, into, ref found)) position.Mailbox = 0;
        }

        ended = false;
        return found;
    }

    /// <summary>False: it stopped within the mailbox.</summary>
    private bool LookAt(MailboxSlot* slot, ref ulong after, uint now, long through, int most, ref int looked, Span<OverdueEntry> into, ref int found)
    {
        looked++;
        if (!slot->HasMany)
        {
            var single = slot->Single;
            if (single.IsOver(now) && single.Address + single.Bytes <= through) into[found++] = (slot->Mailbox, single.Sequence, single.HasExpired);
            return true;
        }

        var listsRecorded = true;
        for (var at = slot->FirstChunk; at != 0; at = _chunks[at]->Next)
        {
            var chunk = _chunks[at];
            // SAFETY: as above, the index does not change meanwhile.
            var list = ChunkSlab.Entries(chunk);
            var end = chunk->Start + chunk->Count;
            if (list[end - 1].Sequence <= after) continue;
            for (var i = FirstAbove(chunk, after); i < end; i++)
            {
                if (looked >= most || found == into.Length) return false;
                looked++;
                var entry = list[i];
                after = entry.Sequence;
                if (!entry.IsOver(now) || entry.Address + entry.Bytes > through || (entry.HasExpired && !listsRecorded)) continue;
                into[found++] = (slot->Mailbox, entry.Sequence, entry.HasExpired);
                listsRecorded &= !entry.HasExpired;
            }
        }

        return true;
    }
}
