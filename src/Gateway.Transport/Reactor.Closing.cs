using Gateway.Transport.Connections;
using Gateway.Transport.Linux;
using Gateway.Transport.Pools;

namespace Gateway.Transport;

/// <summary>
/// How connections end. <c>Close</c> → closing: input is discarded while output is handed over → our side is shut down → the peer's end →
/// dead. Waiting for the peer's end keeps the kernel from answering late input with a reset, which would take our last words from the
/// peer. Whatever ends a connection only marks it dead; the handler is told, the descriptor closed and the slot released while burying,
/// when nothing refers to it any more.
/// </summary>
public sealed partial class Reactor
{
    private const int MaxClosingWaits = 2000;

    private readonly ElasticQueue<Death> _dead = new();

    /// <summary>
    /// Hands over what was written, then closes; <see cref="ReactorGroupOptions.LingerTimeoutMs"/> bounds it. No further
    /// <c>OnReceived</c>; the id takes no more output. A connect under way is given up: <c>OnConnected</c> with ECANCELED.
    /// </summary>
    public void Close(ConnectionId c)
    {
        ref var slot = ref FindLiving(c);
        if (IsNone(ref slot)) return;
        if (slot.State == SlotState.Connecting) Kill(ref slot, c.Slot, CloseReason.Aborted, Errno.ECANCELED);
        else if (slot.State == SlotState.Open) BeginClose(ref slot, c.Slot);
    }

    /// <summary>Drops unsent output and resets the connection now; <c>OnClosed</c> comes later in this turn.</summary>
    public void Abort(ConnectionId c)
    {
        ref var slot = ref FindLiving(c);
        if (IsNone(ref slot)) return;
        Kill(ref slot, c.Slot, CloseReason.Aborted, slot.State == SlotState.Connecting ? Errno.ECANCELED : 0, reset: true);
    }

    private void BeginClose(ref ConnectionSlot slot, uint index)
    {
        slot.State = SlotState.Closing;
        LeaveHandshake(ref slot);
        // The handler may be reading the kept input at this moment; PresentKept drops it afterwards.
        if (index != _presenting) DropInput(ref slot);
        ArmDeadline(ref slot, index, _lingerTicks);
        if (slot.Output == 0)
        {
            FinishClose(ref slot, index);
            return;
        }

        EndWait(ref slot, _table.IdOf(index));
        if (!slot.Has(SlotFlags.PeerEnded)) _backend.SubmitReceive(index);
    }

    /// <summary>All output was taken.</summary>
    private void FinishClose(ref ConnectionSlot slot, uint index)
    {
        if (slot.Has(SlotFlags.PeerEnded))
        {
            Kill(ref slot, index, slot.Has(SlotFlags.ClosedByPeer) ? CloseReason.PeerClosed : CloseReason.Closed, 0);
            return;
        }

        slot.Flags |= SlotFlags.SendShut;
        _backend.ShutdownSend(index);
        _backend.SubmitReceive(index);
    }

    /// <summary>The peer ended its side (errno 0) or broke the connection.</summary>
    private void OnPeerEnded(ref ConnectionSlot slot, uint index, int errno)
    {
        if (errno != 0)
        {
            Kill(ref slot, index, ReasonOf(errno), errno);
            return;
        }

        // A half-closed peer still gets what was written for it, this turn's output included.
        slot.Flags |= SlotFlags.PeerEnded | SlotFlags.ClosedByPeer;
        BeginClose(ref slot, index);
    }

    private void OnReceivedWhileClosing(ref ConnectionSlot slot, uint index, int result)
    {
        if (result > 0)
        {
            _backend.SubmitReceive(index);
            return;
        }

        if (result < 0)
        {
            // After our end was handed over, a reset is only the peer's way of going.
            Kill(ref slot, index, slot.Has(SlotFlags.SendShut) ? CloseReason.Closed : ReasonOf(-result), -result);
            return;
        }

        slot.Flags |= SlotFlags.PeerEnded;
        if (slot.Output == 0) FinishClose(ref slot, index);
    }

    private void OnBroken(ref ConnectionSlot slot, ConnectionId id, int errno)
    {
        if (slot.State is not (SlotState.Open or SlotState.Closing)) return;
        if (errno == 0) errno = Errno.ECONNRESET;
        Kill(ref slot, id.Slot, ReasonOf(errno), errno);
    }

    private static CloseReason ReasonOf(int errno) => errno is Errno.ECONNRESET or Errno.EPIPE ? CloseReason.Reset : CloseReason.Error;

    private void Kill(ref ConnectionSlot slot, uint index, CloseReason reason, int errno, bool reset = false)
    {
        if (slot.State is SlotState.Dead or SlotState.Free) return;
        LeaveHandshake(ref slot);
        _dead.Enqueue(new Death(_table.IdOf(index), reason, errno, slot.State, reset));
        slot.State = SlotState.Dead;
        _backend.CancelReceive(index);
    }

    private void Bury()
    {
        while (_dead.TryDequeue(out var death))
        {
            ref var slot = ref _table[death.Id.Slot];
            _wheel.Cancel(death.Id.Slot);
            DropInput(ref slot);
            var idle = _backend.Close(death.Id.Slot, death.Reset);
            switch (death.Was)
            {
                case SlotState.Connecting: _handler.OnConnected(death.Id, death.Errno); break;
                // Its id died with the move; only the group's stop ends it here.
                case SlotState.Moving: _meters.Closed++; break;
                default:
                    _meters.Closed++;
                    _handler.OnClosed(death.Id, slot.Tag, death.Reason, death.Errno);
                    break;
            }

            if (idle) Free(ref slot, death.Id.Slot);
        }
    }

    /// <summary>Nothing is in flight any more: only now may the output's memory, which a send may have been reading, serve another.</summary>
    private void Free(ref ConnectionSlot slot, uint index)
    {
        if (slot.Output != 0) _outputs.Return(_outputs[slot.Output]);
        slot.Output = 0;
        _table.Release(index);
    }

    /// <summary>Lets what a backend has in flight for the dead come to its end. The kernel ends cancelled operations promptly; the bound is for faults of ours.</summary>
    private void AwaitClosed()
    {
        for (var waits = 0; _table.InUse != 0 && waits < MaxClosingWaits; waits++)
        {
            _backend.Wait(1);
            Reap();
        }
    }

    private readonly record struct Death(ConnectionId Id, CloseReason Reason, int Errno, SlotState Was, bool Reset);
}
