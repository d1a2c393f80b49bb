using System.Globalization;
using System.Text;
using Gateway.Benchmarks.Ladder;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Rivals;

/// <summary>The comparison as perf-reports/TEMPLATE.md wants it, and as JSON with every sample.</summary>
internal static class RivalsReport
{
    public static string JsonOf(
        RunFacts facts, string versions, RivalsSettings settings, IReadOnlyList<RivalSample> samples, IReadOnlyList<IdleSample> idle) => ReportText.JsonOf(facts, new
    {
        Versions = versions,
        Settings = new
        {
            Rounds = settings.Rounds.Count,
            settings.Rounds.Time,
            settings.Rounds.Warmup,
            settings.Loads,
            settings.IdleSizes,
            settings.Rest,
        },
        Samples = samples,
        Idle = idle,
    });

    public static string MarkdownOf(
        RunFacts facts, string versions, RivalsSettings settings, IReadOnlyList<RivalSample> samples, IReadOnlyList<IdleSample> idle)
    {
        var text = new StringBuilder();
        HeadOf(facts, versions, settings, samples).WriteTo(text);
        text.AppendLine(
            """
            ## Result
            Figures are medians over the rounds, with the range in brackets; ratios are the gateway's by the rival's within a round. Same pairs, windows and
            sizes, one load end (C10M, one thread), every body checked for loss, duplicates and order. CPU is user and system time of all the server's
            processes, a message; memory is Pss + SwapPss of all of them.

            """);
        foreach (var rival in Rival.All) text.Line($"- **{rival.Name}**: {rival.What}. A message counts when {rival.Counts}.");
        text.AppendLine();
        foreach (var load in settings.Loads) Table(text, load, samples);
        Idle(text, settings, idle);
        Bounds(text, facts.Machine, settings, samples);
        text.AppendLine(
            """
            ## What it does not show
            Server and load end share the cores of one machine over loopback, and the three protocols do not cost the load end the same. The rivals promise
            less: neither has a message on disk when it acknowledges it, and MQTT's sender never learns that the recipient has it. Neither is clustered, and
            nothing here uses TLS. Closed loops hide what a stall does to people who do not wait. mosquitto uses one core by design.
            """);
        return text.ToString();
    }

    private static ReportHead HeadOf(RunFacts facts, string versions, RivalsSettings settings, IReadOnlyList<RivalSample> samples) => new()
    {
        Facts = facts,
        Title = "the gateway beside ejabberd and mosquitto",
        Beside = ("rivals", versions),
        OtherCores = Spread.Of(samples.Select(s => s.Of.OtherCores + s.Of.StolenCores)),
        Rounds = string.Create(
            CultureInfo.InvariantCulture,
            $"{settings.Rounds.Count}; in each every server is started anew, and under each load they follow one another, beginning with another one each round; {settings.Rounds.Warmup.TotalSeconds:0.#} s warm-up, {settings.Rounds.Time.TotalSeconds:0.#} s measured; then each alone with idle connections"),
    };

