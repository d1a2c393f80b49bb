using Gateway.Protocol;

namespace Gateway.Simulation;

/// <summary>A frame that a device got from the node, kept.</summary>
public abstract record NodeFrame;

public sealed record Welcomed(uint SessionEpoch, uint Incarnation, ulong WindowLow, ulong WindowSettled, uint Generation, uint Pending) : NodeFrame;

public sealed record Accepted(ulong Number) : NodeFrame;

public sealed record Refused(ulong Number, RefusalReason Reason, uint RetryAfterMs) : NodeFrame;

/// <summary>An entry of the device's mailbox: a message or a receipt.</summary>
public abstract record MailboxFrame(ulong Sequence, ulong Previous, bool IsRedelivered) : NodeFrame;

public sealed record Delivered(
    ulong Sequence, ulong Previous, Address From, uint Incarnation, ulong Number, uint EnqueuedAt, bool IsRedelivered, string Body)
    : MailboxFrame(Sequence, Previous, IsRedelivered);

public sealed record Receipted(
    ulong Sequence, ulong Previous, Address Peer, uint Incarnation, ReceiptKind Kind, ushort Reason, bool IsRedelivered, IReadOnlyList<ulong> Numbers)
    : MailboxFrame(Sequence, Previous, IsRedelivered);

public sealed record EphemeralSeen(Address From, EphemeralKind Kind, string Data) : NodeFrame;

public sealed record Pinged(ulong Token) : NodeFrame;

public sealed record Ponged(ulong Token) : NodeFrame;

public sealed record ToldToGo(ErrorCode Reason, uint ReconnectAfterMs) : NodeFrame;

public sealed record Failed(ErrorCode Code, uint Detail, string Text) : NodeFrame;
