using System.Threading.Channels;

namespace Gateway.Client;

/// <summary>
/// The sending side, for the client's whole life: takes messages into the store, keeps the window filled from it, notes outcomes in it, and tells
/// whoever waits. Any thread; <c>_gate</c> guards the window and the tables, <c>_order</c> keeps adding, fencing and abandoning apart.
/// <para>Invariant: nothing is told to anybody before the store has it, and the low mark moves only over outcomes that the store has.</para>
/// <para>Memory: the bodies of the window (64 messages) and of the batches being added; one handle for each open message of this run.</para>
/// </summary>
#pragma warning disable CA1001 // Neither a wait handle nor a timer is taken, so there is nothing to release; and outcomes on their way into the store come after the end.
internal sealed partial class Outbox
#pragma warning restore CA1001
{
    private const int MaxBatch = 64;

    private readonly IMessageStore _store;
    private readonly Clock _clock;
    private readonly Jitter _jitter;
    private readonly Action<Exception> _storeFailed;
    private readonly Action<SettledMessage> _settled;
    private readonly Channel<Addition> _additions = Channel.CreateBounded<Addition>(new BoundedChannelOptions(4 * MaxBatch) { SingleReader = true });
    private readonly OutboxCapacity _capacity;
    private readonly DeliveryWaits _deliveries;
    private readonly SemaphoreSlim _order = new(1);
    private readonly Lock _gate = new();
    private readonly Dictionary<long, OutboxMessage> _handles = [];
    private readonly List<(long Through, TaskCompletionSource Done)> _flushes = [];
    private SendWindow _window;
    private int _windowEpoch;
    private int _fillEpoch;
    private ulong _nextNumber;
    private long _lastId;
    private bool _filling;
    private Action _wake = () => { };
    private ClientStoppedException? _stopped;

    public Outbox(GatewayClientOptions options, StoreSnapshot snapshot, Clock clock, Jitter jitter, Action<Exception> storeFailed, Action<SettledMessage> settled)
    {
        _store = options.Store;
        _clock = clock;
        _jitter = jitter;
        _storeFailed = storeFailed;
        _settled = settled;
        _window = new SendWindow(snapshot.LowestOpen);
        _nextNumber = snapshot.NextNumber;
        _lastId = snapshot.LastId;
        _capacity = new OutboxCapacity(options.MaxOutbox, snapshot.OpenCount, options.WhenOutboxFull);
        _deliveries = new DeliveryWaits(options.Store, options.MaxDeliveryWaits);
    }

    /// <summary>Messages without a durable outcome.</summary>
    public int Open => _capacity.Open;

    public int InFlight
    {
        get
        {
            lock (_gate) return _window.InFlight;
        }
    }

    /// <summary>Adds a message; completes when it is durable.</summary>
    public async Task<OutboxMessage> AddAsync(OutboxDraft draft, CancellationToken cancellationToken)
    {
        try
        {
            ThrowIfStopped();
            await _capacity.TakeAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            ThrowIfStopped();
            throw;
        }

        using var addition = new Addition(draft, cancellationToken);
        try
        {
            await _additions.Writer.WriteAsync(addition, cancellationToken);
        }
        catch (Exception e)
        {
            _capacity.Release();
            if (e is ChannelClosedException) ThrowIfStopped();
            throw;
        }

        return await addition.Task;
    }

    /// <summary>Moves messages from the callers into the store, one batch at a time, so that handles are known in order of number. Ends after <see cref="Stop"/>.</summary>
    public async Task RunAsync()
    {
        var batch = new List<Addition>(MaxBatch);
        while (await _additions.Reader.WaitToReadAsync())
        {
            while (batch.Count < MaxBatch && _additions.Reader.TryRead(out var addition))
            {
                if (addition.TryClaim()) batch.Add(addition);
                else _capacity.Release();
            }

            if (batch.Count != 0) await StoreAsync(batch);
            batch.Clear();
        }
    }

    /// <summary>Gives up a message. False: it has an outcome already.</summary>
    public async Task<bool> AbandonAsync(long id)
    {
        await _order.WaitAsync();
        try
        {
            ThrowIfStopped();
            if (await _store.FindAsync(id) is not { Sent: true, State: MessageState.Open } found) return false;
            var entry = new OutboxEntry(id, found.Number, found.Peer, found.Kind, 0, found.Body);
            int epoch;
            lock (_gate)
            {
                if (found.Number < _window.Next)
                {
                    if (_window.Settle(found.Number, byNode: false) is null) return false;
                }
                else
                {
                    _fillEpoch++; // a filling under way may have read it as open: it reads again, behind what follows
                }

                epoch = _windowEpoch;
            }

            await StoreAndTellAsync(entry, new SendOutcome(MessageState.Abandoned), epoch);
            return true;
        }
        finally
        {
            _order.Release();
        }
    }

    /// <summary>Completes when every message that is in the outbox now has an outcome.</summary>
    public Task FlushAsync(CancellationToken cancellationToken)
    {
        TaskCompletionSource done;
        lock (_gate)
        {
            if (_stopped is not null) return Task.FromException(_stopped);
            if (_lastId < LowestOpenId()) return Task.CompletedTask;
            done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _flushes.Add((_lastId, done));
        }

        return done.Task.WaitAsync(cancellationToken);
    }

    public Task<SendOutcome> WatchDelivery(long id) => _deliveries.Watch(id);

    /// <summary>Nothing more is taken; whoever waits hears why. What is open stays in the store.</summary>
    public void Stop(ClientStoppedException error)
    {
        OutboxMessage[] handles;
        lock (_gate)
        {
            if (_stopped is not null) return;
            _stopped = error;
            handles = [.. _handles.Values];
            _handles.Clear();
            foreach (var (_, done) in _flushes) done.TrySetException(error);
            _flushes.Clear();
        }

        _additions.Writer.TryComplete();
        _capacity.Stop();
        foreach (var handle in handles) handle.Stop(error);
        _deliveries.Stop(error);
    }

    private async Task StoreAsync(List<Addition> batch)
    {
        await _order.WaitAsync();
        try
        {
            ThrowIfStopped();
            OnStored(batch, await _store.AddAsync([.. batch.Select(a => a.Draft)]));
        }
        catch (Exception e)
        {
            foreach (var addition in batch)
            {
                _capacity.Release();
                addition.Fail(e);
            }

            if (e is not ClientStoppedException) _storeFailed(e);
        }
        finally
        {
            _order.Release();
        }

        Fill();
    }

    private void OnStored(List<Addition> batch, IReadOnlyList<OutboxEntry> entries)
    {
        lock (_gate)
        {
            for (var i = 0; i < entries.Count; i++)
            {
                var entry = entries[i];
                var handle = new OutboxMessage(this, entry.Id, entry.To);
                if (_stopped is null) _handles[entry.Id] = handle;
                else handle.Stop(_stopped);
                // The short way past the store, when nothing before it is still to be loaded.
                if (!_filling && entry.Number == _window.Next && entry.Number < _window.End) _window.Load(entry);
                _nextNumber = entry.Number + 1;
                _lastId = entry.Id;
                batch[i].Complete(handle);
            }
        }

        Wake();
    }

    private async Task StoreAndTellAsync(OutboxEntry entry, SendOutcome outcome, int epoch)
    {
        try
        {
            outcome = await _store.SettleAsync(entry.Id, outcome);
        }
        catch (Exception e)
        {
            _storeFailed(e);
            return;
        }

        lock (_gate)
        {
            if (epoch == _windowEpoch) _window.Close(entry.Number);
        }

        Tell(new SettledMessage(entry.Id, entry.To, outcome));
        Fill();
        Wake();
    }

    private void Tell(SettledMessage message)
    {
        OutboxMessage? handle;
        lock (_gate) _handles.Remove(message.Id, out handle);
        _capacity.Release();
        handle?.Settle(message.Outcome);
        _deliveries.OnStored(message);
        _settled(message);
        CompleteFlushes();
    }

    private void CompleteFlushes()
    {
        lock (_gate)
        {
            if (_flushes.Count == 0) return;
            var lowest = LowestOpenId();
            for (var i = _flushes.Count - 1; i >= 0; i--)
            {
                if (_flushes[i].Through >= lowest) continue;
                _flushes[i].Done.TrySetResult();
                _flushes.RemoveAt(i);
            }
        }
    }

    /// <summary>0 while messages are still to be loaded into an empty window: the lowest is not known then.</summary>
    private long LowestOpenId() => _window.LowestId ?? (_window.Next < _nextNumber ? 0 : long.MaxValue);

    private void Wake()
    {
        Action wake;
        lock (_gate) wake = _wake;
        wake();
    }

    private void ThrowIfStopped()
    {
        lock (_gate)
        {
            if (_stopped is not null) throw new ClientStoppedException(_stopped.Change);
        }
    }
}
