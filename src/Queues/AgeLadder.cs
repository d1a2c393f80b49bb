using System.Numerics;

#if QUEUES_OF_TRANSPORT
namespace Gateway.Transport.Queues;
#elif QUEUES_OF_MAILBOX
namespace Gateway.Mailbox.Queues;
#else
namespace Gateway.Messaging.Queues;
#endif

/// <summary>
/// Counts entries by when they entered, so that the oldest is known although they leave in any order. The recent past is counted finely, the
/// distant coarsely: level k has 64 buckets, each 4 to the k units wide, and ends where level k - 1 begins.
/// <code>
/// level 2      level 1          level 0
/// |....|....|..|..|..|..|..|..|.|.|.|.|.|.|.|.|  newest
///               begin(1)       begin(0)
/// </code>
/// As time goes on the oldest buckets of a level are merged, four into one, into the next. So the age told is exact to a unit for the newest
/// 60 units, and otherwise too great by at most a fifteenth of itself, whatever the backlog; what is older than 2^36 units (two years of
/// milliseconds) counts as that old. One thread. Memory is fixed: 4 KiB.
/// Invariant: bit b of a level's mask is set exactly while its bucket b holds something; every begin but the last level's is a multiple of 4.
/// </summary>
internal sealed class AgeLadder
{
    public const int Levels = 16;

    private const int Buckets = 64;
    private const int Group = 4;
    private const int GroupShift = 2;

    private readonly int _unitShift;
    private readonly int[] _counts = new int[Levels * Buckets];
    private readonly ulong[] _occupied = new ulong[Levels];
    private readonly long[] _begins = new long[Levels];
    private uint _occupiedLevels;

    // Where level 0 begins, at hand: nearly all that comes and goes does so there.
    private long _recent;

    /// <param name="unitShift">A unit is 2 to this of the caller's time units.</param>
    public AgeLadder(int unitShift) => _unitShift = unitShift;

    public bool IsEmpty => _occupiedLevels == 0;

    /// <summary>The start of the bucket that holds the oldest entry, in the caller's time; meaningless when empty.</summary>
    public long Oldest
    {
        get
        {
            var level = BitOperations.Log2(_occupiedLevels);
            var begin = _begins[level];
            var ahead = BitOperations.TrailingZeroCount(BitOperations.RotateRight(_occupied[level], (int)begin));
            return begin + ahead << (level * GroupShift + _unitShift);
        }
    }

    /// <summary>An entry entered. Times may come in any order; the latest of them moves the ladder.</summary>
    /// <param name="at">Not negative.</param>
    /// <returns>Whether <see cref="Oldest"/> may have changed for another reason than this entry's own time.</returns>
    public bool Add(long at)
    {
        var unit = at >> _unitShift;
        if ((ulong)(unit - _recent) < Buckets)
        {
            Place(0, unit, 1);
            return false;
        }

        var raise = unit > _recent;
        if (raise) Raise(0, RoundUp(unit - Buckets + 1));
        var level = LevelOf(ref unit);
        Place(level, unit, 1);
        return raise;
    }

    /// <summary>An entry left that entered at this very time.</summary>
    /// <exception cref="InvalidOperationException">None such is in.</exception>
    /// <returns>Whether <see cref="Oldest"/> may have changed.</returns>
    public bool Remove(long at)
    {
        var unit = at >> _unitShift;
        var level = unit >= _recent ? 0 : LevelOf(ref unit);
        var bucket = (int)(unit & (Buckets - 1));
        ref var count = ref _counts[level * Buckets + bucket];
        if (count == 0) throw new InvalidOperationException($"An entry leaves a queue that it did not enter at {at}.");
        if (--count != 0) return false;
        Vacate(level, bucket);
        return true;
    }

    /// <summary>The level that a time lies in; the time becomes its bucket there. What lies before all levels counts as the first bucket of the last.</summary>
    private int LevelOf(ref long unit)
    {
        var level = 0;
        while (unit < _begins[level])
        {
            if (level == Levels - 1)
            {
                unit = _begins[level];
                break;
            }

            level++;
            unit >>= GroupShift;
        }

        return level;
    }

    private void Place(int level, long unit, int entries)
    {
        var bucket = (int)(unit & (Buckets - 1));
        ref var count = ref _counts[level * Buckets + bucket];
        count += entries;
        if (count != entries) return;
        _occupied[level] |= 1UL << bucket;
        _occupiedLevels |= 1U << level;
    }

    private void Vacate(int level, int bucket)
    {
        _occupied[level] &= ~(1UL << bucket);
        if (_occupied[level] == 0) _occupiedLevels &= ~(1U << level);
    }

    /// <summary>Lets a level begin later; what lies before goes to the levels above, and at the last level counts as its first bucket.</summary>
    private void Raise(int level, long begin)
    {
        var end = begin >> GroupShift;
        if (level + 1 < Levels && end - _begins[level + 1] > Buckets) Raise(level + 1, RoundUp(end - Buckets));

        var old = _begins[level];
        _begins[level] = begin;
        if (level == 0) _recent = begin;
        for (var left = _occupied[level]; left != 0; left &= left - 1)
        {
            var bucket = BitOperations.TrailingZeroCount(left);
            var unit = old + ((bucket - old) & (Buckets - 1));
            if (unit >= begin) continue;
            ref var count = ref _counts[level * Buckets + bucket];
            var entries = count;
            count = 0;
            Vacate(level, bucket);
            Merge(level, unit, entries);
        }
    }

    private void Merge(int level, long unit, int entries)
    {
        while (level < Levels - 1 && unit < _begins[level])
        {
            level++;
            unit >>= GroupShift;
        }

        Place(level, Math.Max(unit, _begins[level]), entries);
    }

    private static long RoundUp(long unit) => unit + Group - 1 & -Group;
}
