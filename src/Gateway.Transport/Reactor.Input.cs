using Gateway.Transport.Buffers;
using Gateway.Transport.Connections;
using Gateway.Transport.Pools;

namespace Gateway.Transport;

/// <summary>
/// Input: presented in place in the backend's buffer; what the handler leaves is copied to a lease and presented again with what follows.
/// A connection is armed for its next receive after the handler saw the last one, unless something holds its reading.
/// </summary>
public sealed partial class Reactor
{
    private readonly ElasticQueue<ConnectionId> _overBudget = new();
    private uint _budgetTick;
    // The slot whose bytes the handler is reading.
    private uint _presenting = ConnectionSlot.None;

    /// <summary>Stops reading; bytes already received are kept. The idle and frame deadlines stand still meanwhile.</summary>
    public void PauseReading(ConnectionId c)
    {
        ref var slot = ref FindOpen(c);
        if (IsNone(ref slot)) return;
        slot.Flags |= SlotFlags.PausedByApplication;
        _backend.CancelReceive(c.Slot);
    }

    /// <summary>Reads again; kept bytes are presented again first, later in this turn or in the next.</summary>
    public void ResumeReading(ConnectionId c)
    {
        ref var slot = ref FindOpen(c);
        if (!IsNone(ref slot)) Unpause(ref slot, c, SlotFlags.PausedByApplication);
    }

    private void Unpause(ref ConnectionSlot slot, ConnectionId id, SlotFlags cause)
    {
        if (!slot.Has(cause)) return;
        slot.Flags &= ~cause;
        if (slot.Has(SlotFlags.AnyPause)) return;
        // What the handler is about to leave unconsumed counts as kept.
        if (slot.Input == 0 && id.Slot != _presenting)
        {
            _backend.SubmitReceive(id.Slot);
        }
        else if (!slot.Has(SlotFlags.Resumed))
        {
            slot.Flags |= SlotFlags.Resumed;
            _resumed.Enqueue(id);
        }
    }

    private void PresentResumed()
    {
        for (var left = _resumed.Count; left > 0; left--)
        {
            var id = _resumed.Dequeue();
            ref var slot = ref _table.Find(id);
            if (IsNone(ref slot) || slot.State != SlotState.Open) continue;
            slot.Flags &= ~SlotFlags.Resumed;
            if (slot.Has(SlotFlags.AnyPause)) continue;
            if (slot.Input != 0) PresentKept(ref slot, id);
            ReceiveMore(ref slot, id.Slot);
        }
    }

    private void OnReceived(ref ConnectionSlot slot, ConnectionId id, int result, ReadOnlySpan<byte> bytes)
    {
        switch (slot.State)
        {
            case SlotState.Open: break;
            case SlotState.Closing: OnReceivedWhileClosing(ref slot, id.Slot, result); return;
            // The target is told of the end by its own receive; bytes have to go along.
            case SlotState.Moving when result > 0: Keep(ref slot, id, bytes); return;
            default: return;
        }

        if (result <= 0)
        {
            OnPeerEnded(ref slot, id.Slot, -result);
            return;
        }

        _meters.ReceivedBytes += result;
        slot.LastReceived = _nowTick;
        if (slot.Has(SlotFlags.AnyPause))
        {
            // It was under way when reading was paused.
            Keep(ref slot, id, bytes);
            return;
        }

        Present(ref slot, id, bytes);
        ReceiveMore(ref slot, id.Slot);
    }

    private void Present(ref ConnectionSlot slot, ConnectionId id, ReadOnlySpan<byte> bytes)
    {
        if (slot.Input != 0)
        {
            Keep(ref slot, id, bytes);
            if (slot.State == SlotState.Open) PresentKept(ref slot, id);
            return;
        }

        _presenting = id.Slot;
        var consumed = _handler.OnReceived(id, bytes);
        _presenting = ConnectionSlot.None;
        if ((uint)consumed > (uint)bytes.Length)
            throw new InvalidOperationException($"OnReceived consumed {consumed} of {bytes.Length} bytes.");
        if (consumed != bytes.Length && slot.State is SlotState.Open or SlotState.Moving) Keep(ref slot, id, bytes[consumed..]);
    }

    private void PresentKept(ref ConnectionSlot slot, ConnectionId id)
    {
        var lease = _leases[slot.Input];
        var kept = lease.Peek();
        _presenting = id.Slot;
        var consumed = _handler.OnReceived(id, in kept);
        _presenting = ConnectionSlot.None;
        if ((ulong)consumed > (ulong)kept.Length)
            throw new InvalidOperationException($"OnReceived consumed {consumed} of {kept.Length} bytes.");

        lease.Consume(in kept, consumed);
        if (consumed > 0) lease.SinceTick = _nowTick;
        // Only now: the handler may have closed the connection while it still read the lease's memory.
        if (lease.Bytes == 0 || slot.State == SlotState.Closing) DropInput(ref slot);
    }

    private void ReceiveMore(ref ConnectionSlot slot, uint index)
    {
        if (slot.State == SlotState.Open && !slot.Has(SlotFlags.AnyPause)) _backend.SubmitReceive(index);
    }

    private void Keep(ref ConnectionSlot slot, ConnectionId id, ReadOnlySpan<byte> bytes)
    {
        Lease lease;
        if (slot.Input == 0)
        {
            lease = _leases.Rent();
            lease.SinceTick = _nowTick;
            slot.Input = lease.Index;
            if (slot.State == SlotState.Open && _frameTicks != 0) ArmTimer(ref slot, id.Slot, _nowTick + _frameTicks);
        }
        else
        {
            lease = _leases[slot.Input];
        }

        lease.Write(bytes);
        if (slot.State != SlotState.Open) return;
        if (lease.Bytes > Options.MaxKeptInputBytes) Kill(ref slot, id.Slot, CloseReason.InputOverflow, 0, reset: true);
        else if (_budget.IsOverSoft) PauseForBudget(ref slot, id);
    }

    private void DropInput(ref ConnectionSlot slot)
    {
        if (slot.Input == 0) return;
        _leases.Return(_leases[slot.Input]);
        slot.Input = 0;
    }

    private void PauseForBudget(ref ConnectionSlot slot, ConnectionId id)
    {
        if (slot.Has(SlotFlags.PausedByBudget)) return;
        slot.Flags |= SlotFlags.PausedByBudget;
        _backend.CancelReceive(id.Slot);
        _overBudget.Enqueue(id);
    }

    private void ResumeWithinBudget()
    {
        if (_overBudget.Count == 0) return;
        var left = Math.Min(_overBudget.Count, Options.BudgetResumesPerTick);
        if (_budget.IsRelaxed) left = _overBudget.Count;
        else if (_budgetTick == _nowTick) return;
        _budgetTick = _nowTick;
        for (; left > 0; left--)
        {
            var id = _overBudget.Dequeue();
            ref var slot = ref FindOpen(id);
            if (!IsNone(ref slot)) Unpause(ref slot, id, SlotFlags.PausedByBudget);
        }
    }
}
