using Gateway.Load.Measure;
using Gateway.Protocol;

namespace Gateway.Load.Devices;

/// <summary>What a mailbox brings: messages and receipts in one rising sequence, acknowledged cumulatively.</summary>
internal sealed partial class Fleet
{
    private void OnDeliver(int index, ReadOnlySpan<byte> payload)
    {
        if (!DeliverFrame.TryParse(payload, out var frame, out var error))
        {
            Fail(index, $"protocol_deliver_{error}");
            return;
        }

        ref var d = ref _devices[index];
        if (!IsNew(ref d, frame.Sequence, frame.Previous, frame.Flags)) return;
        if (!_settings.Payload.TryRead(frame.Body, out var stream, out var messageIndex))
        {
            _tally[Counter.Strays]++;
            return;
        }

        var ordinal = OrdinalOf(index);
        if (stream != (uint)ordinal || frame.From != AddressOf(_shape.SenderOf(ordinal)))
        {
            _tally.Count("misrouted");
            return;
        }

        if (frame.Body.Length != _settings.Mix.SizeOf(stream, messageIndex) || !_settings.Payload.IsIntact(frame.Body, stream, messageIndex))
        {
            _tally.Count("corrupt_body");
            return;
        }

        if (NoteArrival(ref d, messageIndex))
        {
            _tally.NoteDelivered(_nowUs);
            if (!_settings.TracksDoubleChecks && d.Arrivals.Highest == (ulong)_schedule.Quota) _tally.NoteDrain(d.WelcomedAt, _nowUs);
        }
    }

    /// <summary>
    /// The mailbox's own order: drops what the device has by sequence, and sees a gap by the sequence before. Counts the entry as owing
    /// an acknowledgement.
    /// </summary>
    private bool IsNew(ref Device d, ulong sequence, ulong previous, DeliverFlags flags)
    {
        if (sequence <= d.LastSequence)
        {
            if ((flags & DeliverFlags.Redelivered) != 0)
            {
                _tally[Counter.Redelivered]++;
                // The node lost or never saw the acknowledgement.
                d.AckedSequence = 0;
            }
            else
            {
                _tally[Counter.Duplicates]++;
            }

            return false;
        }

        // 0: the node does not know. The first of a connection may follow an earlier one: a crash takes double checks that were shown ahead of their commit.
        var follows = previous == 0 || previous == d.LastSequence || (previous < d.LastSequence && !d.Has(DeviceFlags.HeardNew));
        if (d.LastSequence != 0 && !follows) _tally.Count("mailbox_gap");
        d.Set(DeviceFlags.HeardNew);
        d.LastSequence = sequence;
        if (++d.Unacknowledged >= _settings.AckEvery) Acknowledge(ref d);
        return true;
    }

    /// <summary>The stream's order. True when the message had not arrived before.</summary>
    private bool NoteArrival(ref Device d, ulong messageIndex)
    {
        var arrival = d.Arrivals.Note(messageIndex);
        if (arrival == Arrival.OutOfOrder) _tally[Counter.OutOfOrder]++;
        if (arrival != Arrival.Again) return true;
        _tally[Counter.Duplicates]++;
        return false;
    }

    private void OnReceipt(int index, ReadOnlySpan<byte> payload)
    {
        if (!ReceiptFrame.TryParse(payload, out var frame, out var error))
        {
            Fail(index, $"protocol_receipt_{error}");
            return;
        }

        ref var d = ref _devices[index];
        if (!IsNew(ref d, frame.Sequence, frame.Previous, frame.Flags)) return;
        if (frame.Incarnation != d.Incarnation || !_shape.Sends(OrdinalOf(index)))
        {
            _tally[Counter.Strays]++;
            return;
        }

        if (frame.Kind != ReceiptKind.Delivered)
        {
            _tally.Count($"receipt_{frame.Kind}".ToLowerInvariant());
            return;
        }

        for (var i = 0; i < frame.Count; i++) OnDoubleCheck(index, ref d, frame.Number(i), frame.Peer);
    }

    /// <summary>The read is over: one acknowledgement for all it brought, and what may be sent now.</summary>
    private void EndRead(int index)
    {
        ref var d = ref _devices[index];
        if (d.State != DeviceState.Established) return;
        if (d.LastSequence > d.AckedSequence) Acknowledge(ref d);
        if (d.Sender.IsSending || d.Has(DeviceFlags.Held)) SendOn(index, ref d);
    }

    private void Acknowledge(ref Device d)
    {
        _reactor.Advance(d.Connection, AcknowledgeFrame.Write(_reactor.GetSpan(d.Connection, AcknowledgeFrame.FrameBytes), d.LastSequence));
        d.AckedSequence = d.LastSequence;
        d.Unacknowledged = 0;
    }
}
