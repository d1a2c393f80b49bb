using Gateway.Load.Devices;
using Gateway.Load.Measure;

namespace Gateway.Load.Conduct;

/// <summary>How long a relay runs and how fast.</summary>
internal sealed record RelayPlan
{
    /// <summary>Measured messages; 0: until <see cref="Time"/> has passed.</summary>
    public long Messages { get; init; }
    public TimeSpan Time { get; init; }
    public long WarmupMessages { get; init; }
    public TimeSpan Warmup { get; init; }

    /// <summary>Messages a second over all pairs; 0: closed loop.</summary>
    public double Rate { get; init; }
    public double LoginRate { get; init; }

    /// <summary>For what is still under way when sending has ended.</summary>
    public TimeSpan DrainLimit { get; init; } = TimeSpan.FromSeconds(60);
}

/// <summary>Pairs exchange messages, or an echo is talked to: log in → warm up → measure → drain → check.</summary>
internal static class RelayRun
{
    public static LoadResult Run(Conductor conductor, LoadSettings settings, RelayPlan plan, string command = "relay")
    {
        var result = new LoadResult { Command = command, Settings = settings, ServerMemoryBeforeBytes = conductor.Server?.MemoryBytes() };
        if (Runs.LogIn(conductor, result, Who.All, plan.LoginRate, settings.Devices))
        {
            Measure(conductor, result, plan);
            result.ServerMemoryBytes = conductor.Server?.MemoryBytes();
            Runs.Check(conductor, result);
        }

        return Runs.Finish(conductor, result);
    }

    /// <summary>Sends at the plan's rate, or as fast as the windows let it, and waits for the last double check.</summary>
    /// <param name="conductor">Everybody is logged in.</param>
    /// <param name="result">Takes the figures.</param>
    /// <param name="plan">How long and how fast.</param>
    /// <param name="phase">What the measured interval is called.</param>
    /// <param name="windows">Looks at each of its stretches.</param>
    internal static void Measure(Conductor conductor, LoadResult result, RelayPlan plan, string phase = "measure", WorstWindow? windows = null)
    {
        var now = conductor.Time.NowUs();
        var warmsUp = plan.WarmupMessages > 0 || plan.Warmup > TimeSpan.Zero;
        var mark = now;
        if (!warmsUp) conductor.Give(MeasureFrom(mark, plan));
        var cost = new CostMark(conductor);
        conductor.Give(new Order(OrderKind.Send) { Budget = plan.Messages == 0 ? 0 : plan.Messages + plan.WarmupMessages, Rate = plan.Rate, FromUs = now });
        if (warmsUp)
        {
            var until = now + (long)plan.Warmup.TotalMicroseconds;
            conductor.WaitUntil("warm-up", s => s[Counter.DoubleChecks] >= plan.WarmupMessages && conductor.Time.NowUs() >= until);
            cost = new CostMark(conductor);
            mark = conductor.Time.NowUs();
            conductor.Give(MeasureFrom(mark, plan));
        }

        var endUs = plan.Messages > 0 ? long.MaxValue : mark + (long)plan.Time.TotalMicroseconds;
        if (plan.Messages == 0)
        {
            conductor.WaitUntil(phase, s =>
            {
                var at = conductor.Time.NowUs();
                windows?.Look(at, s);
                return at >= endUs;
            });
            cost.NoteIn(result);
            if (conductor.IsInterrupted) conductor.Give(new Order(OrderKind.Stop));
            else conductor.WaitUntil("drain", Runs.IsSettled, plan.DrainLimit);
        }
        else
        {
            conductor.WaitUntil(phase, Runs.IsSettled);
            cost.NoteIn(result);
        }

        var totals = conductor.Look();
        windows?.End(conductor.Time.NowUs(), totals);
        result.MeasuredMessages = totals[Counter.MeasuredDoubleChecks];
        var lastUs = plan.Messages > 0 || conductor.IsInterrupted ? totals[Counter.LastDoubleCheckAt] : endUs;
        result.MeasuredSeconds = Math.Max(lastUs - mark, 1) / 1e6;
        result.MessagesPerSecond = result.MeasuredMessages / result.MeasuredSeconds;
        if (totals[Counter.Backlogged] > 0) conductor.Errors.Add("senders_still_backlogged", totals[Counter.Backlogged]);
    }

    private static Order MeasureFrom(long mark, RelayPlan plan) => new(OrderKind.Measure)
    {
        FromUs = mark,
        UntilUs = plan.Messages > 0 ? long.MaxValue : mark + (long)plan.Time.TotalMicroseconds,
    };
}
