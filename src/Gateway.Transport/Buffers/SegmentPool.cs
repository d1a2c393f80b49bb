using System.Buffers;
using Gateway.Transport.Pools;

namespace Gateway.Transport.Buffers;

/// <summary>
/// The buffers of one reactor: turn buffers of output and the segments of leased pipes. Sizes 256 B, 1 KiB, 4 KiB, ... 1 MiB are kept for
/// reuse up to a bound and while they are reused; larger ones are made and dropped. What is out is charged to the budget, so the reactor's buffered bytes are the
/// memory it really holds. Owned by the reactor's thread.
/// </summary>
internal sealed class SegmentPool : MemoryPool<byte>, IElastic
{
    public const int SmallestBytes = 256;

    private const int Classes = 7;
    private const int ClassShift = 2;
    private const int LeastStack = 64;

    private readonly Stack<Segment>[] _kept = new Stack<Segment>[Classes];
    private readonly KeptCount[] _counts = new KeptCount[Classes];
    private readonly BufferBudget _budget;
    private readonly long _maxKeptBytes;

    /// <param name="budget">What segments that are out are charged to.</param>
    /// <param name="maxKeptBytes">Bytes kept for reuse at most.</param>
    public SegmentPool(BufferBudget budget, long maxKeptBytes)
    {
        _budget = budget;
        _maxKeptBytes = maxKeptBytes;
        for (var i = 0; i < Classes; i++) _kept[i] = new Stack<Segment>();
    }

    public override int MaxBufferSize => Array.MaxLength;

    /// <summary>Bytes kept for reuse.</summary>
    public long KeptBytes { get; private set; }

    /// <summary>Segments out.</summary>
    public int Out { get; private set; }

    /// <summary>A segment of at least <paramref name="minBytes"/> bytes; -1 asks for the smallest.</summary>
    public Segment Lend(int minBytes)
    {
        var sizeClass = ClassOf(minBytes);
        Segment segment;
        if (sizeClass >= 0 && _kept[sizeClass].TryPop(out var kept))
        {
            segment = kept;
            _counts[sizeClass].Took();
            KeptBytes -= segment.Array.Length;
        }
        else
        {
            segment = new Segment(this, sizeClass >= 0 ? BytesOf(sizeClass) : minBytes, sizeClass);
        }

        segment.IsOut = true;
        Out++;
        _budget.Add(segment.Array.Length);
        return segment;
    }

    public override IMemoryOwner<byte> Rent(int minBufferSize = -1) => Lend(minBufferSize);

    public void Return(Segment segment)
    {
        if (!segment.IsOut) throw new InvalidOperationException("A buffer segment is returned twice.");
        segment.IsOut = false;
        Out--;
        var bytes = segment.Array.Length;
        _budget.Add(-bytes);
        if (segment.SizeClass < 0 || KeptBytes + bytes > _maxKeptBytes) return;
        _kept[segment.SizeClass].Push(segment);
        _counts[segment.SizeClass].Put();
        KeptBytes += bytes;
    }

    public void Roll()
    {
        for (var i = 0; i < Classes; i++) _counts[i].Roll();
    }

    public bool GiveBack()
    {
        for (var i = 0; i < Classes; i++)
        {
            if (!_counts[i].TryTakeSurplus()) continue;
            KeptBytes -= _kept[i].Pop().Array.Length;
            if (_counts[i].Surplus == 0 && _kept[i].Capacity > LeastStack) _kept[i].TrimExcess(Math.Max(LeastStack, _kept[i].Count));
            return true;
        }

        return false;
    }

    protected override void Dispose(bool disposing)
    {
    }

    private static int BytesOf(int sizeClass) => SmallestBytes << (sizeClass * ClassShift);

    private static int ClassOf(int bytes)
    {
        for (var i = 0; i < Classes; i++)
        {
            if (bytes <= BytesOf(i)) return i;
        }

        return -1;
    }
}
