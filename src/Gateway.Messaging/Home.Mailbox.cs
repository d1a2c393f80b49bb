using System.Diagnostics;
using Gateway.Messaging.Pools;
using Gateway.Protocol;

namespace Gateway.Messaging;

/// <summary>The mailbox's side: sequence, append, and what a commit releases.</summary>
public sealed partial class Home
{
    /// <summary>Windows that <see cref="CarryWindows"/> takes at most: a turn's share.</summary>
    public const int MaxCarriedAtOnce = 64;

    private readonly record struct WaitingReceipt(ReceiptRequest Request, int Origin, byte[] Numbers);

    private readonly CommitQueue _commits;
    private readonly RecentRefusals[] _refusals;

    /// <summary>Operators' callbacks, in the order of the commit queue.</summary>
    private readonly ElasticQueue<Action> _callBacks = new();

    /// <summary>Devices whose key epoch is appended and not yet durable; an operator's doing, so few.</summary>
    private readonly List<ulong> _changingKeys = [];

    private long _lastPosition;

    /// <summary>Receipts that found no room in the log. At most one a request in flight, so bounded by the reply slots of the other homes.</summary>
    private readonly ElasticQueue<WaitingReceipt> _waitingReceipts = new();

    /// <summary>Calls back once everything appended here so far is durable: the moment at which a snapshot of this home is true.</summary>
    public void WhenDurable(Action callBack)
    {
        _callBacks.Enqueue(callBack);
        var pending = new PendingCommit { Position = _lastPosition, Action = CommitAction.CallBack };
        _commits.Enqueue(in pending, default, keepHot: false, _nowMs);
    }

    /// <summary>Makes a device's key epoch durable, then calls back. False: the log has no room now.</summary>
    public bool TrySetKeyEpoch(Address device, uint epoch, Action callBack)
    {
        var record = new LogRecord { Type = LogRecordType.Device, Mailbox = device.Value, Incarnation = epoch, EnqueuedAt = UnixSeconds };
        if (_log.Append(in record, out var position) != LogStatus.Appended) return false;
        _lastPosition = position;
        _changingKeys.Add(device.Value);
        WhenDurable(() =>
        {
            _changingKeys.Remove(device.Value);
            callBack();
        });
        return true;
    }

    /// <summary>
    /// Sees to it that the log tells of devices' send windows when its part up to <paramref name="through"/> has gone (rule 2): records them again,
    /// but for those that it has recorded behind there. Returns how many of them, from the first on, are seen to. The next one is to be tried again:
    /// the log has no room now, or a number up to <see cref="CarriedWindow.Number"/> is in flight whose message may lie in that very part: a window
    /// tells of it only when it is settled.
    /// </summary>
    public int CarryWindows(ReadOnlySpan<CarriedWindow> carried, long through)
    {
        // All are looked up before the first is recorded. Among half a million each look-up waits for memory several times; these wait together.
        Span<uint> found = stackalloc uint[MaxCarriedAtOnce];
        Span<ulong> inFlight = stackalloc ulong[MaxCarriedAtOnce];
        _windows.Find(carried, found);
        for (var i = 0; i < carried.Length; i++) inFlight[i] = found[i] == 0 ? 0 : InFlightOf(in _windows[found[i]]);
        for (var i = 0; i < carried.Length; i++)
        {
            if (found[i] == 0 || carried[i].Incarnation == 0) continue;
            ref var window = ref _windows[found[i]];
            // Else a log that has a device in many places would record it once for each of them, and never become shorter.
            if (window.IsRecordedBehind(through, _options.RecordedShift)) continue;
            if (window.Incarnation == carried[i].Incarnation && window.HasInFlightUpTo(carried[i].Number, inFlight[i])) return i;
            if (!TryRecordWindow(ref window, window.Session != 0 ? _log.SteadySeconds : window.UsedAt, inFlight[i])) return i;
        }

        return carried.Length;
    }

    private bool TryRecordWindow(ref SendWindow window, uint usedAt, ulong inFlight)
    {
        if (!TryCarry(WindowRecord(ref window, usedAt))) return false;
        // With something in flight there may be a message before this record that it does not tell of.
        if (inFlight == 0) window.NoteRecorded(_lastPosition, _options.RecordedShift);
        return true;
    }

    private ulong InFlightOf(in SendWindow window) => window.Session == 0 ? 0 : _sessions.InFlightOf(window.Session);

    /// <summary>
    /// Records the device's key epoch again, for the same reason. False, and to be tried again: the log has no room now, or a higher epoch is under
    /// way, whose own record may lie in the part that is about to go while it does not count yet.
    /// </summary>
    public bool TryCarryKeyEpoch(Address device, uint epoch) => !_changingKeys.Contains(device.Value)
        && TryCarry(new LogRecord { Type = LogRecordType.Device, Mailbox = device.Value, Incarnation = epoch, EnqueuedAt = UnixSeconds });

