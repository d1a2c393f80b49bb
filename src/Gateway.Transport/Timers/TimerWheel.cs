using Gateway.Transport.Connections;

namespace Gateway.Transport.Timers;

/// <summary>
/// A hashed timing wheel (Varghese and Lauck, 1987, scheme 6) whose links lie in the connection slots: one timer a slot, scheduling and
/// cancelling in constant time, no memory of its own but the bucket heads. A timer stands in bucket <c>due mod buckets</c>; one that is
/// more than a revolution away is looked at once a revolution. There is no cascade, so no tick moves a crowd at once. Time is a tick
/// counter that may wrap; dues lie less than 2^31 ticks ahead. Owned by the reactor's thread.
/// </summary>
internal sealed class TimerWheel
{
    private const uint None = ConnectionSlot.None;
    // A first link points back to its bucket, marked by this bit; slot indices stay below it.
    private const uint BucketMark = 0x8000_0000;

    private readonly ConnectionTable _table;
    private readonly uint[] _heads;
    private readonly uint _mask;
    private readonly uint _expiring;
    private uint _now;

    /// <param name="table">Where the links lie.</param>
    /// <param name="buckets">A power of two.</param>
    /// <param name="now">The tick to start from; nothing fires for it or before it.</param>
    public TimerWheel(ConnectionTable table, int buckets, uint now)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(System.Numerics.BitOperations.IsPow2(buckets), true);
        _table = table;
        _mask = (uint)buckets - 1;
        // One list more: the bucket under examination, taken off the wheel so that what is scheduled meanwhile is not met again.
        _expiring = (uint)buckets;
        _heads = new uint[buckets + 1];
        Array.Fill(_heads, None);
        _now = now;
    }

    /// <summary>Timers scheduled.</summary>
    public int Count { get; private set; }

    public bool IsScheduled(uint index) => _table[index].TimerPrevious != None;

    /// <summary>Schedules or reschedules a slot's timer. A due that is not in the future fires at the next tick.</summary>
    public void Schedule(uint index, uint dueTick)
    {
        ref var slot = ref _table[index];
        if (slot.TimerPrevious != None) Unlink(ref slot);
        if ((int)(dueTick - _now) <= 0) dueTick = _now + 1;
        slot.TimerDue = dueTick;
        Link(ref slot, index, dueTick & _mask);
    }

    public void Cancel(uint index)
    {
        ref var slot = ref _table[index];
        if (slot.TimerPrevious != None) Unlink(ref slot);
    }

    /// <summary>
    /// Takes one timer that is due at <paramref name="nowTick"/> or before, the earlier bucket first; false when there is none left or the
    /// budget is spent. The budget falls by one for each tick passed and each link looked at, so that a caller can bound its turn and go
    /// on in the next.
    /// </summary>
    public bool TryExpire(uint nowTick, ref int budget, out uint index)
    {
        while (true)
        {
            while ((index = _heads[_expiring]) != None)
            {
                if (budget <= 0) return false;
                budget--;
                ref var slot = ref _table[index];
                Unlink(ref slot);
                if ((int)(slot.TimerDue - _now) <= 0) return true;
                Link(ref slot, index, slot.TimerDue & _mask);
            }

            if ((int)(nowTick - _now) <= 0 || budget <= 0) return false;
            budget--;
            _now++;
            TakeBucket(_now & _mask);
        }
    }

    /// <summary>True when <see cref="TryExpire"/> stopped for its budget and has more to look at.</summary>
    public bool HasBacklog(uint nowTick) => _heads[_expiring] != None || (int)(nowTick - _now) > 0;

    private void TakeBucket(uint bucket)
    {
        var first = _heads[bucket];
        if (first == None) return;
        _heads[bucket] = None;
        _heads[_expiring] = first;
        _table[first].TimerPrevious = _expiring | BucketMark;
    }

    private void Link(ref ConnectionSlot slot, uint index, uint bucket)
    {
        var next = _heads[bucket];
        slot.TimerNext = next;
        slot.TimerPrevious = bucket | BucketMark;
        if (next != None) _table[next].TimerPrevious = index;
        _heads[bucket] = index;
        Count++;
    }

    private void Unlink(ref ConnectionSlot slot)
    {
        var next = slot.TimerNext;
        var previous = slot.TimerPrevious;
        if ((previous & BucketMark) != 0) _heads[previous & ~BucketMark] = next;
        else _table[previous].TimerNext = next;
        if (next != None) _table[next].TimerPrevious = previous;
        slot.TimerNext = None;
        slot.TimerPrevious = None;
        Count--;
    }
}
