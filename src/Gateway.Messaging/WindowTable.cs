namespace Gateway.Messaging;

/// <summary>
/// The send windows of a home by device: linear hashing (Litwin, 1980) over chains of windows. Every addition splits one bucket at most and every
/// removal joins one, so growing and shrinking never take longer than a chain is; windows and buckets come in chunks, so that growing leaves
/// nothing behind and shrinking gives memory back. Owned by the home's thread.
/// Invariant: a window is in the chain of <see cref="BucketOf"/> its device; windows are at 1 to <see cref="Count"/> without a hole; there are
/// as many buckets as windows, and at least one chunk.
/// </summary>
internal sealed class WindowTable
{
    // A collection looks at each chunk twice, and with 256 places half a million devices had four thousand.
    private const int ChunkShift = 10;
    private const int ChunkSize = 1 << ChunkShift;

    private SendWindow[][] _windows = [];
    // First window of each bucket, 0 for none.
    private uint[][] _buckets = [new uint[ChunkSize]];
    // Buckets below _split, and those from _round on, have been split in this round: their devices are told apart by one bit more.
    private uint _round = ChunkSize;
    private uint _split;

    public int Count { get; private set; }

    public ref SendWindow this[uint index] => ref _windows[index >> ChunkShift][index & (ChunkSize - 1)];

    /// <summary>The index of the device's window, or 0.</summary>
    public uint Find(ulong device) => FindFrom(Bucket(BucketOf(device)), device);

    /// <summary>The indices of many devices' windows, 0 for those that have none. Two passes: memory is waited for once in each, not at each device.</summary>
    public void Find(ReadOnlySpan<CarriedWindow> devices, Span<uint> indices)
    {
        for (var i = 0; i < devices.Length; i++) indices[i] = Bucket(BucketOf(devices[i].Device));
        for (var i = 0; i < devices.Length; i++) indices[i] = FindFrom(indices[i], devices[i].Device);
    }

    /// <summary>Adds a window for a device that has none.</summary>
    public uint Add(ulong device)
    {
        var index = (uint)++Count;
        ChunkFor(ref _windows, index);
        ref var window = ref this[index];
        window.Device = device;
        Link(index, ref window);
        if ((uint)Count > _round + _split) SplitNext();
        return index;
    }

    /// <summary>
    /// Removes a window. The last one takes its place, whose session, if it has one, must be told: afterwards <paramref name="index"/> is that
    /// window's index, unless it was the last itself.
    /// </summary>
    public void Remove(uint index)
    {
        LinkTo(index) = this[index].Next;
        var last = (uint)Count;
        if (index != last)
        {
            LinkTo(last) = index;
            this[index] = this[last];
        }

        this[last] = default;
        Count--;
        GiveBackBehind(_windows, last);
        if ((uint)Count < _round + _split && _round + _split > ChunkSize) JoinLast();
    }

    private static void ChunkFor<T>(ref T[][] chunks, uint index)
    {
        var chunk = (int)(index >> ChunkShift);
        if (chunk >= chunks.Length) Array.Resize(ref chunks, Math.Max(4, chunk * 2));
        // Pinned, which puts it where no collection copies it.
        chunks[chunk] ??= GC.AllocateArray<T>(ChunkSize, pinned: true);
    }

    /// <summary>With its first element a chunk has become empty: it is kept for the next to come, and the one behind it, kept so far, goes.</summary>
    private static void GiveBackBehind<T>(T[][] chunks, uint emptied)
    {
        var next = (emptied >> ChunkShift) + 1;
        if ((emptied & (ChunkSize - 1)) == 0 && next < chunks.Length) chunks[next] = null!;
    }

    private uint FindFrom(uint index, ulong device)
    {
        while (index != 0)
        {
            ref var window = ref this[index];
            if (window.Device == device) break;
            index = window.Next;
        }

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

    /// <summary>What holds the index of a window that is in the table: its bucket, or the window before it in the chain.</summary>
    private ref uint LinkTo(uint index)
    {
        ref var link = ref Bucket(BucketOf(this[index].Device));
        while (link != index) link = ref this[link].Next;
        return ref link;
    }

    /// <summary>Spreads the chain of the next bucket over itself and a new last one.</summary>
    private void SplitNext()
    {
        ChunkFor(ref _buckets, _round + _split);
        var chain = Bucket(_split);
        Bucket(_split) = 0;
        _split++;
        LinkAll(chain);
        if (_split < _round) return;
        _round *= 2;
        _split = 0;
    }

    /// <summary>The reverse: the last bucket's chain goes back to where it came from.</summary>
    private void JoinLast()
    {
        if (_split == 0) _split = _round /= 2;
        _split--;
        var last = _round + _split;
        var chain = Bucket(last);
        Bucket(last) = 0;
        LinkAll(chain);
        GiveBackBehind(_buckets, last);
    }

    private void LinkAll(uint index)
    {
        while (index != 0)
        {
            ref var window = ref this[index];
            var next = window.Next;
            Link(index, ref window);
            index = next;
        }
    }
}
