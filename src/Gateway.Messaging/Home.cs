using System.Runtime.CompilerServices;
using Gateway.Messaging.Pools;
using Gateway.Protocol;

namespace Gateway.Messaging;

/// <summary>What became of a frame handed to a <see cref="Home"/>.</summary>
public enum FrameResult : byte
{
    Consumed,
    /// <summary>Not now: the connection was paused; hand the same frame over again after it is resumed.</summary>
    Parked,
    /// <summary>The connection is being closed; hand over nothing more.</summary>
    Closed,
}

/// <summary>
/// One reactor's sessions, windows and mailboxes: everything about a device happens at its home, on the home's thread, and nowhere else.
/// Events come in as calls, effects go out through <see cref="IConnections"/>, <see cref="IHomeLinks"/>, <see cref="IHomeLog"/> and
/// <see cref="IHomeEvents"/>; time is an argument. No I/O, no threads, no allocation per message.
/// <para>
/// Rooms: this file is the door; Login, Sending (the sender's side), Mailbox (append and commit), Delivering (the cursor),
/// Acknowledging (receipts owed), Probing and Expiring are its parts.
/// </para>
/// Invariants: nothing is answered accepted, and no message delivered, before <see cref="IHomeLog.CommittedThrough"/> has passed it (a double check is
/// shown when it is appended, <see cref="TryDeliverAhead"/>); an entry is removed only by a record, and only after the receipt it owes is durable.
/// </summary>
public sealed partial class Home
{
    private const int RetryIntervalMs = 50;

    private readonly int _index;
    private readonly int _homes;
    private readonly HomeOptions _options;
    private readonly IHomeLog _log;
    private readonly IConnections _connections;
    private readonly IHomeLinks _links;
    private readonly IHomeEvents _events;

    private readonly WindowTable _windows = new();
    private readonly SessionTable _sessions;
    private readonly Housekeeping _keeping;
    private long _nowMs;
    private ulong _unixMicros;
    private long _retriedAtMs;
    private bool _lost;

    public Home(int index, int homes, HomeOptions options, IHomeLog log, IConnections connections, IHomeLinks links, IHomeEvents events)
    {
        ArgumentNullException.ThrowIfNull(options);
        _index = index;
        _homes = homes;
        _options = options;
        _log = log;
        _connections = connections;
        _links = links;
        _events = events;
        _expiryClock = new ExpiryClock(options.MaxClockJumpSeconds);
        _sessions = new SessionTable(_windows);
        _held = new Slab<HeldSend>(int.MaxValue);
        _delivered = new Slab<DeliveredEntry>(options.MaxDelivered);
        _owed = new Slab<OwedReceipt>(options.MaxDelivered);
        if (options.MeasureQueues)
        {
            (_commitGauge, _owedGauge) = MakeGauges(options);
            _senders = new BusiestSenders(SendersCounted, BusiestSenders.Stride, (uint)HomeMap.Mix((ulong)index + 1));
        }

        _commits = new CommitQueue(options.MaxUncommitted, options.HotBytes, _commitGauge);
        _refusals = new RecentRefusals[homes];
        _repliesSeen = new uint[homes];
        _waitingForCredit = new ElasticQueue<SessionRef>[homes];
        _acksWithoutCredit = new ElasticQueue<uint>[homes];
        for (var i = 0; i < homes; i++)
        {
            _refusals[i] = new RecentRefusals();
            _waitingForCredit[i] = new ElasticQueue<SessionRef>();
            _acksWithoutCredit[i] = new ElasticQueue<uint>();
        }

        _keeping = new Housekeeping(options.KeepUnusedMs);
        _keeping.Add(_held, _delivered, _owed, _commits, _ackList, _blockedAcks, _waitingForPage, _stopped, _stillStopped, _awaitingWelcome, _callBacks, _waitingReceipts);
        _keeping.Add(_waitingForCredit);
        _keeping.Add(_acksWithoutCredit);
        _sessions.AddTo(_keeping);
    }

    /// <summary>A session as it is noted in a queue; stale once the epoch differs.</summary>
    private readonly record struct SessionRef(uint Index, uint Epoch);

    public HomeCounters Counters { get; } = new();

    /// <summary>Devices connected here.</summary>
    public int Online { get; private set; }

    /// <summary>Devices connected here or with something left to finish.</summary>
    public int Sessions => _sessions.Count;

    /// <summary>Those of them of which something is under way, at the end of a turn.</summary>
    public int BusySessions => _sessions.BusyCount;

    /// <summary>Send windows remembered.</summary>
    public int Windows => _windows.Count;

    /// <summary>Appended entries whose commit somebody waits for.</summary>
    public int Uncommitted => _commits.Count;

