using System.Buffers.Binary;
using Gateway.Messaging;
using Gateway.Protocol;
using static Gateway.Simulation.Promise;

namespace Gateway.Simulation;

/// <summary>The log's side: each record is judged when it is appended.</summary>
internal sealed partial class Judge
{
    private LogWatch _watch;
    private long _read;
    private bool _isRecovering;

    /// <summary>Where the log says what became of a message: the first receipt of each kind that names it. 0: none.</summary>
    private readonly Dictionary<Origin, (long Delivered, long Rejected, long Expired)> _told = [];

    /// <summary>The latest that the wall clock has ever said, seconds since 1970.</summary>
    private uint _latestSeconds;

    private readonly HashSet<(ulong Device, uint Incarnation)> _durableWindows = [];
    private readonly Queue<(long Position, ulong Device, uint Incarnation)> _windows = new();

    private readonly Dictionary<Origin, (ulong Mailbox, ulong Sequence)> _messages = [];

    /// <summary>Every entry of the log.</summary>
    public IEnumerable<StoredRecord> Entries => _watch.Entries;

    /// <summary>Read receipts stored: entries that devices have sent and that are no messages.</summary>
    public long ReadReceipts => _watch.Entries.LongCount(r => r.Type == LogRecordType.Receipt && r.Incarnation != 0);

    /// <summary>Double checks that devices were sent ahead of their commit, and those of them that a crash then took from the log.</summary>
    public int Ahead { get; private set; }
    public int LostAhead => _lostAhead.Count;

    /// <summary>A double check that its device was sent ahead of its commit, which a crash then took from the log.</summary>
    public bool IsLostAhead(ulong mailbox, ulong sequence) => _lostAhead.Contains((mailbox, sequence));

    /// <summary>A message of this sender is appended and not durable.</summary>
    public bool HasUncommittedOf(ulong sender)
    {
        for (var position = _net.Store.CommittedThrough + 1; position <= _net.Store.Appended; position++)
        {
            if (_net.Store[position] is { Incarnation: not 0 } record && record.Sender == sender) return true;
        }

        return false;
    }

    /// <summary>Reads what was appended since the last call. Call it before anything is committed or recovered.</summary>
    public void ReadLog()
    {
        _watch.Read();
        _latestSeconds = Math.Max(_latestSeconds, _net.Clock.UnixSeconds);
        var store = _net.Store;
        while (_read < store.Appended)
        {
            var record = store[++_read];
            switch (record.Type)
            {
                case LogRecordType.Message or LogRecordType.Receipt:
                    OnEntry(record);
                    break;
                case LogRecordType.AckUpTo:
                    OnAcknowledged(record);
                    break;
                case LogRecordType.Expire:
                    OnExpired(record);
                    break;
                case LogRecordType.Remove:
                    OnRemoved(record);
                    break;
                case LogRecordType.Window:
                    OnWindow(record);
                    break;
            }
        }

        while (_windows.TryPeek(out var window) && window.Position <= store.CommittedThrough)
        {
            _windows.Dequeue();
            _durableWindows.Add((window.Device, window.Incarnation));
        }

        while (_ahead.TryPeek(out var ahead) && ahead.Position <= store.CommittedThrough)
        {
            _ahead.Dequeue();
            _delivered.Add((ahead.Mailbox, ahead.Sequence));
        }
    }

    /// <summary>Another run of the node has begun on what was left of the log.</summary>
    public void OnCrash()
    {
        var ahead = _ahead.ToArray();
        _ahead.Clear();
        _watch = new LogWatch(_net.Store);
        _read = 0;
        _told.Clear();
        _windows.Clear();
        _durableWindows.Clear();
        _messages.Clear();
        foreach (var mailbox in _mailboxes.Values) mailbox.ForgetLog();
        _isRecovering = true;
        ReadLog();
        _isRecovering = false;

        foreach (var origin in _accepted)
            Require(_watch.IsAccepted(origin.Sender, origin.Incarnation, origin.Number), $"P1: {origin} was accepted and did not survive the crash");
        foreach (var (_, mailbox, sequence) in ahead) (_watch.DurableEntry(mailbox, sequence) is null ? _lostAhead : _delivered).Add((mailbox, sequence));
        foreach (var (mailbox, sequence) in _delivered)
            Require(_watch.DurableEntry(mailbox, sequence) is not null, $"P3: {sequence} was delivered to {mailbox:x} and did not survive the crash");
        foreach (var (device, epoch) in _keyEpochs)
            Require(_net.CurrentEpoch(new Address(device)) >= epoch, $"P9: the revocation of {new Address(device)} did not survive the crash");
        RequireBalance();
    }

