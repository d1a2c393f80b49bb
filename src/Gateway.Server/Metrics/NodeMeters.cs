using System.Diagnostics.Metrics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Gateway.Server.Metrics;

/// <summary>
/// The node's instruments, on the meter <c>gateway</c>. All but the two histograms are observed: nothing is recorded on a message's path that was
/// not counted there before, and an observation reads words that the owners publish; it takes no lock that a reactor takes. A metric's full name
/// is the meter's, an underscore, and the instrument's, as prometheus-net's MeterAdapter has it too. tools/ops/METRICS.md lists them all.
/// Any thread.
/// </summary>
internal sealed class NodeMeters : IDisposable
{
    public const string MeterName = "gateway";

    /// <summary>Seconds: a fast disk's sync is a fraction of a millisecond, a slow one's tens, and what takes ten seconds is a stall.</summary>
    private static readonly double[] CommitBuckets =
        [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    private static readonly double[] LagBuckets =
        [0.00001, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

    private readonly INode _node;
    private readonly Snapshot<NodeCounters> _counters;
    private readonly Snapshot<IReadOnlyList<QueueReading>> _queues;
    private readonly Histogram<double> _commitSeconds;
    private readonly Histogram<double> _lagSeconds;

    public NodeMeters(INode node, GatewayOptions options, string version, TimeProvider time)
    {
        _node = node;
        _counters = new Snapshot<NodeCounters>(node.GetCounters, time);
        _queues = new Snapshot<IReadOnlyList<QueueReading>>(node.GetQueues, time);
        Meter = new Meter(new MeterOptions(MeterName) { Version = version, Scope = node });
        _commitSeconds = Meter.CreateHistogram(
            "commit_seconds", "seconds", "Time that a batch of appended records took to become durable.", null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = CommitBuckets });
        _lagSeconds = Meter.CreateHistogram(
            "loop_lag_seconds", "seconds", "The longest that a turn of a reactor kept everything else on it waiting, in each 50 ms.", null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = LagBuckets });
        AddNode(version, options);
        AddConnections();
        AddQueues();
        AddMailboxes();
        AddMessages();
        AddReactors();
        AddMemory(options);
        AddLog();
    }

    public Meter Meter { get; }

    public LoopLag LoopLagOf(int reactor) => new(_lagSeconds, reactor);

    public void RecordCommit(TimeSpan took) => _commitSeconds.Record(took.TotalSeconds);

    public void Dispose() => Meter.Dispose();

    private void AddNode(string version, GatewayOptions options)
    {
        Measurement<int>[] build =
        [
            new(1, Tag("version", version), Tag("runtime", RuntimeInformation.FrameworkDescription),
                Tag("durability", options.Durability == Durability.Fsync ? "fsync" : "os")),
        ];
        Meter.CreateObservableGauge("build_info", () => build, null, "Always 1; the labels say what runs and what its accepted means.");
        Gauge("ready", null, "1 while the node takes connections, otherwise 0; /status says why.", () => _node.Readiness.State == NodeState.Ready ? 1 : 0);
        Meter.CreateObservableGauge(
            "reactor_stall_seconds", () => _node.StalledFor.TotalSeconds, "seconds", "The longest that a reactor has gone without beginning a turn.");
    }

