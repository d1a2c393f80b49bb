using Gateway.Protocol;

namespace Gateway.Benchmarks.Rungs;

internal enum RelayPhase
{
    AwaitHello,
    AwaitAuthenticate,
    Established,
}

/// <summary>
/// A connection as <see cref="RelayCore"/> sees it: somewhere to write frames to. What is read from it comes from one place at a time; its
/// output is written under <see cref="Gate"/> by whoever has something for it.
/// </summary>
internal abstract class RelayPeer
{
    /// <summary>Guards the output. From the login on it is the mailbox's; before, nobody else knows the connection.</summary>
    public Lock Gate { get; set; } = new();

    public RelayPhase Phase { get; set; }
    public RelayMailbox? Mailbox { get; set; }
    public byte[] ClientNonce { get; } = new byte[Wire.NonceBytes];
    public byte[] NodeNonce { get; } = new byte[Wire.NonceBytes];

    /// <summary>The lowest number refused for now that has not come again, 0 when there is none: what is above it is held back.</summary>
    public ulong HeldFrom { get; set; }

    /// <summary>When the bytes that are being handled were read, s since 1970: one clock reading for all of them.</summary>
    public uint ReadAtSeconds { get; set; }

    /// <summary>The peer takes so little of what it is sent that it gets nothing more for now.</summary>
    public abstract bool IsFull { get; }

    public abstract Span<byte> GetSpan(int sizeHint);

    /// <param name="bytes">Of the last span, that are a whole frame.</param>
    /// <param name="by">Whose bytes led to it: at the end of handling them it sees to it that they go out.</param>
    public abstract void Advance(int bytes, RelayPeer by);

    /// <summary>Ends the connection. Any thread, soon.</summary>
    public abstract void Drop();
}
