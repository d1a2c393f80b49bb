namespace Gateway.Server.Health.Alerts;

/// <summary>One figure that an alert is judged by.</summary>
/// <param name="Queue">The queue it is of or nearest to; empty for none.</param>
/// <param name="Reactor">Whose; -1 for the node's.</param>
/// <param name="Value">Now.</param>
/// <param name="Threshold">From where on it is too much.</param>
internal readonly record struct AlertGauge(string Queue, int Reactor, double Value, double Threshold);

/// <summary>One kind of alert: what it measures, what usually causes it, and which other kinds explain it. Immutable.</summary>
/// <param name="Name">As in tools/ops/RUNBOOK.md and the rules of Prometheus.</param>
/// <param name="Queue">The queue that it is of or nearest to, empty for none; null: each that has a limit.</param>
/// <param name="Measure">What the value is: depth, age, drain, rate, bytes.</param>
/// <param name="Unit">Of value and threshold.</param>
/// <param name="Lasts">The value is no duration itself: it must last for alert-after.</param>
/// <param name="ExplainedBy">Kinds nearer the cause: while one of them may be about to be raised, this one waits; while one is, this one says so.</param>
/// <param name="Causes">The usual ones, the likeliest first.</param>
/// <param name="Read">The figures of a tick.</param>
internal sealed record AlertKind(
    string Name, string? Queue, string Measure, string Unit, bool Lasts, IReadOnlyList<string> ExplainedBy, IReadOnlyList<string> Causes,
    Func<HealthSample, AlertThresholds, IEnumerable<AlertGauge>> Read)
{
    /// <summary>As the rule of the same name in Prometheus has it: warning, or critical for what wakes somebody.</summary>
    public string Severity { get; init; } = "warning";

    public string Runbook => $"tools/ops/RUNBOOK.md#{Name.ToLowerInvariant()}";
}

/// <summary>
/// Every kind of alert, nearest the cause first: of several that are raised at once this is the order in which they are told. What comes from outside is
/// before what the node does about it, that before what piles up for it, and what merely says that a queue is long comes last.
/// </summary>
internal static class AlertKinds
{
    /// <summary>A queue that holds fewer is not worth asking when it will be empty.</summary>
    private const int LeastToDrain = 1000;

    /// <summary>What can make any queue long or old.</summary>
    private static readonly string[] AnyCause =
        ["LoginStorm", "SenderFlood", "ReactorStalled", "CommitSlow", "ColdReadsSlow", "MemoryHigh", "SlowReaders", "MailboxBacklog"];

