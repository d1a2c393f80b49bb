namespace Gateway.Load.Devices;

internal enum Arrival
{
    /// <summary>The next one.</summary>
    InOrder,
    /// <summary>New, but an earlier one is missing, or it comes after a later one.</summary>
    OutOfOrder,
    /// <summary>It was here before, or so long ago that nobody knows.</summary>
    Again,
}

/// <summary>What has arrived of one stream, whose messages are counted from 1. Plain memory; all zero is a stream of which nothing has arrived.</summary>
internal struct Arrivals
{
    private const int Remembered = 64;

    /// <summary>Bit i: the index Highest - i has arrived.</summary>
    private ulong _seen;

    public ulong Highest { get; private set; }

    public Arrival Note(ulong index)
    {
        if (index > Highest)
        {
            var skipped = index - Highest - 1;
            _seen = skipped >= Remembered - 1 ? 1 : _seen << (int)(skipped + 1) | 1;
            Highest = index;
            return skipped == 0 ? Arrival.InOrder : Arrival.OutOfOrder;
        }

        var behind = Highest - index;
        if (behind >= Remembered || (_seen & 1UL << (int)behind) != 0) return Arrival.Again;
        _seen |= 1UL << (int)behind;
        return Arrival.OutOfOrder;
    }
}
