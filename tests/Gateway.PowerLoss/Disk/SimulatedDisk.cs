using Gateway.Mailbox;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Storage;

namespace Gateway.PowerLoss.Disk;

/// <summary>
/// A data folder in memory that records what is asked of it. Reads see the page cache: all that was written, synced or not; it outlives the
/// process that wrote it and not the power. Any thread.
/// Invariant: the cache is what the events so far make of the image it began with.
/// </summary>
internal sealed class SimulatedDisk
{
    private readonly Lock _gate = new();
    private readonly List<DiskEvent> _events = [];
    private readonly Dictionary<string, CachedFile> _names = [];
    private readonly Liar _liar;
    private readonly Random _latency;
    private int _inodes;
    private Mount? _mount;

    public SimulatedDisk(DiskImage start, Liar liar, int seed)
    {
        (Start, _liar, _latency) = (start, liar, new Random(seed));
        foreach (var (name, bytes) in start.InOrder()) _names[name] = new CachedFile(_inodes++, name, bytes);
    }

    public DiskImage Start { get; }

    /// <summary>The index that the next event gets.</summary>
    public int Now
    {
        get
        {
            lock (_gate) return _events.Count;
        }
    }

    public DiskEvent[] Events
    {
        get
        {
            lock (_gate) return [.. _events];
        }
    }

    /// <summary>The folder for one process. One at a time: whoever had it before is dead.</summary>
    public Mount MountFor(bool opening = true)
    {
        lock (_gate)
        {
            _mount?.Kill();
            return _mount = new Mount(this) { Opening = opening };
        }
    }

    /// <summary>Runs with no event before its end: what it reads happened no later than the index it is given.</summary>
    public void Note(Action<int> note)
    {
        lock (_gate) note(_events.Count);
    }

    /// <summary>One process's view. After <see cref="Kill"/> nothing it does reaches the disk.</summary>
    internal sealed class Mount(SimulatedDisk disk) : ILogFileSystem
    {
        private volatile bool _killed;

        /// <summary>While the log opens; for the lies about opening.</summary>
        public volatile bool Opening;

        /// <summary>The next fdatasync of a segment fails.</summary>
        public volatile bool FailsNextSync;

        /// <summary>It did.</summary>
        public volatile bool SyncHasFailed;

        /// <summary>
        /// The superblock that ended recovery, before any other thread existed: its durable address is the tail that was recovered, its begin the
        /// first address that was read. The default until there is one.
        /// </summary>
        public Superblock Recovered { get; private set; }

        public string Folder => "/simulated";

        public void Kill() => _killed = true;

        public IReadOnlyList<string> List() => Do(() => disk._names.Keys.Order(StringComparer.Ordinal).ToArray());

        public ILogFile Open(string name) => Do(() => new OpenFile(this, Find(name)));

        public ILogFile? TryCreate(string name, long bytes) => Do(() =>
        {
            if (disk._names.ContainsKey(name)) throw new LogIOException(name, "create", 17);
            var file = disk._names[name] = new CachedFile(disk._inodes++, name, []);
            disk._events.Add(new CreateEvent(name, file.Inode));
            Extend(file, bytes);
            return new OpenFile(this, file);
        });

        public void Rename(string from, string to) => Do(() =>
        {
            var file = Find(from);
            disk._names.Remove(from);
            disk._names[to] = file;
            file.Name = to;
            disk._events.Add(new RenameEvent(from, to, file.Inode));
            disk._liar.OnRename(to);
            return 0;
        });

        public void Delete(string name) => Do(() =>
        {
            if (disk._names.Remove(name)) disk._events.Add(new DeleteEvent(name));
            return 0;
        });

        public void SyncFolder() => Do(() =>
        {
            if (!disk._liar.SkipsFolderSync()) disk._events.Add(new SyncFolderEvent(disk._events.Count));
            return 0;
        });

        public IDisposable Lock(string name) => new MemoryStream();

        internal void Write(CachedFile file, long offset, ReadOnlySpan<byte> bytes)
        {
            var copy = bytes.ToArray();
            Do(() =>
            {
                EndDeferred(file);
                offset = disk._liar.Redirect(file.Name, offset);
                disk._liar.Alter(file.Name, copy);
                if (offset + copy.Length > file.Bytes.Length) Extend(file, offset + copy.Length);
                var there = file.Bytes.AsSpan((int)offset, copy.Length);
                if (disk._liar.SkipsWrite(file.Name, Opening, copy, there)) return 0;
                copy.CopyTo(there);
                if (Opening && file.Name == Superblock.FileName && Recovered.Number == 0 && Superblock.TryRead(copy, file.Name, out var superblock)) Recovered = superblock;
                disk._events.Add(new WriteEvent(file.Inode, offset, copy));
                return 0;
            });
        }

