using Gateway.Protocol;
using Gateway.Transport;

namespace Gateway.Server;

/// <summary>By what connections are put in order, the greatest first.</summary>
public enum ConnectionRank
{
    /// <summary>Entries pending in the device's mailbox.</summary>
    Queue = 0,
    /// <summary>Bytes held for it: output that the kernel does not take, and input that is not consumed.</summary>
    Bytes = 1,
    /// <summary>Time since its login. When a connection was accepted is not kept: it would cost every one of them four bytes.</summary>
    Age = 2,
}

/// <summary>One connection of a top list. Figures of one connection are of one moment, those of two connections are not.</summary>
public sealed record ListedConnection
{
    public required int Reactor { get; init; }

    /// <summary>Its id on that reactor, which no later connection has: slot and generation.</summary>
    public required ConnectionId Connection { get; init; }

    /// <summary>Null before its login, and while it is on its way to its home.</summary>
    public required Address? Device { get; init; }

    /// <summary>The peer's address and port; null when it was gone before it could be asked for.</summary>
    public string? Remote { get; init; }

    /// <summary>When it was welcomed; null before.</summary>
    public required DateTimeOffset? LoggedInAt { get; init; }

    /// <summary>Waiting in its mailbox, receipts included.</summary>
    public required long PendingEntries { get; init; }
    public required long PendingBytes { get; init; }

    /// <summary>Of those, delivered and not acknowledged.</summary>
    public required int Unacknowledged { get; init; }

    /// <summary>Output that the kernel has not taken.</summary>
    public required long UnsentBytes { get; init; }

    /// <summary>Input not consumed: a frame whose end has not come, or one that had to wait.</summary>
    public required long KeptBytes { get; init; }

    /// <summary>Since its last byte.</summary>
    public required TimeSpan Silent { get; init; }

    /// <summary>Why it is not read now.</summary>
    public required ReadingPauses Pauses { get; init; }

    /// <summary>It flushes, or waits for its peer's end.</summary>
    public required bool Closing { get; init; }
}

/// <summary>The answer to a top list.</summary>
/// <param name="Connections">The greatest first.</param>
/// <param name="Walked">Connections looked at.</param>
public sealed record ConnectionTop(IReadOnlyList<ListedConnection> Connections, long Walked);
