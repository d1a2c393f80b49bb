using System.Diagnostics;
using FASTER.core;
using Gateway.Mailbox;
using Gateway.Mailbox.Commit;
using Gateway.Mailbox.Faster;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Index;
using Gateway.Mailbox.Storage;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>
/// What the store is measured against: FASTER's log with the store's settings, device, segment files and admission, given the same records with
/// the same checksum, and a thread that commits whatever there is. It leaves out the store's own work: clock and reservation of sequences, index,
/// ledger, marks, superblock, compaction, the watch over progress. One thread appends.
/// </summary>
internal sealed class RawLog : IPairLog
{
    private readonly SuperblockFile _superblock;
    private readonly SegmentStore _segments;
    private readonly Admission _admission;
    private readonly Watermark _watermark = new(null);
    private readonly WakeSignal _pumpWake = new();
    private readonly WakeSignal _keeperWake = new();
    private readonly WakeSignal _committed = new();
    private readonly LogDevice _device;
    private readonly FasterLog _log;
    private readonly SegmentKeeper _keeper;
    private readonly Thread _pump;
    private readonly bool _sync;
    private ulong _sequence = 1;
    private long _commits;
    private volatile bool _stopping;

    /// <param name="options">Of the store beside it.</param>
    /// <param name="files">Where its files are, in a folder of its own.</param>
    public RawLog(MailboxLogOptions options, ILogFileSystem files)
    {
        _sync = options.Durability == Durability.Fsync;
        _superblock = SuperblockFile.Create(files, new Superblock
        {
            Identity = options.NewLogIdentity,
            Begin = RecordLayout.FirstAddress,
            Durable = RecordLayout.FirstAddress,
            SegmentBytes = options.SegmentBytes,
            PageBytes = options.PageBytes,
        });
        _segments = SegmentStore.Open(files, _superblock.Current);
        _device = new LogDevice(_segments, _pumpWake);
        _admission = new Admission(_segments, options, options.MemoryBytes);
        SegmentKeeper.Allocate(_segments, _admission, RecordLayout.FirstAddress);
        _log = new FasterLog(new FasterLogSettings
        {
            LogDevice = _device,
            LogCommitManager = new RecoveredCommit(RecordLayout.FirstAddress, RecordLayout.FirstAddress),
            PageSize = options.PageBytes,
            MemorySize = options.MemoryBytes,
            SegmentSize = options.SegmentBytes,
            LogChecksum = LogChecksumType.None,
            TryRecoverLatest = false,
        });
        FasterInternals.KeepPagesEmpty(_log, Math.Clamp((int)(options.MemoryBytes / options.PageBytes / 16), 1, 8));
        _watermark.TryRaise(_log.TailAddress);
        _keeper = new SegmentKeeper(_log, _segments, _admission, _watermark, _keeperWake);
        _pump = new Thread(Run) { IsBackground = true, Name = "raw commit" };
        _keeper.Start();
        _pump.Start();
    }

    public long CommittedThrough => _watermark.Through;

    public PairLogCommits Commits => new(Volatile.Read(ref _commits), _device.Syncs, _device.SyncTicks * 1_000_000 / Stopwatch.Frequency);

    public unsafe ulong Send(ulong mailbox, ReadOnlySpan<byte> body, out long position)
    {
        var sequence = ++_sequence;
        // SAFETY: the fixed part lies on this stack and the body is pinned until FASTER has copied both.
        var head = stackalloc byte[RecordLayout.MessageFixedBytes];
        var record = new MailboxRecord
        {
            Type = RecordType.Message,
            Mailbox = mailbox,
            Sequence = sequence,
            Previous = sequence - 1,
            Sender = 77,
            Incarnation = 1,
            Number = 1,
            Low = 1,
            EnqueuedAt = 1_800_000_000,
            Body = body,
        };
        RecordLayout.Write(new Span<byte>(head, RecordLayout.MessageFixedBytes), record, default);
        fixed (byte* pinned = body) position = Enqueue(RecordType.Message, new TwoParts(head, RecordLayout.MessageFixedBytes, pinned, body.Length));
        return sequence;
    }

    public unsafe long Acknowledge(ulong mailbox, ulong sequence)
    {
        // SAFETY: it lies on this stack until FASTER has copied it.
        var head = stackalloc byte[RecordLayout.AckBytes];
        RecordLayout.Write(
            new Span<byte>(head, RecordLayout.AckBytes), new MailboxRecord { Type = RecordType.AckUpTo, Mailbox = mailbox, Sequence = sequence },
            new RemovedEntries(1, 0, 0));
        return Enqueue(RecordType.AckUpTo, new TwoParts(head, RecordLayout.AckBytes, null, 0));
    }

    public void EndBatch() => _pumpWake.Set();

    public void AwaitCommit()
    {
        _committed.Wait(timeoutMs: 100);
        if (_watermark.Cause is { } cause) throw new InvalidOperationException("The raw log has failed.", cause);
    }

    public void Dispose()
    {
        _stopping = true;
        _pumpWake.Set();
        _pump.Join();
        _keeper.Stop();
        _log.Dispose();
        _segments.Dispose();
        _superblock.Dispose();
        foreach (var signal in (ReadOnlySpan<WakeSignal>)[_pumpWake, _keeperWake, _committed]) signal.Dispose();
    }

    private long Enqueue(RecordType type, in TwoParts record)
    {
        long address;
        while (_admission.Check(type, _log.TailAddress, _watermark.Through) != AppendStatus.Ok || !_log.TryEnqueue(record, out address))
        {
            if (_watermark.Cause is { } cause) throw new InvalidOperationException("The raw log has failed.", cause);
            _pumpWake.Set();
            Thread.Yield();
        }

        return address + RecordLayout.LogBytes(record.SerializedLength);
    }

    private void Run()
    {
        try
        {
            _device.BindPump();
            while (!_stopping)
            {
                if (!Commit()) _pumpWake.Wait(timeoutMs: 100);
            }
        }
        catch (Exception e)
        {
            _watermark.Fail(e);
        }
    }

    /// <summary>False when there was nothing to commit.</summary>
    private bool Commit()
    {
        var tail = FasterInternals.TailOf(_log);
        if (tail <= _watermark.Through) return false;
        FasterInternals.StartCommit(_log, tail);
        while (_log.FlushedUntilAddress < tail)
        {
            if (!_device.Drain(_sync)) _pumpWake.Wait(timeoutMs: 100);
        }

        Volatile.Write(ref _commits, _commits + 1);
        _watermark.TryRaise(_log.FlushedUntilAddress);
        if (_admission.NeedsSegment(_log.TailAddress)) _keeperWake.Set();
        _committed.Set();
        return true;
    }

    /// <summary>As the store copies a record into FASTER's memory.</summary>
    private readonly unsafe struct TwoParts(byte* head, int headBytes, byte* body, int bodyBytes) : ILogEnqueueEntry
    {
        private readonly byte* _head = head;
        private readonly byte* _body = body;

        public int SerializedLength => headBytes + bodyBytes;

        public void SerializeTo(Span<byte> destination)
        {
            // SAFETY: see the callers; FASTER hands exactly SerializedLength bytes.
            new ReadOnlySpan<byte>(_head, headBytes).CopyTo(destination);
            if (bodyBytes > 0) new ReadOnlySpan<byte>(_body, bodyBytes).CopyTo(destination[headBytes..]);
        }
    }
}
