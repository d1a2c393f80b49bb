using System.Diagnostics;
using FASTER.core;
using Gateway.Mailbox.Commit;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Index;
using Gateway.Mailbox.Queues;
using Gateway.Mailbox.Reading;

namespace Gateway.Mailbox;

/// <summary>
/// One owner thread's mailboxes: sequences, appends, index, ledger, reads. Every member on that thread only (a debug build checks);
/// it never waits for the disk or a lock.
/// Invariant: the index and the ledger are what replaying this partition's records in log order would make them.
/// </summary>
public sealed partial class MailboxPartition
{
    /// <summary>
    /// Reasons of rejections that are told apart. They are a device's own (PROTOCOL.md gives them no meaning), so their number must be bounded here.
    /// </summary>
    public const int RejectionReasons = 17;

    /// <summary>The most that <see cref="TryReadDeepest"/> lists.</summary>
    public const int DeepestListed = DeepestMailboxes.Places;

    private readonly MailboxIndex _index;
    private readonly PageQueue _pages;
    private FasterLog _log = null!;
    private Watermark _watermark = null!;
    private Admission _admission = null!;
    private ReservedSequences _reserved = null!;
    private WakeSignal _pump = null!;
    private readonly QueueGauge? _coldReads;
    private readonly long[] _rejectedByReason = new long[RejectionReasons];
    private int _maxBodyBytes;
    private Tally _messages;
    private Tally _receipts;
    private ulong _floor;
    private long _lastPosition;
    private long _recordsAppended;
    private bool _appended;
    private (int Table, int Slot) _listed;
    private int _thread;

    internal MailboxPartition(MailboxIndex index, PageQueue pages, bool measureQueues)
    {
        (_index, _pages) = (index, pages);
        if (measureQueues) _coldReads = new QueueGauge("cold_reads", pages.Limit, TimeSpan.FromMicroseconds(1), ageShift: 10);
    }

    /// <summary>The highest sequence given out or recovered; at opening at least every reservation there ever was.</summary>
    public ulong Floor => Volatile.Read(ref _floor);

    /// <summary>
    /// Since the log was made; the partitions' add up to the log's. What happened before this opening is all counted in the first one's.
    /// Any thread: each value whole, the set not one instant.
    /// </summary>
    public Ledger Ledger => new(_messages.Column, _receipts.Column);

    /// <summary>Bytes of log that pending entries' records take. Any thread.</summary>
    public long PendingBytes => _index.LiveBytes;

    /// <summary>Native memory of the index. Any thread.</summary>
    public long IndexBytes => _index.MemoryBytes;

    /// <summary>
    /// The next sequence: the greater of floor + 1 and the clock in microseconds since 1970. 0 when that lies above what is durably
    /// reserved; a renewal is then under way, and the caller tries again after the next commit.
    /// </summary>
    public ulong NextSequence()
    {
        CheckThread();
        var next = Math.Max(_floor + 1, _reserved.ClockMicroseconds);
        if (next > IndexEntry.MaxSequence || !_reserved.TryUse(next)) return 0;
        Volatile.Write(ref _floor, next);
        return next;
    }

    /// <summary>
    /// Appends one record and applies it to the index and the ledger. <paramref name="position"/> is the record's end in the log: it is
    /// durable when <see cref="MailboxLog.CommittedThrough"/> has reached it. An acknowledgement or removal that removes nothing writes
    /// nothing; its position is that of this partition's last record.
    /// </summary>
    /// <exception cref="ArgumentException">The record breaks its type's rules: the caller's fault, nothing was written.</exception>
    public AppendStatus Append(in MailboxRecord record, out long position)
    {
        CheckThread();
        position = _lastPosition;
        if (_watermark.IsFrozen) return AppendStatus.Failed;
        Check(record);
        if (IsIdle(record, out var removed)) return AppendStatus.Ok;
        var tail = _log.TailAddress;
        var status = _admission.Check(record.Type, tail, _watermark.Through);
        if (status != AppendStatus.Ok) return status;
        if (!TryEnqueue(record, removed, out var address, out var bytes)) return AppendStatus.Busy;
        _lastPosition = position = address + bytes;
        _appended = true;
        Volatile.Write(ref _recordsAppended, _recordsAppended + 1);
        Apply(record, address, bytes);
        return AppendStatus.Ok;
    }