    private void AddConnections()
    {
        Gauge("connections", "connections", "Open connections, those not yet authenticated included.", () => Sum(r => r.Connections));
        Gauge("sessions", "sessions", "Authenticated devices connected.", () => Sum(r => r.Sessions));
        Gauge("connections_unread", "connections", "Connections not read because buffers are over their budget.", () => Sum(r => r.PausedByBudget));
        Counter("connections_accepted_total", "connections", "Connections accepted.", () => Sum(r => r.ConnectionsAccepted));
        Counter("connections_closed_total", "connections", "Connections closed, by whichever side.", () => Sum(r => r.ConnectionsClosed));
        Counter("authentications_failed_total", null, "Handshakes that ended without a proven device.", () => Sum(r => r.AuthenticationsFailed));
        Counter("logins_total", null, "Devices let in.", () => Sum(r => r.Logins));
        Counter("logins_deferred_total", null, "Devices sent away with a moment to come back, because too many logged in at once.", () => Sum(r => r.LoginsDeferred));
        Counter("connections_shed_total", "connections", "Connections refused because buffers were over their hard mark.", () => Sum(r => r.ConnectionsShed));
        Counter("takeovers_total", null, "Sessions ended by a later login of the same device.", () => Sum(r => r.TakeOvers));
        Counter("probes_total", null, "Pings to devices that were silent.", () => Sum(r => r.Probes));
        Counter("dead_peers_total", "connections", "Connections ended because their device did not answer such a ping.", () => Sum(r => r.DeadPeers));
        Gauge("send_windows", "windows", "Send windows kept, one a device that was here in the last 60 days.", () => Sum(r => r.Windows));
        Counter("send_windows_forgotten_total", "windows", "Send windows forgotten because nobody had used them for 60 days.", () => Sum(r => r.WindowsForgotten));
        Counter("protocol_errors_total", null, "Sessions closed for what their device sent.", () => Sum(r => r.ProtocolErrors));
        Counter("received_bytes_total", "bytes", "Bytes received from connections.", () => Sum(r => r.BytesIn));
        Counter("sent_bytes_total", "bytes", "Bytes that the kernel took for connections.", () => Sum(r => r.BytesOut));
    }

    private void AddQueues()
    {
        QueueGauge("queue_depth", "entries", "Entries in the queue.", q => q.Depth);
        QueueGauge("queue_high_mark", "entries", "The most that the queue ever held.", q => q.HighMark);
        Meter.CreateObservableGauge(
            "queue_capacity", () => Queues(q => q.Capacity, q => q.Capacity > 0), "entries", "Entries that the queue takes; absent for one without a bound of its own.");
        Meter.CreateObservableGauge(
            "queue_oldest_age_seconds", () => Queues(q => q.OldestAge.TotalSeconds), "seconds", "How long the queue's oldest entry has been in it; 0 when it is empty.");
        Meter.CreateObservableCounter("queue_in_total", () => Queues(q => q.In), "entries", "Entries that came into the queue.");
        Meter.CreateObservableCounter("queue_out_total", () => Queues(q => q.Out), "entries", "Entries that left the queue.");
    }

    private void AddMailboxes()
    {
        Gauge("mailbox_pending_messages", "messages", "Messages accepted and not yet acknowledged, rejected, expired or discarded.", () => Mailboxes.Messages.Pending);
        Gauge("mailbox_pending_receipts", "receipts", "Receipts in their senders' mailboxes.", () => Mailboxes.Receipts.Pending);
        Gauge("mailbox_pending_bytes", "bytes", "Bytes of log that pending entries take.", () => Mailboxes.PendingBytes);
        Meter.CreateObservableGauge("mailboxes", MailboxesHolding, "mailboxes", "Mailboxes with at least so many entries pending.");
    }

    private void AddMessages()
    {
        Counter("messages_received_total", "messages", "Sends that arrived, whatever became of them.", () => Sum(r => r.MessagesIn));
        Counter("messages_accepted_total", "messages", "Messages taken into a mailbox, since the log was made.", () => Mailboxes.Messages.Accepted);
        Counter("messages_delivered_total", "messages", "Messages acknowledged by their device, since the log was made.", () => Mailboxes.Messages.Delivered);
        Meter.CreateObservableCounter("messages_rejected_total", Rejected, "messages", "Messages that their device rejected, by the device's reason, since the log was made.");
        Counter("messages_expired_total", "messages", "Messages whose time ran out, since the log was made.", () => Mailboxes.Messages.Expired);
        Counter("messages_discarded_total", "messages", "Messages discarded by an operator, since the log was made.", () => Mailboxes.Messages.Discarded);
        Counter("messages_lost_total", "messages", "Messages lost to a declared repair of the log.", () => Mailboxes.Messages.Lost);
        Meter.CreateObservableCounter("messages_refused_total", Refused, "messages", "Sends refused, by the reason that the sender was told.");
        Meter.CreateObservableCounter("deliveries_total", Deliveries, null, "Deliver frames written, repeats included, by where they came from.");
        Counter("redeliveries_total", null, "Deliver frames that were repeats.", () => Sum(r => r.Redelivered));
        Counter("ephemeral_shed_total", null, "Typing notices and the like that were dropped.", () => Sum(r => r.EphemeralShed));
        Counter("frames_parked_total", null, "Frames that waited unread for credit to another reactor.", () => Sum(r => r.Parked));
    }

