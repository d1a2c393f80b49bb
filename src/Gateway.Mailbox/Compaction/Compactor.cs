using FASTER.core;
using Gateway.Mailbox.Commit;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Recovery;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Compaction;

/// <summary>
/// A thread that takes the log's oldest segment away when the log is much longer than what is live in it: reads the segment, has its owners
/// move live entries to the log's end and record devices again, waits until that is durable and nobody reads the segment any more, and has
/// the pump move the begin address.
/// Invariant: a segment goes only after everything that recovery would need of it is durable elsewhere: entries in MOVED records, windows and
/// key epochs in WINDOW and DEVICE records, its part of the totals in a LEDGER record.
/// </summary>
internal sealed class Compactor : IRecordSink
{
    private const int LookMs = 250;

    // Only so that a stop is seen; owners and the pump wake the thread.
    private const int PatienceMs = 10;

    private readonly CompactorParts _parts;
    private readonly FasterLog _log;
    private readonly SegmentStore _segments;
    private readonly Watermark _watermark;
    private readonly MailboxPartition[] _partitions;
    private readonly MailboxLogOptions _options;
    private readonly LogScan _scan;
    private readonly CarriedDevices _devices = new();
    private readonly LogTally _totals;
    private readonly long[] _pagesAsked;
    private readonly Thread _thread;
    private long _totalsThrough;
    private LogTally _tally = new();
    private long _truncatedSegments;
    private volatile bool _stopping;

    public Compactor(CompactorParts parts)
    {
        _parts = parts;
        (_log, _segments, _watermark, _partitions, _options) = (parts.Log, parts.Segments, parts.Watermark, parts.Partitions, parts.Options);
        (_totals, _totalsThrough) = (parts.Truncated, parts.TruncatedThrough);
        _scan = new LogScan(_segments);
        _pagesAsked = new long[_partitions.Length];
        _thread = new Thread(Run) { IsBackground = true, Name = "mailbox compactor" };
    }

    /// <summary>Taken away since opening. Any thread.</summary>
    public long TruncatedSegments => Volatile.Read(ref _truncatedSegments);

    public void Start()
    {
        if (_options.OnCompaction is not null) _thread.Start();
    }

    /// <summary>False when the thread hangs in the kernel.</summary>
    public bool Stop()
    {
        _stopping = true;
        _parts.Wake.Set();
        return _thread.ThreadState.HasFlag(ThreadState.Unstarted) || _thread.Join(TimeSpan.FromSeconds(10));
    }

    public void OnRecord(long address, ReadOnlySpan<byte> record)
    {
        _tally.Count(record);
        switch (RecordLayout.TypeOf(record))
        {
            case RecordType.Message or RecordType.Receipt:
                NoteCandidate(address, record);
                // A moved record's origin stands in the WINDOW that was written when it was moved.
                var incarnation = RecordLayout.U32(record, RecordLayout.IncarnationOffset);
                if (incarnation != 0)
                    _devices.NoteNumber(RecordLayout.U64(record, RecordLayout.SenderOffset), incarnation, RecordLayout.U64(record, RecordLayout.NumberOffset));
                break;
            case RecordType.Moved:
                NoteCandidate(address, record);
                break;
            case RecordType.Window:
                _devices.NoteNumber(RecordLayout.U64(record, RecordLayout.MailboxOffset), RecordLayout.U32(record, RecordLayout.WindowIncarnationOffset), 0);
                break;
            case RecordType.Device:
                _devices.NoteKeyEpoch(RecordLayout.U64(record, RecordLayout.MailboxOffset));
                break;
        }
    }

    public void OnSegment(long scannedThrough)
    {
    }

    private void Run()
    {
        try
        {
            while (!_stopping && !_watermark.IsFrozen)
            {
                // A stop that came while a segment was being taken has had its wake-up used there.
                if ((!IsDue() || !TakeFirstSegment()) && !_stopping) _parts.Wake.Wait(LookMs);
            }
        }
        catch (Exception e)
        {
            _watermark.Fail(e);
        }
    }

