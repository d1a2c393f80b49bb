using FASTER.core;
using Gateway.Mailbox.Compaction;
using Gateway.Mailbox.Faster;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Commit;

/// <summary>
/// The one thread that makes appended records durable. A cycle: mark, commit, write all that FASTER queued, one sync per touched file, raise
/// the watermark, tell the host. One commit is in flight; what is appended meanwhile is the next batch.
/// Invariant: the watermark is never above what the device has synced (mode <see cref="Durability.Os"/>: written).
/// </summary>
internal sealed class CommitPump
{
    // How often an idle pump looks at the clock: for reservations and idle marks. Work wakes it at once.
    private const int IdleMs = 100;

    // With fewer records, those of about two messages and their receipts, there is hardly anybody to gather: who sends one message after the other
    // through an idle node is not kept waiting.
    private const int ManyRecords = 8;

    // With more, the owners are busy for longer with what the last commit set in motion than a commit takes, and the two had better go on side by side.
    private const int TooManyRecords = 256;

    // So that a kill costs the steady clock an hour at most.
    private static readonly TimeSpan TellTimeAfter = TimeSpan.FromHours(1);

    private readonly PumpParts _parts;
    private readonly FasterLog _log;
    private readonly LogDevice _device;
    private readonly Watermark _watermark;
    private readonly ReservedSequences _reserved;
    private readonly TimeProvider _time;
    private readonly Thread _thread;
    private readonly byte[] _record = new byte[RecordLayout.LedgerBytes];
    private readonly bool _sync;
    private long _synced;
    private bool _lastBatchUnmarked;
    private long _idleSince;
    private long _superblockAt;
    private volatile bool _stopping;
    private long _commits;
    private Truncation? _truncation;
    private long _recordsTaken;
    private bool _gathers;

    public CommitPump(PumpParts parts)
    {
        _parts = parts;
        (_log, _device, _watermark, _reserved, _time) = (parts.Log, parts.Device, parts.Watermark, parts.Reserved, parts.Time);
        _sync = parts.Options.Durability == Durability.Fsync;
        _synced = parts.Watermark.Through;
        _thread = new Thread(Run) { IsBackground = true, Name = "mailbox commit" };
    }

    public long Commits => Volatile.Read(ref _commits);

    public void Start() => _thread.Start();

    /// <summary>
    /// Compactor's thread: has the log begin at an address. Done when <see cref="Truncation.IsDone"/>: durably, with what its truncated part came
    /// to. Everything that was moved out of that part has to be appended: the batch that this comes with commits it.
    /// </summary>
    public void Submit(Truncation truncation)
    {
        Interlocked.Exchange(ref _truncation, truncation);
        _parts.Wake.Set();
    }

    /// <summary>Commits what is appended, closes the superblock, and ends. False when the thread hangs in the kernel.</summary>
    public bool Stop()
    {
        _stopping = true;
        // As the signal wants it: the store is there before the look at whether it is set already.
        Interlocked.MemoryBarrier();
        _parts.Wake.Set();
        return _thread.ThreadState.HasFlag(ThreadState.Unstarted) || _thread.Join(TimeSpan.FromSeconds(10));
    }

    private void Run()
    {
        try
        {
            _device.BindPump();
            _idleSince = _superblockAt = _time.GetTimestamp();
            while (!_stopping && !_watermark.IsFrozen)
            {
                if (!RunCycle()) _parts.Wake.Wait(IdleMs);
                if (_time.GetElapsedTime(_superblockAt) >= TellTimeAfter && !_watermark.IsFrozen) WriteSuperblock(clean: false);
            }

            while (!_watermark.IsFrozen && RunCycle())
            {
            }

            if (!_watermark.IsFrozen) CloseCleanly();
        }
        catch (Exception e)
        {
            _watermark.Fail(e);
        }
    }

    /// <summary>False when there was nothing to do.</summary>
    private bool RunCycle()
    {
        var committed = _watermark.Through;
        var work = _log.TailAddress > committed;
        if (work)
        {
            LetGather();
        }
        else
        {
            // A rest: the next commit follows nothing.
            _gathers = false;
        }

        var reserve = ReservationDue(out var reserveThrough);
        var truncation = Volatile.Read(ref _truncation);
        var mark = work || reserve || truncation is not null || IdleMarkDue();
        if (!mark) return false;
        var taken = _time.GetTimestamp();

        if (_parts.Admission.HasRoomForOwn(_log.TailAddress))
        {
            RecordLayout.WriteMark(_record, _parts.Identity, _synced);
            TryEnqueue(RecordLayout.MarkBytes);
            if (reserve)
            {
                RecordLayout.WriteReserve(_record, reserveThrough);
                reserve = TryEnqueue(RecordLayout.ReserveBytes);
            }

            if (truncation is not null)
            {
                truncation.Totals.Write(_record, truncation.TotalsThrough);
                if (!TryEnqueue(RecordLayout.LedgerBytes)) truncation = null;
            }
        }
        else
        {
            (reserve, truncation) = (false, null);
            if (!work) return false;
        }

        if (!Commit(FasterInternals.TailOf(_log))) return false;
        if (reserve)
        {
            // In every mode: a sequence must not be given out twice, whatever the disk forgets.
            if (!_sync) Sync();
            _reserved.Raise(reserveThrough);
        }

        Publish(committed, taken);
        if (truncation is not null) Truncate(truncation);
        _lastBatchUnmarked = work;
        _idleSince = _time.GetTimestamp();
        return true;
    }

