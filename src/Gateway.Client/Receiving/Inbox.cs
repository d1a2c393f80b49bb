using System.Threading.Channels;

namespace Gateway.Client;

/// <summary>
/// The receiving side, for the client's whole life: queues what sessions deliver, hands it to the handlers one at a time in order of sequence, has it
/// stored together with its sequence, and tells the session how far it is. It outlives sessions: what is queued when a connection breaks is processed,
/// and what the node then delivers again is recognised.
/// <para>Threads: <see cref="Offer"/> on a session's reading loop; the handlers on <see cref="HandleAllAsync"/>; <c>_gate</c> guards the rest.</para>
/// <para>Invariant: position ≤ processed ≤ highest queued; the queue holds exactly what lies between the last two, in rising order.</para>
/// </summary>
internal sealed class Inbox
{
    private const int MaxUncommitted = 1024;

    private readonly GatewayClientOptions _options;
    private readonly InboxHandlers _handlers;
    private readonly Outbox _outbox;
    private readonly Action<Exception> _storeFailed;
    private readonly Channel<InboxItem> _queue;
    private readonly Channel<(InboxItem Item, Task<IReadOnlyList<SettledMessage>> Stored)> _storing =
        Channel.CreateBounded<(InboxItem, Task<IReadOnlyList<SettledMessage>>)>(new BoundedChannelOptions(MaxUncommitted) { SingleReader = true, SingleWriter = true });
    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, InboxItem> _unstored = [];
    private readonly ulong _handled;
    private readonly long _maxBytes;
    private ulong _queuedThrough;
    private ulong _processed;
    private ulong _position;
    private long _queuedBytes;
    private IDeliverySession? _session;
    private TaskCompletionSource _sessionChanged = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="options">Limits and the store.</param>
    /// <param name="handlers">The application's code.</param>
    /// <param name="outbox">Hears what receipts tell.</param>
    /// <param name="stored">The store's position.</param>
    /// <param name="handled">The highest sequence whose effect the application has; equals <paramref name="stored"/> unless it keeps its own.</param>
    /// <param name="storeFailed">Called when the store failed.</param>
    public Inbox(GatewayClientOptions options, InboxHandlers handlers, Outbox outbox, ulong stored, ulong handled, Action<Exception> storeFailed)
    {
        _options = options;
        _handlers = handlers;
        _outbox = outbox;
        _storeFailed = storeFailed;
        _handled = handled;
        // Where the two differ the node delivers from the lower one on, and each side takes what it lacks.
        _position = _processed = _queuedThrough = Math.Min(stored, handled);
        // A node that counts differently, or redelivers, gets some slack before it is told off.
        _queue = Channel.CreateBounded<InboxItem>(new BoundedChannelOptions(2 * options.CreditMessages + 64) { SingleReader = true, SingleWriter = true });
        _maxBytes = 2L * options.CreditBytes + Protocol.Wire.MaxBodyBytesCeiling;
    }

    /// <summary>The highest sequence whose effect is stored: where the node is asked to resume.</summary>
    public ulong Position
    {
        get
        {
            lock (_gate) return _position;
        }
    }

    public int Queued => _queue.Reader.Count;

    /// <summary>Takes what a session delivered. An entry that was taken before is dropped. False: far more than the credit; nothing was taken.</summary>
    public bool Offer(InboxItem item)
    {
        lock (_gate)
        {
            if (item.Sequence <= _queuedThrough)
            {
                if (_unstored.TryGetValue(item.Sequence, out var first)) first.SeenIn = item.SeenIn;
                return true;
            }

            if (_queuedBytes + item.Bytes > _maxBytes || !_queue.Writer.TryWrite(item)) return false;
            _queuedBytes += item.Bytes;
            _queuedThrough = item.Sequence;
            _unstored.Add(item.Sequence, item);
            return true;
        }
    }