    private static void Table(StringBuilder text, Load load, IReadOnlyList<RivalSample> samples)
    {
        text.Line($"### {load.Title} (`{load.Name}`)");
        text.Line($"| server | messages/s | gateway ÷ it | p50 ms | p99 ms | server CPU µs | gateway ÷ it | load end CPU µs | server cores | memory before → after MB |");
        text.Line($"|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        var gateway = Of(Rival.GatewayName);
        foreach (var rival in Rival.All)
        {
            var its = Of(rival.Name);
            if (its.Count == 0)
            {
                text.Line($"| {rival.Name} | no measurement that adds up | | | | | | | | |");
                continue;
            }

            text.Line($"| {rival.Name} | {Range(its, s => s.Of.MessagesPerSecond, "N0")} | {Ratio(its, s => s.Of.MessagesPerSecond)} | {Median(its, s => s.Of.P50 / 1000.0):0.00} | {Median(its, s => s.Of.P99 / 1000.0):0.00} | {Range(its, s => s.Of.ServerCpuUsPerMessage, "0.00")} | {Ratio(its, s => s.Of.ServerCpuUsPerMessage)} | {Median(its, s => s.LoadCpuUsPerMessage):0.00} | {Median(its, s => s.Of.ServerCores):0.00} | {Median(its, s => s.MemoryBefore / 1e6):0.0} → {Median(its, s => s.MemoryAfter / 1e6):0.0} |");
        }

        text.AppendLine();
        foreach (var bad in samples.Where(s => s.Of.Load == load.Name && (!s.Of.AddsUp || s.Of.Faults.Length > 0)))
            text.Line($"- round {bad.Of.Round}, {bad.Of.Rung}: {(bad.Of.AddsUp ? "" : "did not add up and is left out; ")}{bad.Of.Faults}\n");

        List<RivalSample> Of(string name) => [.. samples.Where(s => s.Of.Rung == name && s.Of.Load == load.Name && s.Of.AddsUp)];

        string Ratio(List<RivalSample> its, Func<RivalSample, double> figure) => its[0].Of.Rung == Rival.GatewayName
            ? ""
            : RangeOf(gateway.Join(its.Where(s => figure(s) > 0), g => g.Of.Round, s => s.Of.Round, (g, s) => figure(g) / figure(s)), "0.00");
    }

    private static void Idle(StringBuilder text, RivalsSettings settings, IReadOnlyList<IdleSample> idle)
    {
        if (idle.Count == 0) return;
        text.Line($"### Idle connections");
        text.Line($"Each logged in and exchanged a message with another; memory after {settings.Rest.TotalSeconds:0.#} s of rest, and the slope of the line through the sizes, in a server that was warmed up (for this the gateway has `--log-memory 8MiB`, so that its log's tail does not count as connections, and ejabberd `ERL_FULLSWEEP_AFTER=0`, which halves its figure).\n");
        text.Line($"| server | bytes a connection | {string.Join(" | ", settings.IdleSizes.Select(size => $"MB at {size.ToString("N0", CultureInfo.InvariantCulture)}"))} |");
        text.Line($"|---|---:|{string.Concat(settings.IdleSizes.Select(_ => "---:|"))}");
        foreach (var rival in Rival.All)
        {
            var its = idle.Where(s => s.Rival == rival.Name && s.AddsUp).ToList();
            if (its.Count == 0)
            {
                text.Line($"| {rival.Name} | no measurement that adds up | {string.Concat(settings.IdleSizes.Select(_ => "|"))}");
                continue;
            }

            var sizes = settings.IdleSizes.Select((_, i) => Spread.Of(its.Select(s => s.Memory[i] / 1e6))!.Value.Median.ToString("0.0", CultureInfo.InvariantCulture));
            text.Line($"| {rival.Name} | {RangeOf(its.Select(s => s.BytesPerConnection), "N0")} | {string.Join(" | ", sizes)} |");
        }

        text.AppendLine();
    }

    private static void Bounds(StringBuilder text, Machine machine, RivalsSettings settings, IReadOnlyList<RivalSample> samples)
    {
        text.Line($"## What bounds it");
        text.Line($"| load | server | server cores | load end's thread | others' cores | at its limit was |\n|---|---|---:|---:|---:|---|");
        foreach (var load in settings.Loads)
        {
            foreach (var rival in Rival.All)
            {
                List<RivalSample> its = [.. samples.Where(s => s.Of.Rung == rival.Name && s.Of.Load == load.Name && s.Of.AddsUp)];
                if (its.Count == 0) continue;
                var standing = new Standing(rival.AsRung, load, [.. its.Select(s => s.Of)]);
                text.Line($"| {load.Name} | {rival.Name} | {Median(its, s => s.Of.ServerCores):0.00} | {Median(its, s => s.Of.LoadBusy):P0} | {Median(its, s => s.Of.OtherCores + s.Of.StolenCores):0.00} | {standing.BoundBy(machine.Cores)} |");
            }
        }

        text.AppendLine();
    }

    private static double Median(List<RivalSample> samples, Func<RivalSample, double> figure) => Spread.Of(samples.Select(figure)) is { } s ? s.Median : 0;

    private static string Range(List<RivalSample> samples, Func<RivalSample, double> figure, string format) => RangeOf(samples.Select(figure), format);

    private static string RangeOf(IEnumerable<double> values, string format) => Spread.Of(values)?.ToString(format) ?? "";
}
