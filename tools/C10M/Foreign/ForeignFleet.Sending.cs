using System.Numerics;
using Gateway.Load.Devices;
using Gateway.Load.Measure;

namespace Gateway.Load.Foreign;

/// <summary>
/// Which message goes out when, and what has been heard of it. Closed loop: a sender sends whenever its window has room. Open loop: each
/// message has an intended time, and its latency counts from there even when a full window held it back.
/// </summary>
internal abstract partial class ForeignFleet
{
    private readonly Marks _complete;

    /// <summary>Of each sender, one place a number. A place is free for number n + size as soon as n is complete, which the window guarantees.</summary>
    private readonly Flight[] _flights;
    private readonly int _ringMask;
    private readonly DueQueue _dueQueue;
    private long _budget;
    private long _quota;
    private double _meanGapUs;
    private long _sendFromUs;
    private int _startCursor;
    private int _activeSenders;
    private int _backlogged;
    private bool _stopped;
    private long _wakeAtUs = long.MaxValue;

    private struct Flight
    {
        /// <summary>When it was sent, or meant to be.</summary>
        public long StampUs;
        public Marks Heard;
    }

    /// <summary>The places of a sender's ring, a power of two: the number modulo this names a message under way.</summary>
    protected int RingPlaces => _ringMask + 1;

    private int SenderSlot(int index) => _shape.Kind == ShapeKind.Exchange ? index : index / _shape.GroupSize;

    private ref Flight FlightOf(int index, ulong number) =>
        ref _flights[(long)SenderSlot(index) * (_ringMask + 1) + (long)(number & (ulong)_ringMask)];

    private int SendersIn(Slice slice) => _shape.Kind switch
    {
        ShapeKind.Idle => 0,
        ShapeKind.Exchange => slice.Count,
        _ => (slice.Count + _shape.GroupSize - 1) / _shape.GroupSize,
    };

    private static int RingSize(FleetSettings settings) => (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(1, settings.Window));

    private bool IsOpenLoop => _meanGapUs > 0;

    private bool MayBegin => !_stopped && _budget > 0;

    private long Outstanding => _counters[Counter.Sent] - _counters[Counter.DoubleChecks];

    /// <summary>The message's body as its recipient expects it. Valid until the next call.</summary>
    protected ReadOnlySpan<byte> BodyOf(int recipient, ulong number)
    {
        var body = _body.AsSpan(0, PayloadBytesOf(_settings.Mix.SizeOf((uint)recipient, number)));
        _settings.Payload.Write(body, (uint)recipient, number);
        return body;
    }

    /// <summary>
    /// Checks a body that arrived at this device. True when it is a message of this run from the device's sender, with its number; whether it
    /// was new, in order and whole has then been counted.
    /// </summary>
    protected bool TryArrive(int index, ReadOnlySpan<byte> body, out ulong number)
    {
        if (!_settings.Payload.TryRead(body, out var stream, out number))
        {
            _counters[Counter.Strays]++;
            return false;
        }

        var ordinal = OrdinalOf(index);
        if (stream != (uint)ordinal || !_shape.Receives(ordinal))
        {
            Count("misrouted");
            return false;
        }

        if (body.Length != PayloadBytesOf(_settings.Mix.SizeOf(stream, number)) || !_settings.Payload.IsIntact(body, stream, number))
        {
            Count("corrupt_body");
            return false;
        }

        var arrival = _devices[index].Arrivals.Note(number);
        if (arrival == Arrival.Again)
        {
            _counters[Counter.Duplicates]++;
            return true;
        }

        if (arrival == Arrival.OutOfOrder) _counters[Counter.OutOfOrder]++;
        _counters[Counter.Delivered]++;
        _counters[Counter.LastDeliveredAt] = _nowUs;
        return true;
    }

    /// <summary>The sender's message in this place of its ring, if one is under way there.</summary>
    protected bool TryNumberAt(int sender, int place, out ulong number)
    {
        ref var d = ref _devices[sender];
        number = d.LowestUnchecked + (((ulong)place - d.LowestUnchecked) & (ulong)_ringMask);
        return (uint)place <= (uint)_ringMask && number < d.NextNumber;
    }

    /// <summary>Notes what was heard of a sender's message; when that makes it complete, sends what its window has room for.</summary>
    protected void Hear(int sender, ulong number, Marks mark)
    {
        ref var d = ref _devices[sender];
        if (number == 0 || number >= d.NextNumber)
        {
            Count("receipt_unsent");
            return;
        }

        if (number < d.LowestUnchecked || (FlightOf(sender, number).Heard & mark) != 0)
        {
            _counters[Counter.RepeatedReceipts]++;
            return;
        }

        ref var flight = ref FlightOf(sender, number);
        flight.Heard |= mark;
        if (mark == Marks.Accepted)
        {
            _counters[Counter.Accepted]++;
            _counters[Counter.LastAcceptedAt] = _nowUs;
            if (flight.StampUs >= _markUs) _accept.Record(_nowUs - flight.StampUs);
        }

        if (flight.Heard == _complete) Complete(sender, ref d, ref flight);
    }

    private void Complete(int sender, ref ForeignDevice d, ref Flight flight)
    {
        _counters[Counter.DoubleChecks]++;
        _counters[Counter.LastDoubleCheckAt] = _nowUs;
        if (_nowUs >= _markUs && _nowUs <= _endUs) _counters[Counter.MeasuredDoubleChecks]++;
        if (flight.StampUs >= _markUs) _doubleCheck.Record(_nowUs - flight.StampUs);
        while (d.LowestUnchecked < d.NextNumber && FlightOf(sender, d.LowestUnchecked).Heard == _complete) d.LowestUnchecked++;
        SendOn(sender, ref d);
    }

