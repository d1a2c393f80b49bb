using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Gateway.Mailbox;
using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Server.Health.Flight;
using Gateway.Server.Hosting;
using Gateway.Server.Metrics;
using Gateway.Transport;
using Microsoft.Extensions.Logging;

namespace Gateway.Server.Node;

/// <summary>
/// The node: one log, and a reactor with a home for each core, joined. Started once, then left to its threads; operators' questions are
/// posted to the reactors and answered from there. Any thread.
/// </summary>
internal sealed partial class GatewayNode : INode
{
    // A reactor logs in about 9,000 a second when it does nothing else: this leaves most of it to those already in.
    private const double LoginsPerSecond = 2_000;
    private const double LoginsAtOnce = 500;

    private readonly GatewayOptions _options;
    private readonly NodeKeys _keys;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly KeyEpochs _epochs;
    private readonly TaskCompletionSource<Exception> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SemaphoreSlim _revoking = new(1);
    private readonly Lock _drainGate = new();
    private readonly NodeMeters? _meters;
    private readonly ExpirySuspension _expiry;
    private ReactorHost[] _hosts = [];
    private PartitionLog[] _partitions = [];
    private MailboxLog? _mailboxLog;
    private ReactorGroup? _group;
    private Task? _drain;
    private volatile bool _running;
    private NodeReadinessBox _readiness = new(NodeReadiness.Starting("the node is starting"));

    public GatewayNode(GatewayOptions options, NodeKeys keys, ILoggerFactory logs, TimeProvider time)
    {
        _options = options;
        _keys = keys;
        _time = time;
        _log = logs.CreateLogger("gateway.node");
        _epochs = new KeyEpochs(keys);
        _expiry = new ExpirySuspension(options.Data, _log);
        if (options.Metrics)
        {
            _meters = new NodeMeters(this, options, NodeHost.Version, time);
            _flights = [.. Enumerable.Range(0, options.Reactors).Select(i => new FlightRing($"reactor {i}", FlightEvents)), new FlightRing("commits", FlightEvents / 8)];
            _commitRecorder = new CommitRecorder(_flights[^1], time);
        }
    }

    /// <summary>Called with the log's options before it is opened: tests put faults there.</summary>
    internal Action<MailboxLogOptions>? OnLogOptions { get; init; }

    /// <summary>A structure larger than a word, published whole.</summary>
    private sealed record NodeReadinessBox(NodeReadiness Value);

    public IReadOnlyList<string> EndpointLines { get; private set; } = [];

    public (IoBackend Io, long Connections) Backend { get; private set; }

    public NodeReadiness Readiness
    {
        get => Volatile.Read(ref _readiness).Value;
        private set => Volatile.Write(ref _readiness, new NodeReadinessBox(value));
    }

    public Task<Exception> Failed => _failed.Task;

    public Task StartAsync(CancellationToken cancel) => Task.Run(Start, cancel);

    private void Start()
    {
        var homes = _options.Reactors;
        var connections = new ReactorConnections[homes];
        _partitions = new PartitionLog[homes];
        _hosts = new ReactorHost[homes];
        for (var i = 0; i < homes; i++)
        {
            connections[i] = new ReactorConnections();
            _partitions[i] = new PartitionLog();
            var events = new NodeEvents(this);
            var home = new Home(i, homes, HomeOptions(), _partitions[i], connections[i], connections[i], events);
            // Any reactor may see every handshake of the node for an instant: the kernel spreads them as it likes.
            var doorman = new Doorman(connections[i], _epochs, RandomNumberGenerator.Fill, _options.MaxHandshakes, LoginsOfAReactor(), (int)_options.KeepUnused.TotalMilliseconds);
            var flight = _options.Metrics ? new FlightRecorder(_flights[i]) : null;
            _hosts[i] = new ReactorHost(homes, _options, connections[i], doorman, home, _partitions[i], _epochs, _time, _meters?.LoopLagOf(i), flight);
        }

        OpenLog();
        for (var i = 0; i < homes; i++)
        {
            _partitions[i].Bind(_mailboxLog, i);
            _hosts[i].Home.RestoreGeneration(_mailboxLog.Generation);
        }

        try
        {
            _group = new ReactorGroup(TransportOptions(), reactor =>
            {
                connections[reactor.Index].Reactor = reactor;
                return _hosts[reactor.Index];
            }, OnFatal, _time);
        }
        catch (NotSupportedException e)
        {
            throw new NodeStartException($"io: {e.Message}", e);
        }

        _log.LogInformation("{Backend}", _group.Backend);
        Backend = (_group.Io, _group.BackendConnections);
        _group.Start();
        _running = true;
        Listen();
        Readiness = NodeReadiness.Ready;
    }