    /// <summary>P7, which holds at every instant.</summary>
    public void RequireBalance()
    {
        var (messages, receipts) = (_net.Store.Messages, _net.Store.Receipts);
        Require(messages.Balances && receipts.Balances, $"P7: messages {messages}, receipts {receipts}");
        var pending = 0L;
        foreach (var mailbox in _mailboxes.Values) pending += mailbox.Pending.Count;
        Require(pending == messages.Pending + receipts.Pending, $"P7: {messages.Pending} and {receipts.Pending} are pending, of which {pending} are known");
    }

    private void OnEntry(StoredRecord record)
    {
        var mailbox = Mailbox(record.Mailbox);
        if (!_isRecovering) Require(record.Sequence > mailbox.Highest, $"Rule 3: sequence {record.Sequence} of {record.Mailbox:x} does not rise above {mailbox.Highest}");
        mailbox.Highest = Math.Max(mailbox.Highest, record.Sequence);
        if (!_isRecovering)
        {
            Require(
                mailbox.Pending.Count == 0 || record.Previous >= mailbox.Pending[^1].Sequence,
                $"P4: {record.Sequence} of {record.Mailbox:x} names {record.Previous} as the one before it, and there is a later one");
        }

        var isReceipt = record.Type == LogRecordType.Receipt;
        mailbox.Pending.Add(new PendingView(
            record.Sequence, _read, record.Sender, record.Incarnation, record.Number, isReceipt, record.BodyBytes,
            record.ExpiresAt == 0 ? 0 : record.ExpiresAt - record.EnqueuedAt, _isRecovering ? null : _net.Clock.NowMs, HasExpired: false));
        if (record.Incarnation == 0)
        {
            OnReceipt(record);
            return;
        }

        var origin = new Origin(record.Sender, record.Incarnation, record.Number);
        if (!isReceipt) _messages.Add(origin, (record.Mailbox, record.Sequence));
        if (!_sent.TryGetValue(origin, out var sent)) throw new PromiseBrokenException($"P3: {origin} is stored and was never sent.");
        Require(
            sent.To == record.Mailbox && sent.Content == Content(isReceipt ? (byte)SendKind.Read : (byte)SendKind.Message, record.Record.Body),
            $"P3: {origin} is stored otherwise than it was sent");
    }

    /// <summary>P2: a receipt that the node makes says what the device has said, and nothing else.</summary>
    private void OnReceipt(StoredRecord record)
    {
        var body = record.Record.Body;
        var incarnation = BinaryPrimitives.ReadUInt32LittleEndian(body);
        var peer = Mailbox(record.Sender);
        for (var numbers = body[SendFrame.ReadBodyFixedBytes..]; numbers.Length != 0; numbers = numbers[8..])
        {
            var origin = new Origin(record.Mailbox, incarnation, BinaryPrimitives.ReadUInt64LittleEndian(numbers));
            if (!_messages.TryGetValue(origin, out var message) || message.Mailbox != peer.Key)
                throw new PromiseBrokenException($"P2: a receipt of {peer.Key:x} names {origin}, which it was never sent.");
            var told = _told.GetValueOrDefault(origin);
            if ((ReceiptKind)record.Kind == ReceiptKind.Delivered)
            {
                Require(message.Sequence <= peer.Processed, $"P2: {origin} is told to be delivered, and its device has acknowledged {peer.Processed}, not {message.Sequence}");
                if (told.Delivered == 0) told.Delivered = _read;
            }
            else if ((ReceiptKind)record.Kind == ReceiptKind.Expired)
            {
                Require(
                    peer.Expired.ContainsKey(message.Sequence) || peer.Pending.Exists(e => e.Sequence == message.Sequence && e.HasExpired),
                    $"Rule 10: {origin} is told to have expired, which no record says");
                if (told.Expired == 0) told.Expired = _read;
            }
            else
            {
                Require((ReceiptKind)record.Kind == ReceiptKind.Rejected, $"P2: {origin} is told to be {(ReceiptKind)record.Kind}");
                Require(_isRecovering || peer.Rejected.Contains(message.Sequence), $"P2: {origin} is told to be rejected, and was not");
                if (told.Rejected == 0) told.Rejected = _read;
                if (!_isRecovering) peer.ToldRejected.Add(message.Sequence);
            }

            _told[origin] = told;
        }
    }

