using System.Globalization;
using System.Text;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Ladder;

/// <summary>The run as perf-reports/TEMPLATE.md wants it, and as JSON with every sample.</summary>
internal static class LadderReport
{
    private const int BarWidth = 40;

    public static string JsonOf(RunFacts facts, LadderSettings settings, IReadOnlyList<Sample> samples) => ReportText.JsonOf(facts, new
    {
        Rounds = settings.Rounds.Count,
        TimeSeconds = settings.Rounds.Time.TotalSeconds,
        WarmupSeconds = settings.Rounds.Warmup.TotalSeconds,
        Samples = samples,
    });

    public static string MarkdownOf(RunFacts facts, LadderSettings settings, IReadOnlyList<Sample> samples)
    {
        var standings = settings.Loads.SelectMany(l => settings.Rungs.Where(r => r.Bears(l)).Select(r => new Standing(r, l, samples))).ToList();
        var text = new StringBuilder();
        HeadOf(facts, settings, samples).WriteTo(text);
        text.AppendLine("## Result");
        Rungs(text, settings);
        foreach (var load in settings.Loads) Table(text, load, [.. standings.Where(s => s.Load == load)]);
        BarTable(text, Bar.Judge(standings));
        Commits(text, standings);
        Histograms(text, [.. standings.Where(s => s.Load.Name == Load.LatencyName && (s.Rung.Kind == RungKind.Gateway || s.Rung.Name == Rung.RelayYardstick))]);
        Bounds(text, standings, facts.Machine.Cores);
        text.AppendLine(
            """
            ## What it does not show
            Server and load end share the cores of one machine over loopback: a rung that needs less CPU leaves more to the load end, and ratios say more
            than rates. The C relay keeps nothing on disk and checks no device's proof; bench/ladder/relay.c lists what else it leaves out. Closed loops
            hide what a stall does to people who do not wait; `C10M relay --rate` shows that. Nothing here says what happens at a million connections.
            """);
        return text.ToString();
    }

    private static ReportHead HeadOf(RunFacts facts, LadderSettings settings, IReadOnlyList<Sample> samples) => new()
    {
        Facts = facts,
        Title = "the ladder, the gateway against C and against what a .NET user would write",
        Beside = ("C", $"{facts.Machine.Gcc}, -O2 -march=native"),
        OtherCores = Spread.Of(samples.Select(s => s.OtherCores + s.StolenCores)),
        ListsOtherCores = true,
        Rounds = string.Create(
            CultureInfo.InvariantCulture,
            $"{settings.Rounds.Count}; in each every rung is started anew, and under each load all rungs follow one another, beginning with another one each round; {settings.Rounds.Warmup.TotalSeconds:0.#} s warm-up, {LadderSettings.FirstWarmups} times that after a start, {settings.Rounds.Time.TotalSeconds:0.#} s measured"),
    };

    private static void Rungs(StringBuilder text, LadderSettings settings)
    {
        text.AppendLine(
            """
            Figures are medians over the rounds, with the range in brackets; ratios are taken within a round. A relay's message counts when its sender has
            the double check; latency is from the send to it. CPU is the server's, user and system, a message. The load end has one thread.

            """);
        foreach (var rung in settings.Rungs) text.Line($"- `{rung.Name}`: {rung.What}");
        text.AppendLine();
    }