    private void AddReactors()
    {
        Meter.CreateObservableCounter("reactor_turns_total", () => Reactors(r => r.Turns), null, "Turns of the reactor's loop.");
        Meter.CreateObservableCounter(
            "reactor_busy_seconds_total", () => Reactors(r => r.BusyMicros / 1e6), "seconds", "Time that the reactor spent at work, not waiting.");
        Meter.CreateObservableCounter(
            "reactor_allocated_bytes_total", () => Reactors(r => r.AllocatedBytes), "bytes", "Managed bytes that the reactor's thread allocated.");
    }

    private void AddMemory(GatewayOptions options)
    {
        Meter.CreateObservableGauge("memory_bytes", Used, "bytes", "Memory in use, by the budget that it counts against.");
        Measurement<long>[] limits =
        [
            new(options.BufferHard, Tag("budget", "buffers")),
            new(options.LogMemory, Tag("budget", "log")),
        ];
        Meter.CreateObservableGauge("memory_limit_bytes", () => limits, "bytes", "The budget; absent where there is none.");

        IEnumerable<Measurement<long>> Used() =>
        [
            new(Sum(r => r.BufferedBytes), Tag("budget", "buffers")),
            new(Math.Min(options.LogMemory, Log.LogBytes), Tag("budget", "log")),
            new(Mailboxes.IndexBytes, Tag("budget", "index")),
        ];
    }

    private void AddLog()
    {
        Gauge("log_bytes", "bytes", "From the log's first kept byte to its tail.", () => Log.LogBytes);
        Gauge("log_live_bytes", "bytes", "Of the log, what pending entries take.", () => Log.LiveBytes);
        Counter("log_truncated_segments_total", "segments", "Files of the log that compaction has taken away.", () => Log.TruncatedSegments);
        Gauge("log_uncommitted_bytes", "bytes", "Appended and not yet durable.", () => Log.UncommittedBytes);
        Gauge("log_allocated_ahead_bytes", "bytes", "Allocated on the disk beyond the tail.", () => Log.AllocatedAheadBytes);
        Gauge("log_segments", "segments", "Files of the log.", () => Log.Segments);
        Gauge("log_spare_segments", "segments", "Files that the log has given up and keeps to use again: with the others what it takes of the disk.", () => Log.SpareSegments);
        Gauge("log_disk_full", null, "1 when the last attempt to allocate a segment found no room.", () => Log.DiskFull ? 1 : 0);
        Counter("log_appended_bytes_total", "bytes", "Bytes appended to the log.", () => Log.BytesAppended);
        Counter("log_written_bytes_total", "bytes", "Bytes written to the log's files.", () => Log.BytesWritten);
        Counter("log_commits_total", null, "Batches made durable.", () => Log.Commits);
        Counter("log_syncs_total", null, "Calls of fdatasync on the log's files.", () => Log.Syncs);
        Meter.CreateObservableCounter("log_sync_seconds_total", () => Log.SyncMicros / 1e6, "seconds", "Time spent in fdatasync on the log's files.");
        Counter("log_pages_read_total", null, "Pages read back for readers that were behind.", () => Log.PagesRead);
    }

    private MailboxCounters Mailboxes => _counters.Value.Mailboxes;

