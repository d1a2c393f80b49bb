using Gateway.Messaging;
using Gateway.Protocol;

namespace Gateway.Simulation;

/// <summary>
/// Told what happens at the edges of a <see cref="HomeNet"/>, at the instant it happens. Whoever observes a net drives it: nothing in it goes on
/// by itself, and its connections have a network in between.
/// </summary>
internal interface INodeObserver
{
    /// <summary>A reactor has something to do for this connection.</summary>
    void OnTouched(SimulatedReactor reactor);

    /// <summary>A lane holds one message more.</summary>
    void OnQueued(HomeLane lane);

    /// <summary>The device wrote; the bytes are upstream.</summary>
    void OnUpstream(SimulatedConnection connection);

    /// <summary>The node's kernel took output, or the node's end is closed.</summary>
    void OnFlushed(SimulatedConnection connection);

    /// <summary>The device's program hung up.</summary>
    void OnDeviceLeft(SimulatedConnection connection);

    /// <summary>The node writes one frame: what it says must be true by now.</summary>
    void OnWritten(SimulatedConnection connection, ReadOnlySpan<byte> frame);

    /// <summary>A frame of a session is about to be handed to its home; the same frame comes again after it was parked.</summary>
    void OnFrame(SimulatedConnection connection, FrameType type, ReadOnlySpan<byte> payload);

    /// <summary>A proven device is about to be handed to its home.</summary>
    void OnLogin(SimulatedConnection connection, in Login login);

    /// <summary>The home has taken the login, or refused it.</summary>
    void OnLoggedIn(SimulatedConnection connection);
}
