using Gateway.Mailbox.Format;
using Gateway.Mailbox.Index;
using Gateway.Mailbox.Reading;
using Gateway.Mailbox.Recovery;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Inspection;

/// <summary>
/// Hands the records of a scan to recovery itself, into an index that nobody serves from, and counts them. Behind the first damage it also
/// collects what shows which entries are lost: an entry that names a predecessor that never came. One thread.
/// </summary>
internal sealed class SurveySink : IRecordSink, IRecoveryObserver, IDisposable
{
    private readonly SegmentStore _segments;
    private readonly MailboxIndex _index;
    private readonly MailboxPartition _partition;
    private readonly LogProgress? _progress;
    private readonly SortedDictionary<RecordType, (long Records, long Bytes)> _totals = [];
    private readonly List<(LogDamage? Damage, ulong HighestBefore)> _gaps = [];
    private readonly Dictionary<ulong, ulong> _lastSeen = [];
    private readonly Dictionary<ulong, List<Missing>> _missing = [];
    private ulong _highest;

    public SurveySink(SegmentStore segments, Superblock superblock, LogProgress? progress)
    {
        (_segments, _progress) = (segments, progress);
        _index = new MailboxIndex(superblock.Identity);
        _partition = new MailboxPartition(_index, new PageQueue(1, ILogFile.BlockBytes), measureQueues: false);
        Recovery = new LogRecovery(segments, superblock, [_partition], _ => 0, this);
    }

    /// <summary>An entry that a later one, or its own damaged bytes, say was there, and that nothing so far shows to be settled.</summary>
    private sealed record Missing(ulong Sequence, bool IsReceipt, LogDamage Damage);

    public LogRecovery Recovery { get; }
    public MailboxPartition Partition => _partition;
    public MailboxIndex Index => _index;
    public IReadOnlyList<RecordTotal> Totals => [.. _totals.Select(t => new RecordTotal(t.Key, t.Value.Records, t.Value.Bytes))];
    public (long Stretches, long Bytes) Gaps { get; private set; }

    /// <summary>Records with sound checksums that recovery refuses, since the last time this was asked: address, bytes of log, why.</summary>
    public Queue<(long Address, int Bytes, string Reason)> Refused { get; } = new();

    public void OnRecord(long address, ReadOnlySpan<byte> record)
    {
        try
        {
            Recovery.OnRecord(address, record);
        }
        catch (LogCorruptException e)
        {
            Refused.Enqueue((address, RecordLayout.LogBytes(record.Length), e.What));
            return;
        }

        var type = RecordLayout.TypeOf(record);
        var (records, bytes) = _totals.GetValueOrDefault(type);
        _totals[type] = (records + 1, bytes + RecordLayout.LogBytes(record.Length));
        if (type is RecordType.Message or RecordType.Receipt)
            OnEntry(RecordLayout.U64(record, RecordLayout.MailboxOffset), RecordLayout.U64(record, RecordLayout.SequenceOffset), RecordLayout.U64(record, RecordLayout.PreviousOffset));
        else if (type is RecordType.AckUpTo or RecordType.Remove or RecordType.Moved)
            OnSettled(type, RecordLayout.U64(record, RecordLayout.MailboxOffset), RecordLayout.U64(record, RecordLayout.SequenceOffset));
    }

    public void OnSegment(long scannedThrough) => Recovery.OnSegment(scannedThrough);

    /// <summary>The scan goes on behind a damaged stretch.</summary>
    public void OnDamage(LogDamage damage)
    {
        if (damage.Kind is DamageKind.Header or DamageKind.Length) return;
        _gaps.Add((damage, _highest));
        if (damage.Record is not (RecordType.Message or RecordType.Receipt or RecordType.Moved)) return;
        MissingOf(damage.Mailbox).Add(new Missing(damage.Sequence, damage.IsReceipt, damage));
    }

    /// <summary>After the log's end: what was not settled is lost, and counted where it was.</summary>
    public void CountLost()
    {
        foreach (var (mailbox, missing) in _missing.SelectMany(m => m.Value, (m, missing) => (m.Key, missing)))
        {
            // One that was moved may still have its older record.
            if (missing.Sequence is > 0 and <= IndexEntry.MaxSequence && _index.Contains(mailbox, missing.Sequence)) continue;
            if (missing.IsReceipt) missing.Damage.LostReceipts++;
            else missing.Damage.LostMessages++;
        }
    }

    void IRecoveryObserver.OnWindow(ulong device, uint incarnation, ulong low, ulong settled, uint usedAt)
    {
    }

    void IRecoveryObserver.OnOrigin(ulong device, uint incarnation, ulong number, ulong low)
    {
    }

    void IRecoveryObserver.OnDevice(ulong device, uint keyEpoch)
    {
    }

    void IRecoveryObserver.OnGap(long address, long bytes, long messages, long receipts)
    {
        Gaps = (Gaps.Stretches + 1, Gaps.Bytes + bytes);
        _gaps.Add((null, _highest));
    }

    void IRecoveryObserver.OnProgress(long scannedBytes, long totalBytes) => _progress?.Invoke(scannedBytes, totalBytes);

    public void Dispose() => _index.Dispose();

    private void OnEntry(ulong mailbox, ulong sequence, ulong previous)
    {
        if (_gaps.Count > 0)
        {
            if (previous != 0 && (!_lastSeen.TryGetValue(mailbox, out var last) || previous > last)) OnUnseen(mailbox, previous);
            _lastSeen[mailbox] = sequence;
        }

        _highest = Math.Max(_highest, sequence);
    }

    /// <summary>Sequences rise with the log, so it lay in the last gap before which everything was lower. A gap of an earlier repair has counted it.</summary>
    private void OnUnseen(ulong mailbox, ulong sequence)
    {
        for (var i = _gaps.Count - 1; i >= 0; i--)
        {
            if (_gaps[i].HighestBefore >= sequence) continue;
            if (_gaps[i].Damage is { Kind: DamageKind.Stretch } damage) MissingOf(mailbox).Add(new Missing(sequence, IsReceipt: false, damage));
            return;
        }
    }

    /// <summary>Acknowledged, removed, or found at another place.</summary>
    private void OnSettled(RecordType type, ulong mailbox, ulong sequence)
    {
        if (_missing.TryGetValue(mailbox, out var missing))
            missing.RemoveAll(m => type == RecordType.AckUpTo ? m.Sequence <= sequence : m.Sequence == sequence);
    }

    private List<Missing> MissingOf(ulong mailbox)
    {
        if (!_missing.TryGetValue(mailbox, out var missing)) _missing[mailbox] = missing = [];
        return missing;
    }
}
