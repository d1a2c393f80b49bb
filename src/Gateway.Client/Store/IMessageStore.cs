using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>
/// What a device keeps: its identity, its outbox, its history, and the mailbox position it has processed. One client owns a store at a time.
/// <para><b>Order and durability.</b> Operations take effect in the order of the calls. A call's task completes once the effect is as durable as the
/// store makes it, all of it or nothing. Calls come from any thread. A store that failed once fails every later call: the client then stops.</para>
/// <para><b>Cancellation</b> withdraws an operation only before it took its place in the order; after that the task tells the outcome.</para>
/// <para><b>Numbers</b> are given in order of the calls, from 1 in each incarnation, and never twice in one. A store put back from a copy has
/// forgotten numbers it gave: call <see cref="FenceAsync"/> before it is used, so that it starts a fresh incarnation.</para>
/// <para><b>Position.</b> It moves in the same transaction as what moved it: a message is in the history if and only if the position covers it.</para>
/// </summary>
public interface IMessageStore : IAsyncDisposable
{
    /// <summary>Binds the store to its device at the first call and reads what it holds; called once, before anything else.</summary>
    /// <exception cref="MessageStoreException">It belongs to another device, is in use, is of a newer version, or cannot be read.</exception>
    Task<StoreSnapshot> OpenAsync(Address owner, CancellationToken cancellationToken);

    /// <summary>Keeps the incarnation that the node gave or confirmed, before anything is sent under it. Open messages now belong to it.</summary>
    Task SetIncarnationAsync(uint incarnation, uint generation);

    /// <summary>Adds messages to the outbox under the next numbers, all or none.</summary>
    /// <returns>The entries, in the order of the drafts.</returns>
    Task<IReadOnlyList<OutboxEntry>> AddAsync(IReadOnlyList<OutboxDraft> drafts);

    /// <summary>Open messages with numbers in [<paramref name="from"/>, <paramref name="below"/>), in order of number.</summary>
    Task<IReadOnlyList<OutboxEntry>> ReadOpenAsync(ulong from, ulong below, int max);

    /// <summary>
    /// Notes an outcome if it changes the message (see <see cref="MessageStates.MayBecome"/>): it is then no longer open, and what receipts said of it
    /// while it was counts.
    /// </summary>
    /// <returns>What is known of the message now; <paramref name="outcome"/> when it is no longer in the history.</returns>
    Task<SendOutcome> SettleAsync(long id, SendOutcome outcome);

    /// <summary>
    /// Ends the incarnation: the outcome of every open message becomes unknown, also of those that this store never saw sent, since a copy of it may have
    /// sent them. The incarnation becomes 0, and numbers begin at 1 again.
    /// </summary>
    /// <returns>The messages that were open, with what is known of them now: a receipt may have said more.</returns>
    Task<IReadOnlyList<SettledMessage>> FenceAsync();

    /// <summary>Stores a message and moves the position to its sequence. A sequence at or below the position changes nothing.</summary>
    /// <param name="message">The message.</param>
    /// <param name="state">Received or rejected here.</param>
    Task RecordMessageAsync(ReceivedMessage message, MessageState state);

    /// <summary>
    /// Applies a receipt to the messages it names that went to its peer, and moves the position to its sequence. What it says of an open one is kept
    /// until that is settled. A sequence at or below the position changes nothing.
    /// </summary>
    /// <returns>The messages whose state it changed.</returns>
    Task<IReadOnlyList<SettledMessage>> RecordReceiptAsync(ReceivedReceipt receipt);

    /// <summary>Marks a received message as read.</summary>
    /// <returns>False: there is no such message, or it is marked already.</returns>
    Task<bool> MarkReadAsync(ulong sequence);

    /// <summary>One message of the history, or null.</summary>
    Task<HistoryEntry?> FindAsync(long id);

    /// <summary>The history, newest first: entries with ids below <paramref name="before"/>, of one peer or (null) of all.</summary>
    Task<IReadOnlyList<HistoryEntry>> ReadHistoryAsync(Address? peer, long before, int max);
}

/// <summary>What a store holds when it is opened.</summary>
/// <param name="Incarnation">0: none yet, the node will give one.</param>
/// <param name="Generation">The node's generation at the last login, 0 before it.</param>
/// <param name="Position">Highest mailbox sequence processed, 0: none.</param>
/// <param name="LowestOpen">Lowest open number; the next number when none is open.</param>
/// <param name="NextNumber">The number the next message gets.</param>
/// <param name="OpenCount">Open messages.</param>
/// <param name="LastId">The highest id given.</param>
public sealed record StoreSnapshot(uint Incarnation, uint Generation, ulong Position, ulong LowestOpen, ulong NextNumber, int OpenCount, long LastId);

/// <summary>A message on its way into the outbox.</summary>
/// <param name="To">Recipient.</param>
/// <param name="Kind">Message or read receipt.</param>
/// <param name="ExpirySeconds">0: the node's default.</param>
/// <param name="Body">Not changed by anybody any more.</param>
/// <param name="At">When it was written, for the history.</param>
public sealed record OutboxDraft(Address To, SendKind Kind, uint ExpirySeconds, ReadOnlyMemory<byte> Body, DateTimeOffset At);

/// <summary>An open message of the outbox.</summary>
/// <param name="Id">The store's name for it; rises with the order of adding.</param>
/// <param name="Number">Its number in the current incarnation.</param>
/// <param name="To">Recipient.</param>
/// <param name="Kind">Message or read receipt.</param>
/// <param name="ExpirySeconds">0: the node's default.</param>
/// <param name="Body">The body.</param>
public sealed record OutboxEntry(long Id, ulong Number, Address To, SendKind Kind, uint ExpirySeconds, ReadOnlyMemory<byte> Body);

/// <summary>A message of the history.</summary>
/// <param name="Id">Rises in the order in which the store learned of the messages.</param>
/// <param name="Sent">True: sent by this device; false: received.</param>
/// <param name="Peer">The other side.</param>
/// <param name="State">What is known of it.</param>
/// <param name="Reason">See <see cref="SendOutcome.Reason"/>.</param>
/// <param name="Incarnation">Of its sender.</param>
/// <param name="Number">Its sender's number.</param>
/// <param name="Sequence">Received ones: its place in the mailbox.</param>
/// <param name="Kind">Message or read receipt.</param>
/// <param name="At">When it was written (sent) or taken by the node (received).</param>
/// <param name="Body">The body.</param>
public sealed record HistoryEntry(
    long Id, bool Sent, Address Peer, MessageState State, ushort Reason, uint Incarnation, ulong Number, ulong Sequence, SendKind Kind, DateTimeOffset At, ReadOnlyMemory<byte> Body);

/// <summary>The store cannot do what it promised. The client stops; nothing that was promised before is lost.</summary>
public sealed class MessageStoreException : Exception
{
    public MessageStoreException(string message)
        : base(message)
    {
    }

    public MessageStoreException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
