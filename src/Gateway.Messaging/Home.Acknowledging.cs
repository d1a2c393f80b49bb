using System.Buffers.Binary;
using Gateway.Messaging.Pools;
using Gateway.Protocol;

namespace Gateway.Messaging;

/// <summary>
/// What an acknowledged entry goes through before it is gone (rule 5): its receipt is asked for at the sender's home; when that is durable,
/// the acknowledgement is appended, and the entry leaves the mailbox. Worked off once a turn, so that what a device acknowledges
/// in a turn makes one receipt a sender and one acknowledgement.
/// </summary>
public sealed partial class Home
{
    /// <summary>How far one receipt looks for more numbers of its sender among those of others.</summary>
    private const int ReceiptLookAhead = 4 * Wire.MaxReceiptNumbers;

    /// <summary>A receipt remembers since when it is owed in units of 16 ms, which 32 bits hold for two years.</summary>
    private const int OwedSinceShift = 4;

    private readonly Slab<OwedReceipt> _owed;

    /// <summary>Sessions with acknowledgements to work off this turn; each is in it once (<see cref="SessionFlags.AckListed"/>).</summary>
    private readonly ElasticQueue<uint> _ackList = new();

    /// <summary>Sessions whose acknowledgements found no room; tried again after <see cref="RetryIntervalMs"/>.</summary>
    private readonly ElasticQueue<uint> _blockedAcks = new();

    /// <summary>Sessions whose receipts found no credit to a home, one queue a home; tried again when there is some, before any sender.</summary>
    private readonly ElasticQueue<uint>[] _acksWithoutCredit;

    private ErrorCode OnAcknowledge(uint index, ref Session s, ReadOnlySpan<byte> payload)
    {
        if (!AcknowledgeFrame.TryParse(payload, out var frame, out var error)) return error;
        if (frame.Sequence > s.HighestDelivered) return ErrorCode.AcknowledgeAhead;
        if (frame.Sequence <= s.Processed) return ErrorCode.None;
        s.Processed = frame.Sequence;
        s.ProgressAtMs = _nowMs;
        s.Redeliveries = 0;
        Counters.Acknowledged++;
        ListForAcknowledging(index, ref s);
        return ErrorCode.None;
    }

    /// <summary>
    /// Rule 11: one entry that the device can never process goes without holding up the rest. False without an error: no credit to the
    /// sender's home, who must be told; the frame must be handed over again.
    /// </summary>
    private bool OnReject(uint index, ref Session s, ReadOnlySpan<byte> payload, out ErrorCode error)
    {
        if (!RejectFrame.TryParse(payload, out var frame, out error)) return false;
        if (!TryFindDelivered(ref s, frame.Sequence, out var before, out var found))
        {
            // Rejected before, as a device does that was delivered to again; or the cursor went back behind it, and it will come again.
            if (frame.Sequence > s.Processed && frame.Sequence <= s.HighestDelivered) return true;
            error = ErrorCode.RejectUnknown;
            return false;
        }

        var owed = Owe(index, ref s, frame.Sequence);
        if (owed == 0)
        {
            error = ErrorCode.Overloaded;
            return false;
        }

        _owed[owed].IsRejection = true;
        _owed[owed].Reason = frame.Reason;
        ref var entry = ref _delivered[found];
        if (entry.Sender == 0)
        {
            _owed[owed].Done = true;
        }
        else
        {
            Span<byte> body = stackalloc byte[SendFrame.ReadBodyFixedBytes + 8];
            WriteReceiptBody(body, entry.Incarnation);
            BinaryPrimitives.WriteUInt64LittleEndian(body[SendFrame.ReadBodyFixedBytes..], entry.Number);
            if (!AskForReceipt(owed, s.Key, entry.Sender, ReceiptKind.Rejected, frame.Reason, body))
            {
                RemoveNewestOwed(ref s, owed);
                ReturnOwed(owed);
                _waitingForCredit[HomeOf(entry.Sender)].Enqueue(new SessionRef(index, s.Epoch));
                return false;
            }
        }

        UnlinkDelivered(ref s, before, found);
        s.Set(SessionFlags.OwesRejection);
        s.ProgressAtMs = _nowMs;
        Counters.Rejected++;
        ListForAcknowledging(index, ref s);
        return true;
    }

    private void ListForAcknowledging(uint index, ref Session s)
    {
        if (s.Has(SessionFlags.AckListed)) return;
        s.Set(SessionFlags.AckListed);
        _ackList.Enqueue(index);
    }

    private void WorkOffAcknowledgements()
    {
        for (var n = _ackList.Count; n > 0; n--) WorkOffAcknowledgements(_ackList.Dequeue());
    }

    private void WorkOffAcknowledgements(uint index)
    {
        ref var s = ref _sessions.Open(index);
        s.Clear(SessionFlags.AckListed);
        var asked = AskForReceipts(index, ref s, out var withoutCredit);
        var removed = RemoveSettled(ref s);
        if (removed) Pump(index, ref s); // acknowledging gave credit back
        if (asked && removed)
        {
            ReleaseIfFinished(index, ref s);
            return;
        }

        s.Set(SessionFlags.AckListed);
        (withoutCredit < 0 ? _blockedAcks : _acksWithoutCredit[withoutCredit]).Enqueue(index);
    }