    [MemberNotNull(nameof(_mailboxLog))]
    private void OpenLog()
    {
        var recovery = new Recovery([.. _hosts.Select(h => h.Home)], _epochs, _time, _log, progress => Readiness = NodeReadiness.Starting(progress));
        try
        {
            var logOptions = LogOptions();
            OnLogOptions?.Invoke(logOptions);
            _mailboxLog = MailboxLog.Open(logOptions, recovery, _time);
            recovery.TellRepairs();
            _expiry.Load();
            foreach (var host in _hosts) host.Home.RestoreClock((uint)(_mailboxLog.HighestRecovered / 1_000_000), _expiry.Reason is not null);
            if (_mailboxLog.Generation > 1) _log.LogInformation("generation {Generation}: the log was restored from a backup", _mailboxLog.Generation);
        }
        catch (LogCorruptException e)
        {
            throw new NodeStartException($"The log is damaged and starting would lose what was promised. {e.Message}", e);
        }
        catch (Exception e) when (e is LogVersionException or LogLockedException or LogIOException or UnauthorizedAccessException)
        {
            throw new NodeStartException(e.Message, e);
        }
    }

    private void Listen()
    {
        var errno = _group!.Listen(_options.NativeListen, _options.ListenBacklog, out var bound);
        if (errno != 0) throw new NodeStartException($"native-listen {_options.NativeListen}: {Marshal.GetPInvokeErrorMessage(errno)}");
        EndpointLines = [$"native    tcp://{bound}"];
    }

    private double LoginRateOfAReactor => _options.LoginRate == 0 ? LoginsPerSecond : (double)_options.LoginRate / _options.Reactors;

    private LoginBucket LoginsOfAReactor() => new(
        LoginRateOfAReactor,
        _options.LoginBurst == 0 ? LoginsAtOnce : Math.Max(1, (double)_options.LoginBurst / _options.Reactors));

    private HomeOptions HomeOptions() => new()
    {
        MaxBodyBytes = _options.MaxBody,
        RedeliverAfterMs = (int)_options.RedeliverAfter.TotalMilliseconds,
        ProbeAfterMs = (int)_options.PingAfter.TotalMilliseconds,
        MaxUnsentBytes = Math.Min(64 * 1024, _options.MaxUnsent),
        IdleTimeoutMs = (uint)_options.IdleTimeout.TotalMilliseconds,
        DefaultExpirySeconds = (uint)_options.DefaultExpiry.TotalSeconds,
        MaxClockJumpSeconds = (uint)_options.MaxClockJump.TotalSeconds,
        MaxMailboxEntries = _options.MaxMailboxMessages,
        MaxMailboxBytes = _options.MaxMailboxBytes,
        MaxPendingBytes = _options.MaxPendingBytes / _options.Reactors,
        KeepUnusedMs = (int)_options.KeepUnused.TotalMilliseconds,
        MeasureQueues = _options.Metrics,
    };

