using Gateway.Load.Devices;
using Gateway.Load.Measure;

namespace Gateway.Load.Conduct;

internal sealed record OfflinePlan
{
    public required int Mailboxes { get; init; }

    /// <summary>To each mailbox.</summary>
    public required int Messages { get; init; }

    /// <summary>Recipients' logins a second; 0: as fast as it goes.</summary>
    public double Rate { get; init; }

    /// <summary>Between filling and draining.</summary>
    public TimeSpan Wait { get; init; }
}

/// <summary>Mailboxes fill while their owners are away: fill → wait → owners log in and drain → check.</summary>
internal static class OfflineRun
{
    public static LoadResult Run(Conductor conductor, LoadSettings settings, OfflinePlan plan)
    {
        var result = new LoadResult { Command = "offline", Settings = settings, ServerMemoryBeforeBytes = conductor.Server?.MemoryBytes() };
        var senders = settings.Shape.Senders;
        result.Extra["mailboxes"] = plan.Mailboxes;
        result.Extra["senders"] = senders;
        if (Runs.LogIn(conductor, result, Who.Senders, 0, senders) && Fill(conductor, result, plan) && (plan.Wait == TimeSpan.Zero || conductor.Rest("wait", plan.Wait)))
        {
            Drain(conductor, result, plan);
            Runs.Check(conductor, result);
        }

        return Runs.Finish(conductor, result);
    }

    private static bool Fill(Conductor conductor, LoadResult result, OfflinePlan plan)
    {
        var mark = conductor.Time.NowUs();
        conductor.Give(new Order(OrderKind.Measure) { FromUs = mark, UntilUs = long.MaxValue });
        conductor.Give(new Order(OrderKind.Send) { Quota = plan.Messages, FromUs = mark });
        conductor.WaitUntil("fill", s => s[Counter.Sending] == 0 && s[Counter.Accepted] + s[Counter.RefusedFinal] >= s[Counter.Sent]);
        var filled = conductor.Look();
        var seconds = Math.Max(filled[Counter.LastAcceptedAt] - mark, 1) / 1e6;
        result.Extra["fill_messages_per_second"] = Math.Round(filled[Counter.Accepted] / seconds, 1);
        result.Extra["fill_seconds"] = Math.Round(seconds, 6);
        result.Extra["server_memory_filled_bytes"] = conductor.Server?.MemoryBytes();
        return !conductor.IsInterrupted;
    }

    private static void Drain(Conductor conductor, LoadResult result, OfflinePlan plan)
    {
        var cost = new CostMark(conductor);
        var mark = conductor.Time.NowUs();
        if (!Runs.LogIn(conductor, result, Who.Recipients, plan.Rate, plan.Mailboxes, "drain")) return;
        conductor.WaitUntil("drain", Runs.IsSettled);
        cost.NoteIn(result);
        var drained = conductor.Look();
        result.MeasuredMessages = drained[Counter.MeasuredDoubleChecks];
        result.MeasuredSeconds = Math.Max(drained[Counter.LastDoubleCheckAt] - mark, 1) / 1e6;
        result.MessagesPerSecond = result.MeasuredMessages / result.MeasuredSeconds;
        result.ServerMemoryBytes = conductor.Server?.MemoryBytes();
    }
}
