using Gateway.Transport.Connections;
using Gateway.Transport.Linux;

namespace Gateway.Transport.Backend.Uring;

/// <summary>
/// Connections that change their reactor. The socket goes from table to table (IORING_MSG_SEND_FD), never becoming a file of the process:
/// a place is reserved at the target, whose thread the kernel has put the socket there, and the source learns from its own completion where
/// it lies now. Until then the source keeps it too, so that whatever goes wrong loses nobody. The target hears of it by the reactors'
/// lane alone.
/// </summary>
internal sealed unsafe partial class UringBackend
{
    /// <summary>Sockets that went into another reactor's table, and attempts that the kernel refused. For tests.</summary>
    public long HandedOver, HandOverFailures;

    public int HandOver(uint slot, IReactorBackend to, out bool idle)
    {
        ref var s = ref _table[slot];
        var target = (UringBackend)to;
        idle = false;
        if (s.Has(Flight.HandOver)) return -Errno.EINPROGRESS;
        if (s.Has(PollFlags.HandedOver)) return LetGo(ref s, slot);
        if (s.Has(PollFlags.HandOverFailed))
        {
            s.Poll &= ~PollFlags.HandOverFailed;
            target._rings.Release((int)s.Handed);
            return -Errno.EAGAIN;
        }

        if (s.Has(Flight.Multishot | Flight.Send | Flight.Receive))
        {
            // They carry bytes: what they took must be known before another ring reads or writes.
            if (s.Has(Flight.Multishot)) EndMultishot(ref s, slot);
            if (s.Has(Flight.Send)) Cancel(ref s, slot, Operation.Send);
            return -Errno.EAGAIN;
        }

        CancelPolls(ref s, slot);
        if (target != this) return BeginHandOver(ref s, slot, target);

        // Only the slot changes.
        var descriptor = s.Descriptor;
        s.Descriptor = -1;
        s.Poll = PollFlags.None;
        idle = !s.Has(Flight.Any);
        return descriptor;
    }

    public int Take(uint slot, int handed)
    {
        _table[slot].Descriptor = handed;
        return 0;
    }

    // It lies in a table, which is closed with its ring.
    public void Discard(int handed)
    {
    }

    private int BeginHandOver(ref ConnectionSlot s, uint slot, UringBackend target)
    {
        if (target._rings.TryReserve() is not { } ring) return -Errno.ENFILE;
        s.Flight |= Flight.HandOver;
        s.Handed = (uint)DirectSocket.Of(ring.Index, 0);
        ref var entry = ref _rings.RingOf(s.Descriptor).Next(UserData.Of(Operation.HandOver, slot, in s));
        entry.Operation = IoUring.OpMessageRing;
        entry.Descriptor = DescriptorOf(ring);
        entry.Address = IoUring.MessageSendDescriptor;
        entry.Address3 = (ulong)DirectSocket.PlaceOf(s.Descriptor);
        entry.FileIndex = IoUring.FileIndexAllocate;
        entry.OperationFlags = IoUring.MessageSkipCompletion;
        return -Errno.EINPROGRESS;
    }

    private bool OnHandedOver(ref ConnectionSlot s, ConnectionId id, int result, out Completion completion)
    {
        // A slot that was closed meanwhile belongs to a reactor that stops; what lies at the target goes with its ring.
        if (End(ref s, id, Flight.HandOver, out completion)) return true;
        if (s.Descriptor < 0) return false;
        if (result >= 0)
        {
            s.Handed += (uint)result;
            s.Poll |= PollFlags.HandedOver;
            HandedOver++;
        }
        else
        {
            s.Poll |= PollFlags.HandOverFailed;
            HandOverFailures++;
        }

        return false;
    }

    private int LetGo(ref ConnectionSlot s, uint slot)
    {
        var handed = (int)s.Handed;
        GiveUp(ref s, slot);
        return handed;
    }
}
