using System.Globalization;
using System.Text;
using System.Text.Json;
using Gateway.Benchmarks.Ladder;

namespace Gateway.Benchmarks.Rivals;

/// <summary>What a report says beside the samples.</summary>
/// <param name="Date">Of the run.</param>
/// <param name="Command">That repeats it.</param>
/// <param name="Machine">Where.</param>
/// <param name="Versions">Of the rivals' packages.</param>
/// <param name="Settings">Of the run.</param>
/// <param name="LoadAverageBefore">And after: of the machine.</param>
/// <param name="LoadAverageAfter">See before.</param>
/// <param name="StolenSeconds">CPU time that the hypervisor gave to others meanwhile.</param>
internal sealed record RivalsFacts(
    string Date, string Command, Machine Machine, string Versions, RivalsSettings Settings, string LoadAverageBefore, string LoadAverageAfter, double StolenSeconds);

/// <summary>The comparison as perf-reports/TEMPLATE.md wants it, and as JSON with every sample.</summary>
internal static class RivalsReport
{
    /// <summary>Cores of other work from which on the figures count as provisional.</summary>
    private const double NoisyCores = 0.1;

    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static string JsonOf(RivalsFacts facts, IReadOnlyList<RivalSample> samples, IReadOnlyList<IdleSample> idle) =>
        JsonSerializer.Serialize(new { Facts = facts, LadderPaths.Configuration, Samples = samples, Idle = idle }, Json) + "\n";

    public static string MarkdownOf(RivalsFacts facts, IReadOnlyList<RivalSample> samples, IReadOnlyList<IdleSample> idle)
    {
        var text = new StringBuilder();
        Head(text, facts, samples);
        text.AppendLine(
            """
            ## Result
            Figures are medians over the rounds, with the range in brackets; ratios are the gateway's by the rival's within a round. Same pairs, windows and
            sizes, one load end (C10M, one thread), every body checked for loss, duplicates and order. CPU is user and system time of all the server's
            processes, a message; memory is Pss + SwapPss of all of them.

            """);
        foreach (var rival in Rival.All) Line(text, $"- **{rival.Name}**: {rival.What}. A message counts when {rival.Counts}.");
        text.AppendLine();
        foreach (var load in facts.Settings.Loads) Table(text, load, samples);
        Idle(text, facts.Settings, idle);
        Bounds(text, facts, samples);
        text.AppendLine(
            """
            ## What it does not show
            Server and load end share the cores of one machine over loopback, and the three protocols do not cost the load end the same. The rivals promise
            less: neither has a message on disk when it acknowledges it, and MQTT's sender never learns that the recipient has it. Neither is clustered, and
            nothing here uses TLS. Closed loops hide what a stall does to people who do not wait. mosquitto uses one core by design.
            """);
        return text.ToString();
    }

    private static void Head(StringBuilder text, RivalsFacts facts, IReadOnlyList<RivalSample> samples)
    {
        var m = facts.Machine;
        var s = facts.Settings;
        var others = Spread.Of(samples.Select(x => x.Of.OtherCores + x.Of.StolenCores));
        Line(text, $"# {facts.Date}: the gateway beside ejabberd and mosquitto");
        text.AppendLine();
        if (LadderPaths.Configuration != "Release") Line(text, $"**A {LadderPaths.Configuration} build: the figures mean nothing.**\n");
        if (others is { Median: > NoisyCores } noise)
            Line(text, $"**Provisional**: other work kept a median of {noise.Median:0.00} cores busy (at most {noise.Most:0.00}) while this was measured.\n");
        Line(text, $"| | |\n|---|---|");
        Line(text, $"| commit | {m.Commit} |");
        Line(text, $"| kernel, CPU, cores, memory | {m.Kernel}; {m.Cpu}; {m.Cores} cores for server and load end together; {m.MemoryGiB:0} GiB |");
        Line(text, $"| .NET, rivals | {m.DotNet}, {LadderPaths.Configuration}; {facts.Versions} |");
        Line(text, $"| disk | {m.Disk}, fdatasync for real |");
        Line(text, $"| load average and steal before and after | {facts.LoadAverageBefore} and {facts.LoadAverageAfter}; {facts.StolenSeconds:0.0} s stolen |");
        Line(text, $"| command | `{facts.Command}` |");
        Line(text, $"| rounds | {s.Rounds}; in each every server is started anew, and under each load they follow one another, beginning with another one each round; {s.Warmup.TotalSeconds:0.#} s warm-up, {s.Time.TotalSeconds:0.#} s measured; then each alone with idle connections |");
        text.AppendLine();
    }

