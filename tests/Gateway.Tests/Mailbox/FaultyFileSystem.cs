using Gateway.Mailbox.Storage;

namespace Gateway.Tests.Mailbox;

/// <summary>
/// The real data folder with faults put in at the files: failing or hanging syncs, failing writes, a disk of a given size. Also keeps
/// what has been written and not synced, by file.
/// </summary>
internal sealed class FaultyFileSystem(string folder) : ILogFileSystem
{
    private readonly PosixFileSystem _files = new(folder);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _unsynced = [];

    public string Folder => _files.Folder;

    /// <summary>Called before each sync with the file's name; may throw or block.</summary>
    public Action<string>? OnSync { get; set; }
    public Action<string>? OnWrite { get; set; }

    /// <summary>Called before the disk is told to begin with a stretch, with the file's name; may throw or block.</summary>
    public Action<string>? OnStartWriteOut { get; set; }

    /// <summary>Called before it is waited for, with the file's name; may throw or block.</summary>
    public Action<string>? OnAwaitWriteOut { get; set; }

    /// <summary>Called before each read with the file's name; may throw or block.</summary>
    public Action<string>? OnRead { get; set; }

    /// <summary>Called before each sync of the folder; may throw or block.</summary>
    public Action? OnSyncFolder { get; set; }

    /// <summary>Called after each write with the file's name, the offset and the bytes.</summary>
    public Action<string, long, int>? OnWritten { get; set; }

    /// <summary>Called after the cache of a stretch was dropped, with the file's name, the offset and the count.</summary>
    public Action<string, long, long>? OnDropCache { get; set; }

    /// <summary>Called before each renaming with the file's new name; may throw.</summary>
    public Action<string>? OnRename { get; set; }

    /// <summary>Called before each deletion with the file's name.</summary>
    public Action<string>? OnDelete { get; set; }

    /// <summary>Called before a file is held, with its name.</summary>
    public Action<string>? OnHold { get; set; }

    /// <summary>Called with the file's name and the wanted bytes; false: no space.</summary>
    public Func<string, long, bool>? OnAllocate { get; set; }

    /// <summary>Writes to files of this kind since their last sync.</summary>
    public int UnsyncedWrites(string suffix)
    {
        lock (_gate) return _unsynced.Where(f => f.Key.EndsWith(suffix, StringComparison.Ordinal)).Sum(f => f.Value);
    }

    public int Syncs { get; private set; }

    public IReadOnlyList<string> List() => _files.List();
    public ILogFile Open(string name) => new FaultyFile(this, name, _files.Open(name));

    public ILogFile? TryCreate(string name, long bytes)
    {
        if (OnAllocate?.Invoke(name, bytes) == false) return null;
        return _files.TryCreate(name, bytes) is { } file ? new FaultyFile(this, name, file) : null;
    }

    public void Rename(string from, string to)
    {
        OnRename?.Invoke(to);
        _files.Rename(from, to);
    }

    public void Delete(string name)
    {
        OnDelete?.Invoke(name);
        _files.Delete(name);
    }

    public void SyncFolder()
    {
        OnSyncFolder?.Invoke();
        _files.SyncFolder();
    }

    public IDisposable Lock(string name) => _files.Lock(name);

    private sealed class FaultyFile(FaultyFileSystem owner, string name, ILogFile file) : ILogFile
    {
        public string Path => file.Path;
        public long Length => file.Length;

        /// <summary>Said to be so wherever the tests run, so that they see the same everywhere.</summary>
        public bool OverwritesInPlace => true;

        public void Write(long offset, ReadOnlySpan<byte> bytes)
        {
            owner.OnWrite?.Invoke(name);
            file.Write(offset, bytes);
            owner.OnWritten?.Invoke(name, offset, bytes.Length);
            lock (owner._gate) owner._unsynced[name] = owner._unsynced.GetValueOrDefault(name) + 1;
        }

        public int Read(long offset, Span<byte> into)
        {
            owner.OnRead?.Invoke(name);
            return file.Read(offset, into);
        }

        public void ReadAhead(long offset, long bytes) => file.ReadAhead(offset, bytes);

        public void DropCache(long offset, long bytes)
        {
            file.DropCache(offset, bytes);
            owner.OnDropCache?.Invoke(name, offset, bytes);
        }

        public void StartWriteOut(long offset, long bytes)
        {
            owner.OnStartWriteOut?.Invoke(name);
            file.StartWriteOut(offset, bytes);
        }

        public void AwaitWriteOut(long offset, long bytes)
        {
            owner.OnAwaitWriteOut?.Invoke(name);
            file.AwaitWriteOut(offset, bytes);
        }

        public void Sync()
        {
            owner.OnSync?.Invoke(name);
            lock (owner._gate)
            {
                // What is written while the sync runs may or may not be part of it; count it as not.
                owner._unsynced[name] = 0;
                owner.Syncs++;
            }

            file.Sync();
        }

        public bool TryHold(bool alone)
        {
            owner.OnHold?.Invoke(name);
            return file.TryHold(alone);
        }

        public bool TryExtend(long bytes) => file.TryExtend(bytes);
        public bool TryFindData(long offset, out long start, out long end) => file.TryFindData(offset, out start, out end);
        public void Dispose() => file.Dispose();
    }
}
