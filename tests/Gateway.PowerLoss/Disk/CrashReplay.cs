using Gateway.Mailbox.Storage;

namespace Gateway.PowerLoss.Disk;

/// <summary>
/// Plays a recording forward and says at any point what a power loss there may leave: of each sector written since its file's last sync any
/// version, or the beginning of one and the end of another; of each change of the folder since its last sync, that it happened or did not; of an
/// unsynced length any between the old and the new.
/// One thread. Points must rise.
/// </summary>
internal sealed class CrashReplay
{
    public const int SectorBytes = 512;

    private readonly DiskEvent[] _events;
    private readonly List<FileHistory> _files = [];
    private readonly Dictionary<string, int> _durableNames = [];
    private readonly List<(int Index, DiskEvent Change)> _folderChanges = [];
    private int _point;

    public CrashReplay(DiskImage start, DiskEvent[] events)
    {
        _events = events;
        foreach (var (name, bytes) in start.InOrder())
        {
            _durableNames[name] = _files.Count;
            _files.Add(new FileHistory(bytes));
        }
    }

    public void AdvanceTo(int point)
    {
        for (; _point < point; _point++) Apply(_point, _events[_point]);
    }

    /// <summary>One of the images that a crash at this point may leave.</summary>
    public DiskImage Draw(Random random)
    {
        var fate = new Fate(random, _point);
        var files = new Dictionary<string, byte[]>();
        foreach (var (name, inode) in Names(random, fate)) files[name] = _files[inode].Draw(fate, random);
        return new DiskImage(files);
    }

    private Dictionary<string, int> Names(Random random, Fate fate)
    {
        var names = new Dictionary<string, int>(_durableNames);
        // The journal keeps them in order or, for all that is promised, does not.
        var kept = random.Next(4) switch { 0 => 0.0, 1 => 1.0, 2 => fate.KeepChance, _ => 0.5 };
        foreach (var (_, change) in _folderChanges)
        {
            if (random.NextDouble() < kept) Change(names, change);
        }

        return names;
    }

    private void Apply(int index, DiskEvent e)
    {
        switch (e)
        {
            case WriteEvent write: _files[write.Inode].Write(index, write.Offset, write.Bytes); break;
            case LengthEvent length: _files[length.Inode].SetLength(index, length.Length); break;
            case SyncEvent sync: _files[sync.Inode].Sync(sync.Began); break;
            case SyncFailedEvent failed: _files[failed.Inode].FailSync(failed.Began); break;
            case SyncFolderEvent sync:
                foreach (var (_, change) in _folderChanges.Where(c => c.Index < sync.Began)) Change(_durableNames, change);
                _folderChanges.RemoveAll(c => c.Index < sync.Began);
                break;
            case CreateEvent:
                _files.Add(new FileHistory([]));
                _folderChanges.Add((index, e));
                break;
            default:
                _folderChanges.Add((index, e));
                break;
        }
    }

    private static void Change(Dictionary<string, int> names, DiskEvent change)
    {
        switch (change)
        {
            case CreateEvent create: names[create.Name] = create.Inode; break;
            case DeleteEvent delete: names.Remove(delete.Name); break;
            case RenameEvent rename:
                names.Remove(rename.From);
                names[rename.To] = rename.Inode;
                break;
        }
    }

    /// <summary>How one image was lucky: drawn once, so that images differ in kind and not only in detail.</summary>
    private sealed class Fate
    {
        private readonly int _kind;
        private readonly double _chance;
        private readonly int _point;
        private readonly int _until;

        public Fate(Random random, int point)
        {
            _kind = random.Next(7);
            _chance = random.Next(3) switch { 0 => 0.05, 1 => 0.95, _ => random.NextDouble() };
            (_point, _until) = (point, point - (int)(random.NextDouble() * random.NextDouble() * 60));
        }

        public double KeepChance => _chance;

        /// <summary>Which version of a sector (0: the durable one) is there, and with which other it is torn (the same: not).</summary>
        /// <param name="random">Of this image.</param>
        /// <param name="versions">The index of the event that made each; the first is the durable one's, -1.</param>
        public (int First, int Second) Choose(Random random, List<int> versions)
        {
            var newest = versions.Count - 1;
            switch (_kind)
            {
                case 0: return (0, 0);
                case 1: return (newest, newest);
                case 2:
                    // In order, up to a moment; the sector written then is torn.
                    var last = versions.FindLastIndex(index => index < _until);
                    return random.Next(6) == 0 && last < newest ? (last, last + 1) : (last, last);
                case 3: return random.NextDouble() < _chance ? (newest, newest) : (0, 0);
                case 4:
                    var one = random.Next(versions.Count);
                    return (one, one);
                default:
                    return (random.Next(versions.Count), random.Next(versions.Count));
            }
        }

        public long ChooseLength(Random random, long durable, long now) => _kind switch
        {
            0 => durable,
            1 => now,
            _ => random.Next(3) switch { 0 => durable, 1 => now, _ => random.NextInt64(durable, now + 1) },
        };
    }

