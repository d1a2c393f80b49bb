using System.Buffers;

namespace Gateway.Transport.Buffers;

/// <summary>
/// One pinned array that <see cref="SegmentPool"/> lends out. Disposing gives it back; a second dispose is a fault.
/// Touched by the pool's thread alone.
/// </summary>
internal sealed class Segment : IMemoryOwner<byte>
{
    private readonly SegmentPool _pool;

    public Segment(SegmentPool pool, int bytes, int sizeClass)
    {
        _pool = pool;
        // Pinned for good: the kernel is given its address, and a later backend keeps it until a completion.
        Array = GC.AllocateUninitializedArray<byte>(bytes, pinned: true);
        SizeClass = sizeClass;
    }

    public byte[] Array { get; }

    /// <summary>The pool's class, or -1 when the segment is too large to be kept.</summary>
    public int SizeClass { get; }

    public bool IsOut { get; set; }

    public Memory<byte> Memory => Array;

    public void Dispose() => _pool.Return(this);
}