    private void OnAcknowledged(StoredRecord record)
    {
        var mailbox = Mailbox(record.Mailbox);
        var gone = mailbox.Pending.FindAll(e => e.Sequence <= record.Sequence && !e.HasExpired);
        foreach (var entry in _isRecovering ? [] : gone)
        {
            Require(entry.Sequence <= mailbox.Processed, $"P3: {entry.Sequence} of {record.Mailbox:x} leaves its mailbox; its device has acknowledged {mailbox.Processed}");
            Require(!mailbox.ToldRejected.Contains(entry.Sequence), $"Rule 11: {entry.Sequence} of {record.Mailbox:x} was rejected and leaves its mailbox as acknowledged");
            if (entry.IsReceipt) continue;
            var told = _told.GetValueOrDefault(new Origin(entry.Sender, entry.Incarnation, entry.Number)).Delivered;
            Require(told != 0 && told <= _net.Store.CommittedThrough, $"Rule 5: {entry.Sequence} of {record.Mailbox:x} leaves its mailbox before its receipt is durable");
        }

        mailbox.Pending.RemoveAll(e => e.Sequence <= record.Sequence && !e.HasExpired);
    }

    /// <summary>Rule 10: what was pending for as long as its life, and what no live session's device may have been sent.</summary>
    private void OnExpired(StoredRecord record)
    {
        var mailbox = Mailbox(record.Mailbox);
        var at = mailbox.Pending.FindIndex(e => e.Sequence == record.Sequence);
        Require(at >= 0, $"Rule 10: {record.Sequence} of {record.Mailbox:x} expires and is not pending");
        var entry = mailbox.Pending[at];
        mailbox.Pending[at] = entry with { HasExpired = true };
        if (_isRecovering) return;
        Require(!entry.HasExpired, $"Rule 10: {entry.Sequence} of {record.Mailbox:x} expires a second time");
        Require(entry.Position <= _net.Store.CommittedThrough, $"Rule 10: {entry.Sequence} of {record.Mailbox:x} expires and is not durable");
        Require(
            entry.LifeSeconds != 0 && entry.Sequence / 1_000_000 + entry.LifeSeconds < _latestSeconds
                && !(_net.Clock.NowMs - entry.AppendedMs < entry.LifeSeconds * 1000L),
            $"Rule 10: {entry.Sequence} of {record.Mailbox:x} expires before its {entry.LifeSeconds} s are over");
        if (mailbox.Current is not { IsClosing: false, Route.Session: { } session }) return;
        Require(
            entry.Sequence > session.HighestDelivered && entry.Sequence > session.Processed,
            $"Rule 10: {entry.Sequence} of {record.Mailbox:x} expires in a live delivery window");
    }

    private void OnRemoved(StoredRecord record)
    {
        var mailbox = Mailbox(record.Mailbox);
        var at = mailbox.Pending.FindIndex(e => e.Sequence == record.Sequence);
        if (at < 0) return;
        var entry = mailbox.Pending[at];
        mailbox.Pending.RemoveAt(at);
        var isExpiry = (RemoveReason)record.Kind == RemoveReason.Expired;
        if (isExpiry) mailbox.Expired.Add(record.Sequence, entry);
        if (_isRecovering) return;
        Require(entry.HasExpired == isExpiry, $"Rule 10: {record.Sequence} of {record.Mailbox:x} is removed for the reason {record.Kind}");
        if (isExpiry)
        {
            var last = _told.GetValueOrDefault(new Origin(entry.Sender, entry.Incarnation, entry.Number)).Expired;
            Require(
                entry.IsReceipt || (last != 0 && last <= _net.Store.CommittedThrough),
                $"Rule 5: {record.Sequence} of {record.Mailbox:x} expires and is removed before its receipt is durable");
            return;
        }

        Require((RemoveReason)record.Kind == RemoveReason.Rejected, $"P3: {record.Sequence} of {record.Mailbox:x} is removed for the reason {record.Kind}");
        Require(mailbox.Rejected.Contains(record.Sequence), $"P3: {record.Sequence} of {record.Mailbox:x} is removed as rejected, and was not");
        if (entry.IsReceipt) return;
        var told = _told.GetValueOrDefault(new Origin(entry.Sender, entry.Incarnation, entry.Number)).Rejected;
        Require(told != 0 && told <= _net.Store.CommittedThrough, $"Rule 5: {record.Sequence} of {record.Mailbox:x} is removed before its receipt is durable");
    }

    /// <summary>An operator has said that the wall clock is right: lives are over when it says so.</summary>
    public void OnExpiryResumed()
    {
        foreach (var mailbox in _mailboxes.Values)
        {
            for (var i = 0; i < mailbox.Pending.Count; i++) mailbox.Pending[i] = mailbox.Pending[i] with { AppendedMs = null };
        }
    }

    private void OnWindow(StoredRecord record)
    {
        var mailbox = Mailbox(record.Mailbox);
        Require(
            record.Incarnation >= mailbox.RecordedIncarnation, $"Rule 2: {record.Mailbox:x} gets incarnation {record.Incarnation} after {mailbox.RecordedIncarnation}");
        mailbox.RecordedIncarnation = record.Incarnation;
        _windows.Enqueue((_read, record.Mailbox, record.Incarnation));
    }
}
