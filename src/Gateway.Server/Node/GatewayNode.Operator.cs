using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Transport;

namespace Gateway.Server.Node;

/// <summary>Operators' questions: each is posted to the reactors it concerns and answered on their threads.</summary>
internal sealed partial class GatewayNode
{
    public async Task<NodeLedger> GetLedgerAsync(CancellationToken cancel)
    {
        if (_mailboxLog is null) return new NodeLedger(default, default);
        // Each home counts at one instant of its own and answers once all that it counted is durable. Every entry is counted by exactly
        // one home, so the sums balance whenever each home's do.
        var columns = await WhenDurableOnEachReactor(host =>
        {
            var partition = _partitions[host.Reactor.Index].Partition;
            var ledger = partition.Ledger;
            var pending = partition.CountPending();
            return (Messages: Totals(ledger.Messages, pending.Messages), Receipts: Totals(ledger.Receipts, pending.Receipts));
        }).WaitAsync(cancel);
        return new NodeLedger(Sum(columns.Select(c => c.Messages)), Sum(columns.Select(c => c.Receipts)));
    }

    public async Task<IReadOnlyList<ConnectionStatus>> ListConnectionsAsync(int limit, CancellationToken cancel)
    {
        var lists = await OnEachReactor(host =>
        {
            var sessions = new List<SessionStatus>();
            host.Home.ListSessions(sessions, limit);
            return sessions.ConvertAll(s => StatusOf(host, s));
        }).WaitAsync(cancel);
        return [.. lists.SelectMany(l => l).Take(limit)];
    }

    public Task<MailboxStatus> GetMailboxAsync(Address address, CancellationToken cancel) => OnHomeOf(address, host =>
    {
        var state = _partitions[host.Reactor.Index].Partition.State(address.Value);
        var session = host.Home.FindSession(address);
        return new MailboxStatus(
            address, state.Entries, state.Bytes, state.First, state.Last, _epochs.CurrentEpoch(address), session is null ? null : StatusOf(host, session.Value));
    }).WaitAsync(cancel);

    public Task<int> KickAsync(Address address, CancellationToken cancel) =>
        OnHomeOf(address, host => host.Home.Kick(address) ? 1 : 0).WaitAsync(cancel);

    public Task<uint> GetKeyEpochAsync(Address address, CancellationToken cancel) => Task.FromResult(_epochs.CurrentEpoch(address));

    public async Task<uint> RevokeAsync(Address address, CancellationToken cancel)
    {
        await _revoking.WaitAsync(cancel);
        try
        {
            var epoch = _epochs.CurrentEpoch(address) + 1;
            var durable = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var taken = await OnHomeOf(address, host => host.Home.TrySetKeyEpoch(address, epoch, () =>
            {
                _epochs.Set(address.Value, epoch);
                host.Home.Kick(address, ErrorCode.KeyRevoked);
                durable.SetResult();
            }));
            if (!taken) throw new IOException("The log has no room for the revocation now; nothing was changed. Try again.");
            await durable.Task.WaitAsync(cancel);
            return epoch;
        }
        finally
        {
            _revoking.Release();
        }
    }

    public string? ExpirySuspended => _expiry.Reason;

    public async Task<bool> ResumeExpiryAsync(CancellationToken cancel)
    {
        // The homes first: one that still finds the clock wrong says so again.
        await OnEachReactor(host =>
        {
            host.Home.ResumeExpiry();
            return true;
        }).WaitAsync(cancel);
        return _expiry.Clear();
    }

    private ConnectionStatus StatusOf(ReactorHost host, SessionStatus s) => new(
        s.Device,
        host.Reactor.RemoteEndPoint(ConnectionId.Unpack(s.Connection))?.ToString() ?? "unknown",
        host.Reactor.Index,
        DateTimeOffset.FromUnixTimeSeconds(s.LoggedInAt),
        s.Epoch,
        _epochs.CurrentEpoch(s.Device),
        s.Unacknowledged,
        s.UnsentBytes);

    private static LedgerTotals Totals(Mailbox.LedgerColumn c, long pending) =>
        new(c.Accepted, c.Delivered, pending, c.Rejected, c.Expired, c.Discarded, c.Lost);

    private static LedgerTotals Sum(IEnumerable<LedgerTotals> totals) => totals.Aggregate((a, b) => new LedgerTotals(
        a.Accepted + b.Accepted, a.Delivered + b.Delivered, a.Pending + b.Pending, a.Rejected + b.Rejected, a.Expired + b.Expired,
        a.Discarded + b.Discarded, a.Lost + b.Lost));

    private Task<T> OnHomeOf<T>(Address address, Func<ReactorHost, T> ask) => OnReactor(_hosts[HomeMap.HomeOf(address.Value, _hosts.Length)], ask);

    private Task<T[]> OnEachReactor<T>(Func<ReactorHost, T> ask) => Task.WhenAll(_hosts.Select(host => OnReactor(host, ask)));

    private async Task<T[]> WhenDurableOnEachReactor<T>(Func<ReactorHost, T> ask) => await Task.WhenAll(_hosts.Select(async host =>
    {
        var durable = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var answer = await OnReactor(host, h =>
        {
            h.Home.WhenDurable(durable.SetResult);
            return ask(h);
        });
        await Task.WhenAny(durable.Task, Failed);
        ThrowIfStopped();
        return answer;
    }));

    /// <summary>Runs something on a reactor's thread and does not wait for it; false: its queue is full. For tests that hold a reactor up.</summary>
    internal bool TryPost(int reactor, Action work) => _hosts[reactor].Reactor.TryPost(_ => work());

    private async Task<T> OnReactor<T>(ReactorHost host, Func<ReactorHost, T> ask)
    {
        ThrowIfStopped();
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        void Work(IReactorHandler _)
        {
            try
            {
                answer.SetResult(ask(host));
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                answer.SetException(e);
                throw;
            }
        }

        // The queue is bounded; operators wait their turn rather than push messages aside.
        while (!host.Reactor.TryPost(Work)) await Task.Delay(TimeSpan.FromMilliseconds(10), _time);
        await Task.WhenAny(answer.Task, Failed);
        ThrowIfStopped();
        return await answer.Task;
    }

    private void ThrowIfStopped()
    {
        if (_failed.Task.IsCompleted) throw new NodeStoppedException("The node has stopped for good.", _failed.Task.Result);
        if (!_running) throw new NodeStoppedException("The node is not running.");
    }
}
