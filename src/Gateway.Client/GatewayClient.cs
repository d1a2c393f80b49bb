using System.Buffers.Binary;
using System.Threading.Channels;
using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>
/// A device of the gateway: keeps a connection, sends from a durable outbox, takes messages from its mailbox and acknowledges what was processed.
/// Started once, stopped once. Every member may be called from any thread; handlers run one at a time, off the caller's thread.
/// <para><b>Sending</b> is at least once, made exactly once by the node: a message keeps its number until its outcome is known, over reconnects and restarts.</para>
/// <para><b>Receiving</b>: the history and the position are stored in one transaction, so the history has each message exactly once. The handler runs before
/// that, so it sees a message at least once: after a crash between the two it sees it again. A handler whose own effect must happen exactly once stores
/// <see cref="ReceivedMessage.Sequence"/> with the effect, atomically, and gives the highest one back through <see cref="GatewayClientOptions.ResumePosition"/>:
/// the handler then never sees a sequence at or below it.</para>
/// </summary>
public sealed class GatewayClient : IAsyncDisposable
{
    private const int MaxEphemerals = 64;

    private readonly GatewayClientOptions _options;
    private readonly Lock _gate = new();
    private readonly Channel<EphemeralDraft> _ephemerals = Channel.CreateBounded<EphemeralDraft>(
        new BoundedChannelOptions(MaxEphemerals) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
    private readonly TaskCompletionSource _stopRequested = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<ClientStateChange> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource _stateChanged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ClientStateChange _state = new(ClientState.Created);
    private ClientStateChange? _failure;
    private bool _started;
    private Outbox? _outbox;
    private Inbox? _inbox;
    private Connector? _connector;
    private Func<ReceivedMessage, CancellationToken, ValueTask>? _messageReceived;
    private Func<ReceivedReceipt, CancellationToken, ValueTask>? _receiptReceived;

    /// <exception cref="ArgumentException">Names the option that is out of range.</exception>
    public GatewayClient(GatewayClientOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
    }

    /// <summary>
    /// Processes one message; it is acknowledged once this has completed and the message is stored. Called one message at a time, in order of sequence.
    /// Throw <see cref="RejectMessageException"/> to have the message removed and its sender told; after any other exception it is called again with
    /// the same message, later and later. The token is cancelled when the client stops; what is cancelled is delivered again to the next client.
    /// <para>Set it before <see cref="StartAsync"/>. Without it nothing is asked for: messages and receipts stay in the mailbox.</para>
    /// </summary>
    public Func<ReceivedMessage, CancellationToken, ValueTask>? MessageReceived
    {
        get => _messageReceived;
        set => SetHandler(ref _messageReceived, value);
    }

    /// <summary>Hears what became of sent messages; in order with the messages, under the same rules, but for rejection. Set it before <see cref="StartAsync"/>.</summary>
    public Func<ReceivedReceipt, CancellationToken, ValueTask>? ReceiptReceived
    {
        get => _receiptReceived;
        set => SetHandler(ref _receiptReceived, value);
    }

    // Observers are called in passing: they must be quick, and what they throw is told to Faulted.

    public event Action<ReceivedEphemeral>? EphemeralReceived;

    public event Action<ClientStateChange>? StateChanged;

    /// <summary>The mailbox held entries that this device never saw.</summary>
    public event Action<SequenceGap>? GapDetected;

    /// <summary>A message of the outbox has its outcome, whichever run of the program put it there. In no particular order.</summary>
    public event Action<SettledMessage>? MessageSettled;

    public event Action<NodeRestoration>? NodeRestored;

    /// <summary>The application's own code threw.</summary>
    public event Action<ClientFault>? Faulted;

    public Address Address => _options.Key.Address;

    /// <summary>The last change of state.</summary>
    public ClientStateChange State
    {
        get
        {
            lock (_gate) return _state;
        }
    }

    /// <summary>Completes when the client has stopped, with the reason.</summary>
    public Task<ClientStateChange> Completion => _completion.Task;

    public ClientStatus Status
    {
        get
        {
            var (state, outbox, inbox, connector) = (State.State, _outbox, _inbox, _connector);
            return outbox is null || inbox is null || connector is null
                ? new ClientStatus(state, 0, 0, 0, 0, 0, 0, 0)
                : new ClientStatus(state, outbox.Open, outbox.InFlight, inbox.Queued, inbox.Position, connector.Acknowledged, connector.Incarnation, connector.Sessions);
        }
    }

    /// <summary>Opens the store and begins to connect; returns without waiting for the connection, see <see cref="WaitForConnectionAsync"/>.</summary>
    /// <param name="cancellationToken">Cancels the start, not what was started. After a start that failed or was cancelled the client can only be disposed.</param>
    /// <exception cref="InvalidOperationException">Started before.</exception>
    /// <exception cref="MessageStoreException">The store cannot be used.</exception>
    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            if (_started) throw new InvalidOperationException("A client is started once.");
            _started = true;
        }

