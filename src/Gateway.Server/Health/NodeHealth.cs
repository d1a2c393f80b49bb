using System.Diagnostics.Metrics;
using System.Net;
using Gateway.Server.Health.Alerts;
using Gateway.Server.Health.Flight;
using Gateway.Server.Health.Top;
using Gateway.Server.Texts;
using Microsoft.Extensions.Logging;

namespace Gateway.Server.Health;

/// <summary>
/// Watches one node: once a second it reads every queue and counter that the owners publish, turns totals into rates, judges the alerts, and tells of
/// those that were raised or cleared: the log, the webhook, a dump of the flight recorder, and whoever asks. Runs on the thread pool; no reactor waits for
/// it and it waits for no reactor, so it goes on while one hangs. With <c>--metrics off</c> there is nothing to watch and it does not run.
/// <para>Ticks come one at a time; what they publish is immutable and may be read from any thread.</para>
/// </summary>
internal sealed class NodeHealth : IAsyncDisposable
{
    public static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    private const int Listed = 10;

    /// <summary>A walk over all slots of a million takes a reactor some 20 ms of its time, in slices.</summary>
    private static readonly TimeSpan SocketsEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan DumpLimit = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan SocketsLimit = TimeSpan.FromSeconds(4);

    /// <summary>Of buffer-hard: what is held below this is nobody's trouble.</summary>
    private const double HeldWorthAsking = 0.1;

    private readonly INode _node;
    private readonly GatewayOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly QueueWatch _watch = new();
    private readonly AlertBoard _board;
    private readonly CancellationTokenSource _stop = new();
    private readonly TimeSpan _tick;
    private readonly long _startedAt;
    private DecayingRate _arrivals = new(1);
    private DecayingRate _appends = new(10);
    private NodeCounters? _last;
    private long _lastAt;
    private TimeSpan _uncommittedFor;
    private TimeSpan _lastCommit;
    private volatile AlertThresholds _thresholds;
    private volatile IReadOnlyList<QueueHealth> _queues = [];
    private volatile IReadOnlyList<Alert> _alerts = [];
    private volatile IReadOnlyList<TopEntry> _sockets = [];
    private long _longestCommitTicks;
    private Task _socketsAsked = Task.CompletedTask;
    private TimeSpan _socketsAskedAt;
    private Task _dump = Task.CompletedTask;
    private Task _loop = Task.CompletedTask;

    /// <param name="node">Watched; it may not have started yet.</param>
    /// <param name="options">The node's.</param>
    /// <param name="keys">For pseudonyms.</param>
    /// <param name="logs">Where alerts are told.</param>
    /// <param name="time">For ticks and everything that lasts.</param>
    /// <param name="tick">Between two looks; null: a second.</param>
    public NodeHealth(INode node, GatewayOptions options, NodeKeys keys, ILoggerFactory logs, TimeProvider time, TimeSpan? tick = null)
    {
        (_node, _options, _time, _tick) = (node, options, time, tick ?? Tick);
        _thresholds = options.Alerts;
        _log = logs.CreateLogger("gateway.health");
        _startedAt = _lastAt = time.GetTimestamp();
        Top = new TopLists(node.Insight);
        Dumps = new FlightDumps(node.Insight, keys, options.Data, time);
        _board = new AlertBoard(new Culprits(entry => entry.ShownAs(keys)));
        Webhook = new AlertWebhook(
            AlertWebhook.DefaultHandler(), () => _thresholds, AlertIdentity.At(options.OperatorListen, entry => entry.ShownAs(keys)), time, _log);
        Meter = new Meter(new MeterOptions(Metrics.NodeMeters.MeterName) { Scope = this });
        Meter.CreateObservableGauge("alert_active", ActiveAlerts, null, "1 while the alert is raised for a queue of any reactor, otherwise 0; /status names the culprit.");
    }

    /// <summary>In force from the next tick.</summary>
    public AlertThresholds Thresholds
    {
        get => _thresholds;
        set
        {
            _thresholds = value;
            Webhook.Wake();
        }
    }

