using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Gateway.Transport.Linux;

/// <summary>
/// Every system call of the transport, each as a value: the result when it is 0 or above, otherwise the negated errno. Errno is read by
/// <see cref="Marshal.GetLastSystemError"/> directly after the call on the same thread. No call suppresses the GC transition: a
/// collection would have to wait for the kernel.
/// </summary>
internal static unsafe partial class Syscalls
{
    public const int SocketLevel = 1;
    public const int SocketErrorOption = 4;
    public const int SocketLingerOption = 13;
    public const int ShutdownWrite = 1;
    public const uint MessageDontWait = 0x40;
    public const uint MessageNoSignal = 0x4000;

    private const int SockStream = 1;
    private const int SockNonBlock = 0x800;
    private const int SockCloseOnExec = 0x8_0000;
    private const int SolSocket = SocketLevel;
    private const int SoReuseAddress = 2;
    private const int SoError = SocketErrorOption;
    private const int SoLinger = SocketLingerOption;
    private const int SoReusePort = 15;
    private const int IpProtoIp = 0;
    private const int IpBindAddressNoPort = 24;
    private const int IpProtoTcp = 6;
    private const int TcpNoDelay = 1;
    private const int IpProtoIpv6 = 41;
    private const int Ipv6Only = 26;
    private const int ProtNone = 0;
    private const int ProtReadWrite = 3;
    private const int MapPrivateAnonymous = 0x22;
    private const int MapNoReserve = 0x4000;
    private const int AdviseHugePage = 14;
    private const int AdviseDontNeed = 4;

    public const int EpollControlAdd = 1;
    public const int EpollControlDelete = 2;
    public const int EpollControlModify = 3;

    public static int EpollCreate() => Result(epoll_create1(SockCloseOnExec));

    /// <summary>Adds, changes or deletes an interest. <paramref name="data"/> comes back with each event.</summary>
    public static int EpollControl(int epoll, int operation, int descriptor, uint events, ulong data)
    {
        var buffer = stackalloc byte[EpollEvent.MaxStride];
        EpollEvent.Write(buffer, events, data);
        // SAFETY: the kernel reads one event of EpollEvent.Stride bytes from a buffer that is at least as long.
        return Result(epoll_ctl(epoll, operation, descriptor, buffer));
    }

    public static int EpollWait(int epoll, byte* events, int maxEvents, int timeoutMs) => Result(epoll_wait(epoll, events, maxEvents, timeoutMs));

    public static int EventDescriptor(bool blocking = false) => Result(eventfd(0, (blocking ? 0 : SockNonBlock) | SockCloseOnExec));

    /// <summary>Adds 1 to an event descriptor's counter.</summary>
    public static int Signal(int eventDescriptor)
    {
        ulong one = 1;
        return (int)Result(write(eventDescriptor, (byte*)&one, sizeof(ulong)));
    }

    public static int Receive(int descriptor, byte* buffer, int length) => (int)Result(recv(descriptor, buffer, length, 0));

    public static int Send(int descriptor, byte* buffer, int length) => (int)Result(send(descriptor, buffer, length, (int)MessageNoSignal));

    /// <summary>Takes one connection off a listener's queue, non-blocking and close-on-exec.</summary>
    public static int Accept(int listener) => Result(accept4(listener, null, null, SockNonBlock | SockCloseOnExec));

    public static int Close(int descriptor) => Result(close(descriptor));

    public static int ShutdownSend(int descriptor) => Result(shutdown(descriptor, ShutdownWrite));

    public static int SetNoDelay(int descriptor) => SetOption(descriptor, IpProtoTcp, TcpNoDelay, 1);

    /// <summary>Makes the next close drop unsent data and reset the connection.</summary>
    public static int SetResetOnClose(int descriptor)
    {
        var linger = stackalloc int[2] { 1, 0 };
        return Result(setsockopt(descriptor, SolSocket, SoLinger, (byte*)linger, 2 * sizeof(int)));
    }

