using System.Threading.Channels;
using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>
/// The sending side, for the client's whole life: takes messages into the store, keeps the window filled from it, notes outcomes in it, and tells
/// whoever waits. Any thread; <c>_gate</c> guards the window and the tables, <c>_order</c> keeps adding, fencing and abandoning apart.
/// <para>Invariant: nothing is told to anybody before the store has it, and the low mark moves only over outcomes that the store has.</para>
/// <para>Memory: the bodies of the window (64 messages) and of the batches being added; one handle for each open message of this run.</para>
/// </summary>
#pragma warning disable CA1001 // Neither a wait handle nor a timer is taken, so there is nothing to release; and outcomes on their way into the store come after the end.
internal sealed class Outbox
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
    private uint _incarnation;
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

    /// <summary>Who is to be woken when something may be sent: the session's output.</summary>
    public void Attach(Action wake)
    {
        lock (_gate) _wake = wake;
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

    /// <summary>
    /// Begins a session with the window as the node knows it, under the incarnation that the store has noted. False: the node knows of numbers that this
    /// store never gave, so the store is an old copy and its numbers cannot be trusted: nothing may be sent under this incarnation.
    /// </summary>
    public bool TryBegin(uint incarnation, ulong windowLow, ulong windowSettled)
    {
        lock (_gate)
        {
            // Only what this device told moves the node's low mark, and it told durable marks only.
            if (windowLow > _window.Low) return false;
            for (var bit = 0; bit < Wire.WindowSize; bit++)
            {
                if ((windowSettled >> bit & 1) != 0 && windowLow + (ulong)bit >= _nextNumber) return false;
            }

            _incarnation = incarnation;
            _window.Reset();
        }

        for (var bit = 0; bit < Wire.WindowSize; bit++)
        {
            if ((windowSettled >> bit & 1) != 0) OnAccepted(windowLow + (ulong)bit);
        }

        Fill();
        return true;
    }

    /// <summary>The next message to send, and the lowest open number to send with it.</summary>
    public bool TryTake(uint maxBodyBytes, out OutboxEntry? entry, out ulong lowestOpen)
    {
        while (true)
        {
            lock (_gate)
            {
                lowestOpen = _window.Low;
                if (!_window.TryTake(_clock.NowMs, out entry)) return false;
            }

            if (entry!.Body.Length <= maxBodyBytes) return true;
            // The node would close the connection over such a frame, each time anew.
            Settle(entry.Number, new SendOutcome(MessageState.Refused, (ushort)RefusalReason.BodyTooLarge));
        }
    }

    /// <summary>When something may be sent that may not be sent now; <see cref="long.MaxValue"/>: not by time alone.</summary>
    public long NextDueMs()
    {
        lock (_gate) return _window.NextDueMs();
    }

    public void OnAccepted(ulong number) => Settle(number, new SendOutcome(MessageState.Accepted));

    public void OnRefused(RefusedFrame refused)
    {
        if (refused.Reason.IsFinal())
        {
            Settle(refused.Number, refused.Reason == RefusalReason.OutcomeUnknown
                ? new SendOutcome(MessageState.OutcomeUnknown)
                : new SendOutcome(MessageState.Refused, (ushort)refused.Reason));
            return;
        }

        var spread = _jitter.Between(1, 1.5);
        lock (_gate)
        {
            if (!_window.Refuse(refused, _clock.NowMs, spread)) return;
        }

        Wake();
    }

    /// <summary>A receipt tells of numbers of the current incarnation: they were accepted, whether or not that was heard.</summary>
    public void OnReceipt(ReceivedReceipt receipt)
    {
        // A peer writes its read receipts and may name any number; only the node's own receipts prove that it accepted a message.
        if (receipt.Kind == ReceiptKind.Read) return;
        lock (_gate)
        {
            if (receipt.Incarnation != _incarnation) return;
        }

        foreach (var number in receipt.Numbers) OnAccepted(number);
    }

    /// <summary>The store has noted what a receipt told.</summary>
    public void OnReceiptStored(IReadOnlyList<SettledMessage> changed)
    {
        foreach (var message in changed) _deliveries.OnStored(message);
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

    /// <summary>Ends the incarnation: what may have been sent is of unknown outcome, the rest is numbered anew. Between sessions.</summary>
    public async Task FenceAsync()
    {
        await _order.WaitAsync();
        try
        {
            lock (_gate) _incarnation = 0;
            var result = await _store.FenceAsync();
            lock (_gate)
            {
                _windowEpoch++;
                _fillEpoch++;
                _window = new SendWindow(1);
                _nextNumber = result.NextNumber;
            }

            foreach (var message in result.Unknown) Tell(message);
        }
        finally
        {
            _order.Release();
        }

        Fill();
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

    private void Settle(ulong number, SendOutcome outcome)
    {
        OutboxEntry? entry;
        int epoch;
        lock (_gate)
        {
            entry = _window.Settle(number, byNode: true);
            if (entry is null) return;
            epoch = _windowEpoch;
        }

        _ = StoreAndTellAsync(entry, outcome, epoch);
    }

    private async Task StoreAndTellAsync(OutboxEntry entry, SendOutcome outcome, int epoch)
    {
        try
        {
            await _store.SettleAsync(entry.Id, outcome);
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

    private void Fill()
    {
        lock (_gate)
        {
            if (_filling || !NeedsFilling()) return;
            _filling = true;
        }

        _ = FillAsync();
    }

    private bool NeedsFilling() => _window.Next < _nextNumber && _window.Next < _window.End;

    private async Task FillAsync()
    {
        while (true)
        {
            ulong from, below;
            int epoch;
            lock (_gate)
            {
                if (!NeedsFilling())
                {
                    _filling = false;
                    break;
                }

                from = _window.Next;
                below = Math.Min(_window.End, _nextNumber);
                epoch = _fillEpoch;
            }

            IReadOnlyList<OutboxEntry> entries;
            try
            {
                entries = await _store.ReadOpenAsync(from, below, Wire.WindowSize);
            }
            catch (Exception e)
            {
                _storeFailed(e);
                return;
            }

            lock (_gate)
            {
                if (epoch != _fillEpoch) continue;
                var loaded = 0;
                while (loaded < entries.Count && entries[loaded].Number < _window.End) _window.Load(entries[loaded++]);
                if (loaded == entries.Count && loaded < Wire.WindowSize) _window.SkipTo(below);
            }

            Wake();
        }

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
