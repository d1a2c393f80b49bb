using Gateway.Load.Devices;
using Gateway.Load.Measure;

namespace Gateway.Load.Foreign;

/// <summary>New messages: whose turn it is the schedule says, what goes out and what is heard of it is seen to here.</summary>
internal abstract partial class ForeignFleet
{
    private readonly Marks _complete;

    private readonly SenderRings<Flight> _flights;

    private struct Flight
    {
        /// <summary>When it was sent, or meant to be.</summary>
        public long StampUs;
        public Marks Heard;
    }

    /// <summary>The places of a sender's ring, a power of two: the number modulo this names a message under way.</summary>
    protected int RingPlaces => _flights.Places;

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
            _tally[Counter.Strays]++;
            return false;
        }

        var ordinal = OrdinalOf(index);
        if (stream != (uint)ordinal || !_shape.Receives(ordinal))
        {
            _tally.Count("misrouted");
            return false;
        }

        if (body.Length != PayloadBytesOf(_settings.Mix.SizeOf(stream, number)) || !_settings.Payload.IsIntact(body, stream, number))
        {
            _tally.Count("corrupt_body");
            return false;
        }

        var arrival = _devices[index].Arrivals.Note(number);
        if (arrival == Arrival.Again)
        {
            _tally[Counter.Duplicates]++;
            return true;
        }

        if (arrival == Arrival.OutOfOrder) _tally[Counter.OutOfOrder]++;
        _tally.NoteDelivered(_nowUs);
        return true;
    }

    /// <summary>The sender's message in this place of its ring, if one is under way there.</summary>
    protected bool TryNumberAt(int sender, int place, out ulong number)
    {
        ref var d = ref _devices[sender];
        number = d.LowestUnchecked + (((ulong)place - d.LowestUnchecked) & (ulong)(RingPlaces - 1));
        return (uint)place < (uint)RingPlaces && number < d.NextNumber;
    }

    /// <summary>Notes what was heard of a sender's message; when that makes it complete, sends what its window has room for.</summary>
    protected void Hear(int sender, ulong number, Marks mark)
    {
        ref var d = ref _devices[sender];
        if (number == 0 || number >= d.NextNumber)
        {
            _tally.Count("receipt_unsent");
            return;
        }

        if (number < d.LowestUnchecked || (_flights[sender, number].Heard & mark) != 0)
        {
            _tally[Counter.RepeatedReceipts]++;
            return;
        }

        ref var flight = ref _flights[sender, number];
        flight.Heard |= mark;
        if (mark == Marks.Accepted) _tally.NoteAccepted(flight.StampUs, _nowUs);
        if (flight.Heard == _complete) Complete(sender, ref d, ref flight);
    }

    private void Complete(int sender, ref ForeignDevice d, ref Flight flight)
    {
        _tally.NoteDoubleCheck(_nowUs);
        _tally.TimeDoubleCheck(flight.StampUs, _nowUs);
        while (d.LowestUnchecked < d.NextNumber && _flights[sender, d.LowestUnchecked].Heard == _complete) d.LowestUnchecked++;
        SendOn(sender, ref d);
    }

    private void StartSenders()
    {
        while (_schedule.TryNext(out var index))
        {
            ref var d = ref _devices[index];
            if (d.State != ForeignState.Established)
            {
                _schedule.PassOver();
                continue;
            }

            _schedule.Start(index, ref d.Sender);
            SendOn(index, ref d);
        }
    }

    private void SendWhatIsDue()
    {
        while (_schedule.TryTakeDue(_nowUs, out var index))
        {
            ref var d = ref _devices[index];
            d.Sender.IsScheduled = false;
            SendOn(index, ref d);
        }
    }

    /// <summary>Sends what may go now. Of an open-loop sender: what is due.</summary>
    private void SendOn(int index, ref ForeignDevice d)
    {
        while (_schedule.TryTake(index, ref d.Sender, d.NextNumber, HasRoom(ref d), _nowUs, out var stampUs)) Send(index, ref d, stampUs);
    }

    private bool HasRoom(ref ForeignDevice d) =>
        d.State == ForeignState.Established && d.NextNumber - d.LowestUnchecked < (ulong)_settings.Window;

    private void Send(int index, ref ForeignDevice d, long stampUs)
    {
        var number = d.NextNumber++;
        _flights[index, number] = new Flight { StampUs = stampUs };
        // Where no server says so, handing it over is all the acceptance there is.
        if ((_complete & Marks.Accepted) == 0) _tally[Counter.Accepted]++;
        WriteMessage(index, _shape.FirstRecipientOf(OrdinalOf(index)), number);
    }

    private void UpdateGauges()
    {
        _schedule.UpdateGauges(_nowUs);
        _tally[Counter.LoginsLeft] = _devices.Length - _loginCursor + _tally[Counter.LoginsInFlight];
    }
}
