using Gateway.Load.Measure;
using Gateway.Protocol;

namespace Gateway.Load.Devices;

/// <summary>New messages: whose turn it is the schedule says, what goes out and what comes of it is seen to here.</summary>
internal sealed partial class Fleet
{
    /// <summary>
    /// Of each sender, one place a number: when it was sent (or meant to be), negative once it has its double check, 0 when unused. A place
    /// is free for number n + size as soon as n has both checks, which the window guarantees.
    /// </summary>
    private readonly SenderRings<long> _sentAt;

    /// <summary>Where double checks are not timed: one bit a message of each sender.</summary>
    private ulong[][] _checked = [];

    private void BeginSending(Order order)
    {
        _schedule.Begin(order);
        if (_settings.TracksDoubleChecks) return;
        _checked = new ulong[_shape.SendersIn(_slice)][];
        for (var i = 0; i < _slice.Count; i++)
        {
            if (_shape.Sends(OrdinalOf(i))) _checked[_shape.SenderSlot(i)] = new ulong[(_schedule.Quota * _shape.RecipientsOf(OrdinalOf(i)) + 63) / 64];
        }
    }

    private void StartSenders()
    {
        while (_schedule.TryNext(out var index))
        {
            ref var d = ref _devices[index];
            if (!d.Has(DeviceFlags.Known))
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
    private void SendOn(int index, ref Device d)
    {
        if (d.Has(DeviceFlags.Held)) SendHeldAgain(index, ref d);
        while (_schedule.TryTake(index, ref d.Sender, d.NextNumber, HasRoom(ref d), _nowUs, out var stampUs)) SendNew(index, ref d, stampUs);
    }

    /// <summary>Whether the next number lies in the window: the protocol's 64 above the lowest open, and the run's own.</summary>
    private bool HasRoom(ref Device d)
    {
        if (d.State != DeviceState.Established || d.Has(DeviceFlags.Held)) return false;
        if (d.NextNumber - d.LowestOpen >= (ulong)Math.Min(Wire.WindowSize, _settings.Window)) return false;
        return !_settings.TracksDoubleChecks || d.NextNumber - d.LowestUnchecked < (ulong)_settings.Window;
    }

    private void SendNew(int index, ref Device d, long stampUs)
    {
        var number = d.NextNumber++;
        _sentAt[index, number] = stampUs;
        WriteSend(index, ref d, number);
    }

    /// <summary>The body is a function of the number, so that sending it again needs no copy of it.</summary>
    private void WriteSend(int index, ref Device d, ulong number)
    {
        var (recipient, messageIndex) = StreamOf(index, number - d.FirstNumber);
        var body = _body.AsSpan(0, _settings.Mix.SizeOf((uint)recipient, messageIndex));
        _settings.Payload.Write(body, (uint)recipient, messageIndex);
        _reactor.Advance(d.Connection, SendFrame.Write(
            _reactor.GetSpan(d.Connection, SendFrame.FrameBytes(body.Length)),
            AddressOf(recipient), number, d.LowestOpen, 0, SendKind.Message, body));
    }

    /// <summary>A sender's n-th message (from 0): to its recipients in turn.</summary>
    private (int Recipient, ulong Index) StreamOf(int index, ulong n)
    {
        var ordinal = OrdinalOf(index);
        var first = _shape.FirstRecipientOf(ordinal);
        if (_shape.Kind != ShapeKind.Fan) return (first, n + 1);
        var recipients = (ulong)_shape.RecipientsOf(ordinal);
        return (first + (int)(n % recipients), n / recipients + 1);
    }

    private void OnSingleCheck(int index, ReadOnlySpan<byte> payload)
    {
        if (!AcceptedFrame.TryParse(payload, out var frame, out var error))
        {
            Fail(index, $"protocol_accepted_{error}");
            return;
        }

        ref var d = ref _devices[index];
        if (frame.Number < d.FirstNumber || frame.Number >= d.NextNumber)
        {
            Fail(index, "protocol_accepted_unsent");
            return;
        }

        NoteAccepted(index, ref d, frame.Number);
    }

    private void NoteAccepted(int index, ref Device d, ulong number)
    {
        // A resend is answered again, also when the first answer arrived after all.
        if (number < d.LowestOpen) return;
        var stamp = Math.Abs(_sentAt[index, number]);
        if (!d.Settle(number)) return;
        _tally.NoteAccepted(stamp, _nowUs);
    }

    private void OnDoubleCheck(int index, ref Device d, ulong number, Address peer)
    {
        if (number < d.FirstNumber || number >= d.NextNumber)
        {
            _tally.Count("receipt_unsent");
            return;
        }

        if (peer != AddressOf(StreamOf(index, number - d.FirstNumber).Recipient))
        {
            _tally.Count("receipt_wrong_peer");
            return;
        }

        if (!NoteChecked(index, ref d, number))
        {
            _tally[Counter.RepeatedReceipts]++;
            return;
        }

        _tally.NoteDoubleCheck(_nowUs);
    }

    private bool NoteChecked(int index, ref Device d, ulong number)
    {
        if (!_settings.TracksDoubleChecks)
        {
            var n = number - d.FirstNumber;
            ref var word = ref _checked[_shape.SenderSlot(index)][n / 64];
            var bit = 1UL << (int)(n % 64);
            if ((word & bit) != 0) return false;
            word |= bit;
            return true;
        }

        if (number < d.LowestUnchecked) return false;
        ref var place = ref _sentAt[index, number];
        if (place < 0) return false;
        _tally.TimeDoubleCheck(place, _nowUs);
        place = -place;
        while (d.LowestUnchecked < d.NextNumber && _sentAt[index, d.LowestUnchecked] < 0) d.LowestUnchecked++;
        return true;
    }

    private void UpdateGauges()
    {
        _schedule.UpdateGauges(_nowUs);
        _tally[Counter.LoginsLeft] = _devices.Length - _loginCursor + _loginAgain.Count + _tally[Counter.LoginsInFlight];
    }
}
