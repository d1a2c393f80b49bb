using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>
/// Connects, logs in, runs the session, and does so again after a pause, until told to stop or told by the node not to come back.
/// One loop; <c>_gate</c> guards the session, which stopping reaches from outside.
/// </summary>
internal sealed class Connector
{
    private readonly SessionParts _parts;
    private readonly GatewayClientOptions _options;
    private readonly ReconnectBackoff _backoff;
    private readonly Action<ClientStateChange> _changed;
    private readonly Action<NodeRestoration> _restored;
    private readonly Lock _gate = new();
    private Session? _session;
    private uint _incarnation;
    private uint _generation;
    private int _sessions;

    public Connector(SessionParts parts, StoreSnapshot snapshot, Action<ClientStateChange> changed, Action<NodeRestoration> restored)
    {
        _parts = parts;
        _options = parts.Options;
        _backoff = new ReconnectBackoff(_options, parts.Jitter);
        _changed = changed;
        _restored = restored;
        _incarnation = snapshot.Incarnation;
        _generation = snapshot.Generation;
    }

    public uint Incarnation => Volatile.Read(ref _incarnation);
    public int Sessions => Volatile.Read(ref _sessions);

    public ulong Acknowledged
    {
        get
        {
            lock (_gate) return _session?.Acknowledged ?? 0;
        }
    }

    /// <summary>False: no session is up.</summary>
    public bool TryWake()
    {
        lock (_gate)
        {
            _session?.Wake();
            return _session is not null;
        }
    }

    /// <summary>Runs until cancelled, which ends a session in good order, or until there is no point in coming back. Returns the last change of state, "stopped".</summary>
    public async Task<ClientStateChange> RunAsync(CancellationToken stopping)
    {
        while (true)
        {
            DisconnectedException end;
            try
            {
                _changed(new ClientStateChange(ClientState.Connecting));
                end = await RunSessionAsync(stopping);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return Stopped(new DisconnectedException(DisconnectReason.Requested, "The client was stopped."));
            }
            catch (DisconnectedException e)
            {
                end = e;
            }

            if (Forbids(end)) return Stopped(end);
            if (stopping.IsCancellationRequested) return Stopped(new DisconnectedException(DisconnectReason.Requested, "The client was stopped."));
            if (end.Reason == DisconnectReason.IncarnationFenced)
            {
                await _parts.Outbox.FenceAsync();
                Volatile.Write(ref _incarnation, 0);
            }
            else if (!_options.Reconnect)
            {
                return Stopped(end);
            }

            var pause = IsSlow(end) ? _backoff.Slow() : end.RetryAfter is { } hint ? _backoff.AfterHint(hint) : _backoff.Next();
            _changed(new ClientStateChange(ClientState.Waiting, end.Reason, end.Code, end.Message, pause, end.InnerException));
            try
            {
                await Task.Delay(pause, _options.Time, stopping);
            }
            catch (OperationCanceledException)
            {
                return Stopped(new DisconnectedException(DisconnectReason.Requested, "The client was stopped."));
            }
        }
    }

    /// <summary>Coming back would change nothing, or would fight with whoever took over. PROTOCOL.md, "Error codes".</summary>
    private static bool Forbids(DisconnectedException end) => end.Reason == DisconnectReason.NodeNotAuthentic || end.Code is
        ErrorCode.AuthenticationFailed or ErrorCode.KeyRevoked or ErrorCode.TakenOver or ErrorCode.UnsupportedVersion or ErrorCode.BadMagic or ErrorCode.ResumeAhead;

    /// <summary>A defect of either side, or an operator's decision: coming back soon would only repeat it.</summary>
    private static bool IsSlow(DisconnectedException end) => end.Reason == DisconnectReason.ProtocolViolation || end.Code is
        ErrorCode.MalformedFrame or ErrorCode.FrameTooLarge or ErrorCode.UnknownFrameType or ErrorCode.UnexpectedFrame or ErrorCode.BadAddress
        or ErrorCode.WindowExceeded or ErrorCode.AcknowledgeAhead or ErrorCode.RejectUnknown or ErrorCode.Kicked;

    private static ClientStateChange Stopped(DisconnectedException end) =>
        new(ClientState.Stopped, end.Reason, end.Code, end.Message, Error: end.InnerException);

    private async Task<DisconnectedException> RunSessionAsync(CancellationToken stopping)
    {
        var link = await Link.ConnectAsync(_options, stopping);
        Session? session = null;
        try
        {
            var credit = _parts.TakesMessages ? _options.CreditMessages : 0;
            var login = await Handshake.RunAsync(link, _options, _incarnation, _parts.Inbox.Position, credit, stopping);
            if (_incarnation != 0 && login.Incarnation != _incarnation)
                throw DisconnectedException.Violation("The node gave another incarnation than the one it was asked for.");
            // Told before it is remembered: whoever dies in between is told again.
            if (_generation != 0 && login.Generation > _generation)
                _restored(new NodeRestoration(_generation, login.Generation, login.Incarnation, login.WindowLow, login.WindowSettled));
            await _options.Store.SetIncarnationAsync(login.Incarnation, login.Generation);
            _generation = login.Generation;
            Volatile.Write(ref _incarnation, login.Incarnation);
            if (!_parts.Outbox.TryBegin(login.WindowLow, login.WindowSettled))
                throw new DisconnectedException(DisconnectReason.IncarnationFenced, "The node knows of numbers that this store never gave: the store is an old copy.");

            while (_parts.Ephemerals.TryRead(out _))
            {
                // Worth nothing now: it was meant for the session before.
            }

            session = new Session(link, login, _parts, Interlocked.Increment(ref _sessions));
            return await RunAsync(session, login, stopping);
        }
        finally
        {
            if (session is null) await link.DisposeAsync();
            else await session.DisposeAsync();
        }
    }

    private async Task<DisconnectedException> RunAsync(Session session, Login login, CancellationToken stopping)
    {
        var began = _options.Time.GetTimestamp();
        lock (_gate) _session = session;
        _changed(new ClientStateChange(ClientState.Connected));
        try
        {
            using (stopping.UnsafeRegister(static (s, _) => { var (self, o) = ((Session, GatewayClientOptions))s!; self.Close(o.StopLinger); }, (session, _options)))
                return await session.RunAsync();
        }
        finally
        {
            lock (_gate) _session = null;
            _backoff.OnSessionEnded(_options.Time.GetElapsedTime(began));
        }
    }
}