    private void RetryBlockedAcknowledgements()
    {
        while (_blockedAcks.TryDequeue(out var index)) _ackList.Enqueue(index);
    }

    /// <summary>Spends the credit to a home on the receipts that waited for it. False: there is none left for others.</summary>
    private bool SpendCreditOnReceipts(int home)
    {
        var waiting = _acksWithoutCredit[home];
        for (var n = waiting.Count; n > 0; n--)
        {
            var before = waiting.Count;
            WorkOffAcknowledgements(waiting.Dequeue());
            if (waiting.Count == before) return false;
        }

        return true;
    }

    /// <summary>
    /// Asks for the receipts of everything processed, one request a sender. False: something is left, for want of credit to the home
    /// <paramref name="withoutCredit"/>, or of room here (-1).
    /// </summary>
    private bool AskForReceipts(uint index, ref Session s, out int withoutCredit)
    {
        withoutCredit = -1;
        Span<byte> body = stackalloc byte[SendFrame.ReadBodyFixedBytes + 8 * Wire.MaxReceiptNumbers];
        while (s.DeliveredHead != 0 && _delivered[s.DeliveredHead].Sequence <= s.Processed)
        {
            ref var first = ref _delivered[s.DeliveredHead];
            if (first.Sender == 0)
            {
                // It earns no receipt, or is named in one asked for before: its acknowledgement waits only for what is owed before it.
                if (!OweNothing(index, ref s, first.Sequence)) return false;
            }
            else
            {
                var length = WriteNumbers(s.DeliveredHead, s.Processed, body);
                var owed = Owe(index, ref s, first.Sequence);
                if (owed == 0) return false;
                if (!AskForReceipt(owed, s.Key, first.Sender, ReceiptKind.Delivered, 0, body[..length]))
                {
                    RemoveNewestOwed(ref s, owed);
                    ReturnOwed(owed);
                    withoutCredit = HomeOf(first.Sender);
                    return false;
                }

                MarkAsked(s.DeliveredHead, s.Processed, length);
            }

            s.OwedThrough = first.Sequence;
            _delivered.Return(TakeDelivered(ref s));
        }

        return true;
    }

    /// <summary>Writes the receipt body that names the entry at the head and the processed ones of the same sender after it; returns its length.</summary>
    private int WriteNumbers(uint head, ulong processed, Span<byte> body)
    {
        ref var first = ref _delivered[head];
        WriteReceiptBody(body, first.Incarnation);
        var length = SendFrame.ReadBodyFixedBytes;
        var looked = 0;
        for (var i = head; i != 0 && length < body.Length && looked < ReceiptLookAhead; i = _delivered[i].Next, looked++)
        {
            ref var entry = ref _delivered[i];
            if (entry.Sequence > processed) break;
            if (entry.Sender != first.Sender || entry.Incarnation != first.Incarnation) continue;
            BinaryPrimitives.WriteUInt64LittleEndian(body[length..], entry.Number);
            length += 8;
        }

        return length;
    }

    /// <summary>Notes of the entries that <see cref="WriteNumbers"/> has just named that they are owed no further receipt.</summary>
    private void MarkAsked(uint head, ulong processed, int length)
    {
        ref var first = ref _delivered[head];
        var left = (length - SendFrame.ReadBodyFixedBytes) / 8 - 1;
        for (var i = first.Next; i != 0 && left != 0; i = _delivered[i].Next)
        {
            ref var entry = ref _delivered[i];
            if (entry.Sequence > processed || entry.Sender != first.Sender || entry.Incarnation != first.Incarnation) continue;
            entry.Sender = 0;
            left--;
        }
    }

    /// <summary>False: no credit to the sender's home. <paramref name="owed"/> comes back when it is durable; <paramref name="peer"/> is whom it speaks of.</summary>
    private bool AskForReceipt(uint owed, ulong peer, ulong sender, ReceiptKind kind, ushort reason, ReadOnlySpan<byte> body)
    {
        var request = new ReceiptRequest
        {
            Kind = HomeMessageKind.Receipt,
            ReceiptKind = (byte)kind,
            Reason = reason,
            Owed = owed,
            Mailbox = sender,
            Peer = peer,
        };
        var home = HomeOf(sender);
        if (home == _index) AppendReceipt(in request, _index, body);
        else if (!_links.TryRequest(home, HomeMessage.Bytes(in request), body)) return false;
        Counters.ReceiptsAsked++;
        return true;
    }

    /// <summary>A receipt that this home asked for is durable; the end of the turn removes what it stood for.</summary>
    private void OnReceiptDurable(uint owed)
    {
        if ((owed & ExpiredBit) != 0)
        {
            OnExpiredReceiptDurable((int)(owed & ~ExpiredBit));
            return;
        }

        ref var receipt = ref _owed[owed];
        receipt.Done = true;
        ListForAcknowledging(receipt.Session, ref _sessions.Open(receipt.Session));
    }

