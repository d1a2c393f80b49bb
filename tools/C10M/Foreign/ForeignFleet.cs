using System.Buffers;
using Gateway.Load.Devices;
using Gateway.Load.Measure;
using Gateway.Transport;

namespace Gateway.Load.Foreign;

/// <summary>
/// The devices of one reactor that speak somebody else's protocol, so that a foreign server can be loaded and checked as the gateway is:
/// same pairs, windows, bodies and counts. What is said on the wire is the derived type's. It logs in, sends, acknowledges and checks; it
/// never resends and never comes back: a break is an error. All members are for the reactor's thread but <see cref="CopyTo"/> and
/// <see cref="WakeAtUs"/>. Nothing is allocated per message. Invariant: a device's <see cref="ForeignDevice.Connection"/> names a connection
/// that the transport has not said is closed, or nobody.
/// </summary>
internal abstract partial class ForeignFleet : IFleet
{
    /// <summary>The longest stanza or packet that a server may send; what a body can grow to, and room around it.</summary>
    protected const int MaxUnitBytes = 1 << 20;

    private readonly FleetSettings _settings;
    private readonly Shape _shape;
    private readonly Slice _slice;
    private readonly ForeignDevice[] _devices;
    private readonly byte[] _body;
    private readonly byte[] _straddling;
    private readonly FleetTally _tally;
    private readonly Logins _logins;
    private readonly CheckRound _checks;
    private readonly SendSchedule _schedule;
    private readonly DeviceSlots _slots = new();
    private int _loginCursor;
    private long _nowUs;

    /// <param name="reactor">Its reactor.</param>
    /// <param name="settings">Of the run.</param>
    /// <param name="slice">Its devices, in whole groups.</param>
    /// <param name="complete">What must have been heard of a message for it to count.</param>
    protected ForeignFleet(Reactor reactor, FleetSettings settings, Slice slice, Marks complete)
    {
        Reactor = reactor;
        _settings = settings;
        _shape = settings.Shape;
        _slice = slice;
        _tally = new FleetTally(reactor);
        _logins = new Logins(reactor, settings, slice, _tally);
        _checks = new CheckRound(reactor, _tally, slice.Count);
        _schedule = new SendSchedule(settings, slice, _tally);
        _complete = complete;
        _devices = new ForeignDevice[slice.Count];
        _body = new byte[settings.Mix.MaxBytes];
        // What the transport keeps of a unit, and one more read behind it.
        _straddling = new byte[2 * MaxUnitBytes];
        _flights = new SenderRings<Flight>(settings, slice);
        _loginCursor = slice.Count;
        foreach (ref var d in _devices.AsSpan()) d.NextNumber = d.LowestUnchecked = 1;
    }

    public long WakeAtUs => _schedule.WakeAtUs;

    protected Reactor Reactor { get; }

    public void CopyTo(LoadSnapshot into) => _tally.CopyTo(into);

    public void Apply(Order order)
    {
        _nowUs = _settings.Time.NowUs();
        switch (order.Kind)
        {
            case OrderKind.Login when order.Who == Who.All: BeginLogins(order); break;
            case OrderKind.Send: _schedule.Begin(order); break;
            case OrderKind.Measure: _tally.Measure(order.FromUs, order.UntilUs); break;
            case OrderKind.Stop: _schedule.Stop(); break;
            case OrderKind.Check: _checks.Begin(); break;
            case OrderKind.Drop: DropAll(); break;
            default: throw new UnreachableOrderException(order.Kind);
        }

        UpdateGauges();
        _tally[Counter.OrdersTaken]++;
    }

    public void OnTurn(long nowMs)
    {
        _nowUs = _settings.Time.NowUs();
        PumpLogins();
        PumpChecks();
        StartSenders();
        SendWhatIsDue();
        UpdateGauges();
    }

    public int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
    {
        if (!_slots.TryDeviceOf(c, out var index) || _devices[index].State == ForeignState.Closing) return bytes.Length;
        _nowUs = _settings.Time.NowUs();
        var rest = bytes;
        while (TryRead(index, ref rest))
        {
        }

        return _devices[index].State == ForeignState.Closing ? bytes.Length : bytes.Length - rest.Length;
    }

    public long OnReceived(ConnectionId c, in ReadOnlySequence<byte> bytes)
    {
        if (bytes.IsSingleSegment) return OnReceived(c, bytes.FirstSpan);
        var length = (int)Math.Min(bytes.Length, _straddling.Length);
        bytes.Slice(0, length).CopyTo(_straddling);
        return OnReceived(c, _straddling.AsSpan(0, length));
    }

    public void OnConnected(ConnectionId c, int errno)
    {
        if (!_slots.TryDeviceOf(c, out var index)) return;
        _nowUs = _settings.Time.NowUs();
        ref var d = ref _devices[index];
        if (errno != 0)
        {
            var given = d.State == ForeignState.Closing;
            Detach(ref d);
            if (!given) _tally.Count($"connect_errno_{errno}");
            return;
        }

        d.State = ForeignState.LoggingIn;
        d.Step = 0;
        Greet(index);
    }

