namespace Gateway.Mailbox.Storage;

/// <summary>
/// The files of one data folder. Any thread. Every method throws <see cref="LogIOException"/> on a kernel error it does not name as a result.
/// The product has one implementation; tests put another in its place to make files fail.
/// </summary>
internal interface ILogFileSystem
{
    string Folder { get; }
    IReadOnlyList<string> List();
    ILogFile Open(string name);

    /// <summary>Makes a file of this length whose blocks are all allocated and read as zeros. Null, and nothing left behind, when the disk has no room for it.</summary>
    ILogFile? TryCreate(string name, long bytes);

    /// <summary>Over what has the new name already. A folder on a full disk may have no room for a name: ENOSPC.</summary>
    void Rename(string from, string to);

    /// <summary>Nothing when there is no such file.</summary>
    void Delete(string name);

    /// <summary>Makes creations, renames and deletions durable.</summary>
    void SyncFolder();

    /// <summary>Takes the folder for this process until disposed.</summary>
    /// <exception cref="LogLockedException">Somebody has it.</exception>
    IDisposable Lock(string name);
}

/// <summary>One file. Reads and writes are positional, whole (never short), and from any thread. Errors throw <see cref="LogIOException"/>.</summary>
internal interface ILogFile : IDisposable
{
    /// <summary>What the page cache and the file system handle as one: a write of part of a block that is not in memory reads it first.</summary>
    const int BlockBytes = 4096;

    string Path { get; }
    long Length { get; }

    /// <summary>Whether a block once written is overwritten where it is; a file system that copies on write takes a new one.</summary>
    bool OverwritesInPlace { get; }
    void Write(long offset, ReadOnlySpan<byte> bytes);

    /// <summary>Returns the bytes read: fewer than asked only at the end of the file.</summary>
    int Read(long offset, Span<byte> into);

    /// <summary>Says that this stretch will be read soon.</summary>
    void ReadAhead(long offset, long bytes);

    /// <summary>
    /// Has what is read next come from the disk, where nothing waits to be written: after a failed sync the page cache holds what the disk never got,
    /// and says of it that it is written.
    /// </summary>
    void DropCache(long offset, long bytes);

    /// <summary>Has the disk begin with what was written to this stretch, so that a later sync has less to do. Promises nothing.</summary>
    void StartWriteOut(long offset, long bytes);

    /// <summary>Waits until that has ended. Durable it is not: the disk's own cache and the file's size and blocks are a sync's affair.</summary>
    void AwaitWriteOut(long offset, long bytes);

    /// <summary>fdatasync.</summary>
    void Sync();

    /// <summary>
    /// Takes the file, for this process alone or with others that only read it, until it is disposed; false at once when another has it otherwise. Binds
    /// only those who ask: a file that a backup reads is not used again meanwhile.
    /// </summary>
    bool TryHold(bool alone);

    /// <summary>Extends the file to this length, allocated; false when the disk has no room.</summary>
    bool TryExtend(long bytes);

    /// <summary>The next stretch at or after <paramref name="offset"/> that may hold other bytes than zeros; false when there is none.</summary>
    bool TryFindData(long offset, out long start, out long end);
}
