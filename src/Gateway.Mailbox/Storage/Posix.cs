using System.Runtime.InteropServices;

namespace Gateway.Mailbox.Storage;

/// <summary>
/// Every system call this project makes. Each returns its result, or -errno. Interrupted calls are repeated here.
/// Values are those of Linux on x86-64.
/// </summary>
internal static unsafe partial class Posix
{
    public const int EPERM = 1;
    public const int EINTR = 4;
    public const int ENOENT = 2;
    public const int ENXIO = 6;
    public const int EAGAIN = 11;
    public const int ENOMEM = 12;
    public const int ENFILE = 23;
    public const int EMFILE = 24;
    public const int ENOSPC = 28;
    public const int ENOSYS = 38;
    public const int EOPNOTSUPP = 95;
    public const int EDQUOT = 122;

    public const int ReadWrite = 2;
    public const int Create = 0x40;
    public const int Exclusive = 0x80;
    private const int CloseOnExec = 0x80000;
    private const int SeekData = 3;
    private const int SeekHole = 4;
    private const int WillNeed = 3;
    private const int DontNeed = 4;
    private const uint SyncWaitBefore = 1;
    private const uint SyncWrite = 2;
    private const uint SyncWaitAfter = 4;
    private const int LockShared = 1;
    private const int LockExclusive = 2;
    private const int LockNonBlocking = 4;
    private const long FutexWaitPrivate = 128;
    private const long FutexWakePrivate = 129;

    private static readonly long FutexNumber = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 202,
        // Not arm64: FASTER leaves its epoch, and says how far a page is filled, by plain stores, which only x86-64 keeps behind the records they tell of.
        _ => throw new PlatformNotSupportedException("The mailbox log runs on Linux on x86-64, on whose memory order FASTER below it relies."),
    };

    // statfs(2): f_type of file systems that write a block again where it lies.
    private const long Ext4 = 0xEF53;
    private const long Xfs = 0x5846_5342;
    private const int StatfsBytes = 120;

    [StructLayout(LayoutKind.Sequential)]
    private struct Timespec
    {
        public long Seconds;
        public long Nanoseconds;
    }

    public static int Open(string path, int flags)
    {
        int result;
        do result = Result(open(path, flags | CloseOnExec, 0x180)); // 0600: messages are nobody else's
        while (result == -EINTR);
        return result;
    }

    // Not repeated: after EINTR Linux has closed the descriptor.
    public static void Close(int fd) => _ = close(fd);

    public static long PositionalRead(int fd, byte* buffer, nint count, long offset)
    {
        long result;
        do result = Result(pread(fd, buffer, count, offset));
        while (result == -EINTR);
        return result;
    }

    public static long PositionalWrite(int fd, byte* buffer, nint count, long offset)
    {
        long result;
        do result = Result(pwrite(fd, buffer, count, offset));
        while (result == -EINTR);
        return result;
    }

    /// <summary>fdatasync is never repeated after a failure: the kernel may already have dropped what it could not write.</summary>
    public static int SyncData(int fd) => Result(fdatasync(fd));

    /// <summary>sync_file_range: not repeated after a failure either. To wait is to begin with what was not begun, too.</summary>
    public static int WriteOut(int fd, long offset, long length, bool wait) =>
        Result(sync_file_range(fd, offset, length, wait ? SyncWaitBefore | SyncWrite | SyncWaitAfter : SyncWrite));

    public static int Sync(int fd) => Result(fsync(fd));

    public static int Allocate(int fd, long offset, long length)
    {
        int result;
        do result = Result(fallocate(fd, 0, offset, length));
        while (result == -EINTR);
        return result;
    }

    /// <summary>The next byte that is not in a hole at or after <paramref name="offset"/>; -ENXIO when there is none.</summary>
    public static long NextData(int fd, long offset) => Result(lseek(fd, offset, SeekData));

    public static long NextHole(int fd, long offset) => Result(lseek(fd, offset, SeekHole));

    public static long Length(int fd) => Result(lseek(fd, 0, 2));

    /// <summary>Whether the file system is known to overwrite a file's block in place; one that copies on write is not.</summary>
    public static bool OverwritesInPlace(int fd)
    {
        var buffer = stackalloc long[StatfsBytes / sizeof(long)];
        // SAFETY: the kernel fills in a struct statfs, which is 120 bytes on 64-bit Linux and begins with f_type.
        return fstatfs(fd, buffer) == 0 && buffer[0] is Ext4 or Xfs;
    }

    public static int TryLock(int fd, bool exclusive)
    {
        int result;
        do result = Result(flock(fd, (exclusive ? LockExclusive : LockShared) | LockNonBlocking));
        while (result == -EINTR);
        return result;
    }

    /// <summary>Asks the kernel to start reading this stretch; whether it does is its affair.</summary>
    public static void ReadAhead(int fd, long offset, long length) => _ = posix_fadvise(fd, offset, length, WillNeed);

    /// <summary>Forgets what the page cache holds of the whole pages of this stretch, but for what is yet to be written.</summary>
    public static void DropCache(int fd, long offset, long length) => _ = posix_fadvise(fd, offset, length, DontNeed);

    public static int Truncate(int fd, long length)
    {
        int result;
        do result = Result(ftruncate(fd, length));
        while (result == -EINTR);
        return result;
    }

    /// <summary>Over what has the new name already.</summary>
    public static int Rename(string from, string to) => Result(rename(from, to));

    public static int Unlink(string path) => Result(unlink(path));

    /// <summary>Sleeps while the word holds <paramref name="expected"/>, at most <paramref name="timeout"/>. May wake for no reason.</summary>
    public static void FutexWait(int* word, int expected, TimeSpan timeout)
    {
        var time = new Timespec { Seconds = (long)timeout.TotalSeconds, Nanoseconds = timeout.Ticks % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick };
        // SAFETY: the caller keeps the word's memory alive while any thread may sleep on it; the timespec outlives the call on this stack.
        _ = syscall(FutexNumber, word, FutexWaitPrivate, expected, &time);
    }

    public static void FutexWakeOne(int* word) => _ = syscall(FutexNumber, word, FutexWakePrivate, 1, null);

    private static int Result(int result) => result >= 0 ? result : -Marshal.GetLastPInvokeError();
    private static long Result(long result) => result >= 0 ? result : -Marshal.GetLastPInvokeError();

#pragma warning disable IDE1006, SYSLIB1054 // the C library's own names
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int rename(string from, string to);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int unlink(string path);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint pread(int fd, byte* buffer, nint count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint pwrite(int fd, byte* buffer, nint count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fdatasync(int fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int sync_file_range(int fd, long offset, long length, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(int fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fallocate(int fd, int mode, long offset, long length);

    [LibraryImport("libc")]
    private static partial int fstatfs(int fd, long* buffer);

    [LibraryImport("libc", SetLastError = true)]
    private static partial long lseek(int fd, long offset, int whence);

    [LibraryImport("libc")]
    private static partial int posix_fadvise(int fd, long offset, long length, int advice);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(int fd, int operation);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ftruncate(int fd, long length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial long syscall(long number, int* word, long operation, long value, Timespec* timeout);
#pragma warning restore IDE1006, SYSLIB1054
}
