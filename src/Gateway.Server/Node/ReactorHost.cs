using System.Buffers;
using Gateway.Mailbox;
using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Server.Health.Flight;
using Gateway.Server.Metrics;
using Gateway.Transport;

namespace Gateway.Server.Node;

/// <summary>
/// One reactor's composition: bytes become frames here, frames go to the doorman until the device is proven and to its home afterwards.
/// Owned by the reactor's thread, but for what its comments say may be read elsewhere.
/// A connection's tag is its handshake (with <see cref="HandshakeTag"/>) or its session; 0 is neither.
/// </summary>
internal sealed class ReactorHost : IReactorHandler
{
    private const ulong HandshakeTag = 1UL << 63;

    /// <summary>
    /// A busy reactor gathers appends over its turns and submits them when it comes to rest, at the latest after this time, which is about
    /// what a commit takes: a commit for each small turn costs more than it saves. See perf-reports, "the ladder".
    /// </summary>
    private static readonly TimeSpan LongestBatch = TimeSpan.FromMicroseconds(300);

    private const int MovedBytesPerTurn = 64 * 1024;

    private readonly int _homes;
    private readonly int _maxBodyBytes;
    private readonly IDeviceKeys _keys;
    private readonly TimeProvider _time;
    private readonly ReactorConnections _connections;
    private readonly Doorman _doorman;
    private readonly PartitionLog _log;
    private readonly byte[] _scratch;
    private readonly byte[] _login = new byte[Login.SizeBytes];
    private readonly LoopLag? _lag;
    private readonly FlightRecorder? _flight;
    private volatile bool _awaitsCommit;
    private long _submittedAt;
    private bool _draining;

    public ReactorHost(
        int homes, GatewayOptions options, ReactorConnections connections, Doorman doorman, Home home, PartitionLog log, IDeviceKeys keys, TimeProvider time, LoopLag? lag,
        FlightRecorder? flight)
    {
        _homes = homes;
        _maxBodyBytes = options.MaxBody;
        _connections = connections;
        _doorman = doorman;
        Home = home;
        _log = log;
        _keys = keys;
        _time = time;
        _lag = lag;
        _flight = flight;
        _scratch = new byte[Wire.MaxPayloadBytes(_maxBodyBytes)];
    }

    public Home Home { get; }

    public Reactor Reactor => _connections.Reactor;

    /// <summary>Failed authentications; any thread may read it.</summary>
    public long AuthenticationsFailed { get; private set; }

    /// <summary>Logins put off because too many came at once; any thread may read it.</summary>
    public long LoginsDeferred => _doorman.Deferred;

    /// <summary>Connections refused because buffers were full; any thread may read it.</summary>
    public long ConnectionsShed => _doorman.TurnedAway;

    /// <summary>Any thread: true when somebody here waits for the log's watermark to rise.</summary>
    public bool AwaitsCommit => _awaitsCommit;

    /// <summary>Whose connection it is; 0 before its login and while it is on its way here.</summary>
    public ulong DeviceOf(ConnectionId c, ulong tag) => IsSession(tag) ? Home.DeviceOf(c.Packed, (uint)tag) : 0;

    /// <summary>From now on nobody new is let in.</summary>
    public void BeginDrain(uint spreadMs)
    {
        _draining = true;
        _flight?.Note(FlightKind.DrainBegun, 0);
        Home.SendGoAway(spreadMs);
    }

    /// <summary>What the connection's home knows of it; false before its login and while it is on its way here.</summary>
    public bool TryList(in ConnectionReading reading, out SessionListing session)
    {
        session = default;
        return IsSession(reading.Tag) && Home.TryList(reading.Id.Packed, (uint)reading.Tag, out session);
    }

    public void OnAccepted(ConnectionId c)
    {
        var handshake = _doorman.Begin();
        if (_draining || handshake == 0)
        {
            if (handshake != 0) _doorman.End(handshake);
            Refuse(c, _draining ? ErrorCode.ShuttingDown : ErrorCode.Overloaded);
            return;
        }

        if (Reactor.IsOverHardMark)
        {
            _doorman.End(handshake);
            _doorman.TurnAway(c.Packed, ErrorCode.BuffersFull, Reactor.NowMs);
            Reactor.Close(c);
            return;
        }

        Reactor.SetTag(c, HandshakeTag | handshake);
        _flight?.Note(FlightKind.Accepted, c.Packed);
    }

    public void OnConnected(ConnectionId c, int errno) => throw new InvalidOperationException("A node connects to nobody.");