    private static void Table(StringBuilder text, Load load, IReadOnlyList<RivalSample> samples)
    {
        Line(text, $"### {load.Title} (`{load.Name}`)");
        Line(text, $"| server | messages/s | gateway ÷ it | p50 ms | p99 ms | server CPU µs | gateway ÷ it | load end CPU µs | server cores | memory before → after MB |");
        Line(text, $"|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        var gateway = Of(Rival.GatewayName);
        foreach (var rival in Rival.All)
        {
            var its = Of(rival.Name);
            if (its.Count == 0)
            {
                Line(text, $"| {rival.Name} | no measurement that adds up | | | | | | | | |");
                continue;
            }

            Line(text, $"| {rival.Name} | {Range(its, s => s.Of.MessagesPerSecond, "N0")} | {Ratio(its, s => s.Of.MessagesPerSecond)} | {Median(its, s => s.Of.P50 / 1000.0):0.00} | {Median(its, s => s.Of.P99 / 1000.0):0.00} | {Range(its, s => s.Of.ServerCpuUsPerMessage, "0.00")} | {Ratio(its, s => s.Of.ServerCpuUsPerMessage)} | {Median(its, s => s.LoadCpuUsPerMessage):0.00} | {Median(its, s => s.Of.ServerCores):0.00} | {Median(its, s => s.MemoryBefore / 1e6):0.0} → {Median(its, s => s.MemoryAfter / 1e6):0.0} |");
        }

        text.AppendLine();
        foreach (var bad in samples.Where(s => s.Of.Load == load.Name && (!s.Of.AddsUp || s.Of.Faults.Length > 0)))
            Line(text, $"- round {bad.Of.Round}, {bad.Of.Rung}: {(bad.Of.AddsUp ? "" : "did not add up and is left out; ")}{bad.Of.Faults}\n");

        List<RivalSample> Of(string name) => [.. samples.Where(s => s.Of.Rung == name && s.Of.Load == load.Name && s.Of.AddsUp)];

        string Ratio(List<RivalSample> its, Func<RivalSample, double> figure) => its[0].Of.Rung == Rival.GatewayName
            ? ""
            : RangeOf(gateway.Join(its.Where(s => figure(s) > 0), g => g.Of.Round, s => s.Of.Round, (g, s) => figure(g) / figure(s)), "0.00");
    }

    private static void Idle(StringBuilder text, RivalsSettings settings, IReadOnlyList<IdleSample> idle)
    {
        if (idle.Count == 0) return;
        Line(text, $"### Idle connections");
        Line(text, $"Each logged in and exchanged a message with another; memory after {settings.Rest.TotalSeconds:0.#} s of rest, and the slope of the line through the sizes, in a server that was warmed up (for this the gateway has `--log-memory 8MiB`, so that its log's tail does not count as connections, and ejabberd `ERL_FULLSWEEP_AFTER=0`, which halves its figure).\n");
        Line(text, $"| server | bytes a connection | {string.Join(" | ", settings.IdleSizes.Select(size => $"MB at {size.ToString("N0", CultureInfo.InvariantCulture)}"))} |");
        Line(text, $"|---|---:|{string.Concat(settings.IdleSizes.Select(_ => "---:|"))}");
        foreach (var rival in Rival.All)
        {
            var its = idle.Where(s => s.Rival == rival.Name && s.AddsUp).ToList();
            if (its.Count == 0)
            {
                Line(text, $"| {rival.Name} | no measurement that adds up | {string.Concat(settings.IdleSizes.Select(_ => "|"))}");
                continue;
            }

            var sizes = settings.IdleSizes.Select((_, i) => Spread.Of(its.Select(s => s.Memory[i] / 1e6))!.Value.Median.ToString("0.0", CultureInfo.InvariantCulture));
            Line(text, $"| {rival.Name} | {RangeOf(its.Select(s => s.BytesPerConnection), "N0")} | {string.Join(" | ", sizes)} |");
        }

        text.AppendLine();
    }

    private static void Bounds(StringBuilder text, RivalsFacts facts, IReadOnlyList<RivalSample> samples)
    {
        Line(text, $"## What bounds it");
        Line(text, $"| load | server | server cores | load end's thread | others' cores | at its limit was |\n|---|---|---:|---:|---:|---|");
        foreach (var load in facts.Settings.Loads)
        {
            foreach (var rival in Rival.All)
            {
                List<RivalSample> its = [.. samples.Where(s => s.Of.Rung == rival.Name && s.Of.Load == load.Name && s.Of.AddsUp)];
                if (its.Count == 0) continue;
                var standing = new Standing(rival.AsRung, load, [.. its.Select(s => s.Of)]);
                Line(text, $"| {load.Name} | {rival.Name} | {Median(its, s => s.Of.ServerCores):0.00} | {Median(its, s => s.Of.LoadBusy):P0} | {Median(its, s => s.Of.OtherCores + s.Of.StolenCores):0.00} | {standing.BoundBy(facts.Machine.Cores)} |");
            }
        }

        text.AppendLine();
    }

    private static double Median(List<RivalSample> samples, Func<RivalSample, double> figure) => Spread.Of(samples.Select(figure)) is { } s ? s.Median : 0;

    private static string Range(List<RivalSample> samples, Func<RivalSample, double> figure, string format) => RangeOf(samples.Select(figure), format);

    private static string RangeOf(IEnumerable<double> values, string format) => Spread.Of(values) is not { } s
        ? ""
        : $"{s.Median.ToString(format, CultureInfo.InvariantCulture)} ({s.Least.ToString(format, CultureInfo.InvariantCulture)} to {s.Most.ToString(format, CultureInfo.InvariantCulture)})";

    private static void Line(StringBuilder text, FormattableString line) => text.AppendLine(line.ToString(CultureInfo.InvariantCulture));
}
