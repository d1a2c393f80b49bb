using Gateway.Server.Health.Alerts;

namespace Gateway.Server.Options;

/// <summary>
/// From where on the node raises alerts, and where it tells them. All of them may change while it runs (SIGHUP). In gateway.json they may also stand
/// together: <c>"alerts": { "commit": "100ms", "sender-rate": 500 }</c>.
/// </summary>
public static class AlertTable
{
    /// <summary>Of the names of these options, and of the object in gateway.json that may hold them.</summary>
    internal const string Prefix = "alert-";
    internal const string Object = "alerts";

    public static readonly Option<QueueLimits<DepthLimit>> QueueDepth = OptionKinds.QueueLimit<DepthLimit>(
        "alert-queue-depth", "80%,send_leases=off,mailbox_backlog=off", "entries in a queue, or part of its capacity, at which QueueBacklog is raised", DepthLimit.TryParse);

    // A handshake may take its time-out, and a receipt waits for the disk of another home: neither is stuck before that.
    public static readonly Option<QueueLimits<TimeSpan>> QueueAge = OptionKinds.QueueLimit<TimeSpan>(
        "alert-queue-age", "5s,handshakes=15s,receipts_owed=1m,send_leases=off,mailbox_backlog=off", "age of a queue's oldest entry at which QueueStuck is raised",
        OptionKinds.TryParseDuration);

    public static readonly Option<QueueLimits<TimeSpan>> QueueDrain = OptionKinds.QueueLimit<TimeSpan>(
        "alert-queue-drain", "5m,send_leases=off,mailbox_backlog=off", "projected time to drain a queue of 1000 or more at which QueueNotDraining is raised", OptionKinds.TryParseDuration);

    public static readonly Option<int> MailboxBacklog = OptionKinds.Live(OptionKinds.Count(
        "alert-mailbox-backlog", "1000000", 1, int.MaxValue, "entries pending at one reactor at which MailboxBacklog is raised"));

    public static readonly Option<int> MailboxDepth = OptionKinds.Live(OptionKinds.Count(
        "alert-mailbox-depth", "20000", 10, int.MaxValue, "entries pending in one mailbox at which MailboxBacklog is raised"));

    public static readonly Option<TimeSpan> Commit = OptionKinds.Live(OptionKinds.Duration(
        "alert-commit", "250ms", "1ms", "30s", "the longest commit in a second at which CommitSlow is raised"));

    public static readonly Option<TimeSpan> Stall = OptionKinds.Live(OptionKinds.Duration(
        "alert-stall", "1s", "200ms", "30s", "without a turn of a reactor at which ReactorStalled is raised"));

    public static readonly Option<int> LoginRate = OptionKinds.Live(OptionKinds.Count(
        "alert-login-rate", "2000", 1, 10_000_000, "connections that arrive, a second, at which LoginStorm is raised"));

    public static readonly Option<int> SenderRate = OptionKinds.Live(OptionKinds.Count(
        "alert-sender-rate", "1000", 1, 10_000_000, "sends of one device, a second, at which SenderFlood is raised"));

    public static readonly Option<int> SlowReaders = OptionKinds.Live(OptionKinds.Count(
        "alert-slow-readers", "1000", 1, 100_000_000, "connections with output that they do not read at which SlowReaders is raised"));

    public static readonly Option<int> Memory = OptionKinds.Live(OptionKinds.Count(
        "alert-memory", "85", 1, 100, "hundredths of buffer-hard at which MemoryHigh is raised", "PERCENT"));

    public static readonly Option<TimeSpan> ColdRead = OptionKinds.Live(OptionKinds.Duration(
        "alert-cold-read", "2s", "1ms", "10m", "that a device waits for a page of the log at which ColdReadsSlow is raised"));

    public static readonly Option<TimeSpan> After = OptionKinds.Live(OptionKinds.Duration(
        "alert-after", "5s", "0ms", "1h", "that a depth, rate or drain time must last before it is an alert; ages are as long as they are"));

    public static readonly Option<TimeSpan> ClearAfter = OptionKinds.Live(OptionKinds.Duration(
        "alert-clear-after", "30s", "0ms", "1d", "below four fifths of its threshold until an alert is cleared"));

    public static readonly Option<string> Webhook = OptionKinds.Url(
        "alert-webhook", "Alertmanager's address, as in http://127.0.0.1:9093: alerts are posted to /api/v2/alerts there");

    public static readonly Option<string> Instance = OptionKinds.Live(OptionKinds.Word(
        "alert-instance", "what posted alerts call this node: the instance that Prometheus knows it by; without it operator-listen, or this machine's name and that port"));

    public static readonly Option<TimeSpan> WebhookInterval = OptionKinds.Live(OptionKinds.Duration(
        "alert-webhook-interval", "1m", "1s", "1h", "between two posts of the same alerts; without alerts an empty one shows whether the receiver is there"));

    /// <summary>In the order of <c>--help</c>.</summary>
    public static IReadOnlyList<Option> All { get; } =
    [
        QueueDepth, QueueAge, QueueDrain, MailboxBacklog, MailboxDepth, Commit, Stall, LoginRate,
        SenderRate, SlowReaders, Memory, ColdRead, After, ClearAfter, Webhook, Instance, WebhookInterval,
    ];
}