    /// <summary>Wakes the commit pump if anything was appended since the last call. Costs no system call while the pump is at work.</summary>
    public void EndBatch()
    {
        CheckThread();
        if (!_appended) return;
        _appended = false;
        _pump.Set();
    }

    /// <summary>What is pending, in constant time.</summary>
    public MailboxState State(ulong mailbox)
    {
        CheckThread();
        return _index.State(mailbox);
    }

    /// <summary>
    /// Goes on with a list of the mailboxes in which something is pending; returns how many it put into <paramref name="into"/>.
    /// <paramref name="ended"/>: there are no more, and the next call begins anew. What comes and goes meanwhile may be passed over or listed twice.
    /// </summary>
    public int ListMailboxes(Span<ulong> into, out bool ended)
    {
        CheckThread();
        var found = _index.List(ref _listed.Table, ref _listed.Slot, into);
        ended = found < into.Length;
        if (ended) _listed = default;
        return found;
    }

    /// <summary>
    /// Asks for committed entries that have not expired above <paramref name="afterSequence"/>, in order, at most <paramref name="maxEntries"/> of them and
    /// <paramref name="maxBytes"/> bytes of log; one entry may exceed <paramref name="maxBytes"/>. The page, possibly empty, comes through
    /// <see cref="TryTakePage"/> with this token. False: all page buffers are out, or the log has failed.
    /// </summary>
    public bool TryBeginRead(ulong mailbox, ulong afterSequence, int maxEntries, int maxBytes, ulong token)
    {
        CheckThread();
        return BeginRead(mailbox, afterSequence, maxEntries, maxBytes, token, expired: false);
    }

    /// <summary>The next page that has been read. It is the caller's until <see cref="MailboxPage.Release"/>.</summary>
    public bool TryTakePage(out MailboxPage page)
    {
        CheckThread();
        if (!_pages.TryTake(out page)) return false;
        _coldReads?.Leave(page.AskedAtUs);
        return true;
    }

    /// <summary>
    /// Adds the readings of <c>cold_reads</c> (pages asked for and not yet taken) and <c>mailbox_backlog</c> (entries pending, by when their
    /// sequence was given out); nothing without <see cref="MailboxLogOptions.MeasureQueues"/>. Ages are by the wall clock, as sequences are:
    /// they are wrong for as long as that is. Any thread.
    /// </summary>
    public void ReadQueues(ICollection<QueueCounts> into)
    {
        ArgumentNullException.ThrowIfNull(into);
        if (_coldReads is null || _index.Backlog is not { } backlog) return;
        var nowUs = (long)_reserved.ClockMicroseconds;
        into.Add(_coldReads.Read(nowUs));
        into.Add(backlog.ReadQueue(nowUs));
    }

    /// <summary>What is pending by running totals, all 0 without <see cref="MailboxLogOptions.MeasureQueues"/>. Any thread.</summary>
    public PendingBacklog ReadBacklog() => _index.Backlog?.Read() ?? default;

    /// <summary>
    /// Adds the mailboxes that hold most, at most <see cref="DeepestListed"/>, in no order, each with exactly what it holds. Any thread; false when there
    /// was no quiet moment to read in, and without <see cref="MailboxLogOptions.MeasureQueues"/>.
    /// </summary>
    /// <param name="into">Added to.</param>
    /// <param name="missed">No mailbox of this partition that is not listed holds more entries than this.</param>
    public bool TryReadDeepest(ICollection<(ulong Mailbox, long Entries)> into, out long missed)
    {
        ArgumentNullException.ThrowIfNull(into);
        missed = 0;
        return _index.Backlog is { } backlog && backlog.Deepest.TryRead(into, out missed);
    }

    /// <summary>
    /// Messages that devices rejected since the log was made, by the device's reason: 0 to <see cref="RejectionReasons"/> - 2, and all others
    /// together in the last. They add up to the ledger's column. Any thread.
    /// </summary>
    public long MessagesRejected(int reason) => Volatile.Read(ref _rejectedByReason[reason]);

    /// <summary>By walking the whole index: for checks, not for every turn.</summary>
    public PendingCount CountPending()
    {
        CheckThread();
        return _index.CountPending();
    }

