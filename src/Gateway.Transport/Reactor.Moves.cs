using System.Buffers;
using Gateway.Transport.Connections;
using Gateway.Transport.Inbox;
using Gateway.Transport.Linux;
using Gateway.Transport.Pools;

namespace Gateway.Transport;

/// <summary>
/// Requests, replies and notices between reactors, and moves of connections. A move is decided in a callback but carried out at the end of
/// the turn, when it is known what the handler consumed and what the kernel took; if the lane to the target is full, the connection waits
/// here, unread. So a move never fails, and no byte is lost or seen twice.
/// </summary>
public sealed partial class Reactor
{
    private readonly ElasticQueue<Departure> _departures = new();
    private readonly SpareRecords _spareRecords;

    /// <summary>
    /// Sends a request (head, then body) and reserves its reply's slot. False when that reactor already owes
    /// <see cref="ReactorGroupOptions.ReplySlots"/> replies or the lane is full: park the source; <c>OnRequestCredit</c> follows.
    /// </summary>
    /// <exception cref="ArgumentException">It could never fit: above half of <see cref="ReactorGroupOptions.RequestLaneBytes"/>.</exception>
    public bool TryRequest(int toReactor, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
    {
        AssertOwner();
        return _inbox.TryRequest(toReactor, head, body);
    }

    /// <summary>Answers a request from that reactor, in any order, exactly once each. Cannot fail: the requester reserved the slot.</summary>
    /// <exception cref="InvalidOperationException">No request from there is unanswered.</exception>
    /// <exception cref="ArgumentException">Longer than <see cref="ReactorGroupOptions.ReplySlotBytes"/>.</exception>
    public void Reply(int toReactor, ReadOnlySpan<byte> message)
    {
        AssertOwner();
        _inbox.Reply(toReactor, message);
    }

    /// <summary>Sends a message that may be lost: false, and counted, when its lane is full.</summary>
    public bool TryNotify(int toReactor, ReadOnlySpan<byte> message)
    {
        AssertOwner();
        return _inbox.TryNotify(toReactor, message);
    }

    /// <summary>
    /// Gives the connection to another reactor (or to this one) with its unread and unsent bytes; there <c>OnMoved</c> comes with
    /// <paramref name="context"/>. The id dies here, without <c>OnClosed</c>; the tag is not carried.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">No such reactor, or a context above <see cref="MaxMoveContextBytes"/>.</exception>
    public void Move(ConnectionId c, int toReactor, ReadOnlySpan<byte> context)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)toReactor, (uint)Options.Reactors, nameof(toReactor));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(context.Length, MaxMoveContextBytes, nameof(context));
        ref var slot = ref FindOpen(c);
        if (IsNone(ref slot)) return;
        // The socket may be on its way when the wait is over.
        if (slot.Output != 0) EndWait(ref slot, c);
        slot.State = SlotState.Moving;
        _backend.CancelReceive(c.Slot);
        var record = _spareRecords.Take();
        record.SetContext(context);
        _departures.Enqueue(new Departure(c, toReactor, record));
    }

    private void SendOff()
    {
        for (var left = _departures.Count; left > 0; left--)
        {
            var departure = _departures.Dequeue();
            ref var slot = ref _table.Find(departure.Id);
            if (IsNone(ref slot) || slot.State != SlotState.Moving)
            {
                _spareRecords.Put(departure.Record);
                continue;
            }

            if (!_inbox.CanMove(departure.To) || !TryDepart(ref slot, departure)) _departures.Enqueue(departure);
        }
    }

    /// <summary>False: it, or another operation on it, is still under way, or the target has no place for it; the next turn asks again.</summary>
    private bool TryDepart(ref ConnectionSlot slot, in Departure departure)
    {
        var record = departure.Record;
        var index = departure.Id.Slot;
        var target = _group.Reactors[departure.To];
        var handed = _backend.HandOver(index, target._backend, out var idle);
        if (handed == -Errno.ENFILE) target.Wake();
        if (handed < 0) return false;
        _wheel.Cancel(index);
        if (slot.Input != 0)
        {
            var lease = _leases[slot.Input];
            var kept = lease.Peek();
            kept.CopyTo(record.CarryUnread(checked((int)kept.Length)));
            lease.Consume(in kept, kept.Length);
            DropInput(ref slot);
        }

        if (slot.Output != 0) TakeUnsent(ref slot, record);

        // Nobody's leases while they travel, but the node's all the same.
        if (record.BytesUnderWay != 0) _group.NodeBudget.Add(record.BytesUnderWay);
        record.Flags = slot.Flags & SlotFlags.InHandshake;
        record.Deadline = slot.Deadline;
        record.LastReceived = slot.LastReceived;
        record.Handed = handed;
        LeaveHandshake(ref slot);
        slot.State = SlotState.Dead;
        if (idle) _table.Release(index);
        _meters.MovedOut++;
        _spareRecords.Collect(departure.To);
        _inbox.Move(departure.To, record);
        return true;
    }

    /// <summary>A connection that was on its way here when its group stopped. After the thread has ended.</summary>
    internal void Discard(MoveRecord record) => _backend.Discard(record.Handed);

    private void TakeUnsent(ref ConnectionSlot slot, MoveRecord record)
    {
        var output = _outputs[slot.Output];
        var unsent = record.CarryUnsent(checked((int)output.Unsent));
        var fromBuffer = output.Written - output.Sent;
        if (fromBuffer != 0) output.Buffer!.Array.AsSpan(output.Sent, fromBuffer).CopyTo(unsent);
        if (output.Behind is { } behind)
        {
            var rest = behind.Peek();
            rest.CopyTo(unsent[fromBuffer..]);
            behind.Consume(in rest, rest.Length);
        }

        slot.Output = 0;
        _outputs.Return(output);
    }

    private void Arrive(int from, MoveRecord record)
    {
        if (!_table.TryTake(SlotState.Open, -1, out var index))
            throw new InsufficientMemoryException($"Reactor {Index} has no slot for a connection that moved in.");
        _meters.MovedIn++;
        ref var slot = ref _table[index];
        var id = _table.IdOf(index);
        slot.Flags = record.Flags;
        slot.Deadline = record.Deadline;
        slot.LastReceived = record.LastReceived;
        if (slot.Has(SlotFlags.InHandshake)) EnterHandshake(ref slot);
        var attached = _backend.Take(index, record.Handed);
        ArmEarliest(ref slot, index);
        // What the old handler wrote comes before anything the new one writes.
        if (record.Unsent.Length != 0) CarryUnsent(ref slot, id, record.Unsent);

        _handler.OnMoved(id, from, record.Context);
        if (attached < 0) Kill(ref slot, index, CloseReason.Error, -attached);
        if (slot.State == SlotState.Open && record.Unread.Length != 0)
        {
            if (slot.Has(SlotFlags.AnyPause)) Keep(ref slot, id, record.Unread);
            else Present(ref slot, id, record.Unread);
        }
        else if (slot.State == SlotState.Moving && record.Unread.Length != 0)
        {
            Keep(ref slot, id, record.Unread);
        }

        ReceiveMore(ref slot, index);
        if (record.BytesUnderWay != 0) _group.NodeBudget.Add(-record.BytesUnderWay);
        _inbox.GiveBack(from, record);
    }

    private void CarryUnsent(ref ConnectionSlot slot, ConnectionId id, ReadOnlySpan<byte> unsent)
    {
        slot.Flags |= SlotFlags.Lagging;
        var output = OutputOf(ref slot, id);
        output.Buffer = _segments.Lend(unsent.Length);
        unsent.CopyTo(output.Buffer.Array);
        output.Written = unsent.Length;
        output.Urgent = true;
    }

    private readonly record struct Departure(ConnectionId Id, int To, MoveRecord Record);
}
