namespace Gateway.Load.Devices;

/// <summary>Numbers that look random and repeat: everything a run draws is a function of its seed and of what it is drawn for.</summary>
internal static class Hash
{
    /// <summary>splitmix64, Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.</summary>
    public static ulong Mix(ulong x)
    {
        x += 0x9E37_79B9_7F4A_7C15;
        x = (x ^ x >> 30) * 0xBF58_476D_1CE4_E5B9;
        x = (x ^ x >> 27) * 0x94D0_49BB_1331_11EB;
        return x ^ x >> 31;
    }

    public static ulong Of(ulong seed, ulong a, ulong b) => Mix(Mix(seed ^ a) + b);

    /// <summary>0 (excluded) to 1.</summary>
    public static double Unit(ulong hash) => ((hash >> 11) + 1) * (1.0 / (1UL << 53));
}
