using System.Threading.Channels;

namespace Gateway.Client;

/// <summary>
/// The thread that owns <see cref="SqliteTables"/>: SQLite blocks, so it gets a thread of its own instead of a pool's. Operations queue up in order
/// and are run in batches, one transaction each; a task completes after its commit.
/// Invariant: after a failure every task ends with it, those queued and those to come.
/// </summary>
internal sealed class SqliteWriter : IAsyncDisposable
{
    private readonly Channel<Operation> _queue;
    private readonly Func<SqliteTables> _open;
    private readonly int _maxBatch;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private Thread? _thread;
    private long _commits;
    private volatile MessageStoreException? _failure;
    private bool _disposed;

    public SqliteWriter(Func<SqliteTables> open, int queueLength, int maxBatch)
    {
        _open = open;
        _maxBatch = maxBatch;
        _queue = Channel.CreateBounded<Operation>(new BoundedChannelOptions(queueLength) { SingleReader = true });
    }

    public long Commits => Interlocked.Read(ref _commits);

    /// <summary>Queues an operation. Cancellation works until it is queued.</summary>
    public Task<T> RunAsync<T>(Func<SqliteTables, T> apply, CancellationToken cancellationToken = default)
    {
        var operation = new Operation<T>(apply);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(SqliteMessageStore));
            if (_thread is null)
            {
                _thread = new Thread(Run) { IsBackground = true, Name = "gateway message store" };
                _thread.Start();
            }

            // Under the lock, so that the order of the queue is the order of the calls; the channel keeps it among those that wait for room.
            if (_queue.Writer.TryWrite(operation)) return operation.Task;
            return Queue(_queue.Writer.WriteAsync(operation, cancellationToken), operation);
        }
    }

    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
            _queue.Writer.TryComplete();
            if (_thread is null) _ended.TrySetResult();
        }

        await _ended.Task;
    }

    private async Task<T> Queue<T>(ValueTask written, Operation<T> operation)
    {
        try
        {
            await written;
        }
        catch (ChannelClosedException)
        {
            throw _failure is { } failure ? new MessageStoreException(failure.Message, failure) : new ObjectDisposedException(nameof(SqliteMessageStore));
        }

        return await operation.Task;
    }

    private void Run()
    {
        var batch = new List<Operation>(_maxBatch);
        try
        {
            using var tables = _open();
            while (WaitForWork())
            {
                while (batch.Count < _maxBatch && _queue.Reader.TryRead(out var operation)) batch.Add(operation);
                RunBatch(tables, batch);
                batch.Clear();
            }
        }
        catch (Exception e)
        {
            _failure = e as MessageStoreException ?? new MessageStoreException($"The message store failed: {e.Message}", e);
            foreach (var operation in batch) operation.Fail(_failure);
            lock (_gate) _queue.Writer.TryComplete();
            DrainWithFailure();
        }
        finally
        {
            _ended.TrySetResult();
        }
    }

    private void RunBatch(SqliteTables tables, List<Operation> batch)
    {
        tables.Begin();
        try
        {
            foreach (var operation in batch) operation.Apply(tables);
            tables.Commit();
        }
        catch
        {
            tables.TryRollback();
            throw;
        }

        Interlocked.Increment(ref _commits);
        foreach (var operation in batch) operation.Complete();
    }

    // This thread is ours, so it may block.
    private bool WaitForWork() => _queue.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult();

    private void DrainWithFailure()
    {
        while (WaitForWork())
        {
            while (_queue.Reader.TryRead(out var operation)) operation.Fail(_failure!);
        }
    }

    private abstract class Operation
    {
        public abstract void Apply(SqliteTables tables);

        public abstract void Complete();

        public abstract void Fail(MessageStoreException error);
    }

    private sealed class Operation<T>(Func<SqliteTables, T> apply) : Operation
    {
        private readonly TaskCompletionSource<T> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T? _result;

        public Task<T> Task => _done.Task;

        public override void Apply(SqliteTables tables) => _result = apply(tables);

        public override void Complete() => _done.TrySetResult(_result!);

        public override void Fail(MessageStoreException error) => _done.TrySetException(error);
    }
}
