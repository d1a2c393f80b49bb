using Gateway.Transport.Pools;

namespace Gateway.Transport.Buffers;

/// <summary>
/// Objects by index, so that a slot can name one in 32 bits: 1 and up, 0 names none. In chunks; what a burst took is given back by the chunk, with
/// the objects that were left in it. Owned by the reactor's thread.
/// </summary>
internal sealed class Register<T> : IElastic where T : class
{
    private const int ChunkShift = 6;
    private const int ChunkSize = 1 << ChunkShift;

    private readonly PlaceMap _map = new(ChunkSize, firstPlace: 1);
    private T?[]?[] _chunks = new T?[4][];

    /// <summary>Indices taken.</summary>
    public int Count => _map.Count;

    /// <summary>Indices that there is memory for.</summary>
    public int Capacity => _map.Chunks * ChunkSize;

    /// <summary>The object at an index that is taken: the one that was left there, or null.</summary>
    public ref T? this[uint index] => ref _chunks[index >> ChunkShift]![index & (ChunkSize - 1)];

    public uint Take()
    {
        var index = _map.Take(out var isNew);
        if (!isNew) return index;
        var chunk = (int)(index >> ChunkShift);
        if (chunk >= _chunks.Length) Array.Resize(ref _chunks, Math.Max(_chunks.Length * 2, chunk + 1));
        _chunks[chunk] = new T?[ChunkSize];
        return index;
    }

    public void Return(uint index) => _map.Return(index);

    public void Roll() => _map.Roll();

    public bool GiveBack()
    {
        var chunk = _map.TakeSurplus();
        if (chunk < 0) return false;
        _chunks[chunk] = null;
        return true;
    }
}
