using System.Runtime.InteropServices;
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
/// It outlives the session and the messages: <see cref="Low"/> and <see cref="Settled"/> are rebuilt from the log. What is in flight is the
/// session's to remember, since nothing is without one; it is handed in as a bitmap from the low mark on.
/// 40 bytes for every device the node knows, connected or not, so eight-byte fields lie on multiples of four.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
internal struct SendWindow
{
    private const uint HasSession = 1u << 31;

    public ulong Device;
    public ulong Low;
    public ulong Settled;

    /// <summary>Rises whenever the device starts without state; numbers of older ones are fenced.</summary>
    public uint Incarnation;

    /// <summary>The next window of its bucket in <see cref="WindowTable"/>.</summary>
    public uint Next;

    // A position rounded down, see NoteRecorded; 0: nobody knows.
    private uint _recorded;

    // With the bit the session's index; without it the time of last use, which a window with a session has no need of: it is in use now.
    private uint _use;

    /// <summary>The device's session, 0 for none.</summary>
    public uint Session
    {
        readonly get => (_use & HasSession) != 0 ? _use & ~HasSession : 0;
        set => _use = value | HasSession;
    }

    /// <summary>When it was used last, in seconds of the log's steady time, rounded down to even ones; 0 while there is a session, or when nobody knows.</summary>
    public uint UsedAt
    {
        readonly get => (_use & HasSession) != 0 ? 0 : _use << 1;
        set => _use = value >> 1;
    }

    public void Begin(uint incarnation)
    {
        Incarnation = incarnation;
        Low = 1;
        Settled = 0;
        _recorded = 0;
    }

    /// <summary>
    /// A WINDOW record that ends at this position of the log tells of every message of this incarnation that lies before it. Kept in steps, as a
    /// bound from below that nothing above <see cref="uint.MaxValue"/> of them moves any more.
    /// </summary>
    public void NoteRecorded(long position, int shift) => _recorded = (uint)Math.Min((position - 1) >> shift, uint.MaxValue);

    /// <summary>Whether such a record lies behind this position, where a part of the log ends: no record lies across that.</summary>
    public readonly bool IsRecordedBehind(long position, int shift) => _recorded != 0 && (long)_recorded << shift >= position;

    public readonly NumberState StateOf(ulong number, ulong inFlight)
    {
        if (number < Low) return NumberState.Below;
        var offset = number - Low;
        if (offset >= Wire.WindowSize) return NumberState.Beyond;
        var bit = 1UL << (int)offset;
        if ((Settled & bit) != 0) return NumberState.Settled;
        return (inFlight & bit) != 0 ? NumberState.InFlight : NumberState.Open;
    }

    /// <summary>The device waits for nothing below <paramref name="lowestOpen"/>. A lower value than before changes nothing.</summary>
    public void Advance(ulong lowestOpen, ref ulong inFlight)
    {
        if (lowestOpen <= Low) return;
        var shift = lowestOpen - Low;
        Low = lowestOpen;
        Settled = shift < 64 ? Settled >> (int)shift : 0;
        inFlight = shift < 64 ? inFlight >> (int)shift : 0;
    }

    /// <summary>Whether a number up to this one is in flight.</summary>
    public readonly bool HasInFlightUpTo(ulong number, ulong inFlight)
    {
        if (number < Low) return false;
        var offset = number - Low;
        return (offset >= Wire.WindowSize - 1 ? inFlight : inFlight & ((2UL << (int)offset) - 1)) != 0;
    }

    public readonly void Begin(ulong number, ref ulong inFlight) => inFlight |= 1UL << (int)(number - Low);

    /// <summary>The number was committed. False when the device has moved past it since.</summary>
    public bool Settle(ulong number, ref ulong inFlight)
    {
        if (number < Low || number - Low >= Wire.WindowSize) return false;
        var bit = 1UL << (int)(number - Low);
        inFlight &= ~bit;
        Settled |= bit;
        return true;
    }

    /// <summary>The number was refused and may be sent again.</summary>
    public readonly void Reopen(ulong number, ref ulong inFlight)
    {
        if (number < Low || number - Low >= Wire.WindowSize) return;
        inFlight &= ~(1UL << (int)(number - Low));
    }
}
