using System.Diagnostics.Metrics;
using Gateway.Protocol;
using Gateway.Server;
using Gateway.Server.Health;
using Gateway.Server.Metrics;
using Gateway.Transport;
using Microsoft.Extensions.Logging;

namespace Gateway.Tests.Server;

/// <summary>A node without reactors or log: the tests script what it answers and see what the shell asked of it.</summary>
internal sealed class FakeNode : INode
{
    private readonly TaskCompletionSource<Exception> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private readonly Dictionary<Address, uint> _epochs = [];
    private readonly List<string> _calls = [];

    /// <summary>What start waits for; completed unless a test replaces it.</summary>
    public Task StartGate { get; set; } = Task.CompletedTask;

    /// <summary>What drain waits for.</summary>
    public Task DrainGate { get; set; } = Task.CompletedTask;
    public Task DisposeGate { get; set; } = Task.CompletedTask;
    public Exception? StartError { get; set; }
    public Exception? AnswerError { get; set; }
    public IReadOnlyList<string> EndpointLines { get; set; } = ["native  tcp://127.0.0.1:5240"];
    public (IoBackend Io, long Connections) Backend { get; set; } = (IoBackend.Epoll, 19_488);
    public NodeReadiness Readiness { get; set; } = NodeReadiness.Starting("recovering, 40 % read");
    public Task<Exception> Failed => _failed.Task;
    public NodeLedger Ledger { get; set; } = new(default, default);
    public NodeCounters Counters { get; set; } = NodeCounters.None;
    public IReadOnlyList<QueueReading> Queues { get; set; } = [];
    public TimeSpan StalledFor { get; set; }
    public IReadOnlyList<Meter> Meters { get; set; } = [];
    public FakeInsight FakeInsight { get; } = new();
    public INodeInsight Insight => FakeInsight;
    public List<ConnectionStatus> Connections { get; } = [];
    public List<ListedConnection> Listed { get; } = [];
    public ILogger? Log { get; set; }
    public GatewayOptions? Options { get; set; }

    public IReadOnlyList<string> Calls
    {
        get
        {
            lock (_gate) return [.. _calls];
        }
    }

    public void FailStop(Exception cause)
    {
        Readiness = NodeReadiness.Failed(cause.Message);
        _failed.SetResult(cause);
    }

    public async Task StartAsync(CancellationToken cancel)
    {
        Note("start");
        await StartGate.WaitAsync(cancel);
        if (StartError is not null) throw StartError;
        Readiness = NodeReadiness.Ready;
    }

    public async Task DrainAsync(TimeSpan limit, CancellationToken cancel)
    {
        Readiness = NodeReadiness.Draining;
        Note($"drain {limit.TotalSeconds}s");
        await DrainGate.WaitAsync(cancel);
    }

    public Task<NodeLedger> GetLedgerAsync(CancellationToken cancel) => Answer(() => Ledger);

    public Task<IReadOnlyList<ConnectionStatus>> ListConnectionsAsync(int limit, CancellationToken cancel) =>
        Answer<IReadOnlyList<ConnectionStatus>>(() => [.. Connections.Take(limit)]);

    public Task<ConnectionTop> TopConnectionsAsync(ConnectionRank by, int count, CancellationToken cancel) => Answer(() =>
    {
        Note($"top {by} {count}");
        return new ConnectionTop([.. Listed.Take(count)], Listed.Count);
    });

    public Task<MailboxStatus> GetMailboxAsync(Address address, CancellationToken cancel) =>
        Answer(() => new MailboxStatus(address, 7, 700, 11, 19, EpochOf(address), Connections.FirstOrDefault(c => c.Address == address)));

    public Task<int> KickAsync(Address address, CancellationToken cancel) => Answer(() =>
    {
        Note($"kick {address}");
        return Connections.RemoveAll(c => c.Address == address);
    });

    public Task<uint> GetKeyEpochAsync(Address address, CancellationToken cancel) => Answer(() => EpochOf(address));

    public Task<uint> RevokeAsync(Address address, CancellationToken cancel) => Answer(() =>
    {
        Note($"revoke {address}");
        lock (_gate) return _epochs[address] = EpochOf(address) + 1;
    });

    public string? ExpirySuspended { get; set; }

    public Task<bool> ResumeExpiryAsync(CancellationToken cancel) => Answer(() =>
    {
        var was = ExpirySuspended is not null;
        ExpirySuspended = null;
        return was;
    });

    public NodeCounters GetCounters() => AnswerError is null ? Counters : throw AnswerError;

    public IReadOnlyList<QueueReading> GetQueues() => Queues;

    public async ValueTask DisposeAsync()
    {
        await DisposeGate;
        Note("dispose");
    }

    private uint EpochOf(Address address)
    {
        lock (_gate) return _epochs.GetValueOrDefault(address);
    }

    private Task<T> Answer<T>(Func<T> answer) => AnswerError is null ? Task.FromResult(answer()) : Task.FromException<T>(AnswerError);

    private void Note(string call)
    {
        lock (_gate) _calls.Add(call);
    }
}
