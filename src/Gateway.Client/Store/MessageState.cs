using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>What is known of a message in the store. Values are stored and stable.</summary>
public enum MessageState : byte
{
    // Sent by this device.

    /// <summary>In the outbox: without an outcome.</summary>
    Open = 0,
    /// <summary>The node has it durably: the single check.</summary>
    Accepted = 1,
    /// <summary>The recipient's device acknowledged it: the double check.</summary>
    Delivered = 2,
    /// <summary>A person has seen it.</summary>
    Read = 3,
    /// <summary>The node will never accept it.</summary>
    Refused = 4,
    /// <summary>Nobody can say whether the node accepted it. A later receipt may settle it.</summary>
    OutcomeUnknown = 5,
    /// <summary>The recipient's device rejected it.</summary>
    Rejected = 6,
    /// <summary>It expired undelivered.</summary>
    Expired = 7,
    /// <summary>An operator discarded it.</summary>
    Discarded = 8,
    /// <summary>The application gave it up before its outcome was known.</summary>
    Abandoned = 9,

    // Received by this device.

    /// <summary>Processed by the handler.</summary>
    Received = 32,
    /// <summary>Rejected by the handler.</summary>
    RejectedHere = 33,
    /// <summary>Processed, and a read receipt is on its way to the sender.</summary>
    ReadHere = 34,
}

/// <summary>The order of states: what may follow what. Both stores apply it, so that late and repeated news changes nothing.</summary>
public static class MessageStates
{
    /// <summary>True when news of <paramref name="next"/> changes a sent message that is <paramref name="current"/>.</summary>
    public static bool MayBecome(this MessageState current, MessageState next) => current switch
    {
        // Whoever read it, the node has not said that it accepted it: a peer's word must not close what is still to be sent.
        MessageState.Open => next is > MessageState.Open and <= MessageState.Abandoned and not MessageState.Read,
        MessageState.Accepted => next.IsReceipt(),
        // What its peer claims is no word of the node's, which alone knows whether it accepted it.
        MessageState.OutcomeUnknown or MessageState.Abandoned => next == MessageState.Accepted || (next.IsReceipt() && next != MessageState.Read),
        MessageState.Delivered => next == MessageState.Read,
        _ => false,
    };

    /// <summary>The state a receipt of this kind tells of.</summary>
    public static MessageState Of(ReceiptKind kind) => kind switch
    {
        ReceiptKind.Delivered => MessageState.Delivered,
        ReceiptKind.Read => MessageState.Read,
        ReceiptKind.Rejected => MessageState.Rejected,
        ReceiptKind.Expired => MessageState.Expired,
        ReceiptKind.Discarded => MessageState.Discarded,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    /// <summary>True when there is no more to wait for: <see cref="OutboxMessage.Delivered"/> is answered, if only with outcome unknown.</summary>
    internal static bool EndsDelivery(this MessageState state) => state is not (MessageState.Open or MessageState.Accepted);

    private static bool IsReceipt(this MessageState state) =>
        state is MessageState.Delivered or MessageState.Read or MessageState.Rejected or MessageState.Expired or MessageState.Discarded;
}
