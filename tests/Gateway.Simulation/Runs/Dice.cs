namespace Gateway.Simulation;

/// <summary>Random numbers from a seed: SplitMix64 (Steele, Lea, Flood 2014). The same on every runtime, and nothing to set up.</summary>
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

    /// <summary>0 to <paramref name="bound"/> - 1.</summary>
    public int Next(int bound) => (int)(((Next() >> 32) * (ulong)(uint)bound) >> 32);

    /// <summary>Low to high, both included, each order of magnitude as likely as the others.</summary>
    public long Spread(long low, long high) => (long)(low * Math.Pow((double)high / low, Next(1001) / 1000.0));

    public bool OneIn(int n) => Next(n) == 0;

    public T Pick<T>(params ReadOnlySpan<T> values) => values[Next(values.Length)];
}
