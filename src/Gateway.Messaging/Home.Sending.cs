using Gateway.Messaging.Pools;
using Gateway.Protocol;

namespace Gateway.Messaging;

/// <summary>The sender's side: window, order, and the way to the recipient's home.</summary>
public sealed partial class Home
{
    private readonly Slab<HeldSend> _held;
    private readonly uint[] _repliesSeen;
    private readonly ElasticQueue<SessionRef>[] _waitingForCredit;

    /// <summary>
    /// Takes a send to its recipient's home. False without an error: no credit to that home, the frame must be handed over again.
    /// </summary>
    private bool OnSend(uint index, ref Session s, ReadOnlySpan<byte> payload, out ErrorCode error)
    {
        if (!SendFrame.TryParse(payload, out var frame, out error)) return false;
        ref var window = ref _windows[s.Window];
        window.Advance(frame.LowestOpen, ref s.InFlight);
        if (s.HeldHead != 0) DropHeldBelow(ref s, window.Low);

        switch (window.StateOf(frame.Number, s.InFlight))
        {
            case NumberState.Beyond:
                error = ErrorCode.WindowExceeded;
                return false;
            case NumberState.Below:
                Refuse(ref s, frame.Number, RefusalReason.OutcomeUnknown);
                return true;
            case NumberState.Settled:
                _connections.WriteAccepted(s.Connection, frame.Number);
                return true;
            case NumberState.InFlight:
                return true; // its outcome answers this one too
        }

        var reason = Judge(in frame);
        if (reason == RefusalReason.None && s.HeldHead != 0 && IsHeld(ref s, frame.To.Value, frame.Number)) reason = RefusalReason.HeldForOrder;
        if (reason == RefusalReason.None)
        {
            var home = HomeOf(frame.To.Value);
            var request = new SendRequest
            {
                Kind = HomeMessageKind.Send,
                SendKind = (byte)frame.Kind,
                Session = index,
                SessionEpoch = s.Epoch,
                Incarnation = window.Incarnation,
                To = frame.To.Value,
                Sender = s.Key,
                Number = frame.Number,
                Low = window.Low,
                ExpirySeconds = frame.ExpirySeconds,
                RepliesSeen = _repliesSeen[home],
            };
            if (home == _index)
            {
                reason = AppendSend(in request, _index, frame.Body);
            }
            else if (!_links.TryRequest(home, HomeMessage.Bytes(in request), frame.Body))
            {
                _waitingForCredit[home].Enqueue(new SessionRef(index, s.Epoch));
                return false;
            }
        }

        Counters.SendsReceived++;
        _senders?.Note(s.Key);
        if (reason == RefusalReason.None)
        {
            window.Begin(frame.Number, ref s.InFlight);
            s.Outstanding++;
        }
        else
        {
            if (!reason.IsFinal()) Hold(ref s, frame.To.Value, frame.Number);
            Refuse(ref s, frame.Number, reason);
        }

        return true;
    }

    private RefusalReason Judge(in SendFrame frame)
    {
        if (frame.To.Kind == AddressKind.Group) return RefusalReason.UnsupportedRecipient;
        if (frame.Body.Length > _options.MaxBodyBytes) return RefusalReason.BodyTooLarge;
        return frame.Kind switch
        {
            SendKind.Message => RefusalReason.None,
            SendKind.Read => ReadBody.TryParse(frame.Body, out _, out _) ? RefusalReason.None : RefusalReason.UnsupportedKind,
            _ => RefusalReason.UnsupportedKind,
        };
    }

    /// <summary>
    /// A send was committed, or refused at the recipient's home. Whatever session asked, the window is settled; the session there is now
    /// is told, since it may wait for this very number.
    /// </summary>
    private void OnSendOutcome(uint index, uint incarnation, ulong number, ulong to, RefusalReason reason)
    {
        ref var s = ref _sessions.Open(index);
        s.Outstanding--;
        ref var window = ref _windows[s.Window];
        if (window.Incarnation == incarnation)
        {
            if (reason == RefusalReason.None)
            {
                if (window.Settle(number, ref s.InFlight) && s.IsOnline) _connections.WriteAccepted(s.Connection, number);
            }
            else
            {
                window.Reopen(number, ref s.InFlight);
                if (!reason.IsFinal() && number >= window.Low && s.Connection != 0) Hold(ref s, to, number);
                if (s.IsOnline) Refuse(ref s, number, reason);
            }
        }

        ReleaseIfFinished(index, ref s);
    }

    private void Refuse(ref Session s, ulong number, RefusalReason reason)
    {
        Counters.CountRefusal(reason);
        _connections.WriteRefused(s.Connection, number, reason, _options.RetryAfterMs);
    }

    // Rule 7. Every temporary refusal holds back the later sends to the same mailbox, those refused for being held included,
    // so that they come in again one after the other. At most 64 a session: only numbers of the window are held.

    private void Hold(ref Session s, ulong mailbox, ulong number)
    {
        for (var i = s.HeldHead; i != 0; i = _held[i].Next)
        {
            if (_held[i].Number == number) return;
        }

        var held = _held.Rent();
        _held[held] = new HeldSend { Mailbox = mailbox, Number = number, Next = s.HeldHead };
        s.HeldHead = held;
    }

    /// <summary>True when a lower number to this mailbox is held. Otherwise this number, being sent again, is held no longer.</summary>
    private bool IsHeld(ref Session s, ulong mailbox, ulong number)
    {
        for (var i = s.HeldHead; i != 0; i = _held[i].Next)
        {
            if (_held[i].Mailbox == mailbox && _held[i].Number < number) return true;
        }

        RemoveHeld(ref s, number, number);
        return false;
    }

    private void DropHeldBelow(ref Session s, ulong low)
    {
        if (low > 1) RemoveHeld(ref s, 0, low - 1);
    }

    private void ReleaseHeld(ref Session s) => RemoveHeld(ref s, 0, ulong.MaxValue);

    private void RemoveHeld(ref Session s, ulong from, ulong to)
    {
        ref var link = ref s.HeldHead;
        while (link != 0)
        {
            var index = link;
            ref var held = ref _held[index];
            if (held.Number >= from && held.Number <= to)
            {
                link = held.Next;
                _held.Return(index);
            }
            else
            {
                link = ref held.Next;
            }
        }
    }
}