    /// <summary>Takes and clears the socket's pending error; 0 when there is none.</summary>
    public static int TakeError(int descriptor)
    {
        int error = 0;
        uint length = sizeof(int);
        var result = Result(getsockopt(descriptor, SolSocket, SoError, (byte*)&error, &length));
        return result < 0 ? -result : error;
    }

    /// <summary>A bound, listening, non-blocking socket that shares its port with other listeners (SO_REUSEPORT).</summary>
    public static int OpenListener(IPEndPoint endpoint, int backlog)
    {
        var address = stackalloc byte[SocketAddress.MaxLength];
        var length = SocketAddress.Write(endpoint, address);
        if (length == 0) return -Errno.EAFNOSUPPORT;

        var descriptor = OpenSocket(endpoint.AddressFamily);
        if (descriptor < 0) return descriptor;

        var result = SetOption(descriptor, SolSocket, SoReuseAddress, 1);
        if (result >= 0) result = SetOption(descriptor, SolSocket, SoReusePort, 1);
        // Accepted sockets inherit it.
        if (result >= 0) result = SetNoDelay(descriptor);
        if (result >= 0 && endpoint.AddressFamily == AddressFamily.InterNetworkV6) result = SetOption(descriptor, IpProtoIpv6, Ipv6Only, 1);
        if (result >= 0) result = Result(bind(descriptor, address, (uint)length));
        if (result >= 0) result = Result(listen(descriptor, backlog));
        return CloseUnless(result >= 0, descriptor, result);
    }

    /// <summary>A non-blocking socket to connect with. <paramref name="source"/>'s port is chosen at connect time, so that ports are shared across destinations.</summary>
    public static int OpenOutbound(IPEndPoint remote, IPAddress? source)
    {
        var descriptor = OpenSocket(remote.AddressFamily);
        if (descriptor < 0) return descriptor;

        var result = SetNoDelay(descriptor);
        if (result >= 0 && source is not null)
        {
            var local = stackalloc byte[SocketAddress.MaxLength];
            var localLength = SocketAddress.Write(new IPEndPoint(source, 0), local);
            result = SetOption(descriptor, IpProtoIp, IpBindAddressNoPort, 1);
            if (result >= 0) result = Result(bind(descriptor, local, (uint)localLength));
        }

        return CloseUnless(result >= 0, descriptor, result);
    }

    /// <summary>Begins to connect a non-blocking socket: 0, also when it is under way, or a negated errno.</summary>
    public static int BeginConnect(int descriptor, IPEndPoint remote)
    {
        var address = stackalloc byte[SocketAddress.MaxLength];
        var length = SocketAddress.Write(remote, address);
        if (length == 0) return -Errno.EAFNOSUPPORT;
        var result = Result(connect(descriptor, address, (uint)length));
        // An interrupted non-blocking connect goes on in the background, as one in progress does; connect(2).
        return result is -Errno.EINPROGRESS or -Errno.EINTR ? 0 : result;
    }

    /// <summary>The address a socket is bound to; null when the kernel does not say.</summary>
    public static IPEndPoint? LocalEndPoint(int descriptor)
    {
        var address = stackalloc byte[SocketAddress.MaxLength];
        uint length = SocketAddress.MaxLength;
        return getsockname(descriptor, address, &length) == 0 ? SocketAddress.Read(address, (int)length) : null;
    }

    /// <summary>The address of a socket's peer; null when it is gone.</summary>
    public static IPEndPoint? RemoteEndPoint(int descriptor)
    {
        var address = stackalloc byte[SocketAddress.MaxLength];
        uint length = SocketAddress.MaxLength;
        return getpeername(descriptor, address, &length) == 0 ? SocketAddress.Read(address, (int)length) : null;
    }

    /// <summary>Reserves address space that costs nothing until it is committed; 0 on failure.</summary>
    public static nint Reserve(nuint bytes)
    {
        var address = mmap(0, bytes, ProtNone, MapPrivateAnonymous | MapNoReserve, -1, 0);
        return address == -1 ? 0 : address;
    }

