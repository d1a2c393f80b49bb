using System.Numerics;
using Gateway.Load.Measure;
using Gateway.Protocol;

namespace Gateway.Load.Devices;

/// <summary>
/// What was refused for now, or whose outcome a broken connection kept back, is sent again under its number and in order. Nothing new is
/// sent meanwhile, and nothing again before all that is under way has its answer: so no message can overtake another.
/// </summary>
internal sealed partial class Fleet
{
    /// <summary>The longest a node's hint is followed.</summary>
    private const uint LongestRetryMs = 60_000;

    /// <summary>Senders that are held, in the order of their retry; one may be listed twice, which is harmless.</summary>
    private readonly Queue<int> _held = new();

    private void OnRefused(int index, ReadOnlySpan<byte> payload)
    {
        if (!RefusedFrame.TryParse(payload, out var frame, out var error))
        {
            Fail(index, $"protocol_refused_{error}");
            return;
        }

        ref var d = ref _devices[index];
        if (frame.Number < d.FirstNumber || frame.Number >= d.NextNumber)
        {
            Fail(index, "protocol_refused_unsent");
            return;
        }

        // An answer to a number sent twice may come after the one that settled it.
        if (frame.Number < d.LowestOpen) return;
        var bit = 1UL << (int)(frame.Number - d.LowestOpen);
        if (frame.Reason.IsFinal())
        {
            Abandon(index, ref d, frame.Number, frame.Reason);
            return;
        }

        if ((d.Settled & bit) != 0) return;
        _tally[Counter.RefusedTemporary]++;
        d.Refused |= bit;
        d.RetryAt = Math.Max(d.RetryAt, _nowUs + 1000L * Math.Min(frame.RetryAfterMs, LongestRetryMs));
        if (d.Has(DeviceFlags.Held)) return;
        d.Set(DeviceFlags.Held);
        _held.Enqueue(index);
    }

    /// <summary>It will never be accepted: an error, and nothing more is expected of it.</summary>
    private void Abandon(int index, ref Device d, ulong number, RefusalReason reason)
    {
        if (!d.Settle(number)) return;
        _tally[Counter.RefusedFinal]++;
        _tally.Count($"refused_{reason}".ToLowerInvariant());
        if (!_settings.TracksDoubleChecks) return;
        ref var place = ref _sentAt[index, number];
        place = -Math.Abs(place);
        while (d.LowestUnchecked < d.NextNumber && _sentAt[index, d.LowestUnchecked] < 0) d.LowestUnchecked++;
    }

    /// <summary>Once a turn: those whose time has come.</summary>
    private void ResumeHeld()
    {
        for (var left = _held.Count; left > 0; left--)
        {
            var index = _held.Dequeue();
            ref var d = ref _devices[index];
            if (!d.Has(DeviceFlags.Held)) continue;
            SendOn(index, ref d);
            if (d.Has(DeviceFlags.Held)) _held.Enqueue(index);
        }
    }

    private void SendHeldAgain(int index, ref Device d)
    {
        if (d.State != DeviceState.Established || _nowUs < d.RetryAt || d.InFlight != 0) return;
        d.Clear(DeviceFlags.Held);
        d.RetryAt = 0;
        var again = d.Refused;
        d.Refused = 0;
        SendAgain(index, ref d, again);
    }

    private void SendAgain(int index, ref Device d, ulong bits)
    {
        var lowest = d.LowestOpen;
        for (; bits != 0; bits &= bits - 1)
        {
            WriteSend(index, ref d, lowest + (ulong)BitOperations.TrailingZeroCount(bits));
            _tally[Counter.Resent]++;
        }
    }

    /// <summary>A session was established again: the welcome says which numbers were accepted; the others are sent again.</summary>
    private void Reconcile(int index, ulong windowLow, ulong windowSettled)
    {
        ref var d = ref _devices[index];
        if (!_shape.Sends(OrdinalOf(index))) return;
        d.Clear(DeviceFlags.Held);
        d.RetryAt = 0;
        d.Refused = 0;
        for (var number = d.LowestOpen; number < d.NextNumber; number++)
        {
            var settled = number < windowLow || (number - windowLow < 64 && (windowSettled & 1UL << (int)(number - windowLow)) != 0);
            if (settled) NoteAccepted(index, ref d, number);
        }

        var open = (int)(d.NextNumber - d.LowestOpen);
        if (open > 0) SendAgain(index, ref d, ~d.Settled & (open == 64 ? ulong.MaxValue : (1UL << open) - 1));
        if (d.Sender.IsSending) SendOn(index, ref d);
    }
}