    /// <summary>One inode: what is on the disk for certain, and what may be.</summary>
    private sealed class FileHistory
    {
        private readonly List<(int Index, long Offset, byte[] Bytes)> _unsynced = [];
        private readonly List<(int Index, long Length)> _lengths = [];

        /// <summary>Pages that a failed sync left clean in the cache and perhaps not on the disk.</summary>
        private readonly Dictionary<long, byte[]> _limbo = [];
        private byte[] _cache;
        private byte[] _durable;
        private long _durableLength;

        public FileHistory(byte[] bytes) => (_cache, _durable, _durableLength) = (bytes.ToArray(), bytes.ToArray(), bytes.Length);

        public void SetLength(int index, long length)
        {
            _lengths.Add((index, length));
            Array.Resize(ref _cache, (int)length);
            Array.Resize(ref _durable, (int)Math.Max(length, _durable.Length));
        }

        public void Write(int index, long offset, byte[] bytes)
        {
            bytes.CopyTo(_cache, offset);
            // A page that is dirty again is written whole.
            var (from, to) = (offset, offset + bytes.Length);
            if (_limbo.ContainsKey(PageOf(from))) from = PageOf(from);
            if (_limbo.ContainsKey(PageOf(to - 1))) to = Math.Min(PageOf(to - 1) + ILogFile.BlockBytes, _cache.Length);
            _unsynced.Add((index, from, to - from == bytes.Length ? bytes : _cache.AsSpan((int)from, (int)(to - from)).ToArray()));
        }

        public void Sync(int began)
        {
            foreach (var (_, offset, bytes) in _unsynced.Where(w => w.Index < began))
            {
                bytes.CopyTo(_durable, offset);
                for (var page = PageOf(offset); page < offset + bytes.Length; page += ILogFile.BlockBytes) _limbo.Remove(page);
            }

            _unsynced.RemoveAll(w => w.Index < began);
            SyncLength(began);
        }

        public void FailSync(int began)
        {
            foreach (var (_, offset, bytes) in _unsynced.Where(w => w.Index < began))
            {
                for (var page = PageOf(offset); page < offset + bytes.Length; page += ILogFile.BlockBytes)
                    _limbo[page] = _cache.AsSpan((int)page, (int)Math.Min(ILogFile.BlockBytes, _cache.Length - page)).ToArray();
            }

            _unsynced.RemoveAll(w => w.Index < began);
        }

        public byte[] Draw(Fate fate, Random random)
        {
            var length = _lengths.Count == 0 ? _durableLength : fate.ChooseLength(random, _durableLength, _cache.Length);
            var drawn = _durable.ToArray();
            var sectors = new SortedDictionary<long, List<(int Index, long Offset, byte[] Bytes)>>();
            foreach (var (page, bytes) in _limbo) AddSectors(sectors, (0, page, bytes));
            foreach (var write in _unsynced) AddSectors(sectors, write);
            var made = new List<int>();
            foreach (var (sector, writes) in sectors)
            {
                made.Clear();
                made.Add(-1);
                made.AddRange(writes.Select(w => w.Index));
                var (first, second) = fate.Choose(random, made);
                var at = drawn.AsSpan((int)sector, (int)Math.Min(SectorBytes, drawn.Length - sector));
                var torn = Version(sector, at.Length, writes, second);
                var split = first == second ? at.Length : random.Next(at.Length + 1);
                Version(sector, at.Length, writes, first).AsSpan(0, split).CopyTo(at);
                torn.AsSpan(split).CopyTo(at[split..]);
            }

            Array.Resize(ref drawn, (int)length);
            return drawn;
        }

        private byte[] Version(long sector, int bytes, List<(int Index, long Offset, byte[] Bytes)> writes, int version)
        {
            var content = _durable.AsSpan((int)sector, bytes).ToArray();
            foreach (var (_, offset, written) in writes.Take(version))
            {
                var from = Math.Max(sector, offset);
                var to = Math.Min(sector + bytes, offset + written.Length);
                written.AsSpan((int)(from - offset), (int)(to - from)).CopyTo(content.AsSpan((int)(from - sector)));
            }

            return content;
        }

        private void SyncLength(int began)
        {
            foreach (var (_, length) in _lengths.Where(l => l.Index < began)) _durableLength = length;
            _lengths.RemoveAll(l => l.Index < began);
        }

        private static void AddSectors(SortedDictionary<long, List<(int Index, long Offset, byte[] Bytes)>> sectors, (int Index, long Offset, byte[] Bytes) write)
        {
            for (var sector = write.Offset / SectorBytes * SectorBytes; sector < write.Offset + write.Bytes.Length; sector += SectorBytes)
            {
                if (!sectors.TryGetValue(sector, out var list)) sectors[sector] = list = [];
                list.Add(write);
            }
        }

        private static long PageOf(long offset) => offset & ~(ILogFile.BlockBytes - 1L);
    }
}
