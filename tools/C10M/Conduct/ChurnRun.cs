using Gateway.Load.Devices;
using Gateway.Load.Measure;

namespace Gateway.Load.Conduct;

/// <summary>What comes and goes.</summary>
internal enum ChurnKind
{
    /// <summary>Connections that close without a word.</summary>
    Close,
    /// <summary>Connections that send half of their authentication and reset.</summary>
    Abort,
    /// <summary>Whole logins that leave at once.</summary>
    Login,
    /// <summary>Devices that never were before, get messages while they are away, fetch them, and never come again.</summary>
    Mailboxes,
}

internal sealed record ChurnPlan
{
    public required ChurnKind Kind { get; init; }

    /// <summary>Cycles: connections, or mailboxes; 0: until <see cref="Time"/> has passed. A round that has begun ends.</summary>
    public long Count { get; init; }
    public TimeSpan Time { get; init; }

    /// <summary>Connections a second; 0: as fast as it goes.</summary>
    public double Rate { get; init; }

    /// <summary>Mailboxes: messages for each.</summary>
    public int Messages { get; init; }
}

/// <summary>
/// Connections or devices come and go, over and over, in rounds of all devices: does the node keep anything of those that went? What it holds is read
/// before, meanwhile and after, as are the kernel's sockets.
/// </summary>
internal static class ChurnRun
{
    /// <summary>For the node to close what its peers closed.</summary>
    private static readonly TimeSpan SettleLimit = TimeSpan.FromSeconds(10);

    /// <summary>Of a server whose sockets cannot be seen: a close that is given to a ring reaches the kernel later, but what has been let go for so long stays let go.</summary>
    private static readonly TimeSpan SettledFor = TimeSpan.FromMilliseconds(300);

    public static LoadResult Run(Conductor conductor, LoadSettings settings, ChurnPlan plan)
    {
        var result = new LoadResult { Command = "churn", Settings = settings, ServerMemoryBeforeBytes = conductor.Server?.MemoryBytes() };
        result.Extra["kind"] = plan.Kind.ToString().ToLowerInvariant();
        var before = conductor.Watch.Take(conductor.Time.NowUs());
        result.Extra["server_before"] = before;
        var kernelBefore = KernelOf(conductor, settings);
        result.Extra["kernel_before"] = kernelBefore;
        var cost = new CostMark(conductor);
        var startedAt = conductor.Time.NowUs();
        var endUs = startedAt + (long)plan.Time.TotalMicroseconds;
        long cycles = 0;
        for (var round = 0; !conductor.IsInterrupted && (plan.Count > 0 ? cycles < plan.Count : conductor.Time.NowUs() < endUs); round++)
        {
            var ended = plan.Kind == ChurnKind.Mailboxes ? FillAndDrain(conductor, result, settings, plan, round) : Visit(conductor, settings, plan);
            if (!ended) break;
            cycles += plan.Kind == ChurnKind.Mailboxes ? settings.Shape.Recipients : settings.Devices;
        }

        cost.NoteIn(result);
        var seconds = Math.Max(conductor.Time.NowUs() - startedAt, 1) / 1e6;
        result.Extra["cycles"] = cycles;
        result.Extra["cycles_per_second"] = Math.Round(cycles / seconds, 1);
        result.Extra["server_cpu_us_per_cycle"] = result.ServerCpuSeconds is { } cpu && cycles > 0 ? Math.Round(cpu * 1e6 / cycles, 1) : null;
        if (!conductor.IsInterrupted) Settle(conductor, settings, before, kernelBefore);
        result.Extra["kernel_after"] = KernelOf(conductor, settings);
        result.Extra["server_after"] = conductor.Watch.Take(conductor.Time.NowUs());
        result.ServerMemoryBytes = conductor.Server?.MemoryBytes();
        // Nobody stayed that the memory could be shared out among.
        result.Connections = 0;
        return Runs.Finish(conductor, result);
    }

    /// <summary>Null when the server is not a process of this machine.</summary>
    private static KernelSockets? KernelOf(Conductor conductor, LoadSettings settings) => conductor.Server is null ? null : KernelSockets.Read(settings.TargetPort);

    private static void Settle(Conductor conductor, LoadSettings settings, ServerSample before, KernelSockets? kernelBefore)
    {
        long? sinceUs = null;
        conductor.WaitUntil(
            "settle",
            _ =>
            {
                var nowUs = conductor.Time.NowUs();
                sinceUs = HasLetGo(conductor, settings, before, kernelBefore) ? sinceUs ?? nowUs : null;
                return nowUs - sinceUs >= (long)SettledFor.TotalMicroseconds;
            },
            SettleLimit, mayRest: _ => true);
    }

    /// <summary>
    /// As far as it can be seen: the kernel has no more sockets for the server than before, those that it has yet to accept included; so what the server
    /// tells after that, of connections and handshakes, can only fall.
    /// </summary>
    private static bool HasLetGo(Conductor conductor, LoadSettings settings, ServerSample before, KernelSockets? kernelBefore) =>
        (KernelOf(conductor, settings)?.AtServer is not { } sockets || sockets <= (kernelBefore?.AtServer ?? 0))
        && (before.Node is not { } was || (conductor.Watch.AskNode() is { } now && now.Connections <= was.Connections && now.Handshakes <= was.Handshakes));

    private static bool Visit(Conductor conductor, LoadSettings settings, ChurnPlan plan)
    {
        var wanted = conductor.Look()[Counter.Visits] + settings.Devices;
        var errors = conductor.Look()[Counter.Errors];
        conductor.Give(new Order(OrderKind.Login)
        {
            Rate = plan.Rate,
            Visit = plan.Kind switch { ChurnKind.Close => Devices.Visit.Touch, ChurnKind.Abort => Devices.Visit.HalfHandshake, _ => Devices.Visit.Login },
        });
        if (!conductor.WaitUntil(
            "churn", s => s[Counter.LoginsLeft] == 0 && s[Counter.Attached] == 0, mayRest: plan.Rate > 0 ? _ => true : null)) return false;
        var after = conductor.Look();
        if (after[Counter.Visits] < wanted && after[Counter.Errors] == errors) conductor.Errors.Add("not_visited", wanted - after[Counter.Visits]);
        return true;
    }

    /// <summary>A round of devices nobody has heard of: some fill the mailboxes of the others, who come, fetch all, and leave, as the fillers do.</summary>
    private static bool FillAndDrain(Conductor conductor, LoadResult result, LoadSettings settings, ChurnPlan plan, int round)
    {
        conductor.Give(new Order(OrderKind.Renew) { FirstAddress = settings.FirstAddress + (ulong)round * (ulong)settings.Devices });
        conductor.Give(new Order(OrderKind.Measure) { FromUs = conductor.Time.NowUs(), UntilUs = long.MaxValue });
        if (!Runs.LogIn(conductor, result, Who.Senders, plan.Rate, settings.Shape.Senders, "fill")) return false;
        conductor.Give(new Order(OrderKind.Send) { Quota = plan.Messages, FromUs = conductor.Time.NowUs() });
        if (!conductor.WaitUntil("fill", s => s[Counter.Sending] == 0 && s[Counter.Accepted] + s[Counter.RefusedFinal] >= s[Counter.Sent])) return false;
        if (!Runs.LogIn(conductor, result, Who.Recipients, plan.Rate, settings.Shape.Recipients, "drain")) return false;
        if (!conductor.WaitUntil("drain", Runs.IsSettled)) return false;
        conductor.Give(new Order(OrderKind.Leave));
        return conductor.WaitUntil("leave", s => s[Counter.Attached] == 0);
    }
}
