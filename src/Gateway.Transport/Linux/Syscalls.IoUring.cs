using System.Runtime.InteropServices;

namespace Gateway.Transport.Linux;

/// <summary>io_uring's three system calls, for which glibc has no wrappers; their numbers are the same on every architecture since 5.1.</summary>
internal static unsafe partial class Syscalls
{
    private const long RingSetupNumber = 425;
    private const long RingEnterNumber = 426;
    private const long RingRegisterNumber = 427;
    private const int LimitOpenFiles = 7;
    private const int MapShared = 0x01;
    private const int MapPopulate = 0x8000;

    /// <summary>Makes a ring and fills in what the kernel chose; returns its descriptor.</summary>
    public static int RingSetup(uint entries, RingParameters* parameters) => (int)Result((nint)syscall(RingSetupNumber, (nint)entries, (nint)parameters, 0, 0, 0, 0));

    /// <summary>Submits, runs deferred work and waits, as <paramref name="flags"/> say; returns what was submitted.</summary>
    public static int RingEnter(int ring, uint toSubmit, uint minComplete, uint flags, WaitArgument* argument) =>
        (int)Result((nint)syscall(RingEnterNumber, ring, (nint)toSubmit, (nint)minComplete, (nint)flags, (nint)argument, argument is null ? 0 : WaitArgument.SizeBytes));

    public static int RingRegister(int ring, uint operation, void* argument, uint count) =>
        (int)Result((nint)syscall(RingRegisterNumber, ring, (nint)operation, (nint)argument, (nint)count, 0, 0));

    /// <summary>Maps memory that the kernel shares with us; 0 on failure.</summary>
    public static nint MapShare(int descriptor, nuint bytes, long offset)
    {
        var address = mmap(0, bytes, ProtReadWrite, MapShared | MapPopulate, descriptor, (nint)offset);
        return address == -1 ? 0 : address;
    }

    /// <summary>The soft limit on descriptors (RLIMIT_NOFILE), which also bounds a ring's table.</summary>
    public static long OpenFilesLimit()
    {
        var limit = stackalloc ulong[2];
        return Result(getrlimit(LimitOpenFiles, limit)) < 0 ? 0 : (long)Math.Min(limit[0], long.MaxValue);
    }

    // SAFETY (all imports): as in Syscalls.cs. syscall is variadic, but its arguments are words, which every Linux ABI of ours passes in registers alike.
    [LibraryImport("libc")] private static partial long syscall(long number, nint a, nint b, nint c, nint d, nint e, nint f);
    [LibraryImport("libc")] private static partial int getrlimit(int resource, ulong* limit);
}