    private bool TryCarry(in LogRecord record)
    {
        if (_log.Append(in record, out var position) != LogStatus.Appended) return false;
        _lastPosition = position;
        return true;
    }

    private void OnSendRequest(int origin, in SendRequest request, ReadOnlySpan<byte> body)
    {
        var refusals = _refusals[origin];
        var reason = refusals.Holds(request.Sender, request.Incarnation, request.To, request.Number, request.RepliesSeen)
            ? RefusalReason.HeldForOrder
            : AppendSend(in request, origin, body);
        if (reason == RefusalReason.None) return; // the commit answers

        if (reason.IsFinal()) refusals.OnReply();
        else refusals.OnRefused(request.Sender, request.Incarnation, request.To, request.Number);
        ReplyToSend(origin, request.Session, request.SessionEpoch, request.Incarnation, request.Number, request.To, reason);
    }

    /// <summary>Gives the message its sequence and appends it. None: its commit will settle it. Otherwise why it was not taken.</summary>
    private RefusalReason AppendSend(in SendRequest request, int origin, ReadOnlySpan<byte> body)
    {
        if (_commits.IsFull) return RefusalReason.Busy;
        var isRead = request.SendKind == (byte)SendKind.Read;
        if (!isRead && OverQuota(request.To, body.Length) is var quota and not RefusalReason.None) return quota;
        var sequence = _log.NextSequence();
        if (sequence == 0) return RefusalReason.Busy;

        var expiry = request.ExpirySeconds == 0 ? _options.DefaultExpirySeconds : request.ExpirySeconds;
        var recipient = _sessions.Find(request.To);
        var record = new LogRecord
        {
            Type = isRead ? LogRecordType.Receipt : LogRecordType.Message,
            Mailbox = request.To,
            Sequence = sequence,
            Previous = PreviousOf(request.To, recipient),
            Sender = request.Sender,
            Incarnation = request.Incarnation,
            Number = request.Number,
            Low = request.Low,
            EnqueuedAt = UnixSeconds,
            ExpiresAt = expiry == 0 ? 0 : (uint)Math.Min((ulong)UnixSeconds + expiry, uint.MaxValue),
            Kind = isRead ? (byte)ReceiptKind.Read : (byte)0,
            Body = body,
        };
        var status = _log.Append(in record, out var position);
        if (status != LogStatus.Appended) return status == LogStatus.Full ? RefusalReason.NodeFull : RefusalReason.Busy;

        var pending = new PendingCommit
        {
            Action = CommitAction.Entry,
            Origin = origin,
            Session = request.Session,
            SessionEpoch = request.SessionEpoch,
        };
        AwaitCommit(ref pending, in record, position, recipient, mayBeHot: true);
        return RefusalReason.None;
    }

    /// <summary>Why a message of this length may not go to the mailbox now; receipts are exempt (rule 5), and one message always fits an empty mailbox.</summary>
    private RefusalReason OverQuota(ulong mailbox, int bodyBytes)
    {
        if (_log.PendingBytes >= _options.MaxPendingBytes) return RefusalReason.NodeFull;
        var state = _log.State(mailbox);
        if (state.Entries == 0) return RefusalReason.None;
        return state.Entries >= _options.MaxMailboxEntries || state.Bytes + bodyBytes > _options.MaxMailboxBytes ? RefusalReason.MailboxFull : RefusalReason.None;
    }

    /// <summary>Appends a receipt to a mailbox of this home; when there is no room it waits here, in order, and is never refused (rule 5).</summary>
    private void AppendReceipt(in ReceiptRequest request, int origin, ReadOnlySpan<byte> numbers)
    {
        if (_waitingReceipts.Count == 0 && TryAppendReceipt(in request, origin, numbers)) return;
        _waitingReceipts.Enqueue(new WaitingReceipt(request, origin, numbers.ToArray()));
    }

    private bool TryAppendReceipt(in ReceiptRequest request, int origin, ReadOnlySpan<byte> numbers)
    {
        if (_commits.IsFull) return false;
        var sequence = _log.NextSequence();
        if (sequence == 0) return false;
        var recipient = _sessions.Find(request.Mailbox);
        var record = new LogRecord
        {
            Type = LogRecordType.Receipt,
            Mailbox = request.Mailbox,
            Sequence = sequence,
            Previous = PreviousOf(request.Mailbox, recipient),
            Sender = request.Peer,
            EnqueuedAt = UnixSeconds,
            Kind = request.ReceiptKind,
            Reason = request.Reason,
            Body = numbers,
        };
        if (_log.Append(in record, out var position) != LogStatus.Appended) return false;

        var isAhead = request.ReceiptKind == (byte)ReceiptKind.Delivered && TryDeliverAhead(recipient, in record);
        var pending = new PendingCommit { Action = CommitAction.Receipt, Origin = origin, Session = request.Owed };
        AwaitCommit(ref pending, in record, position, recipient, mayBeHot: !isAhead);
        return true;
    }

