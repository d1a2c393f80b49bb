using System.Buffers;
using Gateway.Load.Measure;
using Gateway.Protocol;
using Gateway.Transport;

namespace Gateway.Load.Devices;

/// <summary>
/// The devices of one reactor: they log in, send, acknowledge and check what they receive, as a correct client does. All members are for
/// the reactor's thread but <see cref="CopyTo"/> and <see cref="WakeAtUs"/>. Nothing is allocated per message. Invariant: a device's
/// <see cref="Device.Connection"/> names a connection that the transport has not said is closed, or nobody.
/// </summary>
internal sealed partial class Fleet : IFleet
{
    private readonly Reactor _reactor;
    private readonly FleetSettings _settings;
    private readonly Shape _shape;
    private readonly Slice _slice;
    private readonly Device[] _devices;
    private readonly byte[] _body;
    private readonly byte[] _straddling;
    private readonly FleetTally _tally;
    private readonly Logins _logins;
    private readonly CheckRound _checks;
    private readonly SendSchedule _schedule;
    private readonly DeviceSlots _slots = new();
    /// <summary>The number of the user that is device 0 of the run, until the fleet is renewed.</summary>
    private ulong _firstAddress;
    private long _nowUs;

    public Fleet(Reactor reactor, FleetSettings settings, Slice slice)
    {
        _reactor = reactor;
        _settings = settings;
        _shape = settings.Shape;
        _slice = slice;
        _tally = new FleetTally(reactor);
        _logins = new Logins(reactor, settings, slice, _tally);
        _checks = new CheckRound(reactor, _tally, slice.Count);
        _schedule = new SendSchedule(settings, slice, _tally);
        _devices = new Device[slice.Count];
        _body = new byte[settings.Mix.MaxBytes];
        _straddling = new byte[Wire.MaxPayloadBytes(Wire.MaxBodyBytesCeiling)];
        _handshakes = new Handshakes(settings.LoginsInFlight);
        _sentAt = new SenderRings<long>(settings, slice);
        _loginCursor = slice.Count;
        _leaveCursor = slice.Count;
        _firstAddress = settings.FirstAddress;
        for (var i = 0; i < _devices.Length; i++) _devices[i].Handshake = -1;
    }

    public long WakeAtUs => _schedule.WakeAtUs;

    public void CopyTo(LoadSnapshot into) => _tally.CopyTo(into);

    public void Apply(Order order)
    {
        _nowUs = _settings.Time.NowUs();
        switch (order.Kind)
        {
            case OrderKind.Login: BeginLogins(order); break;
            case OrderKind.Send: BeginSending(order); break;
            case OrderKind.Measure: _tally.Measure(order.FromUs, order.UntilUs); break;
            case OrderKind.Stop: _schedule.Stop(); break;
            case OrderKind.Check: _checks.Begin(); break;
            case OrderKind.Drop: Drop(order); break;
            case OrderKind.Leave: BeginLeaving(order); break;
            case OrderKind.Renew: Renew(order); break;
            default: throw new UnreachableOrderException(order.Kind);
        }

        UpdateGauges();
        _tally[Counter.OrdersTaken]++;
    }

    public void OnTurn(long nowMs)
    {
        _nowUs = _settings.Time.NowUs();
        PumpLogins();
        PumpLeaving();
        PumpChecks();
        ResumeHeld();
        StartSenders();
        SendWhatIsDue();
        UpdateGauges();
    }

    public int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
    {
        if (!_slots.TryDeviceOf(c, out var index)) return bytes.Length;
        _nowUs = _settings.Time.NowUs();
        var rest = bytes;
        while (true)
        {
            var status = FrameReader.TryRead(ref rest, _straddling.Length, out var type, out var payload);
            if (status == FrameStatus.Partial) break;
            if (status == FrameStatus.TooLarge) Fail(index, "protocol_frame_too_large");
            else OnFrame(index, type, payload);
            if (_devices[index].State == DeviceState.Closing) return bytes.Length;
        }

        EndRead(index);
        return bytes.Length - rest.Length;
    }

    public long OnReceived(ConnectionId c, in ReadOnlySequence<byte> bytes)
    {
        if (!_slots.TryDeviceOf(c, out var index)) return bytes.Length;
        _nowUs = _settings.Time.NowUs();
        var rest = bytes;
        while (true)
        {
            var status = FrameReader.TryRead(ref rest, _straddling.Length, _straddling, out var type, out var payload);
            if (status == FrameStatus.Partial) break;
            if (status == FrameStatus.TooLarge) Fail(index, "protocol_frame_too_large");
            else OnFrame(index, type, payload);
            if (_devices[index].State == DeviceState.Closing) return bytes.Length;
        }

        EndRead(index);
        return bytes.Length - rest.Length;
    }

    public void OnClosed(ConnectionId c, ulong tag, CloseReason reason, int errno)
    {
        if (!_slots.TryDeviceOf(c, out var index)) return;
        _nowUs = _settings.Time.NowUs();
        ref var d = ref _devices[index];
        var broke = d.State != DeviceState.Closing && reason != CloseReason.Shutdown;
        if (broke && d.State == DeviceState.Established) _tally[Counter.Disconnects]++;
        Detach(ref d);
        if (!broke) return;
        if (_settings.Reconnect && d.Has(DeviceFlags.Known)) LoginAgain(index, "closed_too_often");
        else _tally.CountClosed(reason, errno);
    }

    private int OrdinalOf(int index) => _slice.First + index;

    private Address AddressOf(int ordinal) => new(AddressKind.User, _firstAddress + (ulong)ordinal);

    /// <summary>The device has no connection any more; gives back what it held for one.</summary>
    private void Detach(ref Device d)
    {
        LeaveLogin(ref d);
        if (d.State == DeviceState.Established) _tally[Counter.Open]--;
        _tally[Counter.Attached]--;
        d.State = DeviceState.Offline;
        _slots.Remove(d.Connection);
        d.Connection = default;
        d.Clear(DeviceFlags.Checked | DeviceFlags.HeardNew);
    }

    /// <summary>Counts an error and leaves the connection: after it nothing the peer says can be trusted.</summary>
    private void Fail(int index, string error)
    {
        _tally.Count(error);
        Leave(ref _devices[index]);
    }

    private void Leave(ref Device d)
    {
        LeaveLogin(ref d);
        if (d.State == DeviceState.Established) _tally[Counter.Open]--;
        d.State = DeviceState.Closing;
        _reactor.Abort(d.Connection);
    }
}
