namespace Gateway.Client;

/// <summary>A message or a receipt on its way to the handler. Exactly one of the two is set.</summary>
internal sealed class InboxItem
{
    private int _seenIn;

    public InboxItem(ReceivedMessage message, int session) => (Message, _seenIn) = (message, session);

    public InboxItem(ReceivedReceipt receipt, int session) => (Receipt, _seenIn) = (receipt, session);

    public ReceivedMessage? Message { get; }
    public ReceivedReceipt? Receipt { get; }
    public ulong Sequence => Message?.Sequence ?? Receipt!.Sequence;
    public ulong Previous => Message?.Previous ?? Receipt!.Previous;

    /// <summary>What it counts against the credit.</summary>
    public int Bytes => Message?.Body.Length ?? 8 * Receipt!.Numbers.Count;

    /// <summary>The latest session in which the node delivered it: only there may it be rejected.</summary>
    public int SeenIn
    {
        get => Volatile.Read(ref _seenIn);
        set => Volatile.Write(ref _seenIn, value);
    }
}

/// <summary>What the inbox needs of the session that is up.</summary>
internal interface IDeliverySession
{
    /// <summary>Everything through <paramref name="position"/> was processed and stored.</summary>
    void OnProcessed(ulong position);

    /// <summary>Rejects an entry. True: the node has taken the rejection, or no longer has the entry; false: the session ended before.</summary>
    Task<bool> RejectAsync(InboxItem item, ushort reason, CancellationToken cancellationToken);
}
