using Gateway.Transport.Connections;
using Gateway.Transport.Linux;

namespace Gateway.Transport.Backend.Uring;

/// <summary>
/// Sending: one send a connection in flight, all of a turn handed over with one enter (<see cref="Submit"/>). What the socket has room for
/// is taken then and there; the rest waits in the kernel for room, and its buffer with it.
/// </summary>
internal sealed unsafe partial class UringBackend
{
    public int SubmitSend(uint slot, ReadOnlySpan<byte> pinned)
    {
        ref var s = ref _table[slot];
        s.Flight |= Flight.Send;
        s.Poll |= PollFlags.SendBlocked;
        ref var entry = ref NextFor(ref s, slot, Operation.Send);
        entry.Operation = IoUring.OpSend;
        entry.Length = (uint)pinned.Length;
        entry.OperationFlags = Syscalls.MessageNoSignal;
        // SAFETY: the span lies in a pinned array, and stays unchanged until the completion, by this verb's contract.
        fixed (byte* bytes = pinned) entry.Address = (ulong)bytes;
        return 0;
    }

    private static bool OnSent(ref ConnectionSlot s, ConnectionId id, int result, out Completion completion)
    {
        s.Flight &= ~Flight.Ending;
        s.Poll &= ~PollFlags.SendBlocked;
        if (End(ref s, id, Flight.Send, out completion)) return true;
        if (s.Descriptor < 0) return false;
        completion = new Completion { Kind = CompletionKind.Sent, Id = id, Result = result };
        return true;
    }
}
