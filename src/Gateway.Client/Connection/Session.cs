using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>
/// One authenticated connection. Two loops: the reading loop takes frames apart and passes them on (Session.Receive.cs); the writing loop, woken by
/// whoever has something to send, writes all that is due and flushes once (Session.Send.cs). Whichever ends first ends the session.
/// <para>Threads: each pipe belongs to its loop; <c>_gate</c> guards the acknowledger, the pongs, the rejection under way and how the session ends.</para>
/// </summary>
internal sealed partial class Session : IDeliverySession, IAsyncDisposable
{
    private readonly Link _link;
    private readonly Login _login;
    private readonly SessionParts _parts;
    private readonly Clock _clock;
    private readonly int _ordinal;
    private readonly Signal _signal = new();
    private readonly CancellationTokenSource _end = new();
    private readonly ITimer _timer;
    private readonly KeepAlive _keepAlive;
    private readonly Lock _gate = new();
    private readonly Acknowledger _acknowledger;
    private DisconnectedException? _cause;
    private GoAwayFrame? _goAway;
    private bool _closing;
    private long _closeByMs = long.MaxValue;

    /// <param name="link">The connection; disposed with the session.</param>
    /// <param name="login">What the node told.</param>
    /// <param name="parts">What sessions share.</param>
    /// <param name="ordinal">Counts the client's sessions, from 1.</param>
    public Session(Link link, Login login, SessionParts parts, int ordinal)
    {
        _link = link;
        _login = login;
        _parts = parts;
        _clock = parts.Clock;
        _ordinal = ordinal;
        var options = parts.Options;
        var (firstMs, intervalMs) = KeepAlive.Intervals(options.PingInterval, login.IdleTimeoutMs, parts.Jitter);
        _keepAlive = new KeepAlive(firstMs, intervalMs, (long)options.PingTimeout.TotalMilliseconds, _clock.NowMs);
        _acknowledger = new Acknowledger(
            options.AcknowledgeEvery, (long)options.AcknowledgeWithin.TotalMilliseconds, options.CreditMessages, options.CreditBytes, parts.Inbox.Position);
        _timer = _clock.Time.CreateTimer(_ => OnTimer(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public ulong Acknowledged
    {
        get
        {
            lock (_gate) return _acknowledger.Acknowledged;
        }
    }

    /// <summary>Runs until the connection ends, and says why it did.</summary>
    public async Task<DisconnectedException> RunAsync()
    {
        _parts.Outbox.Attach(_signal.Set);
        _parts.Inbox.Attach(this);
        await Task.WhenAll(GuardAsync(ReadAsync), GuardAsync(WriteAsync));
        _parts.Outbox.Attach(static () => { });
        _parts.Inbox.Attach(null);

        if (_closing && _cause!.Reason != DisconnectReason.NodeError) return new DisconnectedException(DisconnectReason.Requested, "The client was stopped.");
        if (_goAway is not { } goAway) return _cause!;
        var hint = TimeSpan.FromMilliseconds(goAway.ReconnectAfterMs);
        return _cause!.Reason switch
        {
            DisconnectReason.ConnectionLost => new DisconnectedException(DisconnectReason.GoAway, "The node sent the device away.", goAway.Reason, hint),
            // The error says why the connection ended; when to come back was said before it.
            DisconnectReason.NodeError => new DisconnectedException(DisconnectReason.NodeError, _cause.Message, _cause.Code, hint),
            _ => _cause,
        };
    }

    /// <summary>Something is to be sent.</summary>
    public void Wake() => _signal.Set();

    /// <summary>Ends the session in good order: what is processed is acknowledged, then the node closes; at the latest after <paramref name="linger"/>.</summary>
    public void Close(TimeSpan linger)
    {
        lock (_gate)
        {
            _closing = true;
            EndWithin(linger);
        }

        _signal.Set();
    }

    public void OnProcessed(ulong position)
    {
        lock (_gate)
        {
            _acknowledger.OnProcessed(position, _clock.NowMs);
            if (_closeByMs != long.MaxValue) _acknowledger.Hurry(_clock.NowMs);
            if (_acknowledger.DueMs == long.MaxValue) return;
        }

        _signal.Set();
    }

    public Task<bool> RejectAsync(InboxItem item, ushort reason, CancellationToken cancellationToken)
    {
        var rejection = new Rejection(item, reason);
        lock (_gate)
        {
            if (_cause is not null) return Task.FromResult(false);
            _rejection = rejection;
        }

        _signal.Set();
        return rejection.Done.Task.WaitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        _end.Dispose();
        await _link.DisposeAsync();
    }

    private async Task GuardAsync(Func<Task> loop)
    {
        try
        {
            await loop();
        }
        catch (DisconnectedException e)
        {
            End(e);
        }
        catch (OperationCanceledException)
        {
            // The other loop, or the timer, ended the session and said why.
        }
        catch (Exception e)
        {
            End(new DisconnectedException(DisconnectReason.ConnectionLost, e.Message, inner: e));
        }
    }

    private void End(DisconnectedException cause)
    {
        Rejection? rejection;
        lock (_gate)
        {
            if (_cause is not null) return;
            _cause = cause;
            rejection = _rejection;
            _rejection = null;
        }

        rejection?.Done.TrySetResult(false);
        _end.Cancel();
    }

    /// <summary>Under the lock.</summary>
    private void EndWithin(TimeSpan linger)
    {
        _closeByMs = Math.Min(_closeByMs, _clock.NowMs + (long)linger.TotalMilliseconds);
        _acknowledger.Hurry(_clock.NowMs);
    }

    /// <summary>Judges the silence here and not in the writing loop, which may be stuck behind a node that does not read.</summary>
    private void OnTimer()
    {
        var now = _clock.NowMs;
        if (now >= _keepAlive.DeadMs)
        {
            End(new DisconnectedException(DisconnectReason.DeadPeer, "Nothing was heard from the node for too long."));
            return;
        }

        long closeBy;
        lock (_gate) closeBy = _closeByMs;
        if (now >= closeBy)
        {
            End(new DisconnectedException(DisconnectReason.ConnectionLost, "The node did not close the connection in time."));
            return;
        }

        SetTimer(Math.Min(_keepAlive.DeadMs, closeBy), now);
        _signal.Set();
    }

    private void SetTimer(long dueMs, long nowMs)
    {
        try
        {
            _timer.Change(TimeSpan.FromMilliseconds(Math.Max(1, dueMs - nowMs)), Timeout.InfiniteTimeSpan);
        }
        catch (ObjectDisposedException)
        {
            // A last tick of a session that has ended.
        }
    }
}
