using Gateway.Transport.Linux;
using Gateway.Transport.Pools;

namespace Gateway.Transport.Backend.Uring;

/// <summary>
/// Where the receives of a turn go: slices of address space, each as long as one connection may send in a turn. Memory is taken by the page
/// as it is written to, so short receives take a page a slice, and given back when none was long for a while. Owned by the reactor's thread.
/// </summary>
internal sealed unsafe class Arena : IElastic, IDisposable
{
    private const int MaxSlices = 64;
    private const int PageBytes = 4096;

    private readonly byte* _memory;
    private readonly nuint _bytes;

    /// <exception cref="InsufficientMemoryException">The address space is not to be had.</exception>
    public Arena(ReactorGroupOptions options)
    {
        SliceBytes = options.ReceiveBytesPerTurn;
        Slices = Math.Min(options.EventsPerWait, MaxSlices);
        _bytes = (nuint)SliceBytes * (nuint)Slices;
        _memory = (byte*)Syscalls.Reserve(_bytes);
        if (_memory is null || Syscalls.Commit((nint)_memory, _bytes, hugePages: false) < 0)
            throw new InsufficientMemoryException($"No memory for {Slices} receives of {SliceBytes} bytes.");
    }

    // Receives beyond their slice's first page: in this interval, and since the rest was given back.
    private bool _longOfLate;
    private bool _hasLong;
    private bool _surplus;

    public int Slices { get; }

    /// <summary>Whether more than the first page of the slices may be taken.</summary>
    public bool HoldsLong => _hasLong;

    public int SliceBytes { get; }

    // SAFETY (both): a slice below Slices lies in the mapping.
    public byte* AddressOf(int slice) => _memory + (nint)CheckedSlice(slice) * SliceBytes;

    public ReadOnlySpan<byte> Bytes(int slice, int length)
    {
        if (length > PageBytes) _hasLong = _longOfLate = true;
        return new ReadOnlySpan<byte>(AddressOf(slice), Math.Min(length, SliceBytes));
    }

    public void Roll()
    {
        _surplus = _hasLong && !_longOfLate;
        _longOfLate = false;
    }

    /// <summary>Between turns: no receive is under way then, and nobody reads what the last one brought.</summary>
    public bool GiveBack()
    {
        if (!_surplus || _longOfLate) return false;
        _surplus = _hasLong = false;
        _ = Syscalls.GiveBack((nint)_memory, _bytes);
        return true;
    }

    public void Dispose() => _ = Syscalls.Unmap((nint)_memory, _bytes);

    private int CheckedSlice(int slice)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)slice, (uint)Slices, nameof(slice));
        return slice;
    }
}