    private MailboxLogOptions LogOptions() => new()
    {
        Folder = Path.GetFullPath(_options.Data),
        NewLogIdentity = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) | 1,
        Partitions = _options.Reactors,
        OwnerOf = mailbox => HomeMap.HomeOf(mailbox, _options.Reactors),
        Durability = _options.Durability == Durability.Fsync ? Mailbox.Durability.Fsync : Mailbox.Durability.Os,
        CommitDelay = _options.CommitDelay,
        MaxBodyBytes = _options.MaxBody,
        PageBytes = _options.LogPage,
        MemoryBytes = _options.LogMemory,
        SegmentBytes = _options.SegmentSize,
        CommitStallLimit = _options.CommitProgressTimeout,
        MeasureQueues = _options.Metrics,
        OnCommitTimed = _meters is null ? null : OnCommitTimed,
        OnCommitted = OnCommitted,
        OnFailed = Fail,
        OnCompaction = WakeHome,
        CountWindows = () => _hosts.Sum(h => (long)h.Home.Windows),
        OnPageReady = partition => _hosts[partition].Reactor.Wake(),
    };

    private ReactorGroupOptions TransportOptions() => new()
    {
        Reactors = _options.Reactors,
        PinThreads = _options.PinReactors,
        Io = _options.Io,
        MaxConnections = Math.Max(1, _options.MaxConnections / _options.Reactors),
        MaxHandshakes = Math.Max(1, _options.MaxHandshakes / _options.Reactors),
        // For each that is taken up one may be sent away; the rest waits where it costs nothing.
        AcceptsPerSecond = (int)Math.Clamp(2 * LoginRateOfAReactor, 1, 10_000_000),
        HandshakeTimeoutMs = (int)_options.HandshakeTimeout.TotalMilliseconds,
        FrameTimeoutMs = (int)_options.FrameTimeout.TotalMilliseconds,
        IdleTimeoutMs = (int)_options.IdleTimeout.TotalMilliseconds,
        QuietTimeoutMs = (int)(_options.IdleTimeout.TotalMilliseconds * 3 / 4),
        QuietSpreadMs = (int)(_options.IdleTimeout.TotalMilliseconds / 4),
        // The kernel counts it in seconds.
        KeepAliveMs = _options.TcpKeepalive == TimeSpan.Zero ? 0 : Math.Max(1000, (int)_options.TcpKeepalive.TotalMilliseconds),
        UserTimeoutMs = (int)_options.TcpUserTimeout.TotalMilliseconds,
        KeepUnusedMs = (int)_options.KeepUnused.TotalMilliseconds,
        OutputWaitMs = (int)_options.AcceptedWait.TotalMilliseconds,
        MaxUnsentBytes = _options.MaxUnsent,
        MaxKeptInputBytes = 2 * (Wire.HeaderBytes + Wire.MaxPayloadBytes(_options.MaxBody)),
        ReactorSoftBufferBytes = _options.BufferSoft,
        ReactorHardBufferBytes = _options.BufferHard,
        NodeSoftBufferBytes = _options.BufferSoft,
        NodeHardBufferBytes = _options.BufferHard,
        ReplySlotBytes = HomeMessage.MaxReplyBytes,
        MeasureQueues = _options.Metrics,
    };

    /// <summary>On the commit thread: the watermark rose.</summary>
    private void OnCommitted()
    {
        if (!_running) return;
        foreach (var host in _hosts)
        {
            if (host.AwaitsCommit) host.Reactor.Wake();
        }
    }

    /// <summary>On the compactor's thread.</summary>
    private void WakeHome(int partition)
    {
        if (_running) _hosts[partition].Reactor.Wake();
    }

    private void OnFatal(Exception cause)
    {
        _log.LogCritical(cause, "a reactor met a fault of ours and stopped");
        Fail(cause);
    }

    private void Fail(Exception cause)
    {
        Readiness = NodeReadiness.Failed("the node has stopped: see its log");
        _failed.TrySetResult(cause);
    }

    public Task DrainAsync(TimeSpan limit, CancellationToken cancel)
    {
        lock (_drainGate) _drain ??= Task.Run(() => Drain(limit), CancellationToken.None);
        return _drain.WaitAsync(cancel);
    }

    private async Task Drain(TimeSpan limit)
    {
        Readiness = NodeReadiness.Draining;
        if (!_running) return;
        var start = _time.GetTimestamp();
        var spread = (uint)_options.ReconnectSpread.TotalMilliseconds;
        _group!.StopAccepting();
        await OnEachReactor(host =>
        {
            host.BeginDrain(spread);
            return true;
        });

        while (_time.GetElapsedTime(start) < limit && (await OnEachReactor(host => host.Home.Online)).Sum() > 0)
            await Task.Delay(TimeSpan.FromMilliseconds(50), _time);

        await OnEachReactor(host =>
        {
            host.Home.CloseAll(ErrorCode.ShuttingDown);
            return true;
        });
        await WhenDurableOnEachReactor(_ => true);
    }

    public async ValueTask DisposeAsync()
    {
        // Whoever reads figures at this moment finishes first: they are read from memory that goes away.
        lock (_readingGate) _running = false;
        _meters?.Dispose();
        await Task.Run(() =>
        {
            // The log's threads wake reactors until the end: it goes between the stop of the group and the release of its descriptors.
            _group?.Stop();
            _mailboxLog?.Dispose();
            _group?.Dispose();
        });
        _revoking.Dispose();
        _listing.Dispose();
    }

    /// <summary>What homes tell the node.</summary>
    private sealed class NodeEvents(GatewayNode node) : IHomeEvents
    {
        public void OnOffline(ulong mailbox)
        {
            if (node._log.IsEnabled(LogLevel.Debug)) node._log.LogDebug("{Device} is absent and something waits for it", node._keys.Pseudonym(new Address(mailbox)));
        }

        public void OnExpirySuspended(uint clock, uint expected) => node._expiry.Raise(clock, expected);

        public void OnLogLost(LogOutcome outcome) => node.Fail(new LogFailedException($"The log can no longer say what is durable ({outcome})."));
    }
}