    /// <summary>Since this opening. Any thread.</summary>
    internal long RecordsAppended => Volatile.Read(ref _recordsAppended);

    internal MailboxIndex Index => _index;
    internal PageQueue Pages => _pages;

    /// <summary>Recovery is over; from now on the owner's thread has it.</summary>
    internal void Start(PartitionParts parts, ulong floor, long position)
    {
        (_log, _watermark, _admission, _reserved, _pump, _maxBodyBytes) = parts;
        (_floor, _lastPosition) = (floor, position);
    }

    /// <summary>Lets another thread become the owner; tests and hand-over only, with a fence between the two.</summary>
    internal void ReleaseThread() => _thread = 0;

    private bool BeginRead(ulong mailbox, ulong afterSequence, int maxEntries, int maxBytes, ulong token, bool expired)
    {
        if (_watermark.IsFrozen) return false;
        var page = _pages.TryRent();
        if (page is null) return false;
        var count = _index.Collect(
            mailbox, afterSequence, _watermark.Through, Math.Min(maxBytes, page.Capacity), page.Capacity, page.EntriesUpTo(maxEntries), expired);
        page.Ask(mailbox, token, count);
        if (_coldReads is not null)
        {
            page.AskedAtUs = (long)_reserved.ClockMicroseconds;
            _coldReads.Enter(page.AskedAtUs);
        }

        _pages.Submit(page);
        return true;
    }

    private void Apply(in MailboxRecord record, long address, int bytes)
    {
        switch (record.Type)
        {
            case RecordType.Message or RecordType.Receipt:
                var isReceipt = record.Type == RecordType.Receipt;
                var life = Life.StepFor(record.EnqueuedAt, record.ExpiresAt);
                var result = _index.Add(record.Mailbox, new IndexEntry(record.Sequence, address, bytes, isReceipt, life));
                Column(isReceipt).Accepted++;
                if (result != AddResult.Added) throw new LogFailedException($"Sequence {record.Sequence} was appended to mailbox {record.Mailbox} although it is {result}.");
                break;
            case RecordType.AckUpTo:
                Acknowledge(record.Mailbox, record.Sequence);
                break;
            case RecordType.Expire:
                _index.Expire(record.Mailbox, record.Sequence);
                break;
            case RecordType.Remove:
                Take(record.Mailbox, record.Sequence, (RemoveReason)record.Kind, record.Reason);
                break;
        }
    }

    private void Acknowledge(ulong mailbox, ulong sequence)
    {
        var removed = _index.AckUpTo(mailbox, sequence);
        _messages.Delivered += removed.Messages;
        _receipts.Delivered += removed.Receipts;
    }

    private void Take(ulong mailbox, ulong sequence, RemoveReason reason, ushort code)
    {
        var removed = _index.Remove(mailbox, sequence);
        Column(isReceipt: false).Remove(reason, removed.Messages);
        Column(isReceipt: true).Remove(reason, removed.Receipts);
        if (reason != RemoveReason.Rejected) return;
        ref var rejected = ref _rejectedByReason[RejectionOf(code)];
        Volatile.Write(ref rejected, rejected + removed.Messages);
    }

    /// <summary>Where rejections for this reason are counted.</summary>
    internal static int RejectionOf(ushort reason) => Math.Min((int)reason, RejectionReasons - 1);

    private ref Tally Column(bool isReceipt) => ref isReceipt ? ref _receipts : ref _messages;

    private void Check(in MailboxRecord record)
    {
        if (record.Mailbox == 0) throw new ArgumentException("A record without a mailbox.");
        switch (record.Type)
        {
            case RecordType.Message or RecordType.Receipt:
                if (record.Body.Length > _maxBodyBytes) throw new ArgumentException($"The body has {record.Body.Length} bytes; the log takes {_maxBodyBytes}.");
                if (record.Sequence == 0 || record.Sequence > _floor) throw new ArgumentException($"Sequence {record.Sequence} was not given out by this partition.");
                if (record.Sequence <= _index.State(record.Mailbox).Last) throw new ArgumentException($"Sequence {record.Sequence} is not above the mailbox's last.");
                break;
            case RecordType.AckUpTo or RecordType.Expire or RecordType.Remove or RecordType.Window or RecordType.Device:
                if (!record.Body.IsEmpty) throw new ArgumentException($"A {record.Type} record has no body.");
                if (record.Type == RecordType.Remove && (RemoveReason)record.Kind is < RemoveReason.Rejected or > RemoveReason.Lost)
                    throw new ArgumentException($"{record.Kind} is no reason to remove an entry.");
                break;
            default:
                throw new ArgumentException($"{record.Type} is not a record that callers append.");
        }
    }

