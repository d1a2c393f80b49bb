using System.Numerics;

namespace Gateway.Load.Measure;

/// <summary>
/// Counts of microseconds in log-linear buckets: exact below 64, then 32 buckets an octave, so that a percentile is at most 3.2 % too
/// high and never too low. 0 to 2^40 µs (12 days) in 9 KB, nothing allocated by <see cref="Record"/>. Written by one thread; another may
/// copy it meanwhile and then sees each bucket whole, but not all of one instant.
/// </summary>
internal sealed class Histogram
{
    private const int SubBits = 5;
    private const int MaxBits = 40;

    /// <summary>Buckets 0..63 hold one value each; bucket 32 * octave + i the values (32 + i) * 2^octave up to the next.</summary>
    public const int Buckets = (MaxBits - SubBits + 1) << SubBits;

    private readonly long[] _counts = new long[Buckets];
    private long _max;

    public long Max => Volatile.Read(ref _max);

    public ReadOnlySpan<long> Counts => _counts;

    public void Record(long valueUs)
    {
        if (valueUs < 0) valueUs = 0;
        _counts[BucketOf(valueUs)]++;
        if (valueUs > _max) _max = valueUs;
    }

    public long Count()
    {
        long sum = 0;
        foreach (var count in _counts) sum += count;
        return sum;
    }

    /// <summary>The highest value of the bucket in which the share lies (0 to 1), never above <see cref="Max"/>; 0 when empty.</summary>
    public long Quantile(double share)
    {
        var total = Count();
        if (total == 0) return 0;
        var rank = Math.Max(1, (long)Math.Ceiling(share * total));
        long seen = 0;
        for (var i = 0; i < Buckets; i++)
        {
            seen += _counts[i];
            if (seen >= rank) return Math.Min(HighestOf(i), _max);
        }

        return _max;
    }

    public void Clear()
    {
        Array.Clear(_counts);
        _max = 0;
    }

    public void Add(Histogram other)
    {
        for (var i = 0; i < Buckets; i++) _counts[i] += other._counts[i];
        _max = Math.Max(_max, other.Max);
    }

    /// <summary>Adds counts of one bucket, and the highest value seen: for a histogram that comes from another process.</summary>
    public void Add(int bucket, long count, long max)
    {
        _counts[bucket] += count;
        _max = Math.Max(_max, max);
    }

    /// <summary>What this holds beyond <paramref name="earlier"/>, an earlier copy of it. Its maximum is that of its highest bucket.</summary>
    public Histogram Since(Histogram? earlier)
    {
        var difference = new Histogram();
        for (var i = 0; i < Buckets; i++)
        {
            var count = _counts[i] - (earlier?._counts[i] ?? 0);
            if (count <= 0) continue;
            difference._counts[i] = count;
            difference._max = Math.Min(HighestOf(i), _max);
        }

        return difference;
    }

    internal static int BucketOf(long value)
    {
        var octave = Math.Max(0, BitOperations.Log2((ulong)value | 1) - SubBits);
        return Math.Min((octave << SubBits) + (int)(value >> octave), Buckets - 1);
    }

    internal static long HighestOf(int bucket)
    {
        if (bucket < 2 << SubBits) return bucket;
        var octave = (bucket >> SubBits) - 1;
        var lowest = (long)((bucket & ((1 << SubBits) - 1)) | (1 << SubBits)) << octave;
        return lowest + (1L << octave) - 1;
    }
}
