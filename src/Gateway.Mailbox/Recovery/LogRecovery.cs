using Gateway.Mailbox.Format;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Recovery;

/// <summary>
/// Rebuilds from the log what memory held: indexes, ledgers, floors, and for the observer windows, origins and devices. On the opening
/// thread, before any other thread exists.
/// Then decides what the end of the scan is. Below an address known durable it is damage, and opening is refused; otherwise it is the torn
/// end of a batch that nobody was promised, and is cut off.
/// </summary>
internal sealed class LogRecovery : IRecordSink
{
    private readonly SegmentStore _segments;
    private readonly Superblock _superblock;
    private readonly MailboxPartition[] _partitions;
    private readonly Func<ulong, int> _ownerOf;
    private readonly IRecoveryObserver _observer;
    private readonly SortedDictionary<long, LogTally> _tallies = [];

    public LogRecovery(SegmentStore segments, Superblock superblock, MailboxPartition[] partitions, Func<ulong, int> ownerOf, IRecoveryObserver observer)
    {
        (_segments, _superblock, _partitions, _ownerOf, _observer) = (segments, superblock, partitions, ownerOf, observer);
        (Durable, HighestSequence) = (superblock.Durable, superblock.ReservedThrough);
    }

    /// <summary>Where the next record goes.</summary>
    public long Tail { get; private set; }

    /// <summary>Known durable before this opening, by a mark or the superblock.</summary>
    public long Durable { get; private set; }

    /// <summary>No sequence above it was ever given out.</summary>
    public ulong HighestSequence { get; private set; }
    public long Records { get; private set; }

    /// <summary>What lay before <see cref="TruncatedThrough"/> came to, by the latest LEDGER record.</summary>
    public LogTally Truncated { get; private set; } = new();

    public long TruncatedThrough { get; private set; }

    /// <exception cref="LogCorruptException">The log is damaged. Nothing was changed.</exception>
    /// <exception cref="LogVersionException">It holds a record that a later version writes. Nothing was changed.</exception>
    public void Run()
    {
        var stop = new LogScan(_segments).Run(Math.Max(_superblock.Begin, RecordLayout.FirstAddress), this);
        if (ProofOfDamage(stop) is { } proof) throw Damaged(stop, proof);
        End(stop.Address);
    }

    /// <summary>The log ends here: what could only be told from all of it.</summary>
    public void End(long tail)
    {
        Tail = tail;
        foreach (var partition in _partitions) partition.EndRecovery();
        _partitions[0].TakeOver(Totals());
    }

    /// <summary>Why the end of a scan cannot be the torn end of a batch, with all this has seen of the log; null when it can.</summary>
    public string? ProofOfDamage(ScanStop stop)
    {
        if (stop.Address < Durable) return $"the log was durable to address {Durable}";
        return MarkSearch.Find(_segments, _superblock.Identity, stop.Address) is { } mark
            ? $"a mark at address {mark.Address} says that the log was durable to address {mark.Durable}"
            : null;
    }

    /// <summary>
    /// Makes the recovered log durable and its rest empty. What was read came from the page cache, and after a kill or a failed sync the
    /// disk need not hold it: so it is written again. What lies behind a torn record must not come back to life when the log has grown up to it: so
    /// it is cleared, wherever the disk itself has it.
    /// </summary>
    public void MakeDurable()
    {
        for (var segment = _segments.FirstSegment; segment < _segments.FirstSegment + _segments.Count; segment++)
        {
            if (!_segments.TryRestoreLength(segment)) throw new LogIOException(_segments.FileOf(segment * _segments.SegmentBytes).Path, "fallocate", Posix.ENOSPC);
        }

        var touched = new HashSet<ILogFile>();
        var chunk = new byte[256 * 1024];
        for (var address = Durable; address < Tail;)
        {
            var file = _segments.FileOf(address);
            var bytes = chunk.AsSpan(0, (int)Math.Min(Math.Min(chunk.Length, Tail - address), _segments.SegmentBytes - (address & (_segments.SegmentBytes - 1))));
            var offset = _segments.OffsetInFile(address);
            if (file.Read(offset, bytes) != bytes.Length) throw new LogCorruptException(file.Path, offset, "the file became shorter while it was read");
            file.Write(offset, bytes);
            touched.Add(file);
            address += bytes.Length;
        }

        for (var address = Tail; address < _segments.AllocatedThrough; address = (address | (_segments.SegmentBytes - 1)) + 1)
        {
            var file = _segments.FileOf(address);
            var offset = _segments.OffsetInFile(address);
            file.Sync();
            var block = offset & ~(ILogFile.BlockBytes - 1L);
            file.DropCache(block, file.Length - block);
            if (Clear(file, offset, chunk)) touched.Add(file);
        }

        foreach (var file in touched) file.Sync();
    }

