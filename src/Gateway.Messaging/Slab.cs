using System.Runtime.CompilerServices;

namespace Gateway.Messaging;

/// <summary>
/// Structures in chunks, addressed by an index that stays theirs until returned: 1 and up, 0 means none. Grows by a chunk and never
/// moves what it holds, so a reference stays good across growth, and nothing is left for the collector. Owned by one thread. Bounded by
/// <c>maxCount</c>. A returned structure's first four bytes link it to the next free one; the rest stays as it was until it is rented again.
/// </summary>
internal sealed class Slab<T> where T : unmanaged
{
    // Small, so that many homes of few devices do not each hold a large chunk half empty.
    private const int ChunkShift = 8;
    private const int ChunkSize = 1 << ChunkShift;

    private readonly int _maxCount;
    private T[][] _chunks = [];
    private uint _free;
    private uint _next = 1;

    public Slab(int maxCount)
    {
        if (Unsafe.SizeOf<T>() < sizeof(uint)) throw new ArgumentException($"{typeof(T).Name} has no room for the link of a free one.");
        _maxCount = maxCount;
    }

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
        if (_free != 0)
        {
            var index = _free;
            ref var structure = ref this[index];
            _free = Link(ref structure);
            structure = default;
            return index;
        }

        var chunk = (int)(_next >> ChunkShift);
        if (chunk == _chunks.Length) Array.Resize(ref _chunks, Math.Max(4, chunk * 2));
        // Pinned, which puts it where no collection copies it; it lives as long as the slab.
        _chunks[chunk] ??= GC.AllocateArray<T>(ChunkSize, pinned: true);
        return _next++;
    }

    public void Return(uint index)
    {
        Count--;
        Link(ref this[index]) = _free;
        _free = index;
    }

    // SAFETY: T holds no references and, by the constructor's check, at least these four bytes; nobody else uses a free structure's.
    private static ref uint Link(ref T structure) => ref Unsafe.As<T, uint>(ref structure);
}
