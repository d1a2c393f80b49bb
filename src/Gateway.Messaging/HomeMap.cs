namespace Gateway.Messaging;

/// <summary>Which home a mailbox has: the same on every reactor, and nothing on disk depends on it.</summary>
public static class HomeMap
{
    /// <summary>The home, 0 to <paramref name="homes"/> - 1, of a device's mailbox.</summary>
    public static int HomeOf(ulong mailbox, int homes) => (int)(((Mix(mailbox) >> 32) * (uint)homes) >> 32);

    /// <summary>The finaliser of SplitMix64 (Steele, Lea, Flood 2014): neighbouring numbers spread over all bits.</summary>
    public static ulong Mix(ulong value)
    {
        value += 0x9E37_79B9_7F4A_7C15;
        value = (value ^ (value >> 30)) * 0xBF58_476D_1CE4_E5B9;
        value = (value ^ (value >> 27)) * 0x94D0_49BB_1331_11EB;
        return value ^ (value >> 31);
    }
}