        internal int Read(CachedFile file, long offset, Span<byte> into)
        {
            lock (disk._gate)
            {
                if (_killed) throw Dead(file.Name);
                var bytes = (int)Math.Clamp(file.Bytes.Length - offset, 0, into.Length);
                if (bytes > 0) file.Bytes.AsSpan((int)offset, bytes).CopyTo(into);
                return bytes;
            }
        }

        internal void Sync(CachedFile file)
        {
            var spins = 0;
            var began = Do(() =>
            {
                EndDeferred(file);
                spins = disk._latency.Next(8) switch { 0 => 2000, < 4 => 200, _ => 0 };
                return disk._events.Count;
            });
            // So that other threads append and write meanwhile, as on a disk.
            if (spins > 0) Thread.SpinWait(spins);
            Do(() =>
            {
                if (FailsNextSync && file.Name.EndsWith(".segment", StringComparison.Ordinal))
                {
                    FailsNextSync = false;
                    SyncHasFailed = true;
                    disk._events.Add(new SyncFailedEvent(file.Inode, began));
                    throw new LogIOException(file.Name, "fdatasync", 5);
                }

                if (disk._liar.SkipsSync(file.Name, Opening)) return 0;
                if (disk._liar.Defers(file.Name, Opening)) file.DeferredSync = began;
                else disk._events.Add(new SyncEvent(file.Inode, began));
                return 0;
            });
        }

        internal bool TryFindData(CachedFile file, long offset, out long start, out long end)
        {
            lock (disk._gate)
            {
                (start, end) = (0, 0);
                if (offset >= file.Bytes.Length) return false;
                var found = file.Bytes.AsSpan((int)offset).IndexOfAnyExcept((byte)0);
                if (found < 0) return false;
                start = offset + found & ~(ILogFile.BlockBytes - 1L);
                end = Math.Min(file.Bytes.Length, start + ILogFile.BlockBytes);
                start = Math.Max(start, offset);
                return true;
            }
        }

        internal void Extend(CachedFile file, long bytes)
        {
            if (bytes <= file.Bytes.Length) return;
            Array.Resize(ref file.Bytes, (int)bytes);
            disk._events.Add(new LengthEvent(file.Inode, bytes));
        }

        internal T Do<T>(Func<T> operation)
        {
            lock (disk._gate)
            {
                if (_killed) throw Dead(Folder);
                return operation();
            }
        }

        private void EndDeferred(CachedFile file)
        {
            if (file.DeferredSync is not { } began) return;
            file.DeferredSync = null;
            disk._events.Add(new SyncEvent(file.Inode, began));
        }

        private CachedFile Find(string name) => disk._names.TryGetValue(name, out var file) ? file : throw new LogIOException(name, "open", 2);

        private static LogIOException Dead(string name) => new(name, "a call by a process that was killed", 4);
    }

    internal sealed class CachedFile(int inode, string name, byte[] bytes)
    {
        public byte[] Bytes = bytes.ToArray();

        public int Inode { get; } = inode;
        public string Name { get; set; } = name;

        /// <summary>Told as done, and not yet done.</summary>
        public int? DeferredSync { get; set; }
    }

    private sealed class OpenFile(Mount mount, CachedFile file) : ILogFile
    {
        public string Path => $"{mount.Folder}/{file.Name}";
        public long Length => mount.Do(() => file.Bytes.Length);
        public bool OverwritesInPlace => true;
        public void Write(long offset, ReadOnlySpan<byte> bytes) => mount.Write(file, offset, bytes);
        public int Read(long offset, Span<byte> into) => mount.Read(file, offset, into);

        public void ReadAhead(long offset, long bytes)
        {
        }

        // What a failed sync left on this disk is decided when the power goes; until then the cache is what is read.
        public void DropCache(long offset, long bytes)
        {
        }

        // Promises nothing, and so changes nothing: what is not synced may be lost or not.
        public void StartWriteOut(long offset, long bytes)
        {
        }

        public void AwaitWriteOut(long offset, long bytes)
        {
        }

        public void Sync() => mount.Sync(file);

        public bool TryHold(bool alone) => true;

        public bool TryExtend(long bytes) => mount.Do(() =>
        {
            mount.Extend(file, bytes);
            return true;
        });

        public bool TryFindData(long offset, out long start, out long end) => mount.TryFindData(file, offset, out start, out end);

        public void Dispose()
        {
        }
    }
}