    private void BeginSending(Order order)
    {
        _budget = order.Budget == 0 ? long.MaxValue : _slice.ShareOf(order.Budget, _shape.Devices);
        _quota = order.Quota == 0 ? long.MaxValue : order.Quota;
        _meanGapUs = order.Rate <= 0 ? 0 : 1e6 * _shape.Senders / order.Rate;
        _sendFromUs = order.FromUs;
        _startCursor = 0;
        _activeSenders = SendersIn(_slice);
    }

    /// <summary>Begins with senders in order, few enough at a time that what is outstanding stays below <see cref="FleetSettings.StartBelow"/>.</summary>
    private void StartSenders()
    {
        for (; _startCursor < _devices.Length && Outstanding < _settings.StartBelow; _startCursor++)
        {
            if (!_shape.Sends(OrdinalOf(_startCursor))) continue;
            ref var d = ref _devices[_startCursor];
            if (d.State != ForeignState.Established)
            {
                // Why it is not has been counted.
                _activeSenders--;
                continue;
            }

            d.Quota = _quota;
            d.Set(DeviceFlags.Sending);
            if (IsOpenLoop)
            {
                var firstGap = _settings.Mix.Kind == MixKind.Fixed
                    ? (double)OrdinalOf(_startCursor) / _shape.Devices
                    : Hash.Unit(Hash.Of(_settings.Seed ^ 0x9A5, (ulong)OrdinalOf(_startCursor), 0));
                d.NextDue = _sendFromUs + firstGap * _meanGapUs;
                Schedule(_startCursor, ref d);
            }
            else
            {
                SendOn(_startCursor, ref d);
            }
        }
    }

    private void SendWhatIsDue()
    {
        if (!IsOpenLoop) return;
        while (_dueQueue.NextDue <= _nowUs)
        {
            var index = _dueQueue.Take();
            ref var d = ref _devices[index];
            d.Clear(DeviceFlags.Scheduled);
            SendOn(index, ref d);
        }

        Volatile.Write(ref _wakeAtUs, _dueQueue.NextDue);
    }

    private void Schedule(int index, ref ForeignDevice d)
    {
        if (d.NextDue >= _endUs || !MayBegin)
        {
            EndSending(ref d);
            return;
        }

        // Rounded up: woken a fraction early it would be not due and queued again, for ever.
        d.Set(DeviceFlags.Scheduled);
        _dueQueue.Add(index, (long)Math.Ceiling(d.NextDue));
    }

    private void EndSending(ref ForeignDevice d)
    {
        d.Clear(DeviceFlags.Sending);
        SetBacklogged(ref d, false);
        _activeSenders--;
    }

    private void SetBacklogged(ref ForeignDevice d, bool backlogged)
    {
        if (d.Has(DeviceFlags.Backlogged) == backlogged) return;
        if (backlogged) d.Set(DeviceFlags.Backlogged);
        else d.Clear(DeviceFlags.Backlogged);
        _backlogged += backlogged ? 1 : -1;
    }

    /// <summary>Sends what may go now. Of an open-loop sender: what is due.</summary>
    private void SendOn(int index, ref ForeignDevice d)
    {
        if (!d.Has(DeviceFlags.Sending)) return;
        if (!IsOpenLoop)
        {
            while (HasRoom(ref d) && MayBegin && _nowUs < _endUs)
            {
                Send(index, ref d, _nowUs);
                if (d.Quota == 0)
                {
                    EndSending(ref d);
                    return;
                }
            }

            return;
        }

        if (d.Has(DeviceFlags.Scheduled)) return;
        while (d.NextDue <= _nowUs && d.NextDue < _endUs && MayBegin)
        {
            if (!HasRoom(ref d))
            {
                SetBacklogged(ref d, true);
                return;
            }

            var due = (long)d.NextDue;
            _lag.Record(_nowUs - due);
            var number = d.NextNumber;
            Send(index, ref d, due);
            d.NextDue += _settings.Mix.GapAfter((uint)OrdinalOf(index), number) * _meanGapUs;
            if (d.Quota == 0)
            {
                EndSending(ref d);
                return;
            }
        }

        SetBacklogged(ref d, false);
        Schedule(index, ref d);
    }

    private bool HasRoom(ref ForeignDevice d) =>
        d.State == ForeignState.Established && d.NextNumber - d.LowestUnchecked < (ulong)_settings.Window;

    private void Send(int index, ref ForeignDevice d, long stampUs)
    {
        var number = d.NextNumber++;
        FlightOf(index, number) = new Flight { StampUs = stampUs };
        _budget--;
        d.Quota--;
        _counters[Counter.Sent]++;
        // Where no server says so, handing it over is all the acceptance there is.
        if ((_complete & Marks.Accepted) == 0) _counters[Counter.Accepted]++;
        WriteMessage(index, _shape.FirstRecipientOf(OrdinalOf(index)), number);
    }

    private void UpdateGauges()
    {
        _counters[Counter.Backlogged] = _backlogged;
        _counters[Counter.LoginsWaiting] = _devices.Length - _loginCursor;
        var closedAndOver = !IsOpenLoop && _nowUs >= _endUs;
        _counters[Counter.Sending] = MayBegin && !closedAndOver ? _activeSenders : 0;
    }
}
