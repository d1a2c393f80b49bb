using System.Buffers;
using System.Runtime.CompilerServices;
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
    private readonly Counters _counters = new();
    private readonly ErrorTally _errors = new();
    private readonly Histogram _doubleCheck = new();
    private readonly Histogram _accept = new();
    private readonly Histogram _login = new();
    private readonly Histogram _drain = new();
    private readonly Histogram _lag = new();
    private int[] _deviceOfSlot = new int[1024];
    private long _nowUs;
    private long _markUs = long.MaxValue;
    private long _endUs = long.MaxValue;

    public Fleet(Reactor reactor, FleetSettings settings, Slice slice)
    {
        _reactor = reactor;
        _settings = settings;
        _shape = settings.Shape;
        _slice = slice;
        _devices = new Device[slice.Count];
        _body = new byte[settings.Mix.MaxBytes];
        _straddling = new byte[Wire.MaxPayloadBytes(Wire.MaxBodyBytesCeiling)];
        _handshakes = new Handshakes(settings.LoginsInFlight);
        _ringMask = RingSize(settings) - 1;
        _sentAt = new long[(long)(_ringMask + 1) * SendersIn(slice)];
        _dueQueue = new DueQueue(SendersIn(slice));
        _loginCursor = slice.Count;
        _startCursor = slice.Count;
        for (var i = 0; i < _devices.Length; i++) _devices[i].Handshake = -1;
    }

    public long WakeAtUs => Volatile.Read(ref _wakeAtUs);

    public void CopyTo(LoadSnapshot into)
    {
        into.Counters.Add(_counters);
        into.DoubleCheck.Add(_doubleCheck);
        into.Accept.Add(_accept);
        into.Login.Add(_login);
        into.Drain.Add(_drain);
        into.Lag.Add(_lag);
        into.AddErrors(_errors.Copy());
        into.AllocatedBytes += _reactor.Counters.AllocatedBytes;
    }

    public void Apply(Order order)
    {
        _nowUs = _settings.Time.NowUs();
        switch (order.Kind)
        {
            case OrderKind.Login: BeginLogins(order); break;
            case OrderKind.Send: BeginSending(order); break;
            case OrderKind.Measure: (_markUs, _endUs) = (order.FromUs, order.UntilUs); break;
            case OrderKind.Stop: _stopped = true; break;
            case OrderKind.Check: BeginCheck(); break;
            case OrderKind.Drop: DropAll(); break;
            default: throw new UnreachableOrderException(order.Kind);
        }

        UpdateGauges();
        _counters[Counter.OrdersTaken]++;
    }

    public void OnTurn(long nowMs)
    {
        _nowUs = _settings.Time.NowUs();
        PumpLogins();
        PumpChecks();
        ResumeHeld();
        StartSenders();
        SendWhatIsDue();
        UpdateGauges();
    }

    public int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
    {
        if (!TryDeviceOf(c, out var index)) return bytes.Length;
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
        if (!TryDeviceOf(c, out var index)) return bytes.Length;
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
        if (!TryDeviceOf(c, out var index)) return;
        _nowUs = _settings.Time.NowUs();
        ref var d = ref _devices[index];
        var broke = d.State != DeviceState.Closing && reason != CloseReason.Shutdown;
        Detach(ref d);
        if (!broke) return;
        if (_settings.Reconnect && d.Has(DeviceFlags.Known)) LoginAgain(index, "closed_too_often");
        else Count(errno == 0 ? $"closed_{reason}" : $"closed_{reason}_errno_{errno}");
    }

    public void OnAccepted(ConnectionId c) => throw new InvalidOperationException("A fleet listens nowhere.");

    public void OnMoved(ConnectionId c, int fromReactor, ReadOnlySpan<byte> context) => throw new InvalidOperationException("Nothing moves in a load.");

    public void OnDrained(ConnectionId c)
    {
    }

    public void OnRequest(int fromReactor, ReadOnlySpan<byte> message) => throw new InvalidOperationException("Fleets do not talk.");

    public void OnReply(int fromReactor, ReadOnlySpan<byte> message) => throw new InvalidOperationException("Fleets do not talk.");

    public void OnNotice(int fromReactor, ReadOnlySpan<byte> message) => throw new InvalidOperationException("Fleets do not talk.");

    public void OnRequestCredit(int toReactor)
    {
    }

    private int OrdinalOf(int index) => _slice.First + index;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryDeviceOf(ConnectionId c, out int index)
    {
        index = c.Slot < (uint)_deviceOfSlot.Length ? _deviceOfSlot[c.Slot] : -1;
        return (uint)index < (uint)_devices.Length && _devices[index].Connection == c;
    }

    private void Remember(ConnectionId c, int index)
    {
        if (c.Slot >= (uint)_deviceOfSlot.Length) Array.Resize(ref _deviceOfSlot, (int)Math.Max(c.Slot + 1, 2 * (uint)_deviceOfSlot.Length));
        _deviceOfSlot[c.Slot] = index;
        _devices[index].Connection = c;
        _counters[Counter.Attached]++;
    }

    /// <summary>The device has no connection any more; gives back what it held for one.</summary>
    private void Detach(ref Device d)
    {
        LeaveLogin(ref d);
        if (d.State == DeviceState.Established) _counters[Counter.Open]--;
        _counters[Counter.Attached]--;
        d.State = DeviceState.Offline;
        d.Connection = default;
        d.Clear(DeviceFlags.Checked);
    }

    private void Count(string error)
    {
        _counters[Counter.Errors]++;
        _errors.Add(error);
    }

    /// <summary>Counts an error and leaves the connection: after it nothing the peer says can be trusted.</summary>
    private void Fail(int index, string error)
    {
        Count(error);
        Leave(ref _devices[index]);
    }

    private void Leave(ref Device d)
    {
        LeaveLogin(ref d);
        if (d.State == DeviceState.Established) _counters[Counter.Open]--;
        d.State = DeviceState.Closing;
        _reactor.Abort(d.Connection);
    }

    private void DropAll()
    {
        _loginCursor = _slice.Count;
        _loginAgain.Clear();
        for (var i = 0; i < _devices.Length; i++)
        {
            if (_devices[i].State is not (DeviceState.Offline or DeviceState.Closing)) Leave(ref _devices[i]);
        }
    }
}

/// <summary>An order that this version does not know.</summary>
internal sealed class UnreachableOrderException(OrderKind kind) : Exception($"order {kind} is not one of this version's");
