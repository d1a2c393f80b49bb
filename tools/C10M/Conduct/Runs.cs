using Gateway.Load.Devices;
using Gateway.Load.Measure;

namespace Gateway.Load.Conduct;

/// <summary>What the commands have in common: logging in, watching the node's process, and the end.</summary>
internal static class Runs
{
    /// <summary>Logs in and measures it. False: interrupted.</summary>
    public static bool LogIn(Conductor conductor, LoadResult result, Who who, double rate, long expected, string phase = "login")
    {
        var before = conductor.Look();
        var startedAt = conductor.Time.NowUs();
        conductor.Give(new Order(OrderKind.Login) { Who = who, Rate = rate });
        conductor.WaitUntil(phase, s => s[Counter.LoginsLeft] == 0, mayRest: rate > 0 ? _ => true : null);
        var after = conductor.Look();
        var logins = after[Counter.Logins] - before[Counter.Logins];
        var seconds = (after[Counter.LastLoginAt] - startedAt) / 1e6;
        result.LoginsPerSecond = logins == 0 ? 0 : logins / Math.Max(seconds, 1e-6);
        result.Connections = after[Counter.Open];
        if (conductor.IsInterrupted) return false;
        if (logins < expected) conductor.Errors.Add("not_logged_in", expected - logins);
        return true;
    }

    /// <summary>Pings every session: what answers is alive, and the node has handled all it was sent before.</summary>
    public static void Check(Conductor conductor, LoadResult result)
    {
        if (conductor.IsInterrupted) return;
        var open = conductor.Look()[Counter.Open];
        long reconnects;
        do
        {
            reconnects = conductor.Look()[Counter.Reconnects];
            conductor.Give(new Order(OrderKind.Check));
            conductor.WaitUntil("check", s => s[Counter.Pongs] >= open || (s[Counter.Reconnects] > reconnects && s[Counter.Open] >= open), TimeSpan.FromSeconds(60));
        }
        // A node that went away took the pings along; they are asked anew once everybody is back.
        while (conductor.Look()[Counter.Pongs] < open && conductor.Look()[Counter.Reconnects] > reconnects && !conductor.IsInterrupted);
        result.Alive = conductor.Look()[Counter.Pongs];
        if (result.Alive < open && !conductor.IsInterrupted) conductor.Errors.Add("no_pong", open - result.Alive.Value);
    }

    /// <summary>Takes the counts, then leaves.</summary>
    public static LoadResult Finish(Conductor conductor, LoadResult result)
    {
        result.Totals = conductor.Look();
        result.Interrupted = conductor.IsInterrupted;
        foreach (var (kind, count) in result.Totals.Errors.Concat(conductor.Errors.Copy())) result.Errors[kind] = result.Errors.GetValueOrDefault(kind) + count;
        conductor.Give(new Order(OrderKind.Drop));
        return result;
    }

    /// <summary>Every message has both checks, and nobody sends any more.</summary>
    public static bool IsSettled(LoadSnapshot s) =>
        s[Counter.Sending] == 0 && s[Counter.DoubleChecks] + s[Counter.RefusedFinal] >= s[Counter.Sent] && s[Counter.Delivered] >= s[Counter.DoubleChecks];
}

/// <summary>What node and load have spent from one moment on.</summary>
internal sealed class CostMark(Conductor conductor)
{
    private readonly double? _server = conductor.Server?.CpuSeconds();
    private readonly LoadSnapshot _load = conductor.Look();

    public void NoteIn(LoadResult result)
    {
        result.ServerCpuSeconds = conductor.Server?.CpuSeconds() - _server;
        var load = conductor.Look();
        result.LoadCpuSeconds = load.CpuSeconds - _load.CpuSeconds;
        result.LoadAllocatedBytes = load.AllocatedBytes - _load.AllocatedBytes;
    }
}
