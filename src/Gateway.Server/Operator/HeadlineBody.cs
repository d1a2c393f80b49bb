using System.Globalization;
using Gateway.Server.Health.Alerts;
using Gateway.Server.Texts;

namespace Gateway.Server.Operator;

internal enum Mood
{
    /// <summary>Nothing to do.</summary>
    Well = 0,
    /// <summary>Not as it should be, and no alert of it yet.</summary>
    Watch = 1,
    /// <summary>An alert is raised, or the node takes no connections.</summary>
    Trouble = 2,
}

/// <summary>How the node is, at a glance: the first thing that a person reads. Names no device but by pseudonym.</summary>
/// <param name="Mood">In a word.</param>
/// <param name="Title">In a few: whether all is well, or what is the problem.</param>
/// <param name="Why">In a sentence.</param>
internal sealed record HeadlineBody(Mood Mood, string Title, string Why)
{
    /// <param name="readiness">Of the node.</param>
    /// <param name="reasons">All that is not as it should be, the worst first.</param>
    /// <param name="alerts">The active ones first, nearest the cause first.</param>
    /// <param name="queues">Of all reactors together, the worst first.</param>
    public static HeadlineBody Of(NodeReadiness readiness, IReadOnlyList<string> reasons, IReadOnlyList<Alert> alerts, IReadOnlyList<QueueBody> queues)
    {
        if (readiness.State != NodeState.Ready) return new HeadlineBody(Mood.Trouble, $"The node is {readiness.State.ToString().ToLowerInvariant()}", readiness.Reason);
        if (alerts.FirstOrDefault(a => a.State == AlertState.Active) is { } alert) return new HeadlineBody(Mood.Trouble, TitleOf(alert), alert.Culprit);
        if (reasons.Count > 0) return new HeadlineBody(Mood.Watch, "Not all is as it should be", reasons[0]);
        if (queues.FirstOrDefault(q => q.Standing == QueueStanding.Growing) is { } growing) return new HeadlineBody(Mood.Watch, $"{growing.Name} grows", growing.Text);
        return new HeadlineBody(Mood.Well, "All is well", Calm(queues));
    }

    private static string TitleOf(Alert alert) =>
        alert.Queue.Length == 0 ? $"Problem: {alert.Kind.Name}" : $"Problem: {alert.Queue}{(alert.Reactor < 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" of reactor {alert.Reactor}"))}";

    private static string Calm(IReadOnlyList<QueueBody> queues)
    {
        if (queues.Count == 0) return "ready; queues are not measured";
        var fullest = queues.Where(q => q.Standing < QueueStanding.Flowing).Take(1).Select(q => $"; {q.Name}: {q.Text}").FirstOrDefault();
        var through = queues.FirstOrDefault(q => q.Name == QueueNames.MailboxBacklog)?.Rates;
        return (fullest is null ? "next to nothing waits anywhere" : "no queue grows")
            + (through is { In10s: >= 0.1 } ? $"; {Figures.Count(through.In10s)} entries/s come, {Figures.Count(through.Out10s)} go" : "") + fullest;
    }
}