    private static void Table(StringBuilder text, Load load, List<Standing> standings)
    {
        if (standings.Count == 0) return;
        text.Line($"### {load.Title} (`{load.Name}`)");
        text.Line($"| rung | messages/s | ÷ C | CPU µs | ÷ C | p50 ms | p99 ms | p99.9 ms | server cores | load end busy |");
        text.Line($"|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        foreach (var s in standings)
        {
            if (s.IsEmpty)
            {
                text.Line($"| {s.Rung.Name} | no measurement that adds up | | | | | | | | |");
                continue;
            }

            var rate = s.Of(x => x.MessagesPerSecond);
            var cpu = s.Of(x => x.ServerCpuUsPerMessage);
            var busy = s.Median(x => x.LoadBusy);
            var mark = busy > Standing.BusyLoad ? "**" : "";
            text.Line($"| {s.Rung.Name} | {rate.ToString("N0")} | {Ratio(s, s.RateRatio)} | {cpu.ToString("0.00")} | {Ratio(s, s.CpuRatio)} | {s.Median(x => x.P50) / 1000:0.00} | {s.Median(x => x.P99) / 1000:0.00} | {s.Median(x => x.P999) / 1000:0.00} | {s.Median(x => x.ServerCores):0.00} | {mark}{busy:P0}{mark} |");
        }

        text.AppendLine();
        foreach (var s in standings.Where(s => s.Failed > 0)) text.Line($"- `{s.Rung.Name}`: {s.Failed} measurements did not add up and are left out.");
        foreach (var s in standings.Where(s => s.Faults.Length > 0)) text.Line($"- `{s.Rung.Name}`: {s.Faults}");
        if (standings.Exists(s => s.Failed > 0 || s.Faults.Length > 0)) text.AppendLine();
    }

    private static void BarTable(StringBuilder text, IReadOnlyList<Bar> bars)
    {
        if (bars.Count == 0) return;
        text.Line($"### Against the bars");
        text.Line($"| what | rung | bar | aim | measured | |\n|---|---|---|---|---|---|");
        foreach (var bar in bars) text.Line($"| {bar.What} | {bar.Rung} | {bar.Limit} | {bar.Aim} | {bar.Measured} | {bar.Verdict} |");
        text.AppendLine();
    }

    private static void Commits(StringBuilder text, List<Standing> standings)
    {
        var nodes = standings.Where(s => s.Samples.Any(x => x.SyncMean is not null)).ToList();
        if (nodes.Count == 0) return;
        text.Line($"### The node's commits");
        text.Line($"| load | rung | commits/s | bytes a commit | fdatasync, the node's mean µs | the probe's median µs | p99 µs |\n|---|---|---:|---:|---:|---:|---:|");
        foreach (var s in nodes)
        {
            var probe = s.Samples.Any(x => x.ProbeMedian is not null);
            var (median, p99) = probe ? (s.Median(x => x.ProbeMedian ?? 0), s.Median(x => x.ProbeP99 ?? 0)) : (0, 0);
            text.Line($"| {s.Load.Name} | {s.Rung.Name} | {s.Median(x => x.CommitsPerSecond ?? 0):N0} | {s.Median(x => x.BytesPerCommit ?? 0):N0} | {s.Median(x => x.SyncMean ?? 0):N0} | {(probe ? median.ToString("N0", CultureInfo.InvariantCulture) : "")} | {(probe ? p99.ToString("N0", CultureInfo.InvariantCulture) : "")} |");
        }

        text.AppendLine();
        text.AppendLine("The probe writes as many bytes as a commit of that measurement has into blocks that exist, and calls fdatasync, right after it and alone.");
        text.AppendLine();
    }

    private static void Histograms(StringBuilder text, List<Standing> standings)
    {
        if (standings.All(s => s.IsEmpty)) return;
        text.Line($"### Latency under `{Load.LatencyName}`, all rounds\n```");
        foreach (var s in standings.Where(s => !s.IsEmpty)) Histogram(text, s);
        text.Line($"```\n");
    }

    private static void Histogram(StringBuilder text, Standing standing)
    {
        var counts = new SortedDictionary<long, long>();
        foreach (var sample in standing.Samples)
        {
            for (var i = 0; i < sample.Counts.Count; i++) counts[sample.UpTo[i]] = counts.GetValueOrDefault(sample.UpTo[i]) + sample.Counts[i];
        }

        var total = Math.Max(1, counts.Values.Sum());
        var most = counts.Count == 0 ? 1 : counts.Values.Max();
        text.Line($"{standing.Rung.Name}, {total:N0} messages");
        foreach (var (upTo, count) in counts)
        {
            var share = (double)count / total;
            if (share < 0.001) continue;
            text.Line($"  up to {upTo / 1000.0,8:0.00} ms  {share,6:P1}  {new string('#', (int)Math.Ceiling((double)BarWidth * count / most))}");
        }
    }

    private static void Bounds(StringBuilder text, List<Standing> standings, int cores)
    {
        text.Line($"## What bounds it");
        text.Line($"| load | rung | at its limit was |\n|---|---|---|");
        foreach (var s in standings.Where(s => !s.IsEmpty)) text.Line($"| {s.Load.Name} | {s.Rung.Name} | {s.BoundBy(cores)} |");
        text.AppendLine();
    }

    private static string Ratio(Standing standing, Spread? ratio) => standing.IsYardstick ? "1" : ratio?.ToString("0.00") ?? "";
}
