using System.Globalization;
using Gateway.Server.Health.Top;
using Gateway.Server.Texts;

namespace Gateway.Server.Health.Alerts;

/// <summary>
/// Puts an alert down to somebody: a sentence with the queue or reactor, who is behind it, and what comes in against what goes. Devices are named by
/// <paramref name="show"/>. Any thread.
/// </summary>
/// <param name="show">A device's pseudonym.</param>
internal sealed class Culprits(Func<TopEntry, string> show)
{
    private const int Named = 3;

    /// <param name="kind">Of the alert.</param>
    /// <param name="gauge">That raised it.</param>
    /// <param name="sample">Of the tick.</param>
    /// <param name="explanation">An alert nearer the cause that is active; null without one.</param>
    public (string Sentence, IReadOnlyList<TopEntry> Top) Of(AlertKind kind, AlertGauge gauge, HealthSample sample, Alert? explanation)
    {
        var reactor = gauge.Reactor;
        var queue = sample.Queues.FirstOrDefault(q => q.Reading.Name == gauge.Queue && (reactor < 0 || q.Reading.Reactor == reactor));
        var (sentence, top) = kind.Name switch
        {
            "LoginStorm" => (LoginStorm(sample), QueueEntries(sample, QueueNames.Handshakes)),
            "SenderFlood" => (SenderFlood(sample), Best(sample.Senders)),
            "ReactorStalled" => (Stalled(reactor, gauge.Value, sample), WaitingAt(sample, reactor)),
            "CommitSlow" => (Disk(gauge.Value, sample), QueueEntries(sample, QueueNames.Commits)),
            "ColdReadsSlow" => (ColdReads(queue, sample), QueueEntries(sample, QueueNames.ColdReads)),
            "MemoryHigh" => (Memory(sample), Best(sample.Sockets)),
            "SlowReaders" => (SlowReaders(gauge.Value, sample), Best(sample.Sockets)),
            "MailboxBacklog" => (Mailbox(queue, sample), Best([.. sample.Mailboxes.Where(m => m.Reactor == reactor)])),
            "WebhookFailing" => ($"the webhook has taken nothing for {Figures.Time(gauge.Value)}: {sample.WebhookError}", []),
            _ => (queue is null ? "" : $"queue {gauge.Queue} of reactor {Text(reactor)}: {queue.Text}", queue is null ? [] : [EntryOf(queue)]),
        };
        return (explanation is null ? sentence : $"{sentence}; it follows from {explanation.Kind.Name}: {explanation.Culprit}", top);
    }

    private static string LoginStorm(HealthSample sample)
    {
        var waiting = sample.Named(QueueNames.Handshakes).Sum(q => q.Reading.Depth);
        var oldest = sample.Named(QueueNames.Handshakes).Select(q => q.Reading.OldestAge.TotalSeconds).DefaultIfEmpty(0).Max();
        return $"connections from outside: {Figures.Count(sample.ArrivalRate)}/s arrive, {Figures.Count(waiting)} are in their handshake, the oldest for {Figures.Time(oldest)}; "
            + $"{Figures.Count(sample.Counters.Reactors.Sum(r => r.Sessions))} devices are logged in";
    }

    private string SenderFlood(HealthSample sample)
    {
        var first = sample.Senders[0];
        return $"sender {show(first)} of reactor {Text(first.Reactor)} sends {Figures.Count(first.Value)}/s of the {Figures.Count(sample.SendRate)}/s that arrive at the node";
    }

