using Gateway.Transport.Linux;

namespace Gateway.Transport.Backend.Uring;

/// <summary>
/// Where the receives of a turn go: slices of address space, each as long as one connection may send in a turn. Memory is taken by the page
/// as it is written to, so short receives take a page a slice. Owned by the reactor's thread.
/// </summary>
internal sealed unsafe class Arena : IDisposable
{
    private const int MaxSlices = 64;

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

    public int Slices { get; }

    public int SliceBytes { get; }

    // SAFETY (both): a slice below Slices lies in the mapping.
    public byte* AddressOf(int slice) => _memory + (nint)CheckedSlice(slice) * SliceBytes;

    public ReadOnlySpan<byte> Bytes(int slice, int length) => new(AddressOf(slice), Math.Min(length, SliceBytes));

    public void Dispose() => _ = Syscalls.Unmap((nint)_memory, _bytes);

    private int CheckedSlice(int slice)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)slice, (uint)Slices, nameof(slice));
        return slice;
    }
}
