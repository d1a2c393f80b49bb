using Gateway.Load.Devices;
using Gateway.Load.Measure;

namespace Gateway.Load.Conduct;

internal sealed record PhasesPlan
{
    /// <summary>Logins a second of the ramp; 0: as fast as it goes.</summary>
    public double Rate { get; init; }
    public TimeSpan Idle { get; init; }

    /// <summary>Messages a second over all who chat; 0: nobody chats.</summary>
    public double ChatRate { get; init; }
    public TimeSpan ChatTime { get; init; }
    public TimeSpan Warmup { get; init; }

    /// <summary>Devices that lose the network at once and come back as fast as it goes; 0: none.</summary>
    public long Storm { get; init; }

    /// <summary>All leave in order at the end.</summary>
    public bool Drain { get; init; }

    /// <summary>So many a second; 0: as fast as it goes.</summary>
    public double DrainRate { get; init; }
}

/// <summary>
/// A day in one run: everybody logs in → nothing happens → a random share chats → many lose the network and come back at once → everybody leaves.
/// Each phase is reported by itself, with what the node holds at its end.
/// </summary>
internal static class PhasesRun
{
    public static LoadResult Run(Conductor conductor, LoadSettings settings, PhasesPlan plan)
    {
        var result = new LoadResult { Command = "phases", Settings = settings, ServerMemoryBeforeBytes = conductor.Server?.MemoryBytes() };
        if (Ramp(conductor, result, settings, plan) && Idle(conductor, result, plan) && Chat(conductor, result, plan) && Storm(conductor, result, plan))
        {
            Runs.Check(conductor, result);
            // The devices go last, and with them the messages' streams: the counts stand before.
            if (plan.Drain && !conductor.IsInterrupted) Drain(conductor, result, plan);
        }

        return Runs.Finish(conductor, result);
    }

    private static bool Ramp(Conductor conductor, LoadResult result, LoadSettings settings, PhasesPlan plan)
    {
        var mark = new PhaseMark(conductor, "ramp");
        var ended = Runs.LogIn(conductor, result, Who.All, plan.Rate, settings.Devices, "ramp");
        result.Phases.Add(mark.End(result.ServerMemoryBeforeBytes));
        return ended;
    }

    private static bool Idle(Conductor conductor, LoadResult result, PhasesPlan plan)
    {
        if (plan.Idle == TimeSpan.Zero) return true;
        var mark = new PhaseMark(conductor, "idle");
        var ended = conductor.Rest("idle", plan.Idle);
        var phase = mark.End(result.ServerMemoryBeforeBytes);
        result.Phases.Add(phase);
        result.ServerMemoryBytes = phase.ServerMemoryBytes;
        return ended;
    }

    private static bool Chat(Conductor conductor, LoadResult result, PhasesPlan plan)
    {
        if (plan.ChatRate <= 0) return true;
        var mark = new PhaseMark(conductor, "chat");
        var windows = new WorstWindow();
        RelayRun.Measure(conductor, result, new RelayPlan { Time = plan.ChatTime, Warmup = plan.Warmup, Rate = plan.ChatRate }, "chat", windows);
        result.Phases.Add(mark.End(result.ServerMemoryBeforeBytes, windows));
        return !conductor.IsInterrupted;
    }

    private static bool Storm(Conductor conductor, LoadResult result, PhasesPlan plan)
    {
        if (plan.Storm == 0) return true;
        var mark = new PhaseMark(conductor, "storm");
        // Those that are away already, as after a go-away, are not dropped.
        var before = conductor.Look();
        conductor.Give(new Order(OrderKind.Drop) { Devices = plan.Storm });
        var left = before[Counter.Attached] - plan.Storm;
        var dropped = conductor.WaitUntil("storm", s => s[Counter.Attached] <= left || s[Counter.LoginsLeft] > s[Counter.LoginsInFlight], TimeSpan.FromSeconds(60));
        var ramped = (result.LoginsPerSecond, result.Connections);
        var ended = dropped && Runs.LogIn(conductor, result, Who.All, 0, plan.Storm, "storm");
        (result.LoginsPerSecond, result.Connections) = ramped;
        result.Phases.Add(mark.End(result.ServerMemoryBeforeBytes));
        return ended;
    }

    private static void Drain(Conductor conductor, LoadResult result, PhasesPlan plan)
    {
        var mark = new PhaseMark(conductor, "drain");
        conductor.Give(new Order(OrderKind.Leave) { Rate = plan.DrainRate });
        conductor.WaitUntil("drain", s => s[Counter.Attached] == 0);
        result.Phases.Add(mark.End(result.ServerMemoryBeforeBytes));
    }
}
