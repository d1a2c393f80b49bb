using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>How much a commit of <see cref="SqliteMessageStore"/> survives.</summary>
public enum SqliteDurability
{
    /// <summary><c>synchronous=FULL</c>: a commit survives the loss of power.</summary>
    Full,
    /// <summary>
    /// <c>synchronous=NORMAL</c>: a commit survives the end of the process, however sudden. The loss of power may take back the last ones: sent messages
    /// may then be sent twice or be told as outcome unknown, and a number may be given twice, so fence the store after such a loss.
    /// </summary>
    Normal,
}

/// <summary>
/// A store in one SQLite file (WAL), locked for one process. One thread of its own runs every operation: it takes what has queued up, at most
/// <c>maxBatch</c> operations, runs them in one transaction and completes their tasks after the commit, so that many small operations share one
/// fsync. Survives kill -9 at any point. Any thread may call.
/// </summary>
public sealed class SqliteMessageStore : IMessageStore
{
    /// <summary>Closed messages kept unless told otherwise.</summary>
    public const long DefaultMaxHistory = 1_000_000;

    private readonly SqliteWriter _writer;

    /// <param name="path">The file; made when absent.</param>
    /// <param name="durability">What a commit survives.</param>
    /// <param name="maxHistory">Closed messages kept; the oldest go first.</param>
    /// <param name="queueLength">Operations that may wait for the thread; further calls wait for room.</param>
    /// <param name="maxBatch">Operations in one transaction.</param>
    public SqliteMessageStore(
        string path, SqliteDurability durability = SqliteDurability.Full, long maxHistory = DefaultMaxHistory, int queueLength = 4096, int maxBatch = 512)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentOutOfRangeException.ThrowIfNegative(maxHistory);
        ArgumentOutOfRangeException.ThrowIfLessThan(queueLength, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBatch, 1);
        Path = path;
        _writer = new SqliteWriter(() => new SqliteTables(path, durability, maxHistory), queueLength, maxBatch);
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Transactions committed so far.</summary>
    public long Commits => _writer.Commits;

    public Task<StoreSnapshot> OpenAsync(Address owner, CancellationToken cancellationToken) => _writer.RunAsync(t => t.Bind(owner), cancellationToken);

    public Task SetIncarnationAsync(uint incarnation, uint generation) => _writer.RunAsync(t =>
    {
        t.SetIncarnation(incarnation, generation);
        return true;
    });

    public Task<IReadOnlyList<OutboxEntry>> AddAsync(IReadOnlyList<OutboxDraft> drafts) => _writer.RunAsync(t => t.Add(drafts));

    public Task<IReadOnlyList<OutboxEntry>> ReadOpenAsync(ulong from, ulong below, int max) => _writer.RunAsync(t => t.ReadOpen(from, below, max));

    public Task<SendOutcome> SettleAsync(long id, SendOutcome outcome) => _writer.RunAsync(t => t.Settle(id, outcome));

    public Task<IReadOnlyList<SettledMessage>> FenceAsync() => _writer.RunAsync(t => t.Fence());

    public Task RecordMessageAsync(ReceivedMessage message, MessageState state) => _writer.RunAsync(t =>
    {
        t.RecordMessage(message, state);
        return true;
    });

    public Task<IReadOnlyList<SettledMessage>> RecordReceiptAsync(ReceivedReceipt receipt) => _writer.RunAsync(t => t.RecordReceipt(receipt));

    public Task<bool> MarkReadAsync(ulong sequence) => _writer.RunAsync(t => t.MarkRead(sequence));

    public Task<HistoryEntry?> FindAsync(long id) => _writer.RunAsync(t => t.Find(id));

    public Task<IReadOnlyList<HistoryEntry>> ReadHistoryAsync(Address? peer, long before, int max) => _writer.RunAsync(t => t.ReadHistory(peer, before, max));

    /// <summary>Runs what is queued, then closes the file.</summary>
    public ValueTask DisposeAsync() => _writer.DisposeAsync();
}
