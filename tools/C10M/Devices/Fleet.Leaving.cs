using Gateway.Load.Measure;

namespace Gateway.Load.Devices;

/// <summary>How connections end that end by our will: dropped as by a lost network, or closed in order, at a rate.</summary>
internal sealed partial class Fleet
{
    /// <summary>Closed in one turn when no rate is asked for.</summary>
    private const int LeavingPerTurn = 1024;

    private int _leaveCursor;
    private double _nextLeaveUs;
    private double _leaveGapUs;

    private void Drop(Order order)
    {
        if (order.Devices == 0)
        {
            _loginCursor = _slice.Count;
            _loginAgain.Clear();
        }

        for (var i = 0; i < _devices.Length; i++)
        {
            if (_devices[i].State is DeviceState.Offline or DeviceState.Closing) continue;
            if (order.Devices == 0 || _shape.IsAmong(OrdinalOf(i), order.Devices)) Leave(ref _devices[i]);
        }
    }

    private void BeginLeaving(Order order)
    {
        _loginCursor = _slice.Count;
        _loginAgain.Clear();
        _leaveCursor = 0;
        _nextLeaveUs = _nowUs;
        _leaveGapUs = order.Rate <= 0 ? 0 : 1e6 * _shape.Devices / (order.Rate * Math.Max(1, _slice.Count));
    }

    private void PumpLeaving()
    {
        for (var left = LeavingPerTurn; _leaveCursor < _devices.Length && _nextLeaveUs <= _nowUs; _leaveCursor++)
        {
            ref var d = ref _devices[_leaveCursor];
            if (d.State is DeviceState.Offline or DeviceState.Closing) continue;
            if (left-- == 0)
            {
                // The transport turns at once when asked.
                _reactor.Wake();
                return;
            }

            Part(ref d);
            _nextLeaveUs += _leaveGapUs;
        }
    }

    /// <summary>Leaves in order: what was written goes out first, and the transport waits for the peer's end.</summary>
    private void Part(ref Device d)
    {
        if (d.State == DeviceState.Connecting)
        {
            // There is no connection yet that could be closed in order.
            Leave(ref d);
            return;
        }

        LeaveLogin(ref d);
        if (d.State == DeviceState.Established) _tally[Counter.Open]--;
        d.State = DeviceState.Closing;
        _reactor.Close(d.Connection);
    }

    private void Renew(Order order)
    {
        if (_tally[Counter.Attached] != 0) throw new InvalidOperationException("Devices were renewed that have connections.");
        _firstAddress = order.FirstAddress;
        _logins.RotateSources();
        _loginAgain.Clear();
        _held.Clear();
        for (var i = 0; i < _devices.Length; i++) _devices[i] = new Device { Handshake = -1 };
    }
}