    /// <summary>Appends the removal of everything whose receipt is durable, from the front. False: the log has no room for it now.</summary>
    private bool RemoveSettled(ref Session s)
    {
        while (s.OwedHead != 0 && _owed[s.OwedHead].Done)
        {
            ref var first = ref _owed[s.OwedHead];
            var record = new LogRecord
            {
                Type = first.IsRejection ? LogRecordType.Remove : LogRecordType.AckUpTo,
                Mailbox = s.Key,
                Sequence = first.IsRejection ? first.UpTo : LastSettled(ref s),
                Kind = first.IsRejection ? (byte)RemoveReason.Rejected : (byte)0,
                Reason = first.Reason,
            };
            if (_log.Append(in record, out var position) != LogStatus.Appended) return false;
            _lastPosition = position;
            if (first.IsRejection && s.Has(SessionFlags.Reading)) s.Set(SessionFlags.DiscardPage); // it may hold the entry

            // One acknowledgement covers every settled receipt up to it; a rejection stands alone.
            do
            {
                var index = s.OwedHead;
                s.OwedHead = _owed[index].Next;
                if (s.OwedHead == 0)
                {
                    s.OwedTail = 0;
                    s.Clear(SessionFlags.OwesRejection);
                }

                ReturnOwed(index);
            }
            while (record.Type == LogRecordType.AckUpTo && s.OwedHead != 0 && _owed[s.OwedHead] is { Done: true, IsRejection: false });
        }

        return true;
    }

    private ulong LastSettled(ref Session s)
    {
        var upTo = 0UL;
        for (var i = s.OwedHead; i != 0 && _owed[i] is { Done: true, IsRejection: false }; i = _owed[i].Next) upTo = _owed[i].UpTo;
        return upTo;
    }

    private uint Owe(uint index, ref Session s, ulong upTo)
    {
        var owed = _owed.Rent();
        if (owed == 0) return 0;
        _owed[owed] = new OwedReceipt { UpTo = upTo, Session = index, Since = (uint)(_nowMs >> OwedSinceShift) };
        _owedGauge?.Enter(_nowMs & -1L << OwedSinceShift);
        if (s.OwedHead == 0) s.OwedHead = owed;
        else _owed[s.OwedTail].Next = owed;
        s.OwedTail = owed;
        return owed;
    }

    private void ReturnOwed(uint owed)
    {
        var now = _nowMs >> OwedSinceShift;
        _owedGauge?.Leave(now - ((uint)now - _owed[owed].Since) << OwedSinceShift);
        _owed.Return(owed);
    }

    private bool OweNothing(uint index, ref Session s, ulong upTo)
    {
        if (s.OwedTail != 0 && !_owed[s.OwedTail].IsRejection)
        {
            _owed[s.OwedTail].UpTo = upTo;
            return true;
        }

        var owed = Owe(index, ref s, upTo);
        if (owed == 0) return false;
        _owed[owed].Done = true;
        return true;
    }

    /// <summary>The device has rejected this entry, and its removal waits for the receipt.</summary>
    private bool OwesRejectionOf(in Session s, ulong sequence)
    {
        if (!s.Has(SessionFlags.OwesRejection)) return false;
        for (var i = s.OwedHead; i != 0; i = _owed[i].Next)
        {
            if (_owed[i].IsRejection && _owed[i].UpTo == sequence) return true;
        }

        return false;
    }

    private void RemoveNewestOwed(ref Session s, uint owed)
    {
        if (s.OwedHead == owed)
        {
            s.OwedHead = s.OwedTail = 0;
            return;
        }

        var before = s.OwedHead;
        while (_owed[before].Next != owed) before = _owed[before].Next;
        _owed[before].Next = 0;
        s.OwedTail = before;
    }

    /// <summary>Finds an entry that was delivered and not processed, and the one before it in the list (0: it is the first).</summary>
    private bool TryFindDelivered(ref Session s, ulong sequence, out uint before, out uint found)
    {
        before = 0;
        for (found = s.DeliveredHead; found != 0; before = found, found = _delivered[found].Next)
        {
            if (_delivered[found].Sequence == sequence) return sequence > s.Processed;
        }

        return false;
    }

    private void UnlinkDelivered(ref Session s, uint before, uint found)
    {
        ref var entry = ref _delivered[found];
        if (before == 0) s.DeliveredHead = entry.Next;
        else _delivered[before].Next = entry.Next;
        if (s.DeliveredTail == found) s.DeliveredTail = before;
        s.UnackedMessages--;
        s.UnackedBytes -= (uint)entry.BodyBytes;
        s.Clear(SessionFlags.CreditSpent);
        _delivered.Return(found);
    }

    private static void WriteReceiptBody(Span<byte> body, uint incarnation)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(body, incarnation);
        BinaryPrimitives.WriteUInt32LittleEndian(body[4..], 0);
    }
}
