using System.Numerics;
using Gateway.Load.Measure;
using Gateway.Protocol;

namespace Gateway.Load.Devices;

/// <summary>
/// Which message goes out when. Closed loop: a sender sends whenever its window has room. Open loop: each message has an intended time,
/// drawn in advance; a sender whose window is full is backlogged and its messages go out later with their intended times kept, so that a
/// stall is seen as latency of every message that it delayed.
/// </summary>
internal sealed partial class Fleet
{
    /// <summary>
    /// Of each sender, one place a number: when it was sent (or meant to be), negative once it has its double check, 0 when unused. A place
    /// is free for number n + size as soon as n has both checks, which the window guarantees.
    /// </summary>
    private readonly long[] _sentAt;
    private readonly int _ringMask;
    private readonly DueQueue _dueQueue;

    /// <summary>Where double checks are not timed: one bit a message of each sender.</summary>
    private ulong[][] _checked = [];
    private long _budget;
    private long _quota;
    private double _meanGapUs;
    private long _sendFromUs;
    private int _startCursor;
    private int _activeSenders;
    private int _backlogged;
    private bool _stopped;
    private long _wakeAtUs = long.MaxValue;

    private int SenderSlot(int index) => _shape.Kind == ShapeKind.Exchange ? index : index / _shape.GroupSize;

    private ref long SentAt(int index, ulong number) =>
        ref _sentAt[(long)SenderSlot(index) * (_ringMask + 1) + (long)(number & (ulong)_ringMask)];

    private int SendersIn(Slice slice) => _shape.Kind switch
    {
        ShapeKind.Idle => 0,
        ShapeKind.Exchange => slice.Count,
        _ => (slice.Count + _shape.GroupSize - 1) / _shape.GroupSize,
    };

    private static int RingSize(FleetSettings settings) => (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(1, settings.Window));

    private bool IsOpenLoop => _meanGapUs > 0;

    private bool MayBegin => !_stopped && _budget > 0;

    private void BeginSending(Order order)
    {
        _budget = order.Budget == 0 ? long.MaxValue : _slice.ShareOf(order.Budget, _shape.Devices);
        _quota = order.Quota == 0 ? long.MaxValue / (1 + _shape.GroupSize) : order.Quota;
        _meanGapUs = order.Rate <= 0 ? 0 : 1e6 * _shape.Senders / order.Rate;
        _sendFromUs = order.FromUs;
        _startCursor = 0;
        _activeSenders = SendersIn(_slice);
        if (_settings.TracksDoubleChecks) return;
        _checked = new ulong[SendersIn(_slice)][];
        for (var i = 0; i < _slice.Count; i++)
        {
            if (_shape.Sends(OrdinalOf(i))) _checked[SenderSlot(i)] = new ulong[(_quota * _shape.RecipientsOf(OrdinalOf(i)) + 63) / 64];
        }
    }

    /// <summary>Begins with senders in order, few enough at a time that what is outstanding stays below <see cref="FleetSettings.StartBelow"/>.</summary>
    private void StartSenders()
    {
        for (; _startCursor < _devices.Length && Outstanding < _settings.StartBelow; _startCursor++)
        {
            if (!_shape.Sends(OrdinalOf(_startCursor))) continue;
            ref var d = ref _devices[_startCursor];
            if (!d.Has(DeviceFlags.Known))
            {
                // It never logged in, which has been counted.
                _activeSenders--;
                continue;
            }

            d.Quota = _quota * _shape.RecipientsOf(OrdinalOf(_startCursor));
            d.Set(DeviceFlags.Sending);
            if (IsOpenLoop)
            {
                d.NextDue = _sendFromUs + FirstGap(OrdinalOf(_startCursor)) * _meanGapUs;
                Schedule(_startCursor, ref d);
            }
            else
            {
                SendOn(_startCursor, ref d);
            }
        }
    }

    private long Outstanding => _counters[Counter.Sent] - _counters[Counter.DoubleChecks] - _counters[Counter.RefusedFinal];

