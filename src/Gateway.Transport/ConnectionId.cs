namespace Gateway.Transport;

/// <summary>
/// Names one connection of one reactor for as long as it lives: the slot it occupies and the slot's generation. A slot's generation
/// rises each time it is given back, so an id kept too long is recognised as stale and refused by every verb. Generation 0 is never
/// given out: <c>default</c> names nobody.
/// </summary>
public readonly record struct ConnectionId(uint Slot, uint Generation)
{
    /// <summary>Generation in the upper, slot in the lower 32 bits; 0 names nobody.</summary>
    public ulong Packed => (ulong)Generation << 32 | Slot;

    /// <summary>True for <c>default</c>, which names nobody.</summary>
    public bool IsNone => Generation == 0;

    /// <summary>The inverse of <see cref="Packed"/>.</summary>
    public static ConnectionId Unpack(ulong packed) => new((uint)packed, (uint)(packed >> 32));
}