        try
        {
            await OpenAsync(cancellationToken);
        }
        catch (Exception e)
        {
            Finish(new ClientStateChange(ClientState.Stopped, DisconnectReason.StoreFailed, Detail: e.Message, Error: e));
            throw;
        }

        _ = RunAsync(_outbox!, _inbox!, _connector!);
    }

    /// <summary>Completes at the next moment, or now, at which the client is logged in.</summary>
    /// <exception cref="ClientStoppedException">It stopped before, and says why.</exception>
    public async Task WaitForConnectionAsync(CancellationToken cancellationToken = default)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (_state.State == ClientState.Connected) return;
                if (_state.State == ClientState.Stopped) throw new ClientStoppedException(_state);
                changed = _stateChanged.Task;
            }

            await changed.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Puts a message into the outbox; returns when it is durable there, connected or not. While the outbox is full it waits or throws, as configured.</summary>
    /// <param name="to">A user, a group or a service.</param>
    /// <param name="body">At most <see cref="GatewayClientOptions.MaxBodyBytes"/>; copied.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <param name="cancellationToken">Gives up while waiting for room or for the store's turn: the message is then not in the outbox.</param>
    /// <exception cref="ArgumentException">The address names nobody, or the body is too long.</exception>
    /// <exception cref="OutboxFullException">See <see cref="OutboxFullMode.Throw"/>.</exception>
    /// <exception cref="ClientStoppedException">The client has stopped; the message is not in the outbox.</exception>
    public Task<OutboxMessage> SendAsync(Address to, ReadOnlyMemory<byte> body, SendOptions? options = null, CancellationToken cancellationToken = default)
    {
        if (!to.IsValid) throw new ArgumentException($"'{to}' names nobody.", nameof(to));
        if (body.Length > _options.MaxBodyBytes) throw new ArgumentException($"The body has {body.Length} bytes, {_options.MaxBodyBytes} are allowed.", nameof(body));
        var expiry = options?.Expiry is { } e ? (uint)Math.Clamp(e.TotalSeconds, 1, uint.MaxValue) : 0;
        return Sender().AddAsync(new OutboxDraft(to, SendKind.Message, expiry, body.ToArray(), _options.Time.GetUtcNow()), cancellationToken);
    }

    /// <summary>Tells senders that a person has seen their messages, and marks them in the history. Goes through the outbox; a repeat is told again.</summary>
    /// <param name="messages">Received messages, in any mixture of senders.</param>
    /// <param name="cancellationToken">Gives up between messages to different senders.</param>
    /// <exception cref="ClientStoppedException">The client has stopped.</exception>
    public async Task MarkReadAsync(IEnumerable<ReceivedMessage> messages, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var outbox = Sender();
        foreach (var group in messages.Where(m => m.Number != 0).GroupBy(m => (m.From, m.Incarnation)))
        {
            foreach (var chunk in group.Chunk(Wire.MaxReceiptNumbers))
            {
                var draft = new OutboxDraft(group.Key.From, SendKind.Read, 0, WriteReadBody(group.Key.Incarnation, chunk), _options.Time.GetUtcNow());
                await outbox.AddAsync(draft, cancellationToken);
                foreach (var message in chunk) await _options.Store.MarkReadAsync(message.Sequence);
            }
        }
    }

    /// <summary>Sends something worth showing now, typing for instance: never stored, never repeated, and the oldest are dropped when 64 wait.</summary>
    /// <returns>False: not connected; nothing is sent.</returns>
    /// <exception cref="ArgumentException">The address names nobody, the kind is none, or the data is longer than <see cref="Wire.MaxEphemeralBytes"/>.</exception>
    public bool TrySendEphemeral(Address to, EphemeralKind kind, ReadOnlySpan<byte> data = default)
    {
        if (!to.IsValid) throw new ArgumentException($"'{to}' names nobody.", nameof(to));
        if (kind == EphemeralKind.None) throw new ArgumentException("An ephemeral has a kind.", nameof(kind));
        if (data.Length > Wire.MaxEphemeralBytes) throw new ArgumentException($"At most {Wire.MaxEphemeralBytes} bytes.", nameof(data));
        if (_connector?.TryWake() != true) return false;
        _ephemerals.Writer.TryWrite(new EphemeralDraft(to, kind, data.ToArray()));
        return _connector.TryWake();
    }

    /// <summary>Completes when every message that is in the outbox now has an outcome: accepted, or never to be.</summary>
    /// <param name="cancellationToken">Ends the waiting; the messages stay in the outbox.</param>
    /// <exception cref="ClientStoppedException">The client stopped before.</exception>
    public Task FlushAsync(CancellationToken cancellationToken = default) => Sender().FlushAsync(cancellationToken);

    /// <summary>
    /// Gives up a message whose outcome is not known, so that it no longer holds up others: the window has 64 places, and one that is refused for days
    /// takes one of them. If it was sent, the node may still have it.
    /// </summary>
    /// <returns>False: it has an outcome already, or there is no such message.</returns>
    public Task<bool> AbandonAsync(long id) => Sender().AbandonAsync(id);

    /// <summary>The history, newest first: see <see cref="IMessageStore.ReadHistoryAsync"/>.</summary>
    public Task<IReadOnlyList<HistoryEntry>> ReadHistoryAsync(Address? peer = null, long before = long.MaxValue, int max = 100) =>
        _options.Store.ReadHistoryAsync(peer, before, max);

    /// <summary>
    /// Stops: the handler that runs is told by its token and waited for, what was processed is stored and acknowledged, then the connection closes.
    /// Messages without an outcome stay in the outbox. Not to be awaited inside a handler, which it waits for.
    /// </summary>
    /// <param name="cancellationToken">Ends the waiting; the client stops all the same.</param>
    public Task StopAsync(CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            if (!_started)
            {
                _started = true;
                _state = new ClientStateChange(ClientState.Stopped, DisconnectReason.Requested, Detail: "The client was never started.");
                _completion.TrySetResult(_state);
            }
        }

        _stopRequested.TrySetResult();
        return _completion.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Stops, and disposes the store unless told to leave it open.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        if (!_options.LeaveStoreOpen) await _options.Store.DisposeAsync();
    }

    private static byte[] WriteReadBody(uint incarnation, ReceivedMessage[] messages)
    {
        var numbers = new byte[8 * messages.Length];
        for (var i = 0; i < messages.Length; i++) BinaryPrimitives.WriteUInt64LittleEndian(numbers.AsSpan(8 * i), messages[i].Number);
        var body = new byte[Protocol.ReadBody.BodyBytes(messages.Length)];
        Protocol.ReadBody.Write(body, incarnation, numbers);
        return body;
    }

    private async Task OpenAsync(CancellationToken cancellationToken)
    {
        var snapshot = await _options.Store.OpenAsync(Address, cancellationToken);
        var handled = _options.ResumePosition is { } ask ? await ask(cancellationToken) : snapshot.Position;
        var clock = new Clock(_options.Time);
        var jitter = new Jitter(_options.Random);
        _outbox = new Outbox(_options, snapshot, clock, jitter, OnStoreFailed, m => Observe(MessageSettled, m));
        var handlers = new InboxHandlers(_messageReceived, _receiptReceived, g => Observe(GapDetected, g), f => Observe(Faulted, f));
        _inbox = new Inbox(_options, handlers, _outbox, snapshot.Position, handled, OnStoreFailed);
        var parts = new SessionParts(_options, clock, jitter, _outbox, _inbox, handlers.TakesMessages, _ephemerals.Reader, e => Observe(EphemeralReceived, e));
        _connector = new Connector(parts, snapshot, SetState, r => Observe(NodeRestored, r));
    }

    /// <summary>The client's life, and the order of its end: handlers, acknowledgements, connection, outbox.</summary>
    private async Task RunAsync(Outbox outbox, Inbox inbox, Connector connector)
    {
        using var stopHandlers = new CancellationTokenSource();
        using var stopConnecting = new CancellationTokenSource();
        var adding = GuardAsync(async () =>
        {
            await outbox.RunAsync();
            return null;
        });
        var handling = GuardAsync(async () =>
        {
            await inbox.RunAsync(stopHandlers.Token);
            return null;
        });
        var connecting = GuardAsync(async () => await connector.RunAsync(stopConnecting.Token));
        await Task.WhenAny(connecting, _stopRequested.Task);

        await stopHandlers.CancelAsync();
        await handling;
        await stopConnecting.CancelAsync();
        var last = await connecting;
        lock (_gate) last = _failure ?? last ?? new ClientStateChange(ClientState.Stopped, DisconnectReason.Requested);
        outbox.Stop(new ClientStoppedException(last));
        await adding;
        Finish(last);
    }

    /// <summary>What escapes here is the store's failure or a defect of ours: either ends the client.</summary>
    private async Task<ClientStateChange?> GuardAsync(Func<Task<ClientStateChange?>> run)
    {
        try
        {
            return await Task.Run(run);
        }
        catch (Exception e)
        {
            Fail(e, e is MessageStoreException or ObjectDisposedException ? DisconnectReason.StoreFailed : DisconnectReason.Defect);
            return null;
        }
    }

    private void OnStoreFailed(Exception error) => Fail(error, DisconnectReason.StoreFailed);

    private void Fail(Exception error, DisconnectReason reason)
    {
        lock (_gate) _failure ??= new ClientStateChange(ClientState.Stopped, reason, Detail: error.Message, Error: error);
        _stopRequested.TrySetResult();
    }

    private void Finish(ClientStateChange last)
    {
        SetState(last);
        _completion.TrySetResult(last);
    }

    private void SetState(ClientStateChange change)
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            _state = change;
            changed = _stateChanged;
            _stateChanged = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.TrySetResult();
        Observe(StateChanged, change);
    }

    private void Observe<T>(Action<T>? observers, T news)
    {
        try
        {
            observers?.Invoke(news);
        }
        catch (Exception e)
        {
            try
            {
                Faulted?.Invoke(new ClientFault(FaultSource.Observer, e));
            }
            catch (Exception)
            {
                // The observer of faults failed: there is nobody left to tell.
            }
        }
    }

    private Outbox Sender() => _outbox ?? throw new InvalidOperationException("The client is not started.");

    private void SetHandler<T>(ref T field, T value)
    {
        lock (_gate)
        {
            if (_started) throw new InvalidOperationException("Handlers are set before the client is started.");
            field = value;
        }
    }
}
