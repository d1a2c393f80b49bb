using Gateway.Load.Devices;
using Gateway.Transport;

namespace Gateway.Load.Foreign;

internal enum ForeignState : byte
{
    Offline = 0,
    Connecting = 1,
    /// <summary>Connected; how far the login has come is its protocol's to know: <see cref="ForeignDevice.Step"/>.</summary>
    LoggingIn = 2,
    Established = 3,
    /// <summary>Aborted by us; the transport has not said so yet.</summary>
    Closing = 4,
}

/// <summary>
/// One device that speaks a foreign protocol. Plain memory, no reference; belongs to its fleet's thread. It numbers what it sends from 1, in
/// one stream to one recipient. Invariant: numbers from <see cref="LowestUnchecked"/> to <see cref="NextNumber"/> - 1, a window at most,
/// have a place in the fleet's ring; all below are complete.
/// </summary>
internal struct ForeignDevice
{
    public ConnectionId Connection;
    public ForeignState State;
    public byte Step;
    /// <summary>Awaits the pong of a check.</summary>
    public bool IsChecked;
    public long LoginStartedAt;

    public Arrivals Arrivals;

    public ulong NextNumber, LowestUnchecked;
    public Sender Sender;
}

/// <summary>What has been heard of a message under way. A protocol says which of these make it complete.</summary>
[Flags]
internal enum Marks : byte
{
    None = 0,
    /// <summary>The server told the sender that it has it.</summary>
    Accepted = 1,
    /// <summary>The recipient has it and told the server so.</summary>
    Acknowledged = 2,
    /// <summary>The recipient's own receipt is back at the sender.</summary>
    Receipt = 4,
}
