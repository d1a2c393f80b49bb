using Gateway.Protocol;

namespace Gateway.Simulation;

/// <summary>
/// The way between a device and the node that one connection takes: how long bytes travel, in what pieces, and whether they still do. And what
/// the node's end may say by now, see <see cref="SessionView"/>.
/// </summary>
internal sealed class Route(SimulatedConnection connection, Installation installation)
{
    public SimulatedConnection Connection { get; } = connection;
    public Installation Installation { get; } = installation;

    public bool IsMoving { get; set; }
    public bool IsMovingBack { get; set; }

    /// <summary>Nothing arrives any more, and nobody is told.</summary>
    public bool IsDead { get; set; }

    /// <summary>The device's program has let go of it.</summary>
    public bool IsLeft { get; set; }

    /// <summary>What the device did wrong on it, which the node must say.</summary>
    public ErrorCode Provoked { get; set; }

    /// <summary>From the login on.</summary>
    public SessionView? Session { get; set; }
}

/// <summary>A session as it looks from outside: what its device asked for, what it was sent, what it said that the node has read.</summary>
internal sealed class SessionView(MailboxView mailbox, ulong resume, uint asked)
{
    public MailboxView Mailbox { get; } = mailbox;
    public ulong Resume { get; } = resume;

    /// <summary>The incarnation it asked for, 0 for a fresh one.</summary>
    public uint Asked { get; } = asked;

    public uint Incarnation { get; set; }

    /// <summary>Logins of this device that had asked for a fresh incarnation by then, its own included.</summary>
    public int FreshAsked { get; init; }
    public ulong HighestDelivered { get; set; } = resume;
    public ulong Processed { get; set; } = resume;
    public uint CreditMessages { get; set; }
    public uint CreditBytes { get; set; }

    /// <summary>Delivered and neither acknowledged nor rejected, in order of sequence.</summary>
    public List<(ulong Sequence, int BodyBytes)> Window { get; } = [];
}