    /// <summary>As of the last tick.</summary>
    public IReadOnlyList<QueueHealth> Queues => _queues;

    /// <summary>The active ones, nearest the cause first, then those cleared last.</summary>
    public IReadOnlyList<Alert> Alerts => _alerts;

    /// <summary>Of the last tick, or how long one has been under way.</summary>
    public TimeSpan LongestCommit => TimeSpan.FromTicks(Volatile.Read(ref _longestCommitTicks));

    public TopLists Top { get; }

    public FlightDumps Dumps { get; }

    /// <summary>gateway_alert_active; empty of measurements with <c>--metrics off</c>.</summary>
    public Meter Meter { get; }

    internal AlertWebhook Webhook { get; }

    /// <summary>Where the operator's interface is: alerts call the node by it.</summary>
    public void AnswersAt(IPEndPoint endpoint) => Webhook.Identity = AlertIdentity.At(endpoint, Webhook.Identity.Show);

    public void Start()
    {
        if (!_options.Metrics) return;
        Webhook.Start();
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Looks now. Not while another call looks.</summary>
    internal void Look()
    {
        var now = _time.GetTimestamp();
        var elapsed = _time.GetElapsedTime(_lastAt, now);
        _lastAt = now;
        var thresholds = _thresholds;
        var sample = Sample(_time.GetElapsedTime(_startedAt, now), elapsed);
        _queues = sample.Queues;
        Volatile.Write(ref _longestCommitTicks, sample.Commit.Ticks);
        var changes = _board.Evaluate(sample, thresholds);
        _alerts = _board.Alerts;
        foreach (var alert in changes) Log(alert);
        Webhook.Tell(_alerts, changes);
        if (changes.Any(a => a.State == AlertState.Active) && _dump.IsCompleted) _dump = Task.Run(() => Dump(changes));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        await Webhook.DisposeAsync();
        Meter.Dispose();
        // A dump under way gets a moment, no more: the disk may hang.
        await Task.WhenAny(_dump, Task.Delay(DumpLimit, _time));
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        using var timer = new PeriodicTimer(_tick, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                try
                {
                    Look();
                }
                catch (Exception e) when (e is not OutOfMemoryException)
                {
                    // A watch that has ended watches nothing: the next look may succeed, and a fault of ours is at least told.
                    _log.LogError(e, "A look at the node's health failed");
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The node ends.
        }
    }

    private HealthSample Sample(TimeSpan at, TimeSpan elapsed)
    {
        var counters = _node.GetCounters();
        var isFirst = _last is null;
        var last = _last ?? counters;
        _last = counters;
        var queues = _watch.Observe(_node.GetQueues(), elapsed.TotalSeconds);
        Top.Observe(counters, elapsed.TotalSeconds);
        if (!isFirst)
        {
            _arrivals.Note(Accepted(counters) - Accepted(last), elapsed.TotalSeconds);
            _appends.Note(counters.Log.BytesAppended - last.Log.BytesAppended, elapsed.TotalSeconds);
        }

        AskForSockets(queues, counters.Reactors.Sum(r => r.BufferedBytes), at);
        var failing = Webhook.Failing;
        return new HealthSample
        {
            At = at,
            WallClock = _time.GetUtcNow(),
            Queues = queues,
            Counters = counters,
            Commit = CommitOf(counters.Log, last.Log, elapsed),
            AppendRate = _appends.PerSecond,
            ArrivalRate = _arrivals.PerSecond,
            SendRate = Top.SendRate,
            BufferHard = _options.BufferHard,
            Mailboxes = Top.Mailboxes(int.MaxValue).Entries,
            Senders = Top.Senders(Listed).Entries,
            Sockets = _sockets,
            WebhookFailing = failing.For,
            WebhookError = failing.Error,
        };
    }

    /// <summary>
    /// The longest commit that ended in this tick. While one is under way, how long nothing has been committed, but not less than the last one took: a disk
    /// of three seconds a sync ends one in every third tick, and one that hangs ends none.
    /// </summary>
    private TimeSpan CommitOf(in LogCounters now, in LogCounters last, TimeSpan elapsed)
    {
        var ended = _node.Insight.TakeLongestCommit();
        if (now.Commits != last.Commits)
        {
            (_uncommittedFor, _lastCommit) = (TimeSpan.Zero, ended);
            return ended;
        }

        var waits = now.UncommittedBytes > 0;
        _uncommittedFor = waits && last.UncommittedBytes > 0 ? _uncommittedFor + elapsed : TimeSpan.Zero;
        if (!waits) _lastCommit = TimeSpan.Zero;
        return _uncommittedFor > _lastCommit ? _uncommittedFor : _lastCommit;
    }

    /// <summary>Sockets are asked for on the reactors' threads while some hold much, and what came by the next tick is used: a tick waits for nobody.</summary>
    private void AskForSockets(IReadOnlyList<QueueHealth> queues, long buffered, TimeSpan at)
    {
        var lag = queues.Any(q => q.Reading.Name == QueueNames.SendLeases && q.Reading.Depth > 0);
        if (!lag && buffered < _options.BufferHard * HeldWorthAsking) _sockets = [];
        else if (_socketsAsked.IsCompleted && (_sockets.Count == 0 || at - _socketsAskedAt >= SocketsEvery)) AskForSocketsNow(at);
    }

    private void AskForSocketsNow(TimeSpan at)
    {
        _socketsAskedAt = at;
        _socketsAsked = Task.Run(async () =>
        {
            using var limit = new CancellationTokenSource(SocketsLimit, _time);
            try
            {
                _sockets = (await Top.SocketsAsync(Listed, limit.Token)).Entries;
            }
            catch (NodeStoppedException)
            {
                _sockets = [];
            }
        });
    }

    private void Log(Alert alert)
    {
        var of = alert.Queue.Length == 0 ? "" : $"{{{alert.Queue}}}";
        if (alert.State == AlertState.Active)
        {
            _log.LogWarning(
                "alert {Alert}{Of} raised: {Culprit}. Usual causes: {Causes}. {Runbook}", alert.Kind.Name, of, alert.Culprit, string.Join("; ", alert.Kind.Causes), alert.Kind.Runbook);
        }
        else
        {
            _log.LogInformation("alert {Alert}{Of} cleared after {Lasted}", alert.Kind.Name, of, Figures.Time((alert.ClearedAt!.Value - alert.Since).TotalSeconds));
        }
    }

    private void Dump(IReadOnlyList<Alert> changes)
    {
        try
        {
            var raised = changes.Where(a => a.State == AlertState.Active).Select(a => $"alert {a.Kind.Name} raised: {a.Culprit}");
            if (Dumps.WriteForAlert(raised) is { } path) _log.LogInformation("The flight recorder was written to {Path}", path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _log.LogWarning("The flight recorder could not be written: {Error}", e.Message);
        }
    }

    private IEnumerable<Measurement<int>> ActiveAlerts()
    {
        var (thresholds, alerts) = (_thresholds, _alerts);
        foreach (var kind in AlertKinds.All)
        {
            var queues = kind.Queue is { } own ? [own] : QueueNames.All.Where(q => HasLimit(kind, q, thresholds));
            foreach (var queue in queues)
            {
                var active = alerts.Any(a => a.State == AlertState.Active && a.Kind == kind && a.Queue == queue);
                yield return new Measurement<int>(
                    active ? 1 : 0, new KeyValuePair<string, object?>("alert", kind.Name), new KeyValuePair<string, object?>("queue", queue));
            }
        }
    }

    private static bool HasLimit(AlertKind kind, string queue, AlertThresholds t) => kind.Name switch
    {
        "QueueBacklog" => t.QueueDepth.Of(queue) is not null,
        "QueueStuck" => t.QueueAge.Of(queue) is not null,
        _ => t.QueueDrain.Of(queue) is not null,
    };

    private static long Accepted(NodeCounters counters) => counters.Reactors.Sum(r => r.ConnectionsAccepted);
}