    private LogCounters Log => _counters.Value.Log;

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value);

    private static KeyValuePair<string, object?> ReactorTag(int reactor) => Tag("reactor", reactor.ToString(CultureInfo.InvariantCulture));

    private void Gauge(string name, string? unit, string help, Func<long> read) => Meter.CreateObservableGauge(name, read, unit, help);

    private void Counter(string name, string? unit, string help, Func<long> read) => Meter.CreateObservableCounter(name, read, unit, help);

    private void QueueGauge(string name, string unit, string help, Func<QueueReading, long> read) =>
        Meter.CreateObservableGauge(name, () => Queues(read), unit, help);

    private long Sum(Func<ReactorCounters, long> read) => _counters.Value.Reactors.Sum(read);

    private IEnumerable<Measurement<T>> Reactors<T>(Func<ReactorCounters, T> read)
        where T : struct => _counters.Value.Reactors.Select(r => new Measurement<T>(read(r), ReactorTag(r.Index)));

    private IEnumerable<Measurement<T>> Queues<T>(Func<QueueReading, T> read, Func<QueueReading, bool>? which = null)
        where T : struct => _queues.Value.Where(which ?? (_ => true)).Select(q => new Measurement<T>(read(q), Tag("queue", q.Name), ReactorTag(q.Reactor)));

    private IEnumerable<Measurement<long>> MailboxesHolding()
    {
        long threshold = 1;
        foreach (var mailboxes in Mailboxes.MailboxesHolding)
        {
            yield return new Measurement<long>(mailboxes, Tag("pending_at_least", threshold.ToString(CultureInfo.InvariantCulture)));
            threshold *= 10;
        }
    }

    private IEnumerable<Measurement<long>> Rejected() => Mailboxes.Rejected.Select((messages, reason) => new Measurement<long>(
        messages, Tag("reason", reason == MailboxCounters.RejectionReasons - 1 ? "other" : reason.ToString(CultureInfo.InvariantCulture))));

    private IEnumerable<Measurement<long>> Refused() => Mailboxes.Refused.Select(
        r => new Measurement<long>(r.Value, Tag("reason", System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(r.Key.ToString()))));

    private IEnumerable<Measurement<long>> Deliveries() =>
    [
        new(Sum(r => r.DeliveredFromMemory), Tag("source", "memory")),
        new(Sum(r => r.DeliveredAhead), Tag("source", "ahead")),
        new(Sum(r => r.DeliveredFromLog), Tag("source", "log")),
    ];
}

/// <summary>
/// Where one reactor notes how long its turns kept others waiting. Busy turns are short and many, so not each is recorded but the longest of every
/// period: a histogram of worst cases, at a cost that does not rise with load. The reactor's thread; allocates nothing.
/// </summary>
internal sealed class LoopLag(Histogram<double> seconds, int reactor)
{
    /// <summary>As long as an idle reactor sleeps at most.</summary>
    public const int PeriodMs = 50;

    private readonly KeyValuePair<string, object?> _tag = new("reactor", reactor.ToString(CultureInfo.InvariantCulture));
    private long _periodEndMs;
    private long _longestUs;

    /// <param name="nowMs">The turn's time.</param>
    /// <param name="lagUs">Of the turn before.</param>
    public void Note(long nowMs, long lagUs)
    {
        if (lagUs > _longestUs) _longestUs = lagUs;
        if (nowMs < _periodEndMs) return;
        seconds.Record(_longestUs / 1e6, _tag);
        (_periodEndMs, _longestUs) = (nowMs + PeriodMs, 0);
    }
}

/// <summary>A value that the instruments of one scrape share, so that they are of one moment and read once. Any thread.</summary>
internal sealed class Snapshot<T>(Func<T> read, TimeProvider time)
    where T : class
{
    /// <summary>Longer than a scrape takes from its first instrument to its last, shorter than any scrape interval.</summary>
    private static readonly TimeSpan Life = TimeSpan.FromMilliseconds(20);

    private Taken? _taken;

    public T Value
    {
        get
        {
            if (Volatile.Read(ref _taken) is { } taken && time.GetElapsedTime(taken.At) < Life) return taken.Value;
            var fresh = new Taken(read(), time.GetTimestamp());
            Volatile.Write(ref _taken, fresh);
            return fresh.Value;
        }
    }

    private sealed record Taken(T Value, long At);
}