    private void RetryWaitingReceipts()
    {
        while (_waitingReceipts.TryPeek(out var waiting) && TryAppendReceipt(waiting.Request, waiting.Origin, waiting.Numbers)) _waitingReceipts.Dequeue();
    }

    private ulong PreviousOf(ulong mailbox, uint recipient)
    {
        var last = recipient != 0 ? _sessions.Open(recipient).LastAppended : 0;
        return last != 0 ? last : _log.State(mailbox).Last;
    }

    /// <summary>
    /// Notes what the commit of an entry releases. What was delivered ahead is not kept hot: were it sent once more, after its session had ended and
    /// another begun, it could be gone from the mailbox, so the log is asked.
    /// </summary>
    private void AwaitCommit(ref PendingCommit pending, in LogRecord record, long position, uint recipient, bool mayBeHot)
    {
        _lastPosition = position;
        pending.Position = position;
        pending.Kind = record.Kind;
        pending.Reason = record.Reason;
        pending.Incarnation = record.Incarnation;
        pending.EnqueuedAt = record.EnqueuedAt;
        pending.Mailbox = record.Mailbox;
        pending.Sequence = record.Sequence;
        pending.Previous = record.Previous;
        pending.Sender = record.Sender;
        pending.Number = record.Number;

        var keepHot = false;
        if (recipient != 0)
        {
            ref var s = ref _sessions.Open(recipient);
            s.LastAppended = record.Sequence;
            keepHot = mayBeHot && s.IsOnline && !s.Has(SessionFlags.Behind) && s.HasCredit(record.Body.Length);
        }

        _commits.Enqueue(in pending, record.Body, keepHot, _nowMs);
    }

    /// <summary>
    /// Rule of rules: whatever speaks of durability is said here, after the watermark has passed it. A double check does not: it says what a device
    /// has done, and may have been shown before (<see cref="TryDeliverAhead"/>).
    /// </summary>
    private void ReleaseCommitted()
    {
        var through = _log.CommittedThrough;
        _releasedThrough = through;
        while (_commits.TryPeek(through, out var pending))
        {
            switch (pending.Action)
            {
                case CommitAction.Entry:
                    Counters.Accepted++;
                    if (pending.Origin == _index) OnSendOutcome(pending.Session, pending.Incarnation, pending.Number, pending.Mailbox, RefusalReason.None);
                    else AcceptFor(in pending);
                    Offer(in pending);
                    break;
                case CommitAction.Receipt:
                    if (pending.Origin == _index) OnReceiptDurable(pending.Session);
                    else ReplyToReceipt(pending.Origin, pending.Session);
                    Offer(in pending);
                    break;
                case CommitAction.Welcome:
                    OnIncarnationDurable(in pending);
                    break;
                case CommitAction.CallBack:
                    _callBacks.Dequeue()();
                    break;
                default:
                    throw new UnreachableException($"A commit of home {_index} waits for no action.");
            }

            _commits.Dequeue();
        }

        ReleaseTellings(through);
        if (_log.Outcome != LogOutcome.Committed && !_lost)
        {
            _lost = true;
            _events.OnLogLost(_log.Outcome);
        }
    }

    private void AcceptFor(in PendingCommit pending)
    {
        _refusals[pending.Origin].OnReply();
        ReplyToSend(pending.Origin, pending.Session, pending.SessionEpoch, pending.Incarnation, pending.Number, pending.Mailbox, RefusalReason.None);
    }

    private void ReplyToSend(int origin, uint session, uint sessionEpoch, uint incarnation, ulong number, ulong to, RefusalReason reason)
    {
        var reply = new SendReply
        {
            Kind = HomeMessageKind.Send,
            Reason = (ushort)reason,
            Session = session,
            SessionEpoch = sessionEpoch,
            Incarnation = incarnation,
            Number = number,
            To = to,
        };
        _links.Reply(origin, HomeMessage.Bytes(in reply));
    }

    private void ReplyToReceipt(int origin, uint owed)
    {
        _refusals[origin].OnReply();
        var reply = new ReceiptReply { Kind = HomeMessageKind.Receipt, Owed = owed };
        _links.Reply(origin, HomeMessage.Bytes(in reply));
    }
}
