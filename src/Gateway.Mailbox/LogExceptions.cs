namespace Gateway.Mailbox;

/// <summary>The log's content contradicts itself: opening it would lose what was promised. Says where, so that a person can look.</summary>
public sealed class LogCorruptException : Exception
{
    public LogCorruptException(string path, long offset, string what)
        : base($"{path} at offset {offset}: {what.TrimEnd('.')}. To see all of it: gatewayctl log verify --data {System.IO.Path.GetDirectoryName(path)}")
    {
        (Path, Offset, What) = (path, offset, what);
    }

    public string Path { get; }

    /// <summary>The message without place and advice.</summary>
    public string What { get; }

    /// <summary>Bytes from the start of the file at <see cref="Path"/>.</summary>
    public long Offset { get; }
}

/// <summary>The data folder was written in a format that this build does not read.</summary>
public sealed class LogVersionException(string message, uint found, uint newestReadable) : Exception(message)
{
    public uint Found { get; } = found;
    public uint NewestReadable { get; } = newestReadable;
}

/// <summary>Another process (or another log of this one) has the data folder open.</summary>
public sealed class LogLockedException(string folder, string holder) : Exception($"The data folder {folder} is in use by {holder}.")
{
    public string Folder { get; } = folder;
}

/// <summary>A system call on a file of the log failed.</summary>
public sealed class LogIOException(string path, string operation, int errno)
    : IOException($"{operation} on {path} failed: {System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(errno)} (errno {errno})")
{
    public string Path { get; } = path;
    public string Operation { get; } = operation;
    public int Errno { get; } = errno;

    /// <summary>No room on the disk, or the owner of the files has used up what he may.</summary>
    internal bool IsFullDisk => Errno is Storage.Posix.ENOSPC or Storage.Posix.EDQUOT;
}

/// <summary>The log stopped for good; the inner exception is the cause.</summary>
public sealed class LogFailedException(string message, Exception? cause = null) : Exception(message, cause);
