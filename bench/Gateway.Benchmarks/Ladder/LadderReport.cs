using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Gateway.Benchmarks.Ladder;

/// <summary>What a report says beside the samples.</summary>
internal sealed record ReportFacts(
    string Date, string Command, Machine Machine, LadderSettings Settings, string LoadAverageBefore, string LoadAverageAfter, double StolenSeconds);

/// <summary>The run as perf-reports/TEMPLATE.md wants it, and as JSON with every sample.</summary>
internal static class LadderReport
{
    /// <summary>Cores of other work from which on the figures count as provisional.</summary>
    private const double NoisyCores = 0.1;

    private const int BarWidth = 40;

    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static string JsonOf(ReportFacts facts, IReadOnlyList<Sample> samples) => JsonSerializer.Serialize(
        new
        {
            facts.Date,
            facts.Command,
            facts.Machine,
            LadderPaths.Configuration,
            facts.LoadAverageBefore,
            facts.LoadAverageAfter,
            facts.StolenSeconds,
            facts.Settings.Rounds,
            TimeSeconds = facts.Settings.Time.TotalSeconds,
            WarmupSeconds = facts.Settings.Warmup.TotalSeconds,
            Samples = samples,
        },
        Json) + "\n";

    public static string MarkdownOf(ReportFacts facts, IReadOnlyList<Sample> samples)
    {
        var standings = facts.Settings.Loads.SelectMany(l => facts.Settings.Rungs.Where(r => r.Bears(l)).Select(r => new Standing(r, l, samples))).ToList();
        var text = new StringBuilder();
        Head(text, facts, samples);
        text.AppendLine("## Result");
        Rungs(text, facts);
        foreach (var load in facts.Settings.Loads) Table(text, load, [.. standings.Where(s => s.Load == load)]);
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

    private static void Head(StringBuilder text, ReportFacts facts, IReadOnlyList<Sample> samples)
    {
        var m = facts.Machine;
        var s = facts.Settings;
        var others = Spread.Of(samples.Select(x => x.OtherCores + x.StolenCores));
        Line(text, $"# {facts.Date}: the ladder, the gateway against C and against what a .NET user would write");
        text.AppendLine();
        if (LadderPaths.Configuration != "Release") Line(text, $"**A {LadderPaths.Configuration} build: the figures mean nothing.**\n");
        if (others is { Median: > NoisyCores } noise)
            Line(text, $"**Provisional**: other work kept a median of {noise.Median:0.00} cores busy (at most {noise.Most:0.00}) while this was measured.\n");
        Line(text, $"| | |\n|---|---|");
        Line(text, $"| commit | {m.Commit} |");
        Line(text, $"| kernel, CPU, cores, memory | {m.Kernel}; {m.Cpu}; {m.Cores} cores for server and load end together; {m.MemoryGiB:0} GiB |");
        Line(text, $"| .NET, C | {m.DotNet}, {LadderPaths.Configuration}; {m.Gcc}, -O2 -march=native |");
        Line(text, $"| disk | {m.Disk}, fdatasync for real |");
        Line(text, $"| load average and steal before and after | {facts.LoadAverageBefore} and {facts.LoadAverageAfter}; {facts.StolenSeconds:0.0} s stolen |");
        if (others is { } o) Line(text, $"| other work during a measurement | median {o.Median:0.00} cores, at most {o.Most:0.00} |");
        Line(text, $"| command | `{facts.Command}` |");
        Line(text, $"| rounds | {s.Rounds}; in each every rung is started anew, and under each load all rungs follow one another, beginning with another one each round; {s.Warmup.TotalSeconds:0.#} s warm-up, {LadderSettings.FirstWarmups} times that after a start, {s.Time.TotalSeconds:0.#} s measured |");
        text.AppendLine();
    }

    private static void Rungs(StringBuilder text, ReportFacts facts)
    {
        text.AppendLine(
            """
            Figures are medians over the rounds, with the range in brackets; ratios are taken within a round. A relay's message counts when its sender has
            the double check; latency is from the send to it. CPU is the server's, user and system, a message. The load end has one thread.

            """);
        foreach (var rung in facts.Settings.Rungs) Line(text, $"- `{rung.Name}`: {rung.What}");
        text.AppendLine();
    }

    private static void Table(StringBuilder text, Load load, List<Standing> standings)
    {
        if (standings.Count == 0) return;
        Line(text, $"### {load.Title} (`{load.Name}`)");
        Line(text, $"| rung | messages/s | ÷ C | CPU µs | ÷ C | p50 ms | p99 ms | p99.9 ms | server cores | load end busy |");
        Line(text, $"|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        foreach (var s in standings)
        {
            if (s.IsEmpty)
            {
                Line(text, $"| {s.Rung.Name} | no measurement that adds up | | | | | | | | |");
                continue;
            }

            var rate = s.Of(x => x.MessagesPerSecond);
            var cpu = s.Of(x => x.ServerCpuUsPerMessage);
            var busy = s.Median(x => x.LoadBusy);
            var mark = busy > Standing.BusyLoad ? "**" : "";
            Line(text, $"| {s.Rung.Name} | {rate.Median:N0} ({rate.Least:N0} to {rate.Most:N0}) | {Ratio(s, s.RateRatio)} | {cpu.Median:0.00} ({cpu.Least:0.00} to {cpu.Most:0.00}) | {Ratio(s, s.CpuRatio)} | {s.Median(x => x.P50) / 1000:0.00} | {s.Median(x => x.P99) / 1000:0.00} | {s.Median(x => x.P999) / 1000:0.00} | {s.Median(x => x.ServerCores):0.00} | {mark}{busy:P0}{mark} |");
        }

        text.AppendLine();
        foreach (var s in standings.Where(s => s.Failed > 0)) Line(text, $"- `{s.Rung.Name}`: {s.Failed} measurements did not add up and are left out.");
        foreach (var s in standings.Where(s => s.Faults.Length > 0)) Line(text, $"- `{s.Rung.Name}`: {s.Faults}");
        if (standings.Exists(s => s.Failed > 0 || s.Faults.Length > 0)) text.AppendLine();
    }

    private static void BarTable(StringBuilder text, IReadOnlyList<Bar> bars)
    {
        if (bars.Count == 0) return;
        Line(text, $"### Against the bars");
        Line(text, $"| what | rung | bar | aim | measured | |\n|---|---|---|---|---|---|");
        foreach (var bar in bars) Line(text, $"| {bar.What} | {bar.Rung} | {bar.Limit} | {bar.Aim} | {bar.Measured} | {bar.Verdict} |");
        text.AppendLine();
    }

    private static void Commits(StringBuilder text, List<Standing> standings)
    {
        var nodes = standings.Where(s => s.Samples.Any(x => x.SyncMean is not null)).ToList();
        if (nodes.Count == 0) return;
        Line(text, $"### The node's commits");
        Line(text, $"| load | rung | commits/s | bytes a commit | fdatasync, the node's mean µs | the probe's median µs | p99 µs |\n|---|---|---:|---:|---:|---:|---:|");
        foreach (var s in nodes)
        {
            var probe = s.Samples.Any(x => x.ProbeMedian is not null);
            var (median, p99) = probe ? (s.Median(x => x.ProbeMedian ?? 0), s.Median(x => x.ProbeP99 ?? 0)) : (0, 0);
            Line(text, $"| {s.Load.Name} | {s.Rung.Name} | {s.Median(x => x.CommitsPerSecond ?? 0):N0} | {s.Median(x => x.BytesPerCommit ?? 0):N0} | {s.Median(x => x.SyncMean ?? 0):N0} | {(probe ? median.ToString("N0", CultureInfo.InvariantCulture) : "")} | {(probe ? p99.ToString("N0", CultureInfo.InvariantCulture) : "")} |");
        }

        text.AppendLine();
        text.AppendLine("The probe writes as many bytes as a commit of that measurement has into blocks that exist, and calls fdatasync, right after it and alone.");
        text.AppendLine();
    }

    private static void Histograms(StringBuilder text, List<Standing> standings)
    {
        if (standings.All(s => s.IsEmpty)) return;
        Line(text, $"### Latency under `{Load.LatencyName}`, all rounds\n```");
        foreach (var s in standings.Where(s => !s.IsEmpty)) Histogram(text, s);
        Line(text, $"```\n");
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
        Line(text, $"{standing.Rung.Name}, {total:N0} messages");
        foreach (var (upTo, count) in counts)
        {
            var share = (double)count / total;
            if (share < 0.001) continue;
            Line(text, $"  up to {upTo / 1000.0,8:0.00} ms  {share,6:P1}  {new string('#', (int)Math.Ceiling((double)BarWidth * count / most))}");
        }
    }

    private static void Bounds(StringBuilder text, List<Standing> standings, int cores)
    {
        Line(text, $"## What bounds it");
        Line(text, $"| load | rung | at its limit was |\n|---|---|---|");
        foreach (var s in standings.Where(s => !s.IsEmpty)) Line(text, $"| {s.Load.Name} | {s.Rung.Name} | {s.BoundBy(cores)} |");
        text.AppendLine();
    }

    private static string Ratio(Standing standing, Spread? ratio)
    {
        if (standing.IsYardstick) return "1";
        return ratio is { } r ? string.Create(CultureInfo.InvariantCulture, $"{r.Median:0.00} ({r.Least:0.00} to {r.Most:0.00})") : "";
    }

    private static void Line(StringBuilder text, FormattableString line) => text.AppendLine(line.ToString(CultureInfo.InvariantCulture));
}