    public static IReadOnlyList<AlertKind> All { get; } =
    [
        new("LoginStorm", QueueNames.Handshakes, "rate", "connections/s", true, [],
            ["many devices lost their connections at once and come back: a network, a load balancer, a node that was restarted", "clients that reconnect without waiting", "somebody scans or attacks the port"],
            (s, t) => [new AlertGauge(QueueNames.Handshakes, -1, s.ArrivalRate, t.LoginRate)]),
        new("SenderFlood", "", "rate", "sends/s", true, [],
            ["a client that sends in a loop", "a service that sends to everybody at once", "abuse of one device's key"],
            (s, t) => s.Senders.Take(1).Select(e => new AlertGauge("", e.Reactor, e.Value - e.Error, t.SenderRate))),
        new("ReactorStalled", "", "age", "seconds", false, [],
            ["the machine has too few free cores, or the virtual machine was stopped", "memory is swapped out", "a fault of the node: take a dump of its threads before the restart"],
            (s, t) => s.Counters.Reactors.Select(r => new AlertGauge("", r.Index, r.SinceTurn.TotalSeconds, t.Stall.TotalSeconds))) { Severity = "critical" },
        new("CommitSlow", QueueNames.Commits, "age", "seconds", true, [],
            ["the disk is shared with something that writes much", "the disk is failing: look at the kernel's log", "a cloud volume has used up its credit of operations"],
            (s, t) => [new AlertGauge(QueueNames.Commits, -1, s.Commit.TotalSeconds, t.Commit.TotalSeconds)]),
        new("ColdReadsSlow", QueueNames.ColdReads, "age", "seconds", false, ["ReactorStalled", "CommitSlow"],
            ["devices that were away long fetch what lies in old segments, faster than the disk reads", "the disk is busy or failing", "memory is too small for the page cache to hold what absent devices fetch"],
            (s, t) => s.Named(QueueNames.ColdReads).Select(q => new AlertGauge(QueueNames.ColdReads, q.Reading.Reactor, q.Reading.OldestAge.TotalSeconds, t.ColdRead.TotalSeconds))),
        new("MemoryHigh", QueueNames.SendLeases, "bytes", "bytes", true, ["ReactorStalled"],
            ["many devices on slow networks are sent much at once", "devices that send half a frame and wait", "buffer-hard is too small for so many connections"],
            (s, t) => s.BufferHard > 0 ? [new AlertGauge(QueueNames.SendLeases, -1, s.BufferedBytes, s.BufferHard * (t.MemoryPercent / 100.0))] : []),
        new("SlowReaders", QueueNames.SendLeases, "depth", "connections", true, ["MemoryHigh", "ReactorStalled"],
            ["devices on slow networks", "clients that do not read", "the node's own uplink is full"],
            (s, t) => [new AlertGauge(QueueNames.SendLeases, -1, s.Named(QueueNames.SendLeases).Sum(q => q.Reading.Depth), t.SlowReaders)]),
        new("MailboxBacklog", QueueNames.MailboxBacklog, "depth", "entries", true, ["SenderFlood", "ReactorStalled", "CommitSlow", "ColdReadsSlow"],
            ["a device that is connected does not acknowledge", "many devices are away: a network, or the push service", "one mailbox is sent far more than its device can take"],
            Backlogs),
        new("QueueBacklog", null, "depth", "entries", true, AnyCause,
            ["more comes than the node can do: look at the rates", "what empties the queue is slow or stands still"],
            (s, t) => from q in s.Queues
                      let limit = t.QueueDepth.Of(q.Reading.Name)?.For(q.Reading.Capacity)
                      where limit is not null
                      select new AlertGauge(q.Reading.Name, q.Reading.Reactor, q.Reading.Depth, limit.Value)),
        new("QueueStuck", null, "age", "seconds", false, AnyCause,
            ["what empties the queue stands still", "the queue is emptied in another order than it is filled, and somebody in it waits for something else"],
            (s, t) => from q in s.Queues
                      let limit = t.QueueAge.Of(q.Reading.Name)
                      where limit is not null
                      select new AlertGauge(q.Reading.Name, q.Reading.Reactor, q.Reading.OldestAge.TotalSeconds, limit.Value.TotalSeconds)) { Severity = "critical" },
        new("QueueNotDraining", null, "drain", "seconds", true, AnyCause,
            ["more comes than goes, for longer than a burst", "what empties the queue has become slower"],
            (s, t) => from q in s.Queues
                      let limit = t.QueueDrain.Of(q.Reading.Name)
                      where limit is not null
                      select new AlertGauge(q.Reading.Name, q.Reading.Reactor, Drain(q), limit.Value.TotalSeconds)),
        new("WebhookFailing", "", "age", "seconds", false, [],
            ["the receiver is down or hangs", "the address is wrong", "the network between is closed"],
            (s, _) => [new AlertGauge("", -1, s.WebhookFailing.TotalSeconds, AlertWebhook.FailingAfter.TotalSeconds)]),
    ];

    private static IEnumerable<AlertGauge> Backlogs(HealthSample s, AlertThresholds t)
    {
        // Two ways to be too much share a reactor's one gauge: what is nearer its threshold speaks.
        foreach (var q in s.Named(QueueNames.MailboxBacklog))
        {
            var deepest = s.Mailboxes.Where(m => m.Reactor == q.Reading.Reactor).Select(m => m.Value).DefaultIfEmpty(0).Max();
            yield return deepest / t.MailboxDepth > (double)q.Reading.Depth / t.MailboxBacklog
                ? new AlertGauge(QueueNames.MailboxBacklog, q.Reading.Reactor, deepest, t.MailboxDepth)
                : new AlertGauge(QueueNames.MailboxBacklog, q.Reading.Reactor, q.Reading.Depth, t.MailboxBacklog);
        }
    }

    /// <summary>A queue that is steady or at rest is no backlog that grows: for those there are depth and age.</summary>
    private static double Drain(QueueHealth q) =>
        q.Reading.Depth >= LeastToDrain && q.Motion is QueueMotion.Growing or QueueMotion.Draining ? q.DrainSeconds : 0;
}