    public void OnRecord(long address, ReadOnlySpan<byte> record)
    {
        Records++;
        Apply(address, record);
        var segment = _segments.SegmentOf(address);
        if (!_tallies.TryGetValue(segment, out var tally)) _tallies.Add(segment, tally = new LogTally());
        tally.Count(record);
    }

    private void Apply(long address, ReadOnlySpan<byte> record)
    {
        var type = RecordLayout.TypeOf(record);
        switch (type)
        {
            case RecordType.Message or RecordType.Receipt:
                if (record.Length < RecordLayout.MessageFixedBytes) throw Malformed(address, type);
                OnEntry(address, record);
                break;
            case RecordType.Moved:
                if (record.Length < RecordLayout.MessageFixedBytes || RecordLayout.EntryTypeOf(record) is not (RecordType.Message or RecordType.Receipt))
                    throw Malformed(address, type);
                Owner(record).RecoverMoved(RecordLayout.U64(record, RecordLayout.MailboxOffset), RecordLayout.IndexEntryOf(record, address));
                break;
            case RecordType.AckUpTo:
                Require(record, RecordLayout.AckBytes, address, type);
                Owner(record).RecoverAck(RecordLayout.U64(record, RecordLayout.MailboxOffset), RecordLayout.U64(record, RecordLayout.SequenceOffset));
                break;
            case RecordType.Expire:
                Require(record, RecordLayout.ExpireBytes, address, type);
                Owner(record).RecoverExpiry(RecordLayout.U64(record, RecordLayout.MailboxOffset), RecordLayout.U64(record, RecordLayout.SequenceOffset));
                break;
            case RecordType.Remove:
                Require(record, RecordLayout.RemoveBytes, address, type);
                if ((RemoveReason)record[RecordLayout.RemoveKindOffset] is < RemoveReason.Rejected or > RemoveReason.Lost) throw Malformed(address, type);
                Owner(record).RecoverRemoval(RecordLayout.U64(record, RecordLayout.MailboxOffset), RecordLayout.U64(record, RecordLayout.SequenceOffset));
                break;
            case RecordType.Window:
                Require(record, RecordLayout.WindowBytes, address, type);
                _observer.OnWindow(
                    RecordLayout.U64(record, RecordLayout.MailboxOffset),
                    RecordLayout.U32(record, RecordLayout.WindowIncarnationOffset),
                    RecordLayout.U64(record, RecordLayout.WindowLowOffset),
                    RecordLayout.U64(record, RecordLayout.WindowSettledOffset),
                    RecordLayout.U32(record, RecordLayout.WindowUsedOffset));
                break;
            case RecordType.Device:
                Require(record, RecordLayout.DeviceBytes, address, type);
                _observer.OnDevice(RecordLayout.U64(record, RecordLayout.MailboxOffset), RecordLayout.U32(record, RecordLayout.DeviceKeyEpochOffset));
                break;
            case RecordType.Mark:
                Require(record, RecordLayout.MarkBytes, address, type);
                OnMark(address, record);
                break;
            case RecordType.Reserve:
                Require(record, RecordLayout.ReserveBytes, address, type);
                HighestSequence = Math.Max(HighestSequence, RecordLayout.U64(record, RecordLayout.ReserveSequenceOffset));
                break;
            case RecordType.LedgerTotals:
                Require(record, RecordLayout.LedgerBytes, address, type);
                Truncated = LogTally.Read(record, out var through);
                TruncatedThrough = through;
                break;
            case RecordType.Gap:
                if (record.Length < RecordLayout.GapFixedBytes) throw Malformed(address, type);
                _observer.OnGap(
                    address, RecordLayout.LogBytes(record.Length), RecordLayout.U32(record, RecordLayout.GapMessagesOffset), RecordLayout.U32(record, RecordLayout.GapReceiptsOffset));
                break;
            default:
                var path = _segments.FileOf(address).Path;
                var name = Enum.IsDefined(type) ? $"a {type} record" : $"a record of type {(byte)type}";
                throw new LogVersionException(
                    $"{path} at offset {_segments.OffsetInFile(address)}: {name}, which this build's log format {RecordLayout.FormatVersion} lays out but does not yet read. Start the newer build.",
                    RecordLayout.FormatVersion + 1, RecordLayout.FormatVersion);
        }
    }

