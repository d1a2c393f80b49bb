using System.Globalization;
using System.Text;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Transport.Bars;

/// <summary>The run as perf-reports/TEMPLATE.md wants it, and as JSON with every sample.</summary>
internal static class TransportReport
{
    /// <summary>Echoes over all rounds that the bar on collections asks for.</summary>
    private const double EchoesWithoutCollection = 1_000_000;

    public static string JsonOf(RunFacts facts, TransportSettings settings, IReadOnlyList<EchoSample> echoes, IReadOnlyList<ShuttleSample> shuttles) => ReportText.JsonOf(facts, new
    {
        Rounds = settings.Rounds.Count,
        TimeSeconds = settings.Rounds.Time.TotalSeconds,
        WarmupSeconds = settings.Rounds.Warmup.TotalSeconds,
        settings.Connections,
        Echoes = echoes,
        Shuttles = shuttles,
    });

    public static string MarkdownOf(
        RunFacts facts, TransportSettings settings, IReadOnlyList<EchoRung> rungs, IReadOnlyList<EchoSample> echoes, IReadOnlyList<ShuttleSample> shuttles)
    {
        var text = new StringBuilder();
        new ReportHead
        {
            Facts = facts,
            Title = "the transport against C",
            Beside = ("C", facts.Machine.Gcc),
            OtherCores = Spread.Of(echoes.Select(s => s.OtherCores)),
            ListsOtherCores = true,
            Rounds = string.Create(
                CultureInfo.InvariantCulture,
                $"{settings.Rounds.Count}; in each the servers follow one another, beginning with another one each round; {settings.Rounds.Warmup.TotalSeconds:0.#} s warm-up, {settings.Rounds.Time.TotalSeconds:0.#} s measured"),
        }.WriteTo(text);
        text.Line($"## Result\nMedians over the rounds, with the range in brackets; ratios are of one round.\n");
        if (rungs.Count != 0) Echoes(text, settings, rungs, echoes);
        text.Line($"\n### Between two reactors\nEach hands a notice, or connections, on to the other as soon as they arrive; CPU is of both together.\n");
        text.Line($"| what | a second | CPU µs each |\n|---|---:|---:|");
        foreach (var name in shuttles.Select(s => s.Name).Distinct())
        {
            var its = shuttles.Where(s => s.Name == name).ToList();
            text.Line($"| {name} | {Range(its.Select(s => s.PerSecond), "N0")} | {Range(its.Select(s => s.CpuUs), "0.00")} |");
        }

        text.AppendLine(
            """

            ## What bounds it
            An echo is a receive and a send, each a system call or an operation of a ring, and nine tenths of its cost are the kernel's. Server and load end have a core each on
            a machine with two. A notice between two sleeping reactors is two wake-ups; a move is one too, and with io_uring a second for the kernel to put the socket into the
            target's table.

            ## What it does not show
            Loopback. One size of message, one under way. CPU of processes is counted in hundredths of a
            second.
            """);
        return text.ToString();
    }

    private static void Echoes(StringBuilder text, TransportSettings settings, IReadOnlyList<EchoRung> rungs, IReadOnlyList<EchoSample> echoes)
    {
        text.Line($"### Echo, {settings.Connections} connections × window 1, 64 B");
        foreach (var rung in rungs) text.Line($"- **{rung.Name}**: {rung.What}");
        text.Line($"\n| server | CPU µs an echo | ÷ c-epoll | at most | | echoes/s | managed B an echo | gen-0 collections in echoes |\n|---|---:|---:|---:|---|---:|---:|---:|");
        foreach (var rung in rungs) EchoRow(text, rung, [.. echoes.Where(s => s.Rung == rung.Name && s.AddsUp)], [.. echoes.Where(s => s.Rung == rungs[0].Name && s.AddsUp)]);
        foreach (var bad in echoes.Where(s => !s.AddsUp)) text.Line($"\nRound {bad.Round}, {bad.Rung}: did not add up and is left out.");
    }

    private static void EchoRow(StringBuilder text, EchoRung rung, IReadOnlyList<EchoSample> its, IReadOnlyList<EchoSample> yardstick)
    {
        if (its.Count == 0)
        {
            text.Line($"| {rung.Name} | no measurement that adds up | | | | | | |");
            return;
        }

        var ratios = Spread.Of(its.Join(yardstick, s => s.Round, y => y.Round, (s, y) => s.CpuUs / y.CpuUs));
        var (collections, count) = (its.Sum(s => s.Collections), its.Sum(s => s.Echoes));
        if (rung.Io is null || ratios is not { } ratio)
        {
            text.Line($"| {rung.Name} | {Range(its.Select(s => s.CpuUs), "0.00")} | 1 | | | {Range(its.Select(s => s.EchoesPerSecond), "N0")} | | |");
            return;
        }

        var isMet = ratio.Median <= rung.Limit && its.All(s => s.AllocatedPerEcho == 0) && collections == 0;
        var few = count < EchoesWithoutCollection ? " (too few echoes for the last)" : "";
        text.Line($"| {rung.Name} | {Range(its.Select(s => s.CpuUs), "0.00")} | {ratio.ToString("0.000")} | {rung.Limit:0.00} | {(isMet ? "met" : "**missed**")}{few} | {Range(its.Select(s => s.EchoesPerSecond), "N0")} | {Range(its.Select(s => s.AllocatedPerEcho), "0.0000")} | {collections} in {count / 1e6:0.0} M |");
    }

    private static string Range(IEnumerable<double> values, string format) => Spread.Of(values)?.ToString(format) ?? "";
}
