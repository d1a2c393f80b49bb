using Gateway.Messaging;
using Gateway.Protocol;

namespace Gateway.Simulation;

/// <summary>
/// One reactor with its doorman and its home: what the node's host does between them, without a kernel. Owned by its <see cref="HomeNet"/>.
/// Invariants: the home is told the time before every event; a frame that was parked is presented again, unchanged, after the resume.
/// </summary>
public sealed class SimulatedReactor : IConnections, IHomeEvents
{
    private readonly HomeNet _net;
    private readonly Doorman _doorman;
    private readonly Dictionary<ulong, SimulatedConnection> _connections = [];
    private readonly SortedSet<ulong> _touched = [];
    private readonly List<ulong> _taken = [];
    private readonly List<ulong> _again = [];
    private readonly List<SimulatedConnection> _due = [];
    private bool _isInTurn;
    private byte[] _span = new byte[4096];
    private ulong _spanOf;

    internal SimulatedReactor(HomeNet net, int index, IHomeLog log, IHomeLinks links)
    {
        _net = net;
        Index = index;
        _doorman = new Doorman(this, net, net.FillNonce, net.Options.MaxHandshakes, new LoginBucket(net.Options.LoginsPerSecond, net.Options.LoginBurst));
        Home = new Home(index, net.Options.Homes, net.Options.Home, log, this, links, this);
    }

    public int Index { get; }

    public Home Home { get; }

    /// <summary>The transport is over its hard mark: the host refuses new connections.</summary>
    public bool BuffersAreFull { get; set; }

    internal long NowMs => _net.Clock.NowMs;

    public IReadOnlyCollection<SimulatedConnection> Connections => _connections.Values;

    /// <summary>Handshakes under way.</summary>
    public int Handshakes => _doorman.Count;

    /// <summary>Devices sent away because too many logged in.</summary>
    public long LoginsDeferred => _doorman.Deferred;

    /// <summary>Connections with something to do: bytes to read, output to flush, a timer due.</summary>
    internal bool HasWork => _connections.Values.Any(c => c.HasDrained || HasInput(c) || (c.Unsent.Length != 0 && Room(c) > 0));

    internal void Touch(SimulatedConnection connection)
    {
        _touched.Add(connection.Id);
        if (!_isInTurn) _net.Observer?.OnTouched(this);
    }

    internal void OnUpstream(SimulatedConnection connection) => _net.Observer?.OnUpstream(connection);

    internal void OnDeviceLeft(SimulatedConnection connection) => _net.Observer?.OnDeviceLeft(connection);

    internal SimulatedConnection Accept(ulong id)
    {
        var connection = new SimulatedConnection(id, this) { IsDistant = _net.Observer is not null };
        _connections.Add(id, connection);
        Touch(connection);
        if (BuffersAreFull)
        {
            _doorman.TurnAway(id, ErrorCode.BuffersFull, NowMs);
            Close(id);
            return connection;
        }

        connection.Handshake = _doorman.Begin();
        if (connection.Handshake == 0)
        {
            this.WriteError(id, ErrorCode.Overloaded);
            Close(id);
        }

        return connection;
    }

    /// <summary>
    /// One turn: the connections' events, then the home's own, then the flush. A turn that is not followed by rest may leave what it appended
    /// to the batch of the next.
    /// </summary>
    internal void Turn(bool submits = true)
    {
        _isInTurn = true;
        Enter();
        foreach (var connection in _connections.Values) CollectDue(connection);
        foreach (var connection in _due) Home.OnTimer(connection.Id, connection.Session);
        _due.Clear();

        foreach (var id in TakeTouched())
        {
            if (_connections.TryGetValue(id, out var connection)) OnReady(connection);
        }

        Home.OnTurn();
        if (submits) Home.Submit();
        TakeTouched();
        _touched.Clear();
        foreach (var id in _taken)
        {
            if (!_connections.TryGetValue(id, out var connection)) continue;
            Flush(connection);
            if (connection.HasDrained || HasInput(connection)) _again.Add(id);
        }

        _isInTurn = false;
        _touched.UnionWith(_again);
        _again.Clear();
        if (_touched.Count != 0) _net.Observer?.OnTouched(this);
    }

    private void CollectDue(SimulatedConnection connection)
    {
        if (connection.TimerDueMs == 0 || connection.TimerDueMs > _net.Clock.NowMs) return;
        connection.TimerDueMs = 0;
        _due.Add(connection);
    }

    /// <summary>Those with something to do, in order of age; the next call tells of what came since.</summary>
    private List<ulong> TakeTouched()
    {
        _taken.Clear();
        _taken.AddRange(_touched);
        return _taken;
    }

    /// <summary>The host's timeout path: tells the connection why and closes it.</summary>
    internal void TimeOut(SimulatedConnection connection, ErrorCode code)
    {
        Enter();
        if (connection.IsLoggedIn)
        {
            // On its way to its home it has no session yet, and nobody to ask.
            if (connection.Session != 0) Home.OnTimeout(connection.Id, connection.Session, code);
            return;
        }

        this.WriteError(connection.Id, code);
        Close(connection.Id);
    }

