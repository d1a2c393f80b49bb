using Gateway.Protocol;

namespace Gateway.Messaging;

/// <summary>Where a send number stands in its window.</summary>
internal enum NumberState : byte
{
    /// <summary>Below the low mark: settled or abandoned long ago; nobody remembers which.</summary>
    Below,
    Open,
    InFlight,
    Settled,
    /// <summary>At or above low + 64.</summary>
    Beyond,
}

/// <summary>
/// A device's send window (rules 1 and 2): 64 numbers from the low mark on, each open, in flight or settled. Owned by the device's home.
/// Invariants: only a committed number is settled; only the device moves the low mark, and only up; no bit is both settled and in flight.
/// It outlives the session and the messages: <see cref="Low"/> and <see cref="Settled"/> are rebuilt from the log, in flight is not.
/// </summary>
internal struct SendWindow : IKeyed
{
    /// <summary>The device.</summary>
    public ulong Key { get; set; }

    /// <summary>Rises whenever the device starts without state; numbers of older ones are fenced.</summary>
    public uint Incarnation;

    /// <summary>Seconds since 1970.</summary>
    public uint UsedAt;

    public ulong Low;
    public ulong Settled;
    public ulong InFlight;

    public void Begin(uint incarnation, uint usedAt)
    {
        Incarnation = incarnation;
        UsedAt = usedAt;
        Low = 1;
        Settled = 0;
        InFlight = 0;
    }

    public readonly NumberState StateOf(ulong number)
    {
        if (number < Low) return NumberState.Below;
        var offset = number - Low;
        if (offset >= Wire.WindowSize) return NumberState.Beyond;
        var bit = 1UL << (int)offset;
        if ((Settled & bit) != 0) return NumberState.Settled;
        return (InFlight & bit) != 0 ? NumberState.InFlight : NumberState.Open;
    }

    /// <summary>The device waits for nothing below <paramref name="lowestOpen"/>. A lower value than before changes nothing.</summary>
    public void Advance(ulong lowestOpen)
    {
        if (lowestOpen <= Low) return;
        var shift = lowestOpen - Low;
        Low = lowestOpen;
        Settled = shift < 64 ? Settled >> (int)shift : 0;
        InFlight = shift < 64 ? InFlight >> (int)shift : 0;
    }

    public void Begin(ulong number) => InFlight |= 1UL << (int)(number - Low);

    /// <summary>The number was committed. False when the device has moved past it since.</summary>
    public bool Settle(ulong number)
    {
        if (number < Low || number - Low >= Wire.WindowSize) return false;
        var bit = 1UL << (int)(number - Low);
        InFlight &= ~bit;
        Settled |= bit;
        return true;
    }

    /// <summary>The number was refused and may be sent again.</summary>
    public void Reopen(ulong number)
    {
        if (number < Low || number - Low >= Wire.WindowSize) return;
        InFlight &= ~(1UL << (int)(number - Low));
    }
}
