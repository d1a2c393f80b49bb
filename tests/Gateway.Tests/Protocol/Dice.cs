namespace Gateway.Tests.Protocol;

/// <summary>Repeatable numbers from a seed: SplitMix64 (Steele, Lea, Flood 2014). One owner; cheap enough for one roll a field.</summary>
internal sealed class Dice(ulong seed)
{
    private ulong _state = seed;

    public ulong Next()
    {
        var z = _state += 0x9E37_79B9_7F4A_7C15;
        z = (z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9;
        z = (z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB;
        return z ^ (z >> 31);
    }

    /// <summary>0 to <paramref name="count"/> - 1.</summary>
    public int Below(int count) => (int)(((Next() >> 32) * (uint)count) >> 32);

    /// <summary>True once in so many.</summary>
    public bool OneIn(int count) => Below(count) == 0;

    /// <summary>Mostly small, sometimes at the ends of the range, sometimes anywhere: where limits are found.</summary>
    public ulong Edgy(ulong max)
    {
        var roll = Next();
        return (roll & 7) switch
        {
            0 => 0,
            1 => max,
            2 => max - Math.Min(max, (roll >> 3) & 3),
            3 or 4 => max == ulong.MaxValue ? roll >> 3 : (roll >> 3) % (max + 1),
            _ => Math.Min(max, (roll >> 3) & 0xFF),
        };
    }
}