    /// <summary>The transport has heard nothing of the connection for a good part of the idle timeout.</summary>
    public void TellQuiet(SimulatedConnection connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        Enter();
        Home.OnQuiet(connection.Id, connection.Session);
        Touch(connection);
    }

    internal void OnHungUp(SimulatedConnection connection)
    {
        Enter();
        Forget(connection);
    }

    internal void OnRequest(int from, ReadOnlySpan<byte> message)
    {
        Enter();
        Home.OnRequest(from, message);
    }

    internal void OnReply(int from, ReadOnlySpan<byte> message)
    {
        Enter();
        Home.OnReply(from, message);
    }

    internal void OnNotice(ReadOnlySpan<byte> message)
    {
        Enter();
        Home.OnNotice(message);
    }

    internal void OnRequestCredit(int to)
    {
        Enter();
        Home.OnRequestCredit(to);
    }

    internal void Enter() => Home.SetTime(_net.Clock.NowMs, _net.Clock.UnixMicros);

    Span<byte> IConnections.GetSpan(ulong connection, int sizeBytes)
    {
        if (_span.Length < sizeBytes) _span = new byte[sizeBytes * 2];
        _spanOf = connection;
        return _span;
    }

    void IConnections.AdvanceWithNext(ulong connection, int bytes) => ((IConnections)this).Advance(connection, bytes);

    void IConnections.Advance(ulong connection, int bytes)
    {
        if (_spanOf != connection) throw new InvalidOperationException($"Output for connection {connection} was written into the span of {_spanOf}.");
        if (!_connections.TryGetValue(connection, out var c) || c.IsClosing) return;
        _net.Observer?.OnWritten(c, _span.AsSpan(0, bytes));
        c.Unsent.Append(_span.AsSpan(0, bytes));
        Touch(c);
    }

    int IConnections.UnsentBytes(ulong connection) => _connections.TryGetValue(connection, out var c) ? c.Unsent.Length : 0;

    long IConnections.HeardAtMs(ulong connection) =>
        _connections.TryGetValue(connection, out var c) && !c.IsPaused ? c.HeardAtMs : NowMs;

    void IConnections.Pause(ulong connection)
    {
        if (_connections.TryGetValue(connection, out var c)) c.IsPaused = true;
    }

    void IConnections.Resume(ulong connection)
    {
        if (!_connections.TryGetValue(connection, out var c)) return;
        c.IsPaused = false;
        Touch(c);
    }

    void IConnections.Close(ulong connection) => Close(connection);

    void IConnections.SetTimer(ulong connection, long dueMs)
    {
        if (_connections.TryGetValue(connection, out var c)) c.TimerDueMs = dueMs;
    }

    void IHomeEvents.OnOffline(ulong mailbox) => _net.Offline.Add(new Address(mailbox));

    void IHomeEvents.OnExpirySuspended(uint clock, uint expected) => _net.ExpirySuspended.Add((Index, clock, expected));

    void IHomeEvents.OnLogLost(LogOutcome outcome) => _net.LogLost.Add((Index, outcome));

    private void Close(ulong id)
    {
        if (!_connections.TryGetValue(id, out var connection)) return;
        connection.IsClosing = true;
        Touch(connection);
    }

    private void OnReady(SimulatedConnection connection)
    {
        if (connection.HasDrained)
        {
            connection.HasDrained = false;
            if (connection.IsLoggedIn) Home.OnDrained(connection.Id, connection.Session);
        }

        Receive(connection);
        if (connection.IsClosing && connection.Reactor == this) PresentStale(connection);
        if (connection.HasEnded && connection.Input.Length == 0 && _connections.ContainsKey(connection.Id)) Forget(connection);
    }

    private bool MayRead(SimulatedConnection connection) =>
        !connection.IsPaused && !connection.IsClosing && connection.Unsent.Length <= _net.Options.Home.MaxUnsentBytes;

    private bool HasInput(SimulatedConnection connection) => connection.Input.Length != connection.PartialBytes && MayRead(connection);

    private void Receive(SimulatedConnection connection)
    {
        while (MayRead(connection) && connection.Input.Length != 0)
        {
            var bytes = connection.Input.Bytes;
            var phase = connection.IsLoggedIn ? ConnectionPhase.Established : ConnectionPhase.AwaitHello;
            var status = FrameReader.TryRead(
                ref bytes, ConnectionRules.MaxClientPayloadBytes(phase, _net.Options.Home.MaxBodyBytes), out var type, out var payload);
            if (status == FrameStatus.Partial)
            {
                connection.PartialBytes = connection.Input.Length;
                return;
            }

            connection.PartialBytes = 0;
            if (status == FrameStatus.TooLarge)
            {
                if (connection.IsLoggedIn) Home.OnProtocolError(connection.Id, connection.Session, ErrorCode.FrameTooLarge, type);
                else Refuse(connection, ErrorCode.FrameTooLarge, type);
                return;
            }

            var consumed = connection.Input.Length - bytes.Length;
            if (connection.IsLoggedIn)
            {
                _net.Observer?.OnFrame(connection, type, payload);
                if (Home.OnFrame(connection.Id, connection.Session, type, payload) != FrameResult.Consumed) return;
                connection.Input.Consume(consumed);
                continue;
            }

            var result = _doorman.OnFrame(connection.Id, connection.Handshake, type, payload, _net.Clock.NowMs, out var login);
            connection.Input.Consume(consumed);
            if (result == DoormanResult.Continue) continue;
            if (result != DoormanResult.Authenticated) Close(connection.Id);
            else MoveHome(connection, in login);
            return;
        }
    }

