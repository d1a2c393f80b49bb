using System.Numerics;

namespace Gateway.Transport.Buffers;

/// <summary>
/// What the leases of one reactor hold, in classes of size by powers of two, so that it is known without a search from which size on the largest
/// holders together hold a given sum. Bytes count as the segments that they lie in, which is what the budget is charged. Owned by the reactor's
/// thread. Invariant: the classes' sum is that of all leases out.
/// </summary>
internal sealed class HeldBytes(int segmentBytes)
{
    private readonly long[] _byClass = new long[64];

    /// <summary>A lease holds <paramref name="after"/> bytes where it held <paramref name="before"/>.</summary>
    public void Change(long before, long after)
    {
        Add(before, -1);
        Add(after, 1);
    }

    /// <summary>
    /// The size from which on holders are the noisiest: those that hold as much or more hold at least <paramref name="bytes"/> together, and no
    /// higher power of two would do. 0 when all holders together hold less.
    /// </summary>
    public long NoisiestFrom(long bytes)
    {
        long sum = 0;
        for (var i = _byClass.Length - 1; i >= 0; i--)
        {
            sum += _byClass[i];
            if (sum >= bytes) return sum == 0 ? 0 : 1L << i;
        }

        return 0;
    }

    /// <summary>Bytes as they count here.</summary>
    public long Rounded(long bytes) => (bytes + segmentBytes - 1) / segmentBytes * segmentBytes;

    private void Add(long bytes, int sign)
    {
        if (bytes == 0) return;
        var rounded = Rounded(bytes);
        _byClass[BitOperations.Log2((ulong)rounded)] += sign * rounded;
    }
}