    /// <summary>
    /// A commit that follows the last one at once waits for the next batch to end, when neither few nor very many waited for that one; see
    /// <see cref="MailboxLogOptions.CommitDelay"/>.
    /// </summary>
    private void LetGather()
    {
        if (_parts.Options.CommitDelay == TimeSpan.Zero) return;
        if (_gathers && !_stopping && !_reserved.IsDue) _parts.Wake.Wait(_parts.Options.CommitDelay);

        var records = _parts.RecordsAppended();
        _gathers = records - _recordsTaken is >= ManyRecords and <= TooManyRecords;
        _recordsTaken = records;
    }

    private bool Commit(long tail)
    {
        FasterInternals.StartCommit(_log, tail);

        // An appender inside FASTER's epoch may be the one to queue the last write, so the queue can be empty for a moment.
        while (_log.FlushedUntilAddress < tail)
        {
            if (_watermark.IsFrozen) return false;
            if (_device.Drain(_sync)) continue;
            FasterInternals.RunPutOff(_log);
            if (!_device.Drain(_sync)) _parts.Wake.Wait(IdleMs);
        }

        if (_sync) _synced = _log.FlushedUntilAddress;
        return true;
    }

    private void Truncate(Truncation truncation)
    {
        // In every mode: what was moved must not be only in memory when the place it was moved from goes.
        if (!_sync) Sync();
        WriteSuperblock(clean: false, truncation.Begin);
        Volatile.Write(ref _truncation, null);
        truncation.Finish();
    }

    private void Sync()
    {
        var flushed = _log.FlushedUntilAddress;
        _device.SyncTouched();
        _synced = flushed;
    }

    private void Publish(long before, long taken)
    {
        var through = _log.FlushedUntilAddress;
        if (_parts.Segments.SegmentOf(before) != _parts.Segments.SegmentOf(through)) WriteSuperblock(clean: false);
        // The batches that ended while this commit was under way go with the next one and are no reason to begin it. Before the watermark rises: whom it
        // sets in motion may end a batch before this thread gets further.
        if (_gathers) _parts.Wake.Lower();
        if (!_watermark.TryRaise(through)) return;
        Volatile.Write(ref _commits, _commits + 1);
        if (_parts.Admission.NeedsSegment(_log.TailAddress)) _parts.Keeper.Set();
        _parts.Options.OnCommitTimed?.Invoke(_time.GetElapsedTime(taken));
        _parts.Options.OnCommitted?.Invoke();
    }

    private bool ReservationDue(out ulong through)
    {
        through = 0;
        if (!_reserved.IsDue || _parts.Admission.RoomForMessages(_log.TailAddress) <= 0) return false;
        through = _reserved.Next(_parts.HighestFloor());
        return true;
    }

    private bool IdleMarkDue() => _lastBatchUnmarked && _time.GetElapsedTime(_idleSince) >= _parts.Options.IdleMarkAfter;

    private bool TryEnqueue(int bytes) => _log.TryEnqueue(_record.AsSpan(0, bytes), out _);

    private void CloseCleanly()
    {
        if (!_sync) Sync();
        WriteSuperblock(clean: true);
    }

    private void WriteSuperblock(bool clean, long? begin = null)
    {
        _superblockAt = _time.GetTimestamp();
        _parts.Superblock.Replace(_parts.Superblock.Current with
        {
            Begin = begin ?? _parts.Superblock.Current.Begin,
            Durable = _synced,
            ReservedThrough = Math.Max(_reserved.Through, _parts.Superblock.Current.ReservedThrough),
            Clean = clean,
            SteadyTime = _parts.Steady.Seconds,
        });
    }
}

/// <summary>What the pump works with.</summary>
internal sealed record PumpParts(
    FasterLog Log,
    LogDevice Device,
    SegmentStore Segments,
    SuperblockFile Superblock,
    Watermark Watermark,
    Admission Admission,
    ReservedSequences Reserved,
    SteadyClock Steady,
    WakeSignal Wake,
    WakeSignal Keeper,
    Func<ulong> HighestFloor,
    Func<long> RecordsAppended,
    ulong Identity,
    MailboxLogOptions Options,
    TimeProvider Time);