    private bool IsDue()
    {
        var begin = _segments.FirstSegment * _segments.SegmentBytes;
        if (_watermark.Through < begin + _segments.SegmentBytes) return false;
        var live = (_options.CountWindows?.Invoke() ?? 0) * RecordLayout.LogBytes(RecordLayout.WindowBytes);
        foreach (var partition in _partitions) live += partition.Index.LiveBytes;
        return _log.TailAddress - begin > live * _options.CompactAbove + _segments.SegmentBytes;
    }

    /// <summary>False when the log stopped meanwhile.</summary>
    private bool TakeFirstSegment()
    {
        var begin = _segments.FirstSegment * _segments.SegmentBytes;
        var end = begin + _segments.SegmentBytes;
        _tally = new LogTally();
        _devices.Clear();
        for (var page = begin; page < end; page += _segments.PageBytes)
        {
            if (_scan.ScanPage(Math.Max(page, RecordLayout.FirstAddress), this) is { } stop)
            {
                throw new LogCorruptException(
                    _segments.FileOf(stop.Address).Path, _segments.OffsetInFile(stop.Address), $"{stop.Reason} (log address {stop.Address}, read for compaction)");
            }

            if (!AskOwners()) return false;
        }

        foreach (var device in _devices.All)
        {
            var task = _partitions[_options.OwnerOfMailbox(device.Device)].Task;
            task.Devices.Add(device);
            task.DevicesThrough = end;
        }

        if (!AskOwners()) return false;

        // A start that found a LEDGER record and an older begin address has this segment in its totals already.
        if (begin >= _totalsThrough)
        {
            _totals.Add(_tally);
            _totalsThrough = end;
        }

        // What owners have appended is committed by the very batch that this comes with.
        var truncation = new Truncation(end, _totals, _totalsThrough, _parts.Wake);
        _parts.Pump.Submit(truncation);
        if (!WaitFor(() => truncation.IsDone) || !WaitFor(NobodyReads)) return false;
        _segments.RemoveFirst();
        Volatile.Write(ref _truncatedSegments, _truncatedSegments + 1);
        return true;
    }

    private void NoteCandidate(long address, ReadOnlySpan<byte> record)
    {
        var owner = _options.OwnerOfMailbox(RecordLayout.U64(record, RecordLayout.MailboxOffset));
        var offset = (int)(address & (_segments.PageBytes - 1)) + RecordLayout.LengthBytes;
        _partitions[owner].Task.Candidates.Add(new Candidate(address, offset, record.Length));
    }

    /// <summary>Hands every partition its task and waits for all of them: they share the page.</summary>
    private bool AskOwners()
    {
        for (var i = 0; i < _partitions.Length; i++)
        {
            var task = _partitions[i].Task;
            if (task.IsEmpty) continue;
            task.Page = _scan.Page;
            _partitions[i].Ask(_parts.Wake);
            _options.OnCompaction!(i);
        }

        for (var i = 0; i < _partitions.Length; i++)
        {
            var task = _partitions[i].Task;
            if (task.IsEmpty) continue;
            if (!WaitFor(() => task.IsDone)) return false;
            _pagesAsked[i] = task.PagesAsked;
            task.Clear();
        }

        return true;
    }

    private bool NobodyReads()
    {
        for (var i = 0; i < _partitions.Length; i++)
        {
            if (_partitions[i].Pages.Read < _pagesAsked[i]) return false;
        }

        return true;
    }

    private bool WaitFor(Func<bool> condition)
    {
        while (!condition())
        {
            if (_stopping || _watermark.IsFrozen) return false;
            _parts.Wake.Wait(PatienceMs);
        }

        return true;
    }
}

/// <summary>What the compactor works with.</summary>
/// <param name="Log">Its tail.</param>
/// <param name="Segments">Loses its first ones.</param>
/// <param name="Watermark">Of what is committed.</param>
/// <param name="Pump">Moves the begin address.</param>
/// <param name="Partitions">Whose owners decide.</param>
/// <param name="Wake">The compactor's own.</param>
/// <param name="Truncated">What the log's truncated part came to, from recovery; the compactor's from now on.</param>
/// <param name="TruncatedThrough">Where that part ends.</param>
/// <param name="Options">Of the log.</param>
internal sealed record CompactorParts(
    FasterLog Log, SegmentStore Segments, Watermark Watermark, CommitPump Pump, MailboxPartition[] Partitions, WakeSignal Wake, LogTally Truncated,
    long TruncatedThrough, MailboxLogOptions Options);