    /// <summary>Bytes kept of what is there only while something is under way: sessions, delivered entries, receipts owed, waiting commits and logins.</summary>
    public long HeldBytes =>
        _sessions.HeldBytes + _delivered.HeldBytes + _owed.HeldBytes + _held.HeldBytes
        + (long)_commits.Capacity * Unsafe.SizeOf<PendingCommit>() + (long)_awaitingWelcome.Capacity * Login.SizeBytes;

    /// <summary>Entries delivered and not acknowledged.</summary>
    public int DeliveredUnacknowledged => _delivered.Count;

    /// <summary>Receipts asked for and not yet durable.</summary>
    public int ReceiptsOwed => _owed.Count;

    /// <summary>Sets the time that the following events happen at. Monotonic milliseconds, and microseconds since 1970.</summary>
    public void SetTime(long nowMs, ulong unixMicros)
    {
        _nowMs = nowMs;
        _unixMicros = unixMicros;
        if (!_expiryClock.SetTime(nowMs, unixMicros, out var expected)) _events.OnExpirySuspended(UnixSeconds, expected);
    }

    private uint UnixSeconds => (uint)(_unixMicros / 1_000_000);

    /// <summary>Handles one frame of a session of this home; <paramref name="session"/> is what <see cref="OnLogin"/> returned for this connection.</summary>
    public FrameResult OnFrame(ulong connection, uint session, FrameType type, ReadOnlySpan<byte> payload)
    {
        ref var s = ref _sessions.OfConnection(session, connection);
        if (SessionTable.IsNone(ref s)) return FrameResult.Closed; // rule 6: a connection that was taken over says nothing more

        var error = ConnectionRules.ClientMaySend(s.Has(SessionFlags.Welcomed) ? ConnectionPhase.Established : ConnectionPhase.AwaitWelcome, type);
        if (error == ErrorCode.None)
        {
            switch (type)
            {
                case FrameType.Send:
                    if (OnSend(session, ref s, payload, out error) || error != ErrorCode.None) break;
                    return Park(connection);
                case FrameType.Acknowledge:
                    error = OnAcknowledge(session, ref s, payload);
                    break;
                case FrameType.Reject:
                    if (OnReject(session, ref s, payload, out error) || error != ErrorCode.None) break;
                    return Park(connection);
                case FrameType.Ephemeral:
                    error = OnEphemeral(ref s, payload);
                    break;
                case FrameType.Credit:
                    error = OnCredit(session, ref s, payload);
                    break;
                case FrameType.Ping:
                    if (PingFrame.TryParse(payload, out var ping, out error)) _connections.WritePong(connection, ping.Token);
                    break;
                case FrameType.Pong:
                    if (PingFrame.TryParse(payload, out _, out error)) s.Clear(SessionFlags.Probed);
                    break;
                default:
                    error = ErrorCode.UnexpectedFrame;
                    break;
            }
        }

        if (error == ErrorCode.None) return FrameResult.Consumed;
        OnProtocolError(connection, session, error, type);
        return FrameResult.Closed;
    }

    /// <summary>Rule 8: no room at another home for what the frame asks; the connection is not read until there is.</summary>
    private FrameResult Park(ulong connection)
    {
        Counters.Parked++;
        _connections.Pause(connection);
        return FrameResult.Parked;
    }

    /// <summary>The connection sent what cannot be read, or what its session may not: says why and closes it.</summary>
    public void OnProtocolError(ulong connection, uint session, ErrorCode error, FrameType type)
    {
        if (SessionTable.IsNone(ref _sessions.OfConnection(session, connection))) return;
        Counters.ProtocolErrors++;
        CloseWith(session, error, (uint)type);
    }

    /// <summary>
    /// Ends the turn: releases what has become durable, hands out pages that arrived, asks for receipts and acknowledges. Call it once a
    /// turn, after the turn's events, also when there were none, and <see cref="Submit"/> after it, at the latest before the home rests.
    /// </summary>
    public void OnTurn()
    {
        if (_floorAtStart == 0) _floorAtStart = _log.Floor;
        ResumeStopped();
        ReleaseCommitted();
        TakePages();
        if (_nowMs - _retriedAtMs >= RetryIntervalMs)
        {
            _retriedAtMs = _nowMs;
            RetryWaitingReceipts();
            RetryBlockedAcknowledgements();
            RetryStopped();
            RetryTellings();
            SweepWindows();
            TellAbsent();
            _senders?.Fade(_nowMs);
            _keeping.Run(_nowMs);
        }

        WorkOffAcknowledgements();
        Expire();
        _sessions.FoldIdle(_log);
    }