    public void OnTimeout(ConnectionId c, TimeoutKind kind)
    {
        if (kind == TimeoutKind.Handshake && _slots.TryDeviceOf(c, out var index) && _devices[index].State != ForeignState.Closing) Fail(index, "login_timeout");
    }

    public void OnClosed(ConnectionId c, ulong tag, CloseReason reason, int errno)
    {
        if (!_slots.TryDeviceOf(c, out var index)) return;
        ref var d = ref _devices[index];
        var broke = d.State != ForeignState.Closing && reason != CloseReason.Shutdown;
        Detach(ref d);
        if (broke) _tally.CountClosed(reason, errno);
    }

    /// <summary>The device is connected: the first bytes of its login.</summary>
    protected abstract void Greet(int index);

    /// <summary>Handles one stanza or packet at the front of <paramref name="rest"/> and takes it off. False: none is whole, or the device has failed.</summary>
    protected abstract bool TryRead(int index, ref ReadOnlySpan<byte> rest);

    /// <summary>Writes the device's message of that number to its recipient; the body comes from <see cref="BodyOf"/>.</summary>
    protected abstract void WriteMessage(int index, int recipient, ulong number);

    /// <summary>Writes what the server must answer; the answer is told by <see cref="OnPong"/>.</summary>
    protected abstract void WritePing(int index);

    /// <summary>The bytes of payload that stand for a body of <paramref name="size"/> bytes on the wire.</summary>
    protected virtual int PayloadBytesOf(int size) => size;

    protected ConnectionId ConnectionOf(int index) => _devices[index].Connection;

    protected bool IsEstablished(int index) => _devices[index].State == ForeignState.Established;

    protected ref byte StepOf(int index) => ref _devices[index].Step;

    protected ulong AddressOf(int ordinal) => _settings.FirstAddress + (ulong)ordinal;

    protected int OrdinalOf(int index) => _slice.First + index;

    /// <summary>The local index of who sends to this device.</summary>
    protected int SenderOf(int index) => _shape.SenderOf(OrdinalOf(index)) - _slice.First;

    /// <summary>The login is over, well.</summary>
    protected void OnLoggedIn(int index)
    {
        ref var d = ref _devices[index];
        d.State = ForeignState.Established;
        Reactor.MarkEstablished(d.Connection);
        _tally[Counter.LoginsInFlight]--;
        _tally.NoteLogin(d.LoginStartedAt, _nowUs);
    }

    protected void OnPong(int index)
    {
        ref var d = ref _devices[index];
        if (!d.IsChecked) return;
        d.IsChecked = false;
        _tally[Counter.Pongs]++;
    }

    protected void Count(string error) => _tally.Count(error);

    /// <summary>Counts an error and leaves the connection: after it nothing the peer says can be trusted.</summary>
    protected void Fail(int index, string error)
    {
        _tally.Count(error);
        Leave(ref _devices[index]);
    }

    private void BeginLogins(Order order)
    {
        _loginCursor = 0;
        _logins.Begin(order, _nowUs);
    }

    private void PumpLogins()
    {
        while (_loginCursor < _devices.Length && _logins.IsDue(_nowUs))
        {
            var index = _loginCursor++;
            if (_devices[index].State != ForeignState.Offline) continue;
            BeginLogin(index);
            _logins.Advance();
        }
    }

    private void BeginLogin(int index)
    {
        ref var d = ref _devices[index];
        d.LoginStartedAt = _settings.Time.NowUs();
        if (!_logins.TryConnect(index, out var c)) return;
        d.State = ForeignState.Connecting;
        d.Connection = c;
        _slots.Add(c, index);
    }

    private void PumpChecks()
    {
        for (var asked = 0; _checks.TryNext(asked, out var index);)
        {
            if (!IsEstablished(index)) continue;
            _devices[index].IsChecked = true;
            WritePing(index);
            asked++;
        }
    }

    /// <summary>The session, or what was to become one, counts no more.</summary>
    private void LeaveSession(ref ForeignDevice d)
    {
        if (d.State == ForeignState.Established) _tally[Counter.Open]--;
        else if (d.State is ForeignState.Connecting or ForeignState.LoggingIn) _tally[Counter.LoginsInFlight]--;
    }

    private void Detach(ref ForeignDevice d)
    {
        LeaveSession(ref d);
        _tally[Counter.Attached]--;
        d.State = ForeignState.Offline;
        _slots.Remove(d.Connection);
        d.Connection = default;
        d.IsChecked = false;
    }

    private void Leave(ref ForeignDevice d)
    {
        LeaveSession(ref d);
        d.State = ForeignState.Closing;
        Reactor.Abort(d.Connection);
    }

    private void DropAll()
    {
        _loginCursor = _slice.Count;
        foreach (ref var d in _devices.AsSpan())
        {
            if (d.State is not (ForeignState.Offline or ForeignState.Closing)) Leave(ref d);
        }
    }
}
