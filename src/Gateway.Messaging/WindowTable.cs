namespace Gateway.Messaging;

/// <summary>
/// The send windows of a home by device: linear hashing (Litwin, 1980) over chains of windows. Every addition splits one bucket at most, so
/// growing never takes longer than a chain is, and buckets come in chunks, so it leaves nothing behind. Owned by the home's thread.
/// Invariant: a window is in the chain of <see cref="BucketOf"/> its device; there are as many buckets as windows, and at least one chunk.
/// </summary>
internal sealed class WindowTable
{
    private const int ChunkShift = 8;
    private const int ChunkSize = 1 << ChunkShift;

    private readonly Slab<SendWindow> _windows = new(int.MaxValue);
    // First window of each bucket, 0 for none.
    private uint[][] _buckets = [new uint[ChunkSize]];
    // Buckets below _split, and those from _round on, have been split in this round: their devices are told apart by one bit more.
    private uint _round = ChunkSize;
    private uint _split;

    public int Count => _windows.Count;

    public ref SendWindow this[uint index] => ref _windows[index];

    /// <summary>The index of the device's window, or 0.</summary>
    public uint Find(ulong device)
    {
        var index = Bucket(BucketOf(device));
        while (index != 0)
        {
            ref var window = ref _windows[index];
            if (window.Device == device) break;
            index = window.Next;
        }

        return index;
    }

    /// <summary>Adds a window for a device that has none.</summary>
    public uint Add(ulong device)
    {
        var index = _windows.Rent();
        ref var window = ref _windows[index];
        window.Device = device;
        Link(index, ref window);
        if ((uint)_windows.Count > _round + _split) SplitNext();
        return index;
    }

    private uint BucketOf(ulong device)
    {
        var hash = (uint)HomeMap.Mix(device);
        var bucket = hash & (_round - 1);
        return bucket < _split ? hash & (_round * 2 - 1) : bucket;
    }

    private ref uint Bucket(uint bucket) => ref _buckets[bucket >> ChunkShift][bucket & (ChunkSize - 1)];

    private void Link(uint index, ref SendWindow window)
    {
        ref var first = ref Bucket(BucketOf(window.Device));
        window.Next = first;
        first = index;
    }

    /// <summary>Spreads the chain of the next bucket over itself and a new last one.</summary>
    private void SplitNext()
    {
        var chunk = (int)((_round + _split) >> ChunkShift);
        if (chunk == _buckets.Length) Array.Resize(ref _buckets, chunk * 2);
        _buckets[chunk] ??= GC.AllocateArray<uint>(ChunkSize, pinned: true);

        ref var old = ref Bucket(_split);
        var index = old;
        old = 0;
        _split++;
        while (index != 0)
        {
            ref var window = ref _windows[index];
            var next = window.Next;
            Link(index, ref window);
            index = next;
        }

        if (_split < _round) return;
        _round *= 2;
        _split = 0;
    }
}
