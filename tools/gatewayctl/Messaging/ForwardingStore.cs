using Gateway.Client;
using Gateway.Protocol;

namespace Gateway.Ctl.Messaging;

/// <summary>A message store that hands everything on to another, in order of the calls; what derives from it watches or adds.</summary>
internal abstract class ForwardingStore(IMessageStore inner) : IMessageStore
{
    protected IMessageStore Inner { get; } = inner;

    public virtual Task<StoreSnapshot> OpenAsync(Address owner, CancellationToken cancellationToken) => Inner.OpenAsync(owner, cancellationToken);

    public virtual Task SetIncarnationAsync(uint incarnation, uint generation) => Inner.SetIncarnationAsync(incarnation, generation);

    public virtual Task<IReadOnlyList<OutboxEntry>> AddAsync(IReadOnlyList<OutboxDraft> drafts) => Inner.AddAsync(drafts);

    public Task<IReadOnlyList<OutboxEntry>> ReadOpenAsync(ulong from, ulong below, int max) => Inner.ReadOpenAsync(from, below, max);

    public virtual Task<SendOutcome> SettleAsync(long id, SendOutcome outcome) => Inner.SettleAsync(id, outcome);

    public virtual Task<IReadOnlyList<SettledMessage>> FenceAsync() => Inner.FenceAsync();

    public virtual Task RecordMessageAsync(ReceivedMessage message, MessageState state) => Inner.RecordMessageAsync(message, state);

    public virtual Task<IReadOnlyList<SettledMessage>> RecordReceiptAsync(ReceivedReceipt receipt) => Inner.RecordReceiptAsync(receipt);

    public Task<bool> MarkReadAsync(ulong sequence) => Inner.MarkReadAsync(sequence);

    public Task<HistoryEntry?> FindAsync(long id) => Inner.FindAsync(id);

    public Task<IReadOnlyList<HistoryEntry>> ReadHistoryAsync(Address? peer, long before, int max) => Inner.ReadHistoryAsync(peer, before, max);

    public virtual ValueTask DisposeAsync() => Inner.DisposeAsync();
}

/// <summary>Hears of every sent message what its store hears, after the store has it: so nothing is heard that a crash could take back.</summary>
internal interface IOutboxObserver
{
    /// <summary>Messages were added; heard before any outcome of theirs.</summary>
    void OnAdded(IReadOnlyList<OutboxEntry> entries);

    void OnOutcome(long id, SendOutcome outcome);
}

/// <summary>Tells an observer what becomes of sent messages. Calls come from the client's and the store's threads.</summary>
internal class ObservedStore(IMessageStore inner, IOutboxObserver observer) : ForwardingStore(inner)
{
    public override async Task<IReadOnlyList<OutboxEntry>> AddAsync(IReadOnlyList<OutboxDraft> drafts)
    {
        var entries = await Inner.AddAsync(drafts);
        observer.OnAdded(entries);
        return entries;
    }

    public override async Task<SendOutcome> SettleAsync(long id, SendOutcome outcome)
    {
        var settled = await Inner.SettleAsync(id, outcome);
        observer.OnOutcome(id, outcome);
        if (settled != outcome) observer.OnOutcome(id, settled); // what a receipt had said before
        return settled;
    }

    public override async Task<IReadOnlyList<SettledMessage>> FenceAsync()
    {
        var settled = await Inner.FenceAsync();
        foreach (var message in settled)
        {
            observer.OnOutcome(message.Id, new SendOutcome(MessageState.OutcomeUnknown));
            if (message.Outcome.State != MessageState.OutcomeUnknown) observer.OnOutcome(message.Id, message.Outcome);
        }

        return settled;
    }

    public override async Task<IReadOnlyList<SettledMessage>> RecordReceiptAsync(ReceivedReceipt receipt)
    {
        var changed = await Inner.RecordReceiptAsync(receipt);
        foreach (var message in changed) observer.OnOutcome(message.Id, message.Outcome);
        return changed;
    }
}