    /// <summary>Sends what was appended in the turns since the last call on its way to the disk, as one batch.</summary>
    public void Submit() => _log.Submit();

    public void OnRequest(int fromHome, ReadOnlySpan<byte> message)
    {
        switch ((HomeMessageKind)message[0])
        {
            case HomeMessageKind.Send:
                var send = HomeMessage.Read<SendRequest>(message, out var body);
                OnSendRequest(fromHome, in send, body);
                break;
            case HomeMessageKind.Receipt:
                var receipt = HomeMessage.Read<ReceiptRequest>(message, out var numbers);
                AppendReceipt(in receipt, fromHome, numbers);
                break;
            default:
                throw new InvalidOperationException($"Home {_index} got a request of unknown kind {message[0]} from home {fromHome}.");
        }
    }

    public void OnReply(int fromHome, ReadOnlySpan<byte> message)
    {
        _repliesSeen[fromHome]++;
        switch ((HomeMessageKind)message[0])
        {
            case HomeMessageKind.Send:
                var send = HomeMessage.Read<SendReply>(message, out _);
                OnSendOutcome(send.Session, send.Incarnation, send.Number, send.To, (RefusalReason)send.Reason);
                break;
            case HomeMessageKind.Receipt:
                OnReceiptDurable(HomeMessage.Read<ReceiptReply>(message, out _).Owed);
                break;
            default:
                throw new InvalidOperationException($"Home {_index} got a reply of unknown kind {message[0]} from home {fromHome}.");
        }
    }

    public void OnNotice(ReadOnlySpan<byte> message)
    {
        var notice = HomeMessage.Read<EphemeralNotice>(message, out var data);
        ForwardEphemeral(notice.To, notice.From, (EphemeralKind)notice.EphemeralKind, data);
    }

    /// <summary>
    /// Requests to that home may succeed again: whoever waited goes on. Receipts first: they empty mailboxes, what waits behind them fills them,
    /// and a flood of senders would take every slot.
    /// </summary>
    public void OnRequestCredit(int toHome)
    {
        if (!SpendCreditOnReceipts(toHome)) return;
        var waiting = _waitingForCredit[toHome];
        for (var n = waiting.Count; n > 0; n--)
        {
            var reference = waiting.Dequeue();
            ref var s = ref _sessions.OfEpoch(reference.Index, reference.Epoch);
            if (SessionTable.IsNone(ref s) || s.Connection == 0) continue;
            _connections.Resume(s.Connection);
        }
    }

    /// <summary>The connection's output is gone: its cursor may go on.</summary>
    public void OnDrained(ulong connection, uint session)
    {
        ref var s = ref _sessions.OfConnection(session, connection);
        if (!SessionTable.IsNone(ref s)) Pump(session, ref s);
    }

    private int HomeOf(ulong mailbox) => HomeMap.HomeOf(mailbox, _homes);

    private ErrorCode OnEphemeral(ref Session s, ReadOnlySpan<byte> payload)
    {
        if (!EphemeralFrame.TryParse(payload, out var frame, out var error)) return error;
        var home = HomeOf(frame.Peer.Value);
        if (home == _index)
        {
            ForwardEphemeral(frame.Peer.Value, s.Key, frame.Kind, frame.Data);
            return ErrorCode.None;
        }

        var head = new EphemeralNotice { Kind = HomeMessageKind.Ephemeral, EphemeralKind = (byte)frame.Kind, To = frame.Peer.Value, From = s.Key };
        Span<byte> message = stackalloc byte[Unsafe.SizeOf<EphemeralNotice>() + Wire.MaxEphemeralBytes];
        var bytes = HomeMessage.Bytes(in head);
        bytes.CopyTo(message);
        frame.Data.CopyTo(message[bytes.Length..]);
        if (!_links.TryNotify(home, message[..(bytes.Length + frame.Data.Length)])) Counters.EphemeralShed++;
        return ErrorCode.None;
    }

    /// <summary>Shows it to the device if it is connected and keeps up; otherwise it is worth nothing (P6).</summary>
    private void ForwardEphemeral(ulong to, ulong from, EphemeralKind kind, ReadOnlySpan<byte> data)
    {
        var index = _sessions.Find(to);
        if (index == 0 || !_sessions.TryRead(index, out var s) || !s.IsOnline) return;
        var connection = s.Connection;
        if (_connections.UnsentBytes(connection) > _options.ShedEphemeralAtUnsentBytes)
        {
            Counters.EphemeralShed++;
            return;
        }

        Counters.EphemeralForwarded++;
        _connections.Advance(connection, EphemeralFrame.Write(
            _connections.GetSpan(connection, EphemeralFrame.FrameBytes(data.Length)), new Address(from), kind, data));
    }
}
