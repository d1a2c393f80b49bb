using Gateway.Load.Devices;
using Gateway.Load.Measure;

namespace Gateway.Load.Conduct;

internal sealed record ConnectPlan
{
    /// <summary>Logins a second; 0: as fast as it goes.</summary>
    public double Rate { get; init; }

    /// <summary>Messages that each connection sends to its partner before it stays idle.</summary>
    public int Exchange { get; init; }
    public TimeSpan Hold { get; init; }
}

/// <summary>Many connections: log in → exchange a few messages → hold → check that they are still there.</summary>
internal static class ConnectRun
{
    /// <summary>The node's buffers go back within this, so that what is measured is what idle connections cost.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(1);

    public static LoadResult Run(Conductor conductor, LoadSettings settings, ConnectPlan plan)
    {
        var result = new LoadResult { Command = "connect", Settings = settings, ServerMemoryBeforeBytes = conductor.Server?.MemoryBytes() };
        var cost = new CostMark(conductor);
        if (Runs.LogIn(conductor, result, Who.All, plan.Rate, settings.Devices))
        {
            cost.NoteIn(result);
            result.Extra["server_cpu_us_per_login"] = result.ServerCpuSeconds is { } spent ? Math.Round(spent * 1e6 / Math.Max(1, result.Connections), 1) : null;
            if (plan.Exchange > 0) Exchange(conductor, result, plan);
            var hold = plan.Hold > Settling ? plan.Hold : Settling;
            if (!conductor.IsInterrupted && conductor.Rest("hold", hold)) result.ServerMemoryBytes = conductor.Server?.MemoryBytes();
            Runs.Check(conductor, result);
        }

        return Runs.Finish(conductor, result);
    }

    private static void Exchange(Conductor conductor, LoadResult result, ConnectPlan plan)
    {
        var cost = new CostMark(conductor);
        var mark = conductor.Time.NowUs();
        conductor.Give(new Order(OrderKind.Measure) { FromUs = mark, UntilUs = long.MaxValue });
        conductor.Give(new Order(OrderKind.Send) { Quota = plan.Exchange, FromUs = mark });
        conductor.WaitUntil("exchange", Runs.IsSettled);
        cost.NoteIn(result);
        var totals = conductor.Look();
        result.MeasuredMessages = totals[Counter.MeasuredDoubleChecks];
        result.MeasuredSeconds = Math.Max(totals[Counter.LastDoubleCheckAt] - mark, 1) / 1e6;
        result.MessagesPerSecond = result.MeasuredMessages / result.MeasuredSeconds;
    }
}
