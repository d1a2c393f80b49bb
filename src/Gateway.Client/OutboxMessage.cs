using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>What became of a message.</summary>
/// <param name="State">Accepted, Delivered, Read, Refused, OutcomeUnknown, Rejected, Expired, Discarded or Abandoned.</param>
/// <param name="Reason">With Refused a <see cref="RefusalReason"/>, with Rejected the device's reason, otherwise 0.</param>
public readonly record struct SendOutcome(MessageState State, ushort Reason = 0)
{
    /// <summary>The node has it durably, whatever happened since.</summary>
    public bool IsAccepted => State is MessageState.Accepted or MessageState.Delivered or MessageState.Read or MessageState.Rejected or MessageState.Expired or MessageState.Discarded;

    /// <summary>The recipient's device has it.</summary>
    public bool IsDelivered => State is MessageState.Delivered or MessageState.Read;
    public RefusalReason Refusal => State == MessageState.Refused ? (RefusalReason)Reason : RefusalReason.None;

    public override string ToString() => State == MessageState.Refused ? $"Refused ({Refusal})" : Reason == 0 ? $"{State}" : $"{State} ({Reason})";
}

/// <summary>What became of one message of the outbox, whichever run of the program put it there.</summary>
public sealed record SettledMessage(long Id, Address To, SendOutcome Outcome);

/// <summary>
/// A message that is durably in the outbox. Both tasks fault with <see cref="ClientStoppedException"/> when the client stops first:
/// the message is then still in the outbox. Any thread.
/// </summary>
public sealed class OutboxMessage
{
    private readonly Outbox _outbox;
    private readonly TaskCompletionSource<SendOutcome> _accepted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task<SendOutcome>? _delivered;

    internal OutboxMessage(Outbox outbox, long id, Address to)
    {
        _outbox = outbox;
        Id = id;
        To = to;
    }

    /// <summary>The store's name for the message, also in the history.</summary>
    public long Id { get; }
    public Address To { get; }

    /// <summary>The single check: the node has it durably; or it never will (refused, abandoned), or nobody knows (outcome unknown).</summary>
    public Task<SendOutcome> Accepted => _accepted.Task;

    /// <summary>
    /// The double check: the recipient's device acknowledged or rejected it, it expired, or it was never accepted. Watched from the first use on;
    /// a person's offline phone may take days, so prefer <see cref="GatewayClient.ReceiptReceived"/> where many are under way. Receipts come through this
    /// device's own mailbox, so the client has to take messages: without <see cref="GatewayClient.MessageReceived"/> this waits until the client stops.
    /// </summary>
    /// <exception cref="InvalidOperationException"><see cref="GatewayClientOptions.MaxDeliveryWaits"/> are waited for already.</exception>
    public Task<SendOutcome> Delivered => LazyInitializer.EnsureInitialized(ref _delivered, () => _outbox.WatchDelivery(Id));

    internal void Settle(SendOutcome outcome) => _accepted.TrySetResult(outcome);

    internal void Stop(ClientStoppedException error)
    {
        if (_accepted.TrySetException(error)) _ = _accepted.Task.Exception; // seen: whoever does not await it has no use for an unobserved exception
    }
}
