using System.Numerics;
using Gateway.Protocol;
using Gateway.Transport;

namespace Gateway.Load.Devices;

internal enum DeviceState : byte
{
    Offline = 0,
    Connecting = 1,
    AwaitChallenge = 2,
    AwaitWelcome = 3,
    Established = 4,
    /// <summary>Closed or aborted by us; the transport has not said so yet.</summary>
    Closing = 5,
}

[Flags]
internal enum DeviceFlags : byte
{
    None = 0,
    /// <summary>Has logged in once: comes back with its incarnation and position.</summary>
    Known = 1,
    /// <summary>Something was refused temporarily: nothing new is sent until all of it is sent again.</summary>
    Held = 2,
    /// <summary>Awaits the pong of a check.</summary>
    Checked = 4,
    /// <summary>An entry of its mailbox that was new to it has come over this connection.</summary>
    HeardNew = 8,
}

/// <summary>
/// One device as its client must remember it: session, send window, position in its mailbox. Plain memory, no reference; belongs to its
/// fleet's thread. Invariants: <c>LowestUnchecked, LowestOpen &lt;= NextNumber</c>; bit i of <see cref="Settled"/> is number
/// LowestOpen + i; bit i of <see cref="Refused"/> likewise, and no number is both.
/// </summary>
internal struct Device
{
    public ConnectionId Connection;
    public DeviceState State;
    public DeviceFlags Flags;
    public byte LoginAttempts;

    /// <summary>Of the handshake's secrets while State is AwaitChallenge or AwaitWelcome, otherwise -1.</summary>
    public int Handshake;
    public uint Incarnation;
    public uint IdleTimeoutMs;
    public long LoginStartedAt;

    // What it receives.

    /// <summary>The highest sequence of its mailbox that it has processed, and the highest it has acknowledged.</summary>
    public ulong LastSequence, AckedSequence;
    public int Unacknowledged;
    public Arrivals Arrivals;
    public long WelcomedAt;

    // What it sends.

    public ulong FirstNumber, NextNumber, LowestOpen, LowestUnchecked;
    public ulong Settled, Refused;
    public Sender Sender;
    /// <summary>Held: when what was refused may be sent again.</summary>
    public long RetryAt;

    public readonly bool Has(DeviceFlags flag) => (Flags & flag) != 0;
    public void Set(DeviceFlags flag) => Flags |= flag;
    public void Clear(DeviceFlags flag) => Flags &= ~flag;

    /// <summary>Numbers sent that have neither been accepted nor refused.</summary>
    public readonly int InFlight => (int)(NextNumber - LowestOpen) - BitOperations.PopCount(Settled | Refused);

    /// <summary>Notes a number of the window as settled and moves the low mark over what is. False: it was settled before, or is none of the window.</summary>
    public bool Settle(ulong number)
    {
        if (number < LowestOpen || number >= NextNumber) return false;
        var bit = 1UL << (int)(number - LowestOpen);
        if ((Settled & bit) != 0) return false;
        Settled |= bit;
        Refused &= ~bit;
        var run = BitOperations.TrailingZeroCount(~Settled);
        if (run == 0) return true;
        LowestOpen += (ulong)run;
        // A shift by 64 is a shift by 0 in C#.
        Settled = run == Wire.WindowSize ? 0 : Settled >> run;
        Refused = run == Wire.WindowSize ? 0 : Refused >> run;
        return true;
    }
}
