using System.Globalization;
using Gateway.Server.Health;
using Gateway.Server.Health.Alerts;
using Gateway.Server.Metrics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Gateway.Server.Operator;

/// <summary>What anybody who reaches the operator's port may ask: is it alive, does it take connections, how is it. No device is named.</summary>
internal sealed class HealthEndpoints(INode node, NodeHealth health, NodeKeys keys, GatewayOptions options, string version, TimeProvider time)
{
    /// <summary>A reactor begins a turn at least every 50 ms; one that has not for this long never will.</summary>
    internal static readonly TimeSpan DeadlockAfter = TimeSpan.FromSeconds(30);

    /// <summary>A queue this full is told among the reasons.</summary>
    private const double NearlyFull = 0.9;

    private readonly long _startedAt = time.GetTimestamp();

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/livez", Live);
        routes.MapGet("/readyz", Ready);
        routes.MapGet("/status", Status);
    }

    /// <summary>
    /// Fails when a restart is the only way on, and for nothing else: a load balancer reads /readyz, a person /status. That there is an answer shows
    /// that the thread pool and the web server run; a log that makes no progress stops the node by itself.
    /// </summary>
    private IResult Live()
    {
        var stalled = node.StalledFor;
        return stalled < DeadlockAfter
            ? Results.Text("alive\n")
            : Results.Problem(statusCode: StatusCodes.Status503ServiceUnavailable, title: "Deadlocked", detail: Stalled(stalled));
    }

    private IResult Ready()
    {
        var readiness = node.Readiness;
        return readiness.State == NodeState.Ready
            ? Results.Text("ready\n")
            : Results.Problem(statusCode: StatusCodes.Status503ServiceUnavailable, title: "Not ready", detail: readiness.Reason);
    }

    private StatusBody Status()
    {
        var readiness = node.Readiness;
        var counters = node.GetCounters();
        var queues = node.GetQueues();
        var seen = health.Queues.ToDictionary(q => (q.Reading.Name, q.Reading.Reactor));
        var alerts = health.Alerts;
        var totals = StatusTotals.Of(counters);
        List<string> reasons = [.. Reasons(readiness, counters, queues)];
        IReadOnlyList<QueueBody> together = [.. QueueSums.Of(queues, seen).Select(q => QueueBody.Of(q.Reading, q.Seen, alerts)).Order(QueueStandings.WorstFirst)];
        return new StatusBody(
            readiness.State, readiness.State == NodeState.Ready, reasons, version,
            Math.Round(time.GetElapsedTime(_startedAt).TotalSeconds, 3), node.EndpointLines, DurabilityBody.Of(options.Durability),
            totals, counters.Log, CollectorBody.Now(), HeadlineBody.Of(readiness, reasons, alerts, together),
            new BuffersBody(totals.BufferedBytes, options.BufferSoft, options.BufferHard), Math.Round(health.LongestCommit.TotalSeconds, 6),
            counters.Mailboxes.MailboxesHolding, together, [.. queues.Select(q => QueueBody.Of(q, seen.GetValueOrDefault((q.Name, q.Reactor)), alerts))],
            [.. alerts.Select(a => AlertBody.Of(a, keys))]);
    }

    /// <summary>All that is not as it should be, the worst first.</summary>
    private IEnumerable<string> Reasons(NodeReadiness readiness, NodeCounters counters, IReadOnlyList<QueueReading> queues)
    {
        if (readiness.Reason.Length > 0) yield return readiness.Reason;
        var stalled = node.StalledFor;
        if (stalled >= DeadlockAfter) yield return Stalled(stalled);
        if (counters.Log.DiskFull) yield return "the disk has no room for another segment of the log: messages are refused until it has";
        if (node.ExpirySuspended is { } suspended) yield return suspended;
        var unread = counters.Reactors.Sum(r => r.PausedByBudget);
        if (unread > 0) yield return string.Create(CultureInfo.InvariantCulture, $"{unread} connections are not read because buffers are over their budget");
        foreach (var alert in health.Alerts.Where(a => a.State == AlertState.Active)) yield return $"{alert.Kind.Name}: {alert.Culprit}";
        foreach (var q in queues)
        {
            if (q.Capacity > 0 && q.Depth >= q.Capacity * NearlyFull)
                yield return string.Create(CultureInfo.InvariantCulture, $"queue {q.Name} of reactor {q.Reactor} holds {q.Depth} of {q.Capacity}, the oldest for {q.OldestAge.TotalSeconds:F1} s");
        }
    }

    private static string Stalled(TimeSpan stalled) =>
        string.Create(CultureInfo.InvariantCulture, $"a reactor has not begun a turn for {stalled.TotalSeconds:F0} s");
}