    /// <summary>A record that changes nothing, as a repeated acknowledgement does; and what one that changes something takes out.</summary>
    private bool IsIdle(in MailboxRecord record, out RemovedEntries removed)
    {
        removed = default;
        switch (record.Type)
        {
            case RecordType.AckUpTo:
                removed = _index.CountUpTo(record.Mailbox, record.Sequence);
                return removed == default;
            case RecordType.Expire:
                return !_index.TryGet(record.Mailbox, record.Sequence, out var over) || over.HasExpired;
            case RecordType.Remove:
                if (!_index.TryGet(record.Mailbox, record.Sequence, out var entry)) return true;
                removed = new RemovedEntries(entry.IsReceipt ? 0 : 1, entry.IsReceipt ? 1 : 0, entry.Bytes);
                return false;
            default:
                return false;
        }
    }

    private unsafe bool TryEnqueue(in MailboxRecord record, in RemovedEntries removed, out long address, out int bytes)
    {
        // SAFETY: the fixed part lies on this stack and the body is pinned until FASTER has copied both.
        var head = stackalloc byte[RecordLayout.MaxFixedBytes];
        var fixedBytes = RecordLayout.FixedBytes(record.Type);
        RecordLayout.Write(new Span<byte>(head, fixedBytes), record, removed);
        fixed (byte* body = record.Body)
        {
            bytes = RecordLayout.LogBytes(fixedBytes + record.Body.Length);
            return _log.TryEnqueue(new EnqueuedRecord(head, fixedBytes, body, record.Body.Length), out address);
        }
    }

    [Conditional("DEBUG")]
    private void CheckThread()
    {
        var current = Environment.CurrentManagedThreadId;
        if (_thread == 0) _thread = current;
        else if (_thread != current) throw new InvalidOperationException($"Thread {current} used a partition that belongs to thread {_thread}.");
    }

    /// <summary>
    /// Two copies into FASTER's memory, which run inside its epoch: nothing here can throw, which would leave the epoch held and stop
    /// every commit.
    /// </summary>
    private readonly unsafe struct EnqueuedRecord(byte* head, int headBytes, byte* body, int bodyBytes) : ILogEnqueueEntry
    {
        private readonly byte* _head = head;
        private readonly byte* _body = body;

        public int SerializedLength => headBytes + bodyBytes;

        public void SerializeTo(Span<byte> destination)
        {
            // SAFETY: see TryEnqueue; FASTER hands exactly SerializedLength bytes.
            new ReadOnlySpan<byte>(_head, headBytes).CopyTo(destination);
            if (bodyBytes > 0) new ReadOnlySpan<byte>(_body, bodyBytes).CopyTo(destination[headBytes..]);
        }
    }

    private struct Tally
    {
        public long Accepted;
        public long Delivered;
        private long _rejected;
        private long _expired;
        private long _discarded;
        private long _lost;

        public readonly LedgerColumn Column => new(
            Volatile.Read(in Accepted), Volatile.Read(in Delivered), Volatile.Read(in _rejected), Volatile.Read(in _expired), Volatile.Read(in _discarded), Volatile.Read(in _lost));

        public Tally(LedgerColumn column) =>
            (Accepted, Delivered, _rejected, _expired, _discarded, _lost) = column;

        public void Remove(RemoveReason reason, long entries)
        {
            switch (reason)
            {
                case RemoveReason.Rejected: _rejected += entries; break;
                case RemoveReason.Expired: _expired += entries; break;
                case RemoveReason.Discarded: _discarded += entries; break;
                case RemoveReason.Lost: _lost += entries; break;
            }
        }
    }
}

/// <summary>What every partition shares with the log.</summary>
internal sealed record PartitionParts(FasterLog Log, Watermark Watermark, Admission Admission, ReservedSequences Reserved, WakeSignal Pump, int MaxBodyBytes);