    /// <summary>
    /// What comes from a connection whose session has ended: the home must have nothing to do with it (rule 6). Only under an observer, since the
    /// node's own host drops what a closing connection says; one that has frames in hand when the session ends might not.
    /// </summary>
    private void PresentStale(SimulatedConnection connection)
    {
        if (_net.Observer is null) return;
        while (connection.Session != 0 && connection.Input.Length != 0)
        {
            var bytes = connection.Input.Bytes;
            var limit = ConnectionRules.MaxClientPayloadBytes(ConnectionPhase.Established, _net.Options.Home.MaxBodyBytes);
            if (FrameReader.TryRead(ref bytes, limit, out var type, out var payload) != FrameStatus.Frame) break;
            _net.Observer.OnFrame(connection, type, payload);
            if (Home.OnFrame(connection.Id, connection.Session, type, payload) != FrameResult.Closed)
                throw new PromiseBrokenException($"Rule 6: {type} of a session that has ended was taken.");
            // Nor is it any session's what such a connection says wrongly, or that its time ran out.
            Home.OnProtocolError(connection.Id, connection.Session, ErrorCode.FrameTooLarge, type);
            Home.OnTimeout(connection.Id, connection.Session, ErrorCode.FrameTimeout);
            connection.Input.Consume(connection.Input.Length - bytes.Length);
        }

        if (connection.Session == 0 || connection.HasEnded) connection.Input.Clear();
    }

    private void Refuse(SimulatedConnection connection, ErrorCode error, FrameType type)
    {
        this.WriteError(connection.Id, error, (uint)type);
        Close(connection.Id);
    }

    /// <summary>Takes a proven device's connection to its home, with its unread bytes and its unsent output.</summary>
    private void MoveHome(SimulatedConnection connection, in Login login)
    {
        _doorman.End(connection.Handshake);
        connection.Handshake = 0;
        _connections.Remove(connection.Id);
        var home = _net.ReactorOf(new Address(login.Address));
        home._connections.Add(connection.Id, connection);
        connection.Reactor = home;
        connection.IsLoggedIn = true;
        home.Enter();
        home.Touch(connection);
        if (_net.CurrentEpoch(new Address(login.Address)) != login.KeyEpoch)
        {
            // As the node's host asks once more: the epoch may have risen since the proof was judged.
            home.Refuse(connection, ErrorCode.KeyRevoked, FrameType.Authenticate);
            return;
        }

        _net.Observer?.OnLogin(connection, in login);
        connection.Session = home.Home.OnLogin(connection.Id, in login);
        _net.Observer?.OnLoggedIn(connection);
        if (connection.Session != 0) home.Receive(connection);
    }

    private static int Room(SimulatedConnection connection) => connection.KernelRoomBytes - connection.Outgoing.Length;

    private void Flush(SimulatedConnection connection)
    {
        var taken = Math.Min(connection.Unsent.Length, Math.Max(0, Room(connection)));
        connection.Outgoing.Append(connection.Unsent.Bytes[..taken]);
        connection.Unsent.Consume(taken);
        _net.BytesFlushed += taken;
        if (taken != 0) _net.Observer?.OnFlushed(connection);
        if (connection.Unsent.Length != 0)
        {
            connection.Lags = true;
        }
        else if (connection.IsClosing)
        {
            if (connection.IsDistant && !connection.HasEnded) Linger(connection);
            else Forget(connection);
        }
        else if (connection.Lags)
        {
            // Told in the next turn, as a reactor hears of it from its poller.
            connection.Lags = false;
            connection.HasDrained = true;
        }
    }

    private void Linger(SimulatedConnection connection)
    {
        if (connection.IsLingering) return;
        connection.IsLingering = true;
        _net.Observer?.OnFlushed(connection);
    }

    private void Forget(SimulatedConnection connection)
    {
        connection.IsClosed = true;
        connection.Input.Clear();
        connection.Unsent.Clear();
        _connections.Remove(connection.Id);
        if (connection.Handshake != 0) _doorman.End(connection.Handshake);
        connection.Handshake = 0;
        if (connection.Session != 0) Home.OnClosed(connection.Id, connection.Session);
        _net.Observer?.OnFlushed(connection);
    }
}
