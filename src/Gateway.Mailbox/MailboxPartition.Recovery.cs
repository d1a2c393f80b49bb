using Gateway.Mailbox.Index;
using Gateway.Mailbox.Recovery;

namespace Gateway.Mailbox;

/// <summary>What recovery tells a partition, in log order, on the opening thread. The ledger is recovery's own count and comes last.</summary>
public sealed partial class MailboxPartition
{
    /// <summary>
    /// Moved entries that belong before others that are pending, by mailbox, until somebody asks: putting each in its place at once would cost
    /// a mailbox's length an entry.
    /// </summary>
    private Dictionary<ulong, Dictionary<ulong, IndexEntry>>? _displaced;

    internal AddResult RecoverEntry(ulong mailbox, IndexEntry entry) => _index.Add(mailbox, entry);

    /// <summary>The entry's record lies here as well, and perhaps nowhere else any more.</summary>
    internal void RecoverMoved(ulong mailbox, IndexEntry entry)
    {
        if (_index.Relocate(mailbox, entry.Sequence, entry.Address)) return;
        var waiting = _displaced?.GetValueOrDefault(mailbox);
        if (waiting is null && _index.State(mailbox).Last < entry.Sequence)
        {
            _index.Add(mailbox, entry);
            return;
        }

        _displaced ??= [];
        if (waiting is null) _displaced.Add(mailbox, waiting = []);
        waiting[entry.Sequence] = entry;
    }

    internal void RecoverAck(ulong mailbox, ulong sequence)
    {
        PutInPlace(mailbox);
        _index.AckUpTo(mailbox, sequence);
    }

    internal void RecoverExpiry(ulong mailbox, ulong sequence)
    {
        PutInPlace(mailbox);
        _index.Expire(mailbox, sequence);
    }

    internal void RecoverRemoval(ulong mailbox, ulong sequence)
    {
        PutInPlace(mailbox);
        _index.Remove(mailbox, sequence);
    }

    internal void EndRecovery()
    {
        foreach (var (mailbox, entries) in _displaced ?? []) _index.Restore(mailbox, entries.Values);
        _displaced = null;
    }

    /// <summary>Counts what happened before this opening.</summary>
    internal void TakeOver(LogTally totals)
    {
        (_messages, _receipts) = (new Tally(totals.Ledger.Messages), new Tally(totals.Ledger.Receipts));
        totals.RejectedByReason.CopyTo(_rejectedByReason);
    }

    private void PutInPlace(ulong mailbox)
    {
        if (_displaced is null || !_displaced.Remove(mailbox, out var entries)) return;
        _index.Restore(mailbox, entries.Values);
    }
}
