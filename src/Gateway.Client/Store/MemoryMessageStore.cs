using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>
/// A store for tests and for programs that keep nothing: durable as long as the object. It may be handed to one client after another.
/// Any thread; a lock guards everything. Invariants: <c>_open</c> holds exactly the entries of <c>_history</c> that are open; <c>_heard</c> holds
/// those of which receipts have said something.
/// </summary>
/// <param name="maxHistory">Closed messages kept; the oldest go first.</param>
public sealed class MemoryMessageStore(int maxHistory = 10_000) : IMessageStore
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<ulong, OutboxEntry> _open = [];
    private readonly SortedDictionary<long, HistoryEntry> _history = [];
    private readonly Dictionary<(uint Incarnation, ulong Number), long> _sent = [];
    private readonly Dictionary<long, SentState> _heard = [];
    private readonly Dictionary<ulong, long> _received = [];
    private Address _owner;
    private uint _incarnation;
    private uint _generation;
    private ulong _position;
    private ulong _nextNumber = 1;
    private long _lastId;

    public Task<StoreSnapshot> OpenAsync(Address owner, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            if (_owner != default && _owner != owner) return Task.FromException<StoreSnapshot>(new MessageStoreException($"The store belongs to {_owner}, not to {owner}."));
            _owner = owner;
            return Task.FromResult(new StoreSnapshot(_incarnation, _generation, _position, LowestOpen(), _nextNumber, _open.Count, _lastId));
        }
    }

    public Task SetIncarnationAsync(uint incarnation, uint generation)
    {
        lock (_gate)
        {
            _generation = generation;
            if (_incarnation == incarnation) return Task.CompletedTask;
            _incarnation = incarnation;
            foreach (var entry in _open.Values) Rename(_history[entry.Id], entry.Number);
            return Task.CompletedTask;
        }
    }

    public Task<IReadOnlyList<OutboxEntry>> AddAsync(IReadOnlyList<OutboxDraft> drafts)
    {
        ArgumentNullException.ThrowIfNull(drafts);
        lock (_gate)
        {
            var entries = new OutboxEntry[drafts.Count];
            for (var i = 0; i < entries.Length; i++)
            {
                var draft = drafts[i];
                var entry = entries[i] = new OutboxEntry(++_lastId, _nextNumber++, draft.To, draft.Kind, draft.ExpirySeconds, draft.Body);
                _open.Add(entry.Number, entry);
                _history.Add(entry.Id, new HistoryEntry(entry.Id, true, entry.To, MessageState.Open, 0, _incarnation, entry.Number, 0, entry.Kind, draft.At, draft.Body));
                _sent[(_incarnation, entry.Number)] = entry.Id;
            }

            return Task.FromResult<IReadOnlyList<OutboxEntry>>(entries);
        }
    }

    public Task<IReadOnlyList<OutboxEntry>> ReadOpenAsync(ulong from, ulong below, int max)
    {
        lock (_gate)
        {
            return Task.FromResult<IReadOnlyList<OutboxEntry>>([.. _open.Values.SkipWhile(e => e.Number < from).TakeWhile(e => e.Number < below).Take(max)]);
        }
    }

    public Task<SendOutcome> SettleAsync(long id, SendOutcome outcome)
    {
        lock (_gate)
        {
            if (!_history.TryGetValue(id, out var entry) || !entry.Sent) return Task.FromResult(outcome);
            var settled = StateOf(entry).Settle(outcome);
            Change(entry, settled);
            Trim();
            return Task.FromResult(settled.Outcome);
        }
    }

    public Task<IReadOnlyList<SettledMessage>> FenceAsync()
    {
        lock (_gate)
        {
            var settled = new List<SettledMessage>();
            foreach (var open in _open.Values.ToArray())
            {
                var entry = _history[open.Id];
                var state = StateOf(entry).Settle(new SendOutcome(MessageState.OutcomeUnknown));
                Change(entry, state);
                settled.Add(new SettledMessage(entry.Id, entry.Peer, state.Outcome));
            }

            _incarnation = 0;
            _nextNumber = 1;
            return Task.FromResult<IReadOnlyList<SettledMessage>>(settled);
        }
    }

    public Task RecordMessageAsync(ReceivedMessage message, MessageState state)
    {
        ArgumentNullException.ThrowIfNull(message);
        lock (_gate)
        {
            if (message.Sequence <= _position) return Task.CompletedTask;
            _position = message.Sequence;
            _history.Add(++_lastId, new HistoryEntry(
                _lastId, false, message.From, state, 0, message.Incarnation, message.Number, message.Sequence, SendKind.Message, message.EnqueuedAt, message.Body));
            _received[message.Sequence] = _lastId;
            Trim();
            return Task.CompletedTask;
        }
    }

    public Task<IReadOnlyList<SettledMessage>> RecordReceiptAsync(ReceivedReceipt receipt)
    {
        ArgumentNullException.ThrowIfNull(receipt);
        lock (_gate)
        {
            if (receipt.Sequence <= _position) return Task.FromResult<IReadOnlyList<SettledMessage>>([]);
            _position = receipt.Sequence;
            var changed = new List<SettledMessage>();
            foreach (var number in receipt.Numbers)
            {
                if (!_sent.TryGetValue((receipt.Incarnation, number), out var id) || !_history.TryGetValue(id, out var entry)) continue;
                if (!SentState.Concerns(receipt.Peer, entry.Peer, entry.Kind)) continue;
                var state = StateOf(entry).Hear(receipt);
                if (Change(entry, state)) changed.Add(new SettledMessage(id, entry.Peer, state.Outcome));
            }

            return Task.FromResult<IReadOnlyList<SettledMessage>>(changed);
        }
    }

    public Task<bool> MarkReadAsync(ulong sequence)
    {
        lock (_gate)
        {
            if (!_received.TryGetValue(sequence, out var id) || _history[id].State != MessageState.Received) return Task.FromResult(false);
            _history[id] = _history[id] with { State = MessageState.ReadHere };
            return Task.FromResult(true);
        }
    }

    public Task<HistoryEntry?> FindAsync(long id)
    {
        lock (_gate) return Task.FromResult(_history.GetValueOrDefault(id));
    }

    public Task<IReadOnlyList<HistoryEntry>> ReadHistoryAsync(Address? peer, long before, int max)
    {
        lock (_gate)
        {
            return Task.FromResult<IReadOnlyList<HistoryEntry>>([.. _history.Values.Reverse().Where(e => e.Id < before && (peer is null || e.Peer == peer)).Take(max)]);
        }
    }

    /// <summary>Nothing to release: the store outlives its client.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private ulong LowestOpen()
    {
        foreach (var number in _open.Keys) return number;
        return _nextNumber;
    }

    private SentState StateOf(HistoryEntry entry) =>
        _heard.TryGetValue(entry.Id, out var heard) ? heard : new SentState(new SendOutcome(entry.State, entry.Reason));

    /// <summary>True when its outcome changed.</summary>
    private bool Change(HistoryEntry entry, SentState state)
    {
        if (state.SaidRead || state.Told.State != MessageState.Open) _heard[entry.Id] = state;
        if (entry.State == state.Outcome.State) return false;
        if (entry.State == MessageState.Open) _open.Remove(entry.Number);
        _history[entry.Id] = entry with { State = state.Outcome.State, Reason = state.Outcome.Reason };
        return true;
    }

    private void Rename(HistoryEntry entry, ulong number)
    {
        if (_sent.TryGetValue((entry.Incarnation, entry.Number), out var id) && id == entry.Id) _sent.Remove((entry.Incarnation, entry.Number));
        _history[entry.Id] = entry with { Incarnation = _incarnation, Number = number };
        _sent[(_incarnation, number)] = entry.Id;
    }

    private void Trim()
    {
        if (_history.Count - _open.Count <= maxHistory) return;
        foreach (var entry in _history.Values)
        {
            if (entry.Sent && entry.State == MessageState.Open) continue;
            _history.Remove(entry.Id);
            _heard.Remove(entry.Id);
            if (entry.Sent) _sent.Remove((entry.Incarnation, entry.Number));
            else _received.Remove(entry.Sequence);
            return;
        }
    }
}