    public int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
    {
        var rest = bytes;
        while (true)
        {
            var before = rest.Length;
            switch (FrameReader.TryRead(ref rest, MaxPayloadBytes(c), out var type, out var payload))
            {
                case FrameStatus.Partial:
                    return bytes.Length - rest.Length;
                case FrameStatus.TooLarge:
                    Fail(c, ErrorCode.FrameTooLarge, type);
                    return bytes.Length;
            }

            switch (OnFrame(c, type, payload))
            {
                case Next.Stop: return bytes.Length - rest.Length;
                case Next.Again: return bytes.Length - before;
            }
        }
    }

    public long OnReceived(ConnectionId c, in ReadOnlySequence<byte> bytes)
    {
        var rest = bytes;
        while (true)
        {
            var before = rest;
            switch (FrameReader.TryRead(ref rest, MaxPayloadBytes(c), _scratch, out var type, out var payload))
            {
                case FrameStatus.Partial:
                    return bytes.Length - rest.Length;
                case FrameStatus.TooLarge:
                    Fail(c, ErrorCode.FrameTooLarge, type);
                    return bytes.Length;
            }

            switch (OnFrame(c, type, payload))
            {
                case Next.Stop: return bytes.Length - rest.Length;
                case Next.Again: return bytes.Length - before.Length;
            }
        }
    }

    public void OnDrained(ConnectionId c)
    {
        var tag = Reactor.GetTag(c);
        if (IsSession(tag)) Home.OnDrained(c.Packed, (uint)tag);
    }

    public void OnTimeout(ConnectionId c, TimeoutKind kind)
    {
        var tag = Reactor.GetTag(c);
        if (kind == TimeoutKind.Application)
        {
            if (IsSession(tag)) Home.OnTimer(c.Packed, (uint)tag);
            return;
        }

        if (kind == TimeoutKind.Quiet)
        {
            if (IsSession(tag)) Home.OnQuiet(c.Packed, (uint)tag);
            return;
        }

        _flight?.Note(FlightKind.TimedOut, c.Packed, (int)kind);
        var code = kind switch
        {
            TimeoutKind.Handshake => ErrorCode.HandshakeTimeout,
            TimeoutKind.Frame => ErrorCode.FrameTimeout,
            _ => ErrorCode.IdleTimeout,
        };
        if (IsSession(tag)) Home.OnTimeout(c.Packed, (uint)tag, code);
        else Refuse(c, code);
    }

    public void OnMoved(ConnectionId c, int fromReactor, ReadOnlySpan<byte> context)
    {
        var login = Login.Read(context);
        // The key may have been revoked, or the drain begun, while the connection was on its way.
        if (_draining || _keys.CurrentEpoch(new Address(login.Address)) != login.KeyEpoch)
        {
            Refuse(c, _draining ? ErrorCode.ShuttingDown : ErrorCode.KeyRevoked);
            return;
        }

        var takeOvers = Home.Counters.TakeOvers;
        var session = Home.OnLogin(c.Packed, in login);
        if (session == 0) return;
        _flight?.Note(Home.Counters.TakeOvers == takeOvers ? FlightKind.LoggedIn : FlightKind.TakenOver, login.Address);
        Reactor.SetTag(c, session);
        Reactor.MarkEstablished(c);
    }

    public void OnClosed(ConnectionId c, ulong tag, CloseReason reason, int errno)
    {
        _flight?.Note(FlightKind.Closed, c.Packed, (int)reason, errno);
        if (IsSession(tag)) Home.OnClosed(c.Packed, (uint)tag);
        else if (tag != 0) _doorman.End((uint)tag);
    }

    public void OnRequest(int fromReactor, ReadOnlySpan<byte> message) => Home.OnRequest(fromReactor, message);

    public void OnReply(int fromReactor, ReadOnlySpan<byte> message) => Home.OnReply(fromReactor, message);

    public void OnNotice(int fromReactor, ReadOnlySpan<byte> message) => Home.OnNotice(message);

    public void OnRequestCredit(int toReactor) => Home.OnRequestCredit(toReactor);

