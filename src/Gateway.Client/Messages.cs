using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>A message from the device's mailbox.</summary>
/// <param name="Sequence">Its place in the mailbox; rises. Store it with the message's effect to have the effect exactly once.</param>
/// <param name="Previous">The sequence before it in the mailbox; 0: none known.</param>
/// <param name="From">Who sent it.</param>
/// <param name="Incarnation">The sender's incarnation; with <paramref name="Number"/> it names the message to its sender.</param>
/// <param name="Number">The sender's number.</param>
/// <param name="EnqueuedAt">When the node took it; whole seconds.</param>
/// <param name="Redelivered">The node may have delivered it before.</param>
/// <param name="Body">The body; the memory is the receiver's to keep.</param>
public sealed record ReceivedMessage(
    ulong Sequence, ulong Previous, Address From, uint Incarnation, ulong Number, DateTimeOffset EnqueuedAt, bool Redelivered, ReadOnlyMemory<byte> Body);

/// <summary>What became of messages this device sent: an entry of its own mailbox, with a sequence.</summary>
/// <param name="Sequence">Its place in the mailbox.</param>
/// <param name="Previous">The sequence before it in the mailbox; 0: none known.</param>
/// <param name="Peer">Who received them.</param>
/// <param name="Incarnation">This device's incarnation that <paramref name="Numbers"/> belong to.</param>
/// <param name="Kind">Delivered, read, rejected, expired, discarded.</param>
/// <param name="Reason">The rejecting device's reason.</param>
/// <param name="Numbers">1 to 64 numbers.</param>
public sealed record ReceivedReceipt(ulong Sequence, ulong Previous, Address Peer, uint Incarnation, ReceiptKind Kind, ushort Reason, IReadOnlyList<ulong> Numbers);

/// <summary>Something worth showing now: typing and the like. Never stored.</summary>
public sealed record ReceivedEphemeral(Address From, EphemeralKind Kind, ReadOnlyMemory<byte> Data);

/// <summary>
/// The mailbox held entries between <paramref name="After"/> and <paramref name="Through"/> that this device never saw: they expired, were discarded,
/// or went to another holder of the address.
/// </summary>
/// <param name="After">The last sequence this device processed.</param>
/// <param name="Through">The sequence the node names as the one before the entry that has now come.</param>
public sealed record SequenceGap(ulong After, ulong Through);

/// <summary>Thrown by a message handler that cannot process this one message and never will: the node removes it and tells the sender the reason.</summary>
public sealed class RejectMessageException : Exception
{
    public RejectMessageException(ushort reason)
        : base($"The message is rejected with reason {reason}.") => Reason = reason;

    public RejectMessageException(ushort reason, string message)
        : base(message) => Reason = reason;

    /// <summary>The application's own code; the sender sees it in its receipt.</summary>
    public ushort Reason { get; }
}

/// <summary>The node was restored from a backup: messages it had accepted since that backup, in either direction, may be lost.</summary>
/// <param name="Before">The node's generation at the login before.</param>
/// <param name="After">Its generation now.</param>
/// <param name="Incarnation">This device's at this login.</param>
/// <param name="WindowLow">The lowest number of it that the restored node still judges.</param>
/// <param name="WindowSettled">Bit i: number <paramref name="WindowLow"/> + i is accepted there.</param>
public sealed record NodeRestoration(uint Before, uint After, uint Incarnation, ulong WindowLow, ulong WindowSettled)
{
    /// <summary>
    /// Whether the restored node knows a message of this device that was accepted before. False: it is lost, unless its recipient had it in time,
    /// which a receipt would have told. Null: another incarnation, of which nobody can say.
    /// </summary>
    public bool? Knows(uint incarnation, ulong number)
    {
        if (incarnation != Incarnation) return null;
        return number < WindowLow || (number - WindowLow < Wire.WindowSize && (WindowSettled >> (int)(number - WindowLow) & 1) != 0);
    }
}
