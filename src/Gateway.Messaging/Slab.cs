namespace Gateway.Messaging;

/// <summary>
/// Structures in chunks, addressed by an index that stays theirs until returned: 1 and up, 0 means none. Grows by a chunk and never
/// moves what it holds, so a reference stays good across growth. Owned by one thread. Bounded by <c>maxCount</c>.
/// </summary>
internal sealed class Slab<T> where T : struct
{
    private const int ChunkShift = 10;
    private const int ChunkSize = 1 << ChunkShift;

    private readonly int _maxCount;
    private T[][] _chunks = [];
    private uint[] _free = new uint[16];
    private int _freeCount;
    private uint _next = 1;

    public Slab(int maxCount) => _maxCount = maxCount;

    public int Count { get; private set; }
    public bool IsFull => Count == _maxCount;

    /// <summary>One past the highest index ever given out.</summary>
    public uint End => _next;

    public ref T this[uint index] => ref _chunks[index >> ChunkShift][index & (ChunkSize - 1)];

    /// <summary>A cleared structure's index, or 0 when the bound is reached.</summary>
    public uint Rent()
    {
        if (Count == _maxCount) return 0;
        Count++;
        if (_freeCount > 0)
        {
            var index = _free[--_freeCount];
            this[index] = default;
            return index;
        }

        var chunk = (int)(_next >> ChunkShift);
        if (chunk == _chunks.Length) Array.Resize(ref _chunks, Math.Max(4, chunk * 2));
        _chunks[chunk] ??= new T[ChunkSize];
        return _next++;
    }

    public void Return(uint index)
    {
        Count--;
        if (_freeCount == _free.Length) Array.Resize(ref _free, _free.Length * 2);
        _free[_freeCount++] = index;
    }
}

/// <summary>A structure that is found by a 64-bit key.</summary>
internal interface IKeyed
{
    ulong Key { get; set; }
}

/// <summary>
/// A <see cref="Slab{T}"/> found by key: an open-addressing table of indices beside it (linear probing, load at most a half,
/// deletion by shifting back). Owned by one thread. Invariant: the table holds exactly the indices rented and not returned.
/// </summary>
internal sealed class KeyedSlab<T> where T : struct, IKeyed
{
    private readonly Slab<T> _slab;
    private uint[] _table = new uint[64];

    public KeyedSlab(int maxCount) => _slab = new Slab<T>(maxCount);

    public int Count => _slab.Count;
    public uint End => _slab.End;
    public ref T this[uint index] => ref _slab[index];

    /// <summary>The index of <paramref name="key"/>, or 0.</summary>
    public uint Find(ulong key)
    {
        var mask = (uint)_table.Length - 1;
        for (var i = (uint)HomeMap.Mix(key) & mask; ; i = (i + 1) & mask)
        {
            var index = _table[i];
            if (index == 0 || _slab[index].Key == key) return index;
        }
    }

    /// <summary>Adds <paramref name="key"/>, which must not be there; 0 when the bound is reached.</summary>
    public uint Add(ulong key)
    {
        if ((_slab.Count + 1) * 2 > _table.Length) Grow();
        var index = _slab.Rent();
        if (index == 0) return 0;
        _slab[index].Key = key;
        Insert(_table, key, index);
        return index;
    }

    public void Remove(uint index)
    {
        var mask = (uint)_table.Length - 1;
        var hole = (uint)HomeMap.Mix(_slab[index].Key) & mask;
        while (_table[hole] != index) hole = (hole + 1) & mask;

        // Shift back whatever probed past the hole, so that no tombstones are needed.
        for (var i = (hole + 1) & mask; _table[i] != 0; i = (i + 1) & mask)
        {
            var ideal = (uint)HomeMap.Mix(_slab[_table[i]].Key) & mask;
            if (((i - ideal) & mask) < ((i - hole) & mask)) continue;
            _table[hole] = _table[i];
            hole = i;
        }

        _table[hole] = 0;
        _slab[index].Key = 0;
        _slab.Return(index);
    }

    private void Grow()
    {
        var larger = new uint[_table.Length * 2];
        foreach (var index in _table)
        {
            if (index != 0) Insert(larger, _slab[index].Key, index);
        }

        _table = larger;
    }

    private static void Insert(uint[] table, ulong key, uint index)
    {
        var mask = (uint)table.Length - 1;
        var i = (uint)HomeMap.Mix(key) & mask;
        while (table[i] != 0) i = (i + 1) & mask;
        table[i] = index;
    }
}
