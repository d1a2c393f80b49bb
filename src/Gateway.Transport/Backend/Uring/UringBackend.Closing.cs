using System.Net;
using Gateway.Transport.Connections;
using Gateway.Transport.Linux;

namespace Gateway.Transport.Backend.Uring;

/// <summary>
/// How connections come into a table other than by accepting, and how they leave it for good. Whatever is in flight is cancelled by its user_data
/// (pitfall 6) before the place is given up; the socket itself goes when the last of it has ended, and a poll that stayed armed would keep
/// it for ever (pitfall 1).
/// </summary>
internal sealed unsafe partial class UringBackend
{
    public int Adopt(uint slot, int descriptor)
    {
        var index = _rings.FindRoom(1, out _);
        var result = index;
        if (index >= 0)
        {
            var file = descriptor;
            // SAFETY: the kernel reads and writes the one descriptor before Execute returns.
            result = _rings[index].Execute(new Submission
            {
                Operation = IoUring.OpFilesUpdate,
                Descriptor = -1,
                Address = (ulong)&file,
                Length = 1,
                Offset = IoUring.FileIndexAllocate,
            });
            if (result > 0)
            {
                _table[slot].Descriptor = DirectSocket.Of(index, file);
                result = 0;
            }
            else
            {
                _rings[index].Release();
            }
        }

        _ = Syscalls.Close(descriptor);
        return result;
    }

    public int Connect(uint slot, IPEndPoint remote, IPAddress? source)
    {
        var descriptor = Syscalls.OpenOutbound(remote, source);
        if (descriptor < 0) return descriptor;
        var result = Adopt(slot, descriptor);
        if (result < 0) return result;

        ref var s = ref _table[slot];
        ref var entry = ref NextFor(ref s, slot, Operation.Connect);
        var address = _rings.RingOf(s.Descriptor).AddressOfLast;
        entry.Operation = IoUring.OpConnect;
        entry.Address = (ulong)address;
        entry.Offset = (ulong)Linux.SocketAddress.Write(remote, address);
        s.Flight |= Flight.Connect;
        return 0;
    }

    public IPEndPoint? RemoteEndPoint(uint slot)
    {
        var descriptor = Borrow(ref _table[slot]);
        if (descriptor < 0) return null;
        var remote = Syscalls.RemoteEndPoint(descriptor);
        _ = Syscalls.Close(descriptor);
        return remote;
    }

    public void ShutdownSend(uint slot)
    {
        // The ring's own shutdown always takes a thread of the kernel's.
        ref var s = ref _table[slot];
        var descriptor = Borrow(ref s);
        if (descriptor >= 0)
        {
            _ = Syscalls.ShutdownSend(descriptor);
            _ = Syscalls.Close(descriptor);
            return;
        }

        ref var entry = ref NextFor(ref s, slot, Operation.None);
        entry.UserData = 0;
        entry.Operation = IoUring.OpShutdown;
        entry.Flags |= IoUring.SkipSuccess;
        entry.Length = Syscalls.ShutdownWrite;
    }

    public bool Close(uint slot, bool reset)
    {
        ref var s = ref _table[slot];
        if (s.Descriptor < 0) return !s.Has(Flight.Any);
        if (reset) SetResetOnClose(ref s);
        GiveUp(ref s, slot);
        return false;
    }

    private void GiveUp(ref ConnectionSlot s, uint slot)
    {
        CancelPolls(ref s, slot);
        if (s.Has(Flight.Multishot)) Cancel(ref s, slot, Operation.Multishot);
        if (s.Has(Flight.Send)) Cancel(ref s, slot, Operation.Send);
        if (s.Has(Flight.Connect)) Cancel(ref s, slot, Operation.Connect);
        ref var entry = ref NextFor(ref s, slot, Operation.Close);
        entry.Operation = IoUring.OpClose;
        entry.Flags = 0;
        entry.FileIndex = (uint)entry.Descriptor + 1;
        entry.Descriptor = 0;
        s.Flight |= Flight.Close;
        s.Descriptor = -1;
        s.Poll = PollFlags.None;
    }

    private void CancelPolls(ref ConnectionSlot s, uint slot)
    {
        if (s.Has(Flight.Poll)) Cancel(ref s, slot, Operation.Poll);
        if (s.Has(Flight.QuietPoll)) Cancel(ref s, slot, Operation.QuietPoll);
    }

    private static bool OnConnected(ref ConnectionSlot s, ConnectionId id, int result, out Completion completion)
    {
        if (End(ref s, id, Flight.Connect, out completion)) return true;
        if (s.Descriptor < 0) return false;
        completion = new Completion { Kind = CompletionKind.Connected, Id = id, Result = result };
        return true;
    }

    /// <summary>The connection as a descriptor of the process, besides its place in the table; or a negated errno.</summary>
    private int Borrow(ref ConnectionSlot s) => _rings.RingOf(s.Descriptor).Execute(new Submission
    {
        Operation = IoUring.OpFixedDescriptorInstall,
        Flags = IoUring.FixedFile,
        Descriptor = DirectSocket.PlaceOf(s.Descriptor),
    });

    /// <summary>Makes the close, which is handed over behind it, drop unsent data and reset the connection.</summary>
    private void SetResetOnClose(ref ConnectionSlot s)
    {
        ref var entry = ref NextFor(ref s, 0, Operation.None);
        entry.UserData = 0;
        SetOption(ref entry, IoUring.SocketSetOption, Syscalls.SocketLingerOption, _reset, 2 * sizeof(int));
        entry.Flags |= IoUring.SkipSuccess;
    }

    private int TakeError(ref ConnectionSlot s)
    {
        var error = 0;
        var entry = new Submission { Flags = IoUring.FixedFile, Descriptor = DirectSocket.PlaceOf(s.Descriptor) };
        // SAFETY: the kernel is done with the value when Execute returns.
        SetOption(ref entry, IoUring.SocketGetOption, Syscalls.SocketErrorOption, &error, sizeof(int));
        return _rings.RingOf(s.Descriptor).Execute(in entry) < 0 ? 0 : error;
    }

    /// <summary>Makes a submission a setsockopt or getsockopt at the socket's level.</summary>
    private static void SetOption(ref Submission entry, uint command, int option, void* value, uint bytes)
    {
        entry.Operation = IoUring.OpCommand;
        entry.Offset = command;
        entry.Address = (ulong)(uint)option << 32 | Syscalls.SocketLevel;
        entry.FileIndex = bytes;
        entry.Address3 = (ulong)value;
    }
}