    public void OnTurn(long nowMs)
    {
        _lag?.Note(nowMs, Reactor.LagUs);
        var unixTicks = (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks;
        Home.SetTime(nowMs, (ulong)unixTicks / 10);
        _flight?.OnTurn(Reactor, unixTicks / TimeSpan.TicksPerMillisecond, Home.Counters);
        // Raised before a batch is submitted: the commit may be over before this method is, and must find somebody to wake.
        _awaitsCommit = true;
        Home.OnTurn();
        _doorman.OnTurn(nowMs);
        if (_log.Partition.HasCompaction) Compact();
        if (_time.GetElapsedTime(_submittedAt) >= LongestBatch) Submit();
        _awaitsCommit = Home.Uncommitted > 0 || _log.Partition.HasCompaction;
    }

    public void OnIdle() => Submit();

    /// <summary>A turn's share of what the log asks for so that its oldest segment can go. What finds no room waits for the next turn.</summary>
    private void Compact()
    {
        var more = _log.Partition.Compact(MovedBytesPerTurn);
        var devices = _log.Partition.PeekCarried(out var through);
        if (devices.Length > 0)
        {
            var carried = Carry(devices[..Math.Min(devices.Length, Home.MaxCarriedAtOnce)], through);
            more = carried == Home.MaxCarriedAtOnce && carried < devices.Length;
            _log.Partition.Carried(carried);
        }

        if (more) Reactor.Wake();
    }

    /// <summary>How many of the devices, from the first on, need nothing any more of the part of the log that is to go.</summary>
    private int Carry(ReadOnlySpan<CarriedDevice> devices, long through)
    {
        Span<CarriedWindow> windows = stackalloc CarriedWindow[devices.Length];
        for (var i = 0; i < devices.Length; i++) windows[i] = new CarriedWindow(devices[i].Device, devices[i].Incarnation, devices[i].Number);
        var carried = Home.CarryWindows(windows, through);
        for (var i = 0; i < carried; i++)
        {
            var device = new Address(devices[i].Device);
            if (devices[i].HasKeyEpoch && !Home.TryCarryKeyEpoch(device, _keys.CurrentEpoch(device))) return i;
        }

        return carried;
    }

    private void Submit()
    {
        _submittedAt = _time.GetTimestamp();
        Home.Submit();
    }

    private enum Next : byte
    {
        Frame,
        /// <summary>This frame was taken and no other is to be.</summary>
        Stop,
        /// <summary>This frame was not taken; it comes again.</summary>
        Again,
    }

    private static bool IsSession(ulong tag) => tag is not 0 and < HandshakeTag;

    private int MaxPayloadBytes(ConnectionId c) =>
        ConnectionRules.MaxClientPayloadBytes(IsSession(Reactor.GetTag(c)) ? ConnectionPhase.Established : ConnectionPhase.AwaitHello, _maxBodyBytes);

    private Next OnFrame(ConnectionId c, FrameType type, ReadOnlySpan<byte> payload)
    {
        var tag = Reactor.GetTag(c);
        if (IsSession(tag))
        {
            return Home.OnFrame(c.Packed, (uint)tag, type, payload) switch
            {
                FrameResult.Consumed => Next.Frame,
                FrameResult.Parked => Next.Again,
                _ => Next.Stop,
            };
        }

        if (tag == 0) return Next.Stop; // refused at the door; the close is under way
        switch (_doorman.OnFrame(c.Packed, (uint)tag, type, payload, Reactor.NowMs, out var login))
        {
            case DoormanResult.Continue:
                return Next.Frame;
            case DoormanResult.Close:
                AuthenticationsFailed++;
                _flight?.Note(FlightKind.LoginFailed, c.Packed);
                EndHandshake(c);
                Reactor.Close(c);
                return Next.Stop;
            case DoormanResult.SentAway:
                EndHandshake(c);
                Reactor.Close(c);
                return Next.Stop;
            default:
                EndHandshake(c);
                login.Write(_login);
                Reactor.Move(c, HomeMap.HomeOf(login.Address, _homes), _login);
                return Next.Stop;
        }
    }

    private void Fail(ConnectionId c, ErrorCode code, FrameType type)
    {
        var tag = Reactor.GetTag(c);
        if (IsSession(tag)) Home.OnProtocolError(c.Packed, (uint)tag, code, type);
        else Refuse(c, code, type);
    }

    private void Refuse(ConnectionId c, ErrorCode code, FrameType type = FrameType.None)
    {
        _flight?.Note(FlightKind.RefusedAtDoor, c.Packed, (int)code);
        EndHandshake(c);
        _connections.WriteError(c.Packed, code, (uint)type);
        Reactor.Close(c);
    }

    private void EndHandshake(ConnectionId c)
    {
        var tag = Reactor.GetTag(c);
        if (tag >= HandshakeTag) _doorman.End((uint)tag);
        if (!IsSession(tag)) Reactor.SetTag(c, 0);
    }
}