    /// <summary>Even gaps: the senders follow each other evenly. Otherwise somewhere within a gap.</summary>
    private double FirstGap(int ordinal) => _settings.Mix.Kind == MixKind.Fixed
        ? (double)ordinal / _shape.Devices
        : Hash.Unit(Hash.Of(_settings.Seed ^ 0x9A5, (ulong)ordinal, 0));

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

    private void Schedule(int index, ref Device d)
    {
        if (d.NextDue >= _endUs || !MayBegin)
        {
            EndSending(ref d);
            return;
        }

        d.Set(DeviceFlags.Scheduled);
        _dueQueue.Add(index, (long)d.NextDue);
    }

    private void EndSending(ref Device d)
    {
        d.Clear(DeviceFlags.Sending);
        SetBacklogged(ref d, false);
        _activeSenders--;
    }

    private void SetBacklogged(ref Device d, bool backlogged)
    {
        if (d.Has(DeviceFlags.Backlogged) == backlogged) return;
        if (backlogged) d.Set(DeviceFlags.Backlogged);
        else d.Clear(DeviceFlags.Backlogged);
        _backlogged += backlogged ? 1 : -1;
    }

    /// <summary>Sends what may go now. Of an open-loop sender: what is due.</summary>
    private void SendOn(int index, ref Device d)
    {
        if (d.Has(DeviceFlags.Held)) SendHeldAgain(index, ref d);
        if (!d.Has(DeviceFlags.Sending)) return;
        if (!IsOpenLoop)
        {
            while (HasRoom(ref d) && MayBegin && _nowUs < _endUs)
            {
                SendNew(index, ref d, _nowUs);
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
            SendNew(index, ref d, due);
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
        SentAt(index, number) = stampUs;
        _budget--;
        d.Quota--;
        _counters[Counter.Sent]++;
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
            _settings.AddressOf(recipient), number, d.LowestOpen, 0, SendKind.Message, body));
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
        var stamp = Math.Abs(SentAt(index, number));
        if (!d.Settle(number)) return;
        _counters[Counter.Accepted]++;
        _counters[Counter.LastAcceptedAt] = _nowUs;
        if (stamp >= _markUs) _accept.Record(_nowUs - stamp);
    }

    private void OnDoubleCheck(int index, ref Device d, ulong number, Address peer)
    {
        if (number < d.FirstNumber || number >= d.NextNumber)
        {
            Count("receipt_unsent");
            return;
        }

        if (peer != _settings.AddressOf(StreamOf(index, number - d.FirstNumber).Recipient))
        {
            Count("receipt_wrong_peer");
            return;
        }

        if (!NoteChecked(index, ref d, number))
        {
            _counters[Counter.RepeatedReceipts]++;
            return;
        }

        _counters[Counter.DoubleChecks]++;
        _counters[Counter.LastDoubleCheckAt] = _nowUs;
        if (_nowUs >= _markUs && _nowUs <= _endUs) _counters[Counter.MeasuredDoubleChecks]++;
    }

    private bool NoteChecked(int index, ref Device d, ulong number)
    {
        if (!_settings.TracksDoubleChecks)
        {
            var n = number - d.FirstNumber;
            ref var word = ref _checked[SenderSlot(index)][n / 64];
            var bit = 1UL << (int)(n % 64);
            if ((word & bit) != 0) return false;
            word |= bit;
            return true;
        }

        if (number < d.LowestUnchecked) return false;
        ref var place = ref SentAt(index, number);
        if (place < 0) return false;
        if (place >= _markUs) _doubleCheck.Record(_nowUs - place);
        place = -place;
        while (d.LowestUnchecked < d.NextNumber && SentAt(index, d.LowestUnchecked) < 0) d.LowestUnchecked++;
        return true;
    }

    private void UpdateGauges()
    {
        _counters[Counter.Backlogged] = _backlogged;
        _counters[Counter.LoginsWaiting] = _devices.Length - _loginCursor + _loginAgain.Count;
        var closedAndOver = !IsOpenLoop && _nowUs >= _endUs;
        _counters[Counter.Sending] = MayBegin && !closedAndOver ? _activeSenders : 0;
    }
}
