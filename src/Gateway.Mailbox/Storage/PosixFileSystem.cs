using System.Globalization;
using System.Text;

namespace Gateway.Mailbox.Storage;

/// <summary>The data folder on a Linux file system.</summary>
internal sealed class PosixFileSystem : ILogFileSystem
{
    private const int LockPatienceMs = 500;
    private const int LockRetryMs = 10;

    public PosixFileSystem(string folder)
    {
        Folder = Path.GetFullPath(folder);
        Directory.CreateDirectory(Folder);
    }

    public string Folder { get; }

    public IReadOnlyList<string> List() => [.. Directory.GetFiles(Folder).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)];

    public ILogFile Open(string name)
    {
        var path = Path.Combine(Folder, name);
        return new PosixFile(path, Check(Posix.Open(path, Posix.ReadWrite), path, "open"));
    }

    public ILogFile? TryCreate(string name, long bytes)
    {
        var path = Path.Combine(Folder, name);
        var fd = Posix.Open(path, Posix.ReadWrite | Posix.Create | Posix.Exclusive);
        if (fd is -Posix.ENOSPC or -Posix.EDQUOT) return null;
        var file = new PosixFile(path, Check(fd, path, "create"));
        try
        {
            if (file.TryExtend(bytes)) return file;
        }
        catch
        {
            file.Dispose();
            File.Delete(path);
            throw;
        }

        file.Dispose();
        File.Delete(path);
        return null;
    }

    public void Rename(string from, string to)
    {
        var path = Path.Combine(Folder, from);
        Check(Posix.Rename(path, Path.Combine(Folder, to)), path, "rename");
    }

    public void Delete(string name)
    {
        var path = Path.Combine(Folder, name);
        var result = Posix.Unlink(path);
        if (result != -Posix.ENOENT) Check(result, path, "unlink");
    }

    public void SyncFolder()
    {
        var fd = Check(Posix.Open(Folder, 0), Folder, "open");
        try
        {
            Check(Posix.Sync(fd), Folder, "fsync");
        }
        finally
        {
            Posix.Close(fd);
        }
    }

    public IDisposable Lock(string name)
    {
        var path = Path.Combine(Folder, name);
        var file = new PosixFile(path, Check(Posix.Open(path, Posix.ReadWrite | Posix.Create), path, "open"));
        var result = file.TryLock();
        // A process that ends, and a child between fork and exec, let go of the lock a moment later than one would think.
        for (var waited = 0; result == -Posix.EAGAIN && waited < LockPatienceMs; waited += LockRetryMs)
        {
            Thread.Sleep(LockRetryMs);
            result = file.TryLock();
        }

        if (result >= 0)
        {
            file.Stamp(Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n");
            return file;
        }

        var holder = file.FirstLine();
        file.Dispose();
        if (result != -Posix.EAGAIN) throw new LogIOException(path, "flock", -result);
        throw new LogLockedException(Folder, holder.Length > 0 ? $"process {holder}" : "another process");
    }

    private static int Check(int result, string path, string operation) => result >= 0 ? result : throw new LogIOException(path, operation, -result);

    /// <summary>A descriptor. Whoever closes it sees to it that nobody uses it any more.</summary>
    private sealed class PosixFile(string path, int fd) : ILogFile
    {
        private int _fd = fd;

        public string Path => path;
        public long Length => Check(Posix.Length(_fd), "lseek");
        public bool OverwritesInPlace => Posix.OverwritesInPlace(_fd);

        public unsafe void Write(long offset, ReadOnlySpan<byte> bytes)
        {
            // SAFETY: the span is pinned for as long as the kernel reads from it; the count never exceeds its length.
            fixed (byte* start = bytes)
            {
                for (nint done = 0; done < bytes.Length;)
                {
                    var written = Check(Posix.PositionalWrite(_fd, start + done, bytes.Length - done, offset + done), "pwrite");
                    if (written == 0) throw new LogIOException(path, "pwrite", Posix.ENOSPC);
                    done += (nint)written;
                }
            }
        }

        public unsafe int Read(long offset, Span<byte> into)
        {
            // SAFETY: the span is pinned for as long as the kernel writes to it; the count never exceeds its length.
            fixed (byte* start = into)
            {
                nint done = 0;
                while (done < into.Length)
                {
                    var read = Check(Posix.PositionalRead(_fd, start + done, into.Length - done, offset + done), "pread");
                    if (read == 0) break;
                    done += (nint)read;
                }

                return (int)done;
            }
        }

        public void ReadAhead(long offset, long bytes) => Posix.ReadAhead(_fd, offset, bytes);

        public void DropCache(long offset, long bytes) => Posix.DropCache(_fd, offset, bytes);

        public void StartWriteOut(long offset, long bytes) => WriteOut(offset, bytes, wait: false);

        public void AwaitWriteOut(long offset, long bytes) => WriteOut(offset, bytes, wait: true);

        public void Sync() => Check(Posix.SyncData(_fd), "fdatasync");

        public bool TryExtend(long bytes)
        {
            var from = Length;
            if (from >= bytes) return true;
            var result = Posix.Allocate(_fd, from, bytes - from);
            if (result is -Posix.ENOSPC or -Posix.EDQUOT) return false;
            if (result != -Posix.EOPNOTSUPP)
            {
                Check(result, "fallocate");
                return true;
            }

            // A file system without fallocate: zeros take the blocks as well.
            var zeros = new byte[64 * 1024];
            try
            {
                for (var at = from; at < bytes; at += zeros.Length) Write(at, zeros.AsSpan(0, (int)Math.Min(zeros.Length, bytes - at)));
                return true;
            }
            catch (LogIOException e) when (e.IsFullDisk)
            {
                return false;
            }
        }

        public bool TryFindData(long offset, out long start, out long end)
        {
            (start, end) = (0, 0);
            if (offset >= Length) return false;
            var found = Posix.NextData(_fd, offset);
            if (found == -Posix.ENXIO) return false;
            start = Check(found, "lseek");
            end = Check(Posix.NextHole(_fd, start), "lseek");
            return true;
        }

        public int TryLock() => Posix.TryLock(_fd, exclusive: true);

        public bool TryHold(bool alone) => Posix.TryLock(_fd, alone) >= 0;

        /// <summary>Says in the file itself who holds it, for people; a full disk must not keep a log from opening over it.</summary>
        public void Stamp(string text)
        {
            try
            {
                Check(Posix.Truncate(_fd, 0), "ftruncate");
                Write(0, Encoding.ASCII.GetBytes(text));
            }
            catch (LogIOException)
            {
                // The lock holds without its text.
            }
        }

        public string FirstLine()
        {
            Span<byte> bytes = stackalloc byte[32];
            return Encoding.ASCII.GetString(bytes[..Read(0, bytes)]).Trim();
        }

        public void Dispose()
        {
            var fd = Interlocked.Exchange(ref _fd, -1);
            if (fd >= 0) Posix.Close(fd);
        }

        private void WriteOut(long offset, long bytes, bool wait)
        {
            var result = Posix.WriteOut(_fd, offset, bytes, wait);
            // A sandbox that does not know the call leaves the whole segment to the sync at the end.
            if (result is not (-Posix.ENOSYS or -Posix.EPERM)) Check(result, "sync_file_range");
        }

        private long Check(long result, string operation) => result >= 0 ? result : throw new LogIOException(path, operation, (int)-result);
    }
}
