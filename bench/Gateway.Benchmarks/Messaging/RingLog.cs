using System.Diagnostics.CodeAnalysis;
using Gateway.Messaging;
using OverdueEntry = (ulong Mailbox, ulong Sequence, bool IsRecorded);

namespace Gateway.Benchmarks.Messaging;

/// <summary>
/// A log for one home and a few mailboxes that costs next to nothing: entries in a ring for each mailbox, durable when submitted, read at
/// once. So a benchmark of a home measures the home. Allocates only for a mailbox's first entry.
/// </summary>
internal sealed class RingLog : IHomeLog, ILogPage
{
    private const int Slots = 1024;
    private const int MaxBodyBytes = 1024;

    private readonly Dictionary<ulong, Ring> _rings = [];
    private long _appended;
    private ulong _sequence = 1_700_000_000_000_000;
    private Ring? _read;
    private ulong _readAfter;
    private int _readLeft;
    private bool _taken;

    public ulong Floor => _sequence;
    public uint SteadySeconds => 1_800_000_000;
    public long CommittedThrough { get; private set; }
    public LogOutcome Outcome => LogOutcome.Committed;
    public ulong Token { get; private set; }

    public ulong NextSequence() => ++_sequence;

    public LogStatus Append(in LogRecord record, out long position)
    {
        position = ++_appended;
        if (!_rings.TryGetValue(record.Mailbox, out var ring)) _rings.Add(record.Mailbox, ring = new Ring());
        if (record.Type is LogRecordType.Message or LogRecordType.Receipt) ring.Add(in record);
        else if (record.Type == LogRecordType.AckUpTo) ring.RemoveThrough(record.Sequence);
        return LogStatus.Appended;
    }

    public void Submit() => CommittedThrough = _appended;

    public long PendingBytes => 0;

    public MailboxState State(ulong mailbox) => _rings.TryGetValue(mailbox, out var ring) ? ring.State : default;

    public bool TryBeginRead(ulong mailbox, ulong afterSequence, int maxEntries, int maxBytes, ulong token)
    {
        if (_read is not null || !_rings.TryGetValue(mailbox, out var ring)) return false;
        (_read, _readAfter, _readLeft, Token, _taken) = (ring, afterSequence, maxEntries, token, false);
        return true;
    }

    public int ListMailboxes(Span<ulong> into, out bool ended)
    {
        ended = true;
        return 0;
    }

    public bool TryBeginExpiredRead(ulong mailbox, int maxEntries, int maxBytes, ulong token) => throw new NotSupportedException("Nothing here expires.");

    public int FindOverdue(uint nowSeconds, long through, int most, Span<OverdueEntry> into, out bool ended)
    {
        ended = true;
        return 0;
    }

    public bool TryTakePage([NotNullWhen(true)] out ILogPage? page)
    {
        page = _read is null || _taken ? null : this;
        _taken = _read is not null;
        return page is not null;
    }

    public bool TryNext(out LogRecord record)
    {
        record = default;
        if (_readLeft-- <= 0 || !_read!.TryAfter(_readAfter, out record)) return false;
        _readAfter = record.Sequence;
        return true;
    }

    public void Release() => _read = null;

    /// <summary>A mailbox: entries in order of their sequence. The reader's place is kept, so that reading on costs no search.</summary>
    private sealed class Ring
    {
        private readonly Entry[] _entries = new Entry[Slots];
        private readonly byte[] _bodies = new byte[Slots * MaxBodyBytes];
        private long _head;
        private long _tail;
        private long _reader;

        public MailboxState State => _head == _tail
            ? default
            : new MailboxState(_tail - _head, 0, _entries[_head % Slots].Sequence, _entries[(_tail - 1) % Slots].Sequence);

        public void Add(in LogRecord record)
        {
            if (_tail - _head == Slots) throw new InvalidOperationException("More is pending than the benchmark's log holds.");
            var slot = (int)(_tail++ % Slots);
            record.Body.CopyTo(_bodies.AsSpan(slot * MaxBodyBytes, MaxBodyBytes));
            _entries[slot] = new Entry(
                record.Type, record.Sequence, record.Previous, record.Sender, record.Incarnation, record.Number, record.Kind, record.Reason, record.Body.Length);
        }

        public void RemoveThrough(ulong sequence)
        {
            while (_head < _tail && _entries[_head % Slots].Sequence <= sequence) _head++;
        }

        public bool TryAfter(ulong sequence, out LogRecord record)
        {
            if (_reader > _tail || (_reader > _head && _entries[(_reader - 1) % Slots].Sequence > sequence)) _reader = _head;
            _reader = Math.Max(_reader, _head);
            while (_reader < _tail && _entries[_reader % Slots].Sequence <= sequence) _reader++;
            record = default;
            if (_reader == _tail) return false;
            var slot = (int)(_reader % Slots);
            ref var e = ref _entries[slot];
            record = new LogRecord
            {
                Type = e.Type,
                Sequence = e.Sequence,
                Previous = e.Previous,
                Sender = e.Sender,
                Incarnation = e.Incarnation,
                Number = e.Number,
                Kind = e.Kind,
                Reason = e.Reason,
                Body = _bodies.AsSpan(slot * MaxBodyBytes, e.BodyBytes),
            };
            return true;
        }
    }

    private readonly record struct Entry(
        LogRecordType Type, ulong Sequence, ulong Previous, ulong Sender, uint Incarnation, ulong Number, byte Kind, ushort Reason, int BodyBytes);
}
