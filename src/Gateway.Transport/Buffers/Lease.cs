using System.Buffers;
using System.IO.Pipelines;
using Gateway.Transport.Pools;
using Microsoft.Extensions.ObjectPool;

namespace Gateway.Transport.Buffers;

/// <summary>
/// A pipe that a connection holds only while it has a partial frame to keep or output behind its turn buffer. Both ends are used
/// synchronously by the reactor's thread; nothing ever waits on it. Invariant: <see cref="Bytes"/> is what was written and not consumed.
/// </summary>
internal sealed class Lease(PipeOptions options)
{
    private readonly Pipe _pipe = new(options);
    private bool _unflushed;
    private bool _spanIsOut;

    /// <summary>Its place in <see cref="LeasePool"/>, never 0 while it is out.</summary>
    public uint Index { get; set; }

    public long Bytes { get; private set; }

    /// <summary>When it was leased for output, in milliseconds of the group's clock.</summary>
    public long LeasedAtMs { get; set; }

    /// <summary>The tick at which the byte now at the front was kept.</summary>
    public uint SinceTick { get; set; }

    public Span<byte> GetSpan(int sizeHint)
    {
        _spanIsOut = true;
        return _pipe.Writer.GetSpan(sizeHint);
    }

    public void Advance(int bytes)
    {
        _pipe.Writer.Advance(bytes);
        Bytes += bytes;
        _spanIsOut = false;
        _unflushed = true;
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        _pipe.Writer.Write(bytes);
        Bytes += bytes.Length;
        _unflushed = true;
    }

    /// <summary>All bytes held. <see cref="Consume"/> must follow before anything else.</summary>
    public ReadOnlySequence<byte> Peek()
    {
        if (_unflushed)
        {
            _unflushed = false;
            // Without a writer threshold a flush completes at once; the result says nothing more.
            var flush = _pipe.Writer.FlushAsync();
            if (!flush.IsCompletedSuccessfully) throw new InvalidOperationException("A flush of a lease had to wait.");
            _ = flush.Result;
        }

        return _pipe.Reader.TryRead(out var result) ? result.Buffer : default;
    }

    /// <summary>Drops the first <paramref name="bytes"/> of what <see cref="Peek"/> gave. Nothing counts as examined, so the rest is seen again.</summary>
    public void Consume(in ReadOnlySequence<byte> peeked, long bytes)
    {
        if (peeked.IsEmpty) return;
        var position = bytes == 0 ? peeked.Start : peeked.GetPosition(bytes);
        _pipe.Reader.AdvanceTo(position, position);
        Bytes -= bytes;
    }

    public void Reset()
    {
        SinceTick = 0;
        // A pipe that was read to its end has given its memory back and keeps its segment objects; resetting it would drop them.
        if (Bytes == 0 && !_unflushed && !_spanIsOut) return;
        _pipe.Writer.Complete();
        _pipe.Reader.Complete();
        _pipe.Reset();
        Bytes = 0;
        _unflushed = false;
        _spanIsOut = false;
    }
}

/// <summary>
/// The leases of one reactor, by index so that a slot can name one in 32 bits. Pipes come from an
/// <see cref="ObjectPool{T}"/> and their segments from the reactor's <see cref="SegmentPool"/>. Owned by the reactor's thread.
/// </summary>
internal sealed class LeasePool : IElastic
{
    private const int PipeSegmentBytes = 4 * 1024;

    private readonly ObjectPool<Lease> _pool;
    private readonly Register<Lease> _leases = new();
    private readonly int _maxKept;
    private KeptCount _kept;

    public LeasePool(SegmentPool segments, int maxKept)
    {
        var options = new PipeOptions(
            pool: segments,
            readerScheduler: PipeScheduler.Inline,
            writerScheduler: PipeScheduler.Inline,
            pauseWriterThreshold: 0,
            resumeWriterThreshold: 0,
            minimumSegmentSize: PipeSegmentBytes,
            useSynchronizationContext: false);
        _maxKept = maxKept;
        _pool = new DefaultObjectPool<Lease>(new Policy(options), maxKept);
    }

    public int Out => _leases.Count;

    public int HighOut { get; private set; }

    /// <summary>Pipes in the pool.</summary>
    public int Kept => _kept.Count;

    /// <summary>Indices that there is memory for.</summary>
    public int Capacity => _leases.Capacity;

    public Lease this[uint index] => _leases[index]!;

    public Lease Rent()
    {
        var lease = _pool.Get();
        if (_kept.Count != 0) _kept.Took();
        lease.Index = _leases.Take();
        _leases[lease.Index] = lease;
        if (Out > HighOut) HighOut = Out;
        return lease;
    }

    public void Return(Lease lease)
    {
        _leases[lease.Index] = null;
        _leases.Return(lease.Index);
        lease.Index = 0;
        _pool.Return(lease);
        if (_kept.Count < _maxKept) _kept.Put();
    }

    public void Roll()
    {
        _kept.Roll();
        _leases.Roll();
    }

    public bool GiveBack()
    {
        if (!_kept.TryTakeSurplus()) return _leases.GiveBack();
        _ = _pool.Get();
        return true;
    }

    private sealed class Policy(PipeOptions options) : PooledObjectPolicy<Lease>
    {
        public override Lease Create() => new(options);

        public override bool Return(Lease obj)
        {
            obj.Reset();
            return true;
        }
    }
}
