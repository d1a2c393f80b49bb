using Gateway.Load.Devices;
using Gateway.Load.Measure;

namespace Gateway.Load.Conduct;

internal sealed record StormPlan
{
    public required int Times { get; init; }

    /// <summary>Logins a second; 0: as fast as it goes.</summary>
    public double Rate { get; init; }

    /// <summary>Logins a second of a quiet first round, to compare the node's memory with; 0: no such round.</summary>
    public double RampRate { get; init; }

    /// <summary>How long each round stays before it is dropped.</summary>
    public TimeSpan Hold { get; init; }
}

/// <summary>Everybody loses the network and comes back at once, again and again: log in → drop with a reset → log in …</summary>
internal static class StormRun
{
    public static LoadResult Run(Conductor conductor, LoadSettings settings, StormPlan plan)
    {
        var result = new LoadResult { Command = "storm", Settings = settings, ServerMemoryBeforeBytes = conductor.Server?.MemoryBytes() };
        if (plan.RampRate > 0)
        {
            if (Round(conductor, result, settings, plan with { Rate = plan.RampRate }, "ramp") is not { } ramp) return Runs.Finish(conductor, result);
            result.Extra["ramp"] = ramp;
        }

        var rounds = new List<StormRound>();
        var cost = new CostMark(conductor);
        for (var i = 1; i <= plan.Times; i++)
        {
            if ((rounds.Count > 0 || plan.RampRate > 0) && !Drop(conductor)) break;
            if (Round(conductor, result, settings, plan, $"round {i}") is not { } round) break;
            rounds.Add(round);
        }

        cost.NoteIn(result);
        if (rounds.Count > 0) result.LoginsPerSecond = rounds.Sum(r => r.Logins) / rounds.Sum(r => r.Seconds);
        result.ServerMemoryBytes = conductor.Server?.MemoryBytes();
        result.Extra["rounds"] = rounds;
        Runs.Check(conductor, result);
        return Runs.Finish(conductor, result);
    }

    /// <summary>Null: interrupted.</summary>
    private static StormRound? Round(Conductor conductor, LoadResult result, LoadSettings settings, StormPlan plan, string phase)
    {
        var before = conductor.Look();
        var startedAt = conductor.Time.NowUs();
        if (!Runs.LogIn(conductor, result, Who.All, plan.Rate, settings.Devices, phase)) return null;
        var after = conductor.Look();
        if (plan.Hold > TimeSpan.Zero && !conductor.Rest(phase, plan.Hold)) return null;
        var login = after.Login.Since(before.Login);
        return new StormRound(
            after[Counter.Logins] - before[Counter.Logins],
            Math.Max(after[Counter.LastLoginAt] - startedAt, 1) / 1e6,
            login.Quantile(0.5),
            login.Quantile(0.99),
            login.Max,
            conductor.Server?.MemoryBytes());
    }

    private static bool Drop(Conductor conductor)
    {
        conductor.Give(new Order(OrderKind.Drop));
        return conductor.WaitUntil("drop", s => s[Counter.Attached] == 0);
    }
}

/// <summary>One round of a storm. Latencies are of logins, µs; the highest is that of its histogram bucket.</summary>
internal sealed record StormRound(long Logins, double Seconds, long P50Us, long P99Us, long MaxUs, long? ServerMemoryBytes)
{
    public double LoginsPerSecond => Math.Round(Logins / Seconds, 1);
}
