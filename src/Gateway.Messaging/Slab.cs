using System.Numerics;
using System.Runtime.CompilerServices;
using Gateway.Messaging.Pools;

namespace Gateway.Messaging;

/// <summary>
/// Structures in chunks, addressed by an index that stays theirs until returned: 1 and up, 0 means none. Grows by a chunk and never
/// moves what it holds, so a reference stays good across growth, and nothing is left for the collector; what a burst took is given back by the
/// chunk. Owned by one thread. Bounded by <c>maxCount</c>. A place that nobody has reads as zeros or as what was there last, and is not
/// written to.
/// </summary>
internal sealed class Slab<T> : IElastic where T : unmanaged
{
    // Small, so that many homes of few devices do not each hold a large chunk half empty; and not smaller, for a collection looks at each chunk twice.
    private const int ChunkBytes = 32 * 1024;

    // Places, a power of two: as many as fit, and a word of the map at least.
    private static readonly int ChunkShift = Math.Max(6, BitOperations.Log2((uint)(ChunkBytes / Unsafe.SizeOf<T>())));
    private static readonly int ChunkSize = 1 << ChunkShift;

    // Where a chunk is not there: an old index finds nobody.
    private static readonly T[] Nobody = GC.AllocateArray<T>(ChunkSize, pinned: true);

    private readonly PlaceMap _map = new(ChunkSize, firstPlace: 1);
    private readonly int _maxCount;
    private T[][] _chunks = [];

    public Slab(int maxCount) => _maxCount = maxCount;

    public int Count => _map.Count;
    public bool IsFull => Count == _maxCount;

    /// <summary>Bytes of the chunks that are there.</summary>
    public long HeldBytes => (long)_map.Chunks * ChunkSize * Unsafe.SizeOf<T>();

    /// <summary>One past the highest index ever given out.</summary>
    public uint End => _map.End;

    public ref T this[uint index] => ref _chunks[index >> ChunkShift][index & (ChunkSize - 1)];

    /// <summary>A cleared structure's index, or 0 when the bound is reached.</summary>
    public uint Rent()
    {
        if (Count == _maxCount) return 0;
        var index = _map.Take(out var isNew);
        if (isNew) MakeChunk((int)(index >> ChunkShift));
        this[index] = default;
        return index;
    }

    public void Return(uint index) => _map.Return(index);

    public void Roll() => _map.Roll();

    public bool GiveBack()
    {
        var chunk = _map.TakeSurplus();
        if (chunk < 0) return false;
        _chunks[chunk] = Nobody;
        return true;
    }

    private void MakeChunk(int chunk)
    {
        if (chunk >= _chunks.Length)
        {
            var before = _chunks.Length;
            Array.Resize(ref _chunks, Math.Max(4, chunk * 2));
            _chunks.AsSpan(before).Fill(Nobody);
        }

        // Pinned, which puts it where no collection copies it.
        _chunks[chunk] = GC.AllocateArray<T>(ChunkSize, pinned: true);
    }
}
