namespace Gateway.Client;

/// <summary>Counts the open messages of the outbox and keeps them at or below the limit. Any thread.</summary>
#pragma warning disable CA1001 // Neither a wait handle nor a timer is taken, so there is nothing to release; and outcomes on their way into the store come after the end.
internal sealed class OutboxCapacity
#pragma warning restore CA1001
{
    private readonly int _limit;
    private readonly OutboxFullMode _mode;
    private readonly SemaphoreSlim _free;
    private readonly CancellationTokenSource _stop = new();
    private int _open;

    /// <param name="limit">Most open messages.</param>
    /// <param name="open">Open messages found in the store; may exceed a limit that was lowered since.</param>
    /// <param name="mode">What to do when full.</param>
    public OutboxCapacity(int limit, int open, OutboxFullMode mode)
    {
        _limit = limit;
        _mode = mode;
        _open = open;
        _free = new SemaphoreSlim(Math.Max(0, limit - open));
    }

    public int Open => Volatile.Read(ref _open);

    /// <exception cref="OutboxFullException">Full, and the mode says throw.</exception>
    /// <exception cref="OperationCanceledException">Cancelled, or the client stopped, while waiting.</exception>
    public async ValueTask TakeAsync(CancellationToken cancellationToken)
    {
        if (!_free.Wait(0, CancellationToken.None))
        {
            if (_mode == OutboxFullMode.Throw) throw new OutboxFullException(_limit);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
            await _free.WaitAsync(either.Token);
        }

        Interlocked.Increment(ref _open);
    }

    /// <summary>A message has its outcome.</summary>
    public void Release()
    {
        // What was above the limit at the start gives no room back until the limit is reached.
        if (Interlocked.Decrement(ref _open) < _limit) _free.Release();
    }

    /// <summary>Whoever waits gives up.</summary>
    public void Stop() => _stop.Cancel();
}