    private static string Stalled(int reactor, double seconds, HealthSample sample)
    {
        var inbox = sample.Named("inbox").FirstOrDefault(q => q.Reading.Reactor == reactor);
        return $"reactor {Text(reactor)} has not begun a turn for {Figures.Time(seconds)}"
            // Rates tell of the seconds before: what stands still has none, and no delay that follows from them.
            + (inbox is null or { Reading.Depth: 0 } ? "" : $"; its inbox: {Figures.Count(inbox.Reading.Depth)} queued, the oldest for {Figures.Time(inbox.Reading.OldestAge.TotalSeconds)}")
            + (sample.Counters.Reactors.FirstOrDefault(r => r.Index == reactor) is { Sessions: > 0 } held ? $"; {Figures.Count(held.Sessions)} devices are at home there" : "")
            + (sample.Counters.Reactors.Count > 1 && sample.Counters.Reactors.Count(r => r.SinceTurn.TotalSeconds >= seconds / 2) is var others and > 1
                ? $"; {Text(others)} reactors stand still, which points at the machine" : "");
    }

    private static string Disk(double seconds, HealthSample sample)
    {
        var waiting = sample.Named(QueueNames.Commits).Sum(q => q.Reading.Depth);
        return $"the disk: a commit takes {Figures.Time(seconds)}, {Figures.Count(waiting)} records wait for it, {Figures.Bytes(sample.AppendRate)}/s are appended";
    }

    private static string ColdReads(QueueHealth? queue, HealthSample sample) =>
        queue is null ? "reading old segments of the log is slow"
        : $"reading old segments of the log: reactor {Text(queue.Reading.Reactor)} waits for {Text(queue.Reading.Depth)} pages, "
            + $"the oldest for {Figures.Time(queue.Reading.OldestAge.TotalSeconds)}; {Figures.Count(queue.Rates.In10s)}/s asked for against {Figures.Count(queue.Rates.Out10s)}/s read, "
            + $"the log is {Figures.Bytes(sample.Counters.Log.LogBytes)}";

    private string Memory(HealthSample sample) =>
        $"buffers hold {Figures.Bytes(sample.BufferedBytes)} of at most {Figures.Bytes(sample.BufferHard)}{SocketsOf(sample)}";

    private string SlowReaders(double connections, HealthSample sample) =>
        $"{Figures.Count(connections)} connections do not read what is sent to them{SocketsOf(sample)}";

    private string SocketsOf(HealthSample sample) => sample.Sockets.Count == 0
        ? ""
        : "; most of it waits for " + string.Join(", ", sample.Sockets.Take(Named).Select(s => $"{show(s)} ({Figures.Bytes(s.Value)} {s.Detail})"));

    private string Mailbox(QueueHealth? queue, HealthSample sample)
    {
        if (queue is null) return "mailboxes hold too much";
        var deepest = sample.Mailboxes.FirstOrDefault(m => m.Reactor == queue.Reading.Reactor);
        return $"mailboxes of reactor {Text(queue.Reading.Reactor)}: {queue.Text}"
            + (deepest is null ? "" : $"; {show(deepest)} alone holds {Figures.Count(deepest.Value)}")
            // The queue's own sentence has both rates when it grows or is steady.
            + (queue.Motion is QueueMotion.Growing or QueueMotion.Steady ? "" : $"; {Figures.Count(queue.Rates.In10s)}/s in against {Figures.Count(queue.Rates.Out10s)}/s out");
    }

    private static IReadOnlyList<TopEntry> Best(IReadOnlyList<TopEntry> entries) => [.. entries.Take(5)];

    private static IReadOnlyList<TopEntry> QueueEntries(HealthSample sample, string queue) =>
        [.. sample.Named(queue).OrderByDescending(q => q.Reading.Depth).Take(5).Select(EntryOf)];

    private static IReadOnlyList<TopEntry> WaitingAt(HealthSample sample, int reactor) =>
        [.. sample.Queues.Where(q => q.Reading.Reactor == reactor && q.Reading.Depth > 0).OrderByDescending(q => q.Reading.Depth).Take(5).Select(EntryOf)];

    private static TopEntry EntryOf(QueueHealth queue) =>
        new(TopKind.Queue, null, queue.Reading.Name, queue.Reading.Depth, 0, "entries", queue.Reading.Reactor, queue.Text);

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
