namespace Gateway.Protocol;

/// <summary>
/// Why one message was refused. Reasons below <see cref="FirstFinal"/> are temporary: the number stays open, the client sends it
/// again after the hint. Reasons from it on are final: the message will never be accepted. Values are stable. PROTOCOL.md, "Refused".
/// </summary>
public enum RefusalReason : ushort
{
    None = 0,

    /// <summary>The node has no room for more messages now (disk, memory).</summary>
    NodeFull = 1,
    /// <summary>An earlier message to the same mailbox was refused temporarily; accepting this one would break the order.</summary>
    HeldForOrder = 2,
    /// <summary>The recipient's mailbox is at its quota.</summary>
    MailboxFull = 3,
    /// <summary>The sender is over its rate.</summary>
    RateLimited = 4,
    /// <summary>The node cannot number messages at this instant (its reservation is being renewed).</summary>
    Busy = 5,

    /// <summary>The lowest final reason; not itself sent.</summary>
    FirstFinal = 256,
    /// <summary>The number lies below the window: the node no longer knows whether it was accepted.</summary>
    OutcomeUnknown = 257,
    /// <summary>No message can be sent to this kind of address.</summary>
    UnsupportedRecipient = 258,
    /// <summary>The body is longer than the welcome's limit.</summary>
    BodyTooLarge = 259,
    /// <summary>The kind of send is not one of this version's, or its body does not fit its kind.</summary>
    UnsupportedKind = 260,
}

/// <summary>Questions about a <see cref="RefusalReason"/>.</summary>
public static class RefusalReasons
{
    /// <summary>True when the message will never be accepted under its number.</summary>
    public static bool IsFinal(this RefusalReason reason) => reason >= RefusalReason.FirstFinal;
}