    /// <summary>Makes reserved, page-aligned address space usable. It reads as zeros and takes memory page by page when touched.</summary>
    public static int Commit(nint address, nuint bytes, bool hugePages)
    {
        var result = Result(mprotect(address, bytes, ProtReadWrite));
        // Advice only: a kernel without transparent huge pages refuses it and nothing changes.
        if (result >= 0 && hugePages) _ = madvise(address, bytes, AdviseHugePage);
        return result;
    }

    /// <summary>Gives the memory of whole pages back. They stay usable and read as zeros.</summary>
    public static int GiveBack(nint address, nuint bytes) => Result(madvise(address, bytes, AdviseDontNeed));

    public static int Unmap(nint address, nuint bytes) => Result(munmap(address, bytes));

    /// <summary>Binds the calling thread to one core.</summary>
    public static int PinThread(int core)
    {
        const int maskBytes = 128;
        var mask = stackalloc byte[maskBytes];
        new Span<byte>(mask, maskBytes).Clear();
        mask[core / 8] = (byte)(1 << (core % 8));
        return Result(sched_setaffinity(0, maskBytes, mask));
    }

    private static int OpenSocket(AddressFamily family) =>
        Result(socket(SocketAddress.Family(family), SockStream | SockNonBlock | SockCloseOnExec, 0));

    private static int SetOption(int descriptor, int level, int option, int value) =>
        Result(setsockopt(descriptor, level, option, (byte*)&value, sizeof(int)));

    private static int CloseUnless(bool keep, int descriptor, int result)
    {
        if (keep) return descriptor;
        _ = close(descriptor);
        return result;
    }

    private static int Result(int result) => result >= 0 ? result : -Marshal.GetLastSystemError();

    private static nint Result(nint result) => result >= 0 ? result : -Marshal.GetLastSystemError();

    // SAFETY (all imports): blittable arguments, C prototypes of glibc on 64-bit Linux; pointers are to memory that outlives the call.
    [LibraryImport("libc")] private static partial int epoll_create1(int flags);
    [LibraryImport("libc")] private static partial int epoll_ctl(int epoll, int operation, int descriptor, byte* @event);
    [LibraryImport("libc")] private static partial int epoll_wait(int epoll, byte* events, int maxEvents, int timeoutMs);
    [LibraryImport("libc")] private static partial int eventfd(uint value, int flags);
    [LibraryImport("libc")] private static partial nint write(int descriptor, byte* buffer, nint length);
    [LibraryImport("libc")] private static partial nint recv(int descriptor, byte* buffer, nint length, int flags);
    [LibraryImport("libc")] private static partial nint send(int descriptor, byte* buffer, nint length, int flags);
    [LibraryImport("libc")] private static partial int accept4(int descriptor, byte* address, uint* length, int flags);
    [LibraryImport("libc")] private static partial int close(int descriptor);
    [LibraryImport("libc")] private static partial int shutdown(int descriptor, int how);
    [LibraryImport("libc")] private static partial int socket(int family, int type, int protocol);
    [LibraryImport("libc")] private static partial int bind(int descriptor, byte* address, uint length);
    [LibraryImport("libc")] private static partial int listen(int descriptor, int backlog);
    [LibraryImport("libc")] private static partial int connect(int descriptor, byte* address, uint length);
    [LibraryImport("libc")] private static partial int getsockname(int descriptor, byte* address, uint* length);
    [LibraryImport("libc")] private static partial int getpeername(int descriptor, byte* address, uint* length);
    [LibraryImport("libc")] private static partial int setsockopt(int descriptor, int level, int option, byte* value, uint length);
    [LibraryImport("libc")] private static partial int getsockopt(int descriptor, int level, int option, byte* value, uint* length);
    [LibraryImport("libc")] private static partial nint mmap(nint address, nuint length, int protection, int flags, int descriptor, nint offset);
    [LibraryImport("libc")] private static partial int mprotect(nint address, nuint length, int protection);
    [LibraryImport("libc")] private static partial int madvise(nint address, nuint length, int advice);
    [LibraryImport("libc")] private static partial int munmap(nint address, nuint length);
    [LibraryImport("libc")] private static partial int sched_setaffinity(int pid, nuint length, byte* mask);
}
