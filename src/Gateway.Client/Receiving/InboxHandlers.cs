namespace Gateway.Client;

/// <summary>The application's handlers and observers, called without holding any lock.</summary>
internal sealed class InboxHandlers(
    Func<ReceivedMessage, CancellationToken, ValueTask>? message,
    Func<ReceivedReceipt, CancellationToken, ValueTask>? receipt,
    Action<SequenceGap> gap,
    Action<ClientFault> fault)
{
    /// <summary>False: nobody takes messages, so none may be asked for: an acknowledgement is cumulative and would give them away.</summary>
    public bool TakesMessages => message is not null;

    public ValueTask InvokeAsync(InboxItem item, CancellationToken stopping) => item.Message is { } m
        ? message!(m, stopping)
        : receipt is null ? ValueTask.CompletedTask : receipt(item.Receipt!, stopping);

    public void OnGap(SequenceGap g) => gap(g);

    public void OnFault(ClientFault f) => fault(f);
}