    /// <summary>The session that acknowledges from now on; null: none. It hears how far the store is: that may have moved since it logged in.</summary>
    public void Attach(IDeliverySession? session)
    {
        TaskCompletionSource changed;
        ulong position;
        lock (_gate)
        {
            _session = session;
            position = _position;
            changed = _sessionChanged;
            _sessionChanged = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        session?.OnProcessed(position);
        changed.TrySetResult();
    }

    /// <summary>Runs the handlers until cancelled, then stores what they have processed.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        var storing = StoreAllAsync();
        try
        {
            await HandleAllAsync(stopping);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // What is queued was not acknowledged: the node delivers it again.
        }
        finally
        {
            _storing.Writer.TryComplete();
        }

        await storing;
    }

    private async Task HandleAllAsync(CancellationToken stopping)
    {
        while (true)
        {
            var item = await _queue.Reader.ReadAsync(stopping);
            if (_processed != 0 && item.Previous > _processed) _handlers.OnGap(new SequenceGap(_processed, item.Previous));
            var state = item.Sequence > _handled ? await HandleAsync(item, stopping) : MessageState.Received;
            await _storing.Writer.WriteAsync((item, Store(item, state)), CancellationToken.None);
            _processed = item.Sequence;
        }
    }

    /// <summary>Calls the handler until it succeeds or rejects.</summary>
    private async Task<MessageState> HandleAsync(InboxItem item, CancellationToken stopping)
    {
        var pause = _options.HandlerRetryMin;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await _handlers.InvokeAsync(item, stopping);
                return MessageState.Received;
            }
            catch (RejectMessageException e) when (item.Message is not null)
            {
                await RejectAsync(item, e.Reason, stopping);
                return MessageState.RejectedHere;
            }
            catch (Exception e) when (!(e is OperationCanceledException && stopping.IsCancellationRequested))
            {
                _handlers.OnFault(new ClientFault(FaultSource.Handler, e, item.Sequence, attempt));
                if (item.Message is not null && attempt == _options.MaxHandlerAttempts)
                {
                    await RejectAsync(item, _options.PoisonReason, stopping);
                    return MessageState.RejectedHere;
                }
            }

            await Task.Delay(pause, _options.Time, stopping);
            pause = pause * 2 < _options.HandlerRetryMax ? pause * 2 : _options.HandlerRetryMax;
        }
    }

    /// <summary>
    /// The position may pass a rejected entry only once the node has taken the rejection: a position that covers it says "delivered". So this waits for
    /// the node, in as many sessions as it takes.
    /// </summary>
    private async Task RejectAsync(InboxItem item, ushort reason, CancellationToken stopping)
    {
        while (true)
        {
            IDeliverySession? session;
            Task changed;
            lock (_gate)
            {
                session = _session;
                changed = _sessionChanged.Task;
            }

            if (session is not null && await session.RejectAsync(item, reason, stopping)) return;
            await changed.WaitAsync(stopping);
        }
    }

    /// <summary>Has it stored; what a receipt changed comes back.</summary>
    private async Task<IReadOnlyList<SettledMessage>> Store(InboxItem item, MessageState state)
    {
        if (item.Receipt is { } receipt) return await _options.Store.RecordReceiptAsync(receipt);
        await _options.Store.RecordMessageAsync(item.Message!, state);
        return [];
    }

    /// <summary>Follows the store, which completes in order, and moves the position behind it.</summary>
    private async Task StoreAllAsync()
    {
        await foreach (var (item, stored) in _storing.Reader.ReadAllAsync())
        {
            try
            {
                _outbox.OnReceiptStored(await stored);
            }
            catch (Exception e)
            {
                _storeFailed(e);
                // The position stays here for good; the writer must not be left waiting for room.
                await foreach (var _ in _storing.Reader.ReadAllAsync())
                {
                }

                return;
            }

            IDeliverySession? session;
            lock (_gate)
            {
                _position = item.Sequence;
                _unstored.Remove(item.Sequence);
                _queuedBytes -= item.Bytes;
                session = _session;
            }

            session?.OnProcessed(item.Sequence);
        }
    }
}
