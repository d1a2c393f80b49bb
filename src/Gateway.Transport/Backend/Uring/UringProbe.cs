using System.Net;
using Gateway.Transport.Linux;

namespace Gateway.Transport.Backend.Uring;

/// <summary>Whether this kernel lets this process have the rings that the backend needs, found out by making one.</summary>
internal static class UringProbe
{
    private static readonly (byte Operation, string Name)[] Needed =
    [
        (IoUring.OpPollAdd, "poll"), (IoUring.OpAccept, "accept"), (IoUring.OpAsyncCancel, "cancel"), (IoUring.OpConnect, "connect"),
        (IoUring.OpClose, "close"), (IoUring.OpFilesUpdate, "file update"), (IoUring.OpRead, "read"), (IoUring.OpSend, "send"),
        (IoUring.OpReceive, "receive"), (IoUring.OpShutdown, "shutdown"), (IoUring.OpMessageRing, "message to a ring"),
        (IoUring.OpCommand, "socket options"), (IoUring.OpFixedDescriptorInstall, "descriptor install"),
    ];

    /// <summary>Connections that one ring of these options holds.</summary>
    public static int SocketsPerRing(ReactorGroupOptions options)
    {
        var allowed = (int)Math.Clamp(Syscalls.OpenFilesLimit(), 1, IoUring.MaxDirectDescriptors);
        if (options.SocketsPerRing != 0) return Math.Min(options.SocketsPerRing, allowed);
        // A few places more than connections: one that closes keeps its place until the kernel says so.
        return (int)Math.Min(options.MaxConnections + (long)options.AcceptsPerTurn + options.MaxConnections / 64, allowed);
    }

    /// <summary>Null when all is there; otherwise what is not, for a person.</summary>
    public static string? WhyNot()
    {
        var result = Ring.TryOpen(8, 64, 8, register: false, out var ring, out var failed);
        if (result < 0) return Describe(failed, -result);
        using (ring!)
        {
            Span<bool> supported = stackalloc bool[64];
            result = ring!.TryProbe(supported);
            if (result < 0) return Describe("the probe of operations", -result);
            foreach (var (operation, name) in Needed)
            {
                if (!supported[operation]) return $"this kernel's io_uring has no {name} (operation {operation})";
            }

            return WhyNotAccept(ring) ?? WhyNotBuffers(ring);
        }
    }

    /// <summary>An accept that does not wait came last, with 6.10, and no probe tells of it.</summary>
    private static string? WhyNotAccept(Ring ring)
    {
        var listener = Syscalls.OpenListener(new IPEndPoint(IPAddress.Loopback, 0), 1);
        if (listener < 0) return Describe("a listener on loopback", -listener);
        var result = ring.Execute(new Submission
        {
            Operation = IoUring.OpAccept,
            Descriptor = listener,
            Priority = IoUring.AcceptDontWait,
            FileIndex = IoUring.FileIndexAllocate,
        });
        _ = Syscalls.Close(listener);
        return result switch
        {
            -Errno.EAGAIN => null,
            -Errno.EINVAL => "this kernel's io_uring cannot accept without waiting (6.10 can)",
            _ => Describe("an accept", -result),
        };
    }

    private static string? WhyNotBuffers(Ring ring)
    {
        using var buffers = ProvidedBuffers.Give(ring, 8, 256);
        return buffers is null ? "provided buffers are refused" : null;
    }

    private static string Describe(string step, int errno) => errno switch
    {
        Errno.ENOSYS => $"{step}: this kernel has none (ENOSYS)",
        Errno.EPERM => $"{step} is forbidden (EPERM): by seccomp, as in many containers, or by kernel.io_uring_disabled",
        Errno.EINVAL => $"{step}: this kernel is too old (EINVAL)",
        Errno.EMFILE or Errno.ENFILE => $"{step}: no descriptor is left (errno {errno})",
        Errno.ENOMEM => $"{step}: no memory (ENOMEM)",
        _ => $"{step} failed with errno {errno}",
    };
}