    public void OnSegment(long scannedThrough)
    {
        var first = _segments.FirstSegment * _segments.SegmentBytes;
        _observer.OnProgress(scannedThrough - first, _segments.AllocatedThrough - first);
    }

    /// <summary>Since the log was made: what its truncated part came to, and what the segments behind that say.</summary>
    private LogTally Totals()
    {
        var totals = new LogTally();
        totals.Add(Truncated);
        foreach (var (segment, tally) in _tallies)
        {
            if (segment * _segments.SegmentBytes >= TruncatedThrough) totals.Add(tally);
        }

        return totals;
    }

    private void OnEntry(long address, ReadOnlySpan<byte> record)
    {
        var entry = RecordLayout.ReadEntry(record);
        if (entry.Mailbox == 0 || entry.Sequence is 0 or > Index.IndexEntry.MaxSequence) throw Malformed(address, entry.Type);
        HighestSequence = Math.Max(HighestSequence, entry.Sequence);
        var result = Owner(record).RecoverEntry(entry.Mailbox, RecordLayout.IndexEntryOf(record, address));
        if (result == Index.AddResult.OutOfOrder)
        {
            throw new LogCorruptException(
                _segments.FileOf(address).Path, _segments.OffsetInFile(address), $"sequence {entry.Sequence} follows a higher one in its mailbox");
        }

        if (entry.Incarnation != 0) _observer.OnOrigin(entry.Sender, entry.Incarnation, entry.Number, entry.Low);
    }

    private void OnMark(long address, ReadOnlySpan<byte> record)
    {
        var durable = (long)RecordLayout.U64(record, RecordLayout.MarkDurableOffset);
        if (RecordLayout.U64(record, RecordLayout.MarkIdentityOffset) != _superblock.Identity || durable > address)
            throw new LogCorruptException(_segments.FileOf(address).Path, _segments.OffsetInFile(address), "the mark belongs to another log or place");
        Durable = Math.Max(Durable, durable);
    }

    private MailboxPartition Owner(ReadOnlySpan<byte> record) => _partitions[_ownerOf(RecordLayout.U64(record, RecordLayout.MailboxOffset))];

    private void Require(ReadOnlySpan<byte> record, int bytes, long address, RecordType type)
    {
        if (record.Length != bytes) throw Malformed(address, type);
    }

    private LogCorruptException Malformed(long address, RecordType type) =>
        new(_segments.FileOf(address).Path, _segments.OffsetInFile(address), $"a {type} record has a sound checksum and impossible content");

    private LogCorruptException Damaged(ScanStop stop, string proof)
    {
        // The stop may lie behind the last segment, when whole segments are gone.
        var path = stop.Address < _segments.AllocatedThrough
            ? _segments.FileOf(stop.Address).Path
            : Path.Combine(_segments.Folder, SegmentHeader.FileName(_segments.SegmentOf(stop.Address)));
        return new LogCorruptException(
            path, _segments.OffsetInFile(stop.Address),
            $"{stop.Reason} (log address {stop.Address}), but {proof}. Accepted messages are damaged here; this is not a torn end. Nothing was changed.");
    }

    private static bool Clear(ILogFile file, long from, byte[] chunk)
    {
        var cleared = false;
        while (file.TryFindData(from, out var start, out var end))
        {
            for (start = Math.Max(start, from); start < end;)
            {
                var read = file.Read(start, chunk.AsSpan(0, (int)Math.Min(chunk.Length, end - start)));
                if (read == 0) break;
                if (chunk.AsSpan(0, read).ContainsAnyExcept((byte)0))
                {
                    chunk.AsSpan(0, read).Clear();
                    file.Write(start, chunk.AsSpan(0, read));
                    cleared = true;
                }

                start += read;
            }

            from = end;
        }

        return cleared;
    }
}
