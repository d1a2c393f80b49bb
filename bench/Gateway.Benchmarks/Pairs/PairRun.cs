using System.Globalization;
using System.Text;
using Gateway.Benchmarks.Ladder;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Pairs;

/// <param name="Rounds">Each measures both once, the one that went first second in the next.</param>
/// <param name="One">In question.</param>
/// <param name="Other">What it is compared with.</param>
/// <param name="Load">Of both.</param>
internal sealed record PairSettings(RoundSettings Rounds, Rung One, Rung Other, Load Load)
{
    /// <summary>Rounds after which both are started anew: where a process' memory and threads come to lie must not decide.</summary>
    public const int RoundsALife = 5;
}

/// <summary>
/// Measures two nodes that are both up, one at a time in short turns, so that what drifts on the machine meets both alike. What counts is the ratio
/// within a round.
/// </summary>
internal sealed class PairRun(PairSettings settings, TextWriter progress) : IMeasurement
{
    private readonly List<(Sample One, Sample Other)> _pairs = [];

    public Task PrepareAsync(CancellationToken stop) => Task.CompletedTask;

    public async Task<bool> RunAsync(string dataFolder, CancellationToken stop)
    {
        for (var round = 1; round <= settings.Rounds.Count;)
        {
            await using var one = await RungServer.StartAsync(settings.One, Path.Combine(dataFolder, "one"), stop);
            await using var other = await RungServer.StartAsync(settings.Other, Path.Combine(dataFolder, "other"), stop);
            var warmup = settings.Rounds.Warmup * LadderSettings.FirstWarmups;
            for (var i = 0; i < PairSettings.RoundsALife && round <= settings.Rounds.Count; i++, round++)
            {
                var otherFirst = round % 2 == 0;
                var first = await MeasureAsync(otherFirst ? other : one);
                var second = await MeasureAsync(otherFirst ? one : other);
                _pairs.Add(otherFirst ? (second, first) : (first, second));
                Say(round, _pairs[^1]);
                warmup = settings.Rounds.Warmup;

                Task<Sample> MeasureAsync(RungServer server) => LoadEnd.MeasureAsync(server, settings.Load, round, settings.Rounds.Time, warmup, stop);
            }
        }

        return _pairs.All(p => p.One.AddsUp && p.Other.AddsUp);
    }

    public string MarkdownOf(RunFacts facts)
    {
        var text = new StringBuilder();
        new ReportHead
        {
            Facts = facts,
            Title = $"two nodes in turns, `{settings.One.What}` against `{settings.Other.What}`{(settings.Other.NodeProgram is null ? "" : " of another build")}",
            Beside = ("the nodes", $"`--reactors {settings.One.Program} --durability fsync`"),
            OtherCores = Spread.Of(_pairs.SelectMany(p => new[] { p.One, p.Other }).Select(s => s.OtherCores + s.StolenCores)),
            ListsOtherCores = true,
            Rounds = string.Create(
                CultureInfo.InvariantCulture,
                $"{settings.Rounds.Count}; both are up, one is measured after the other, who goes first changes every round, both are started anew every {PairSettings.RoundsALife}; {settings.Rounds.Warmup.TotalSeconds:0.#} s warm-up, {LadderSettings.FirstWarmups} times that after a start, {settings.Rounds.Time.TotalSeconds:0.#} s measured; {settings.Load.Title}"),
        }.WriteTo(text);
        text.AppendLine("## Result");
        text.Line($"| `{settings.One.What}` ÷ `{settings.Other.What}`, within a round | median | 95 % of the median | range |\n|---|---|---|---|");
        text.Line($"| messages/s | {RatioOf(s => s.MessagesPerSecond)} |");
        text.Line($"| server CPU a message | {RatioOf(s => s.ServerCpuUsPerMessage)} |");
        text.Line($"| p99 | {RatioOf(s => s.P99)} |");
        text.AppendLine($"\n| | messages/s | server CPU a message, µs |\n|---|---|---|");
        text.Line($"| `{settings.One.What}` | {SpreadOf(p => p.One.MessagesPerSecond, "N0")} | {SpreadOf(p => p.One.ServerCpuUsPerMessage, "0.00")} |");
        text.Line($"| `{settings.Other.What}` | {SpreadOf(p => p.Other.MessagesPerSecond, "N0")} | {SpreadOf(p => p.Other.ServerCpuUsPerMessage, "0.00")} |");
        text.AppendLine(
            """

            ## What bounds it
            Server and load end share the cores of one machine, so messages a second say what the CPU a message says, with the commits' and the machine's chance on
            top; the CPU a message scatters less.

            ## What it does not show
            Another load, another number of reactors, a machine with cores to spare.
            """);
        return text.ToString();
    }

    public string JsonOf(RunFacts facts) => ReportText.JsonOf(facts, new
    {
        One = settings.One.What,
        Other = settings.Other.What,
        Samples = _pairs.SelectMany(p => new[] { p.One, p.Other }),
    });

    private Ratio? RatioOf(Func<Sample, double> figure) => Ratio.Of(_pairs.Where(p => figure(p.Other) > 0).Select(p => figure(p.One) / figure(p.Other)));

    private string SpreadOf(Func<(Sample One, Sample Other), double> figure, string format) => Spread.Of(_pairs.Select(figure)) is { } spread ? spread.ToString(format) : "";

    private void Say(int round, (Sample One, Sample Other) p) => progress.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"round {round}/{settings.Rounds.Count}  {p.One.MessagesPerSecond,10:N0}/s {p.One.ServerCpuUsPerMessage,6:0.00} µs  against {p.Other.MessagesPerSecond,10:N0}/s {p.Other.ServerCpuUsPerMessage,6:0.00} µs  ratios {p.One.MessagesPerSecond / p.Other.MessagesPerSecond:0.000} {p.One.ServerCpuUsPerMessage / p.Other.ServerCpuUsPerMessage:0.000}  so far {Ratio.Of(_pairs.Select(x => x.One.MessagesPerSecond / x.Other.MessagesPerSecond))?.Median:0.000} {Ratio.Of(_pairs.Select(x => x.One.ServerCpuUsPerMessage / x.Other.ServerCpuUsPerMessage))?.Median:0.000}{(p.One.AddsUp && p.Other.AddsUp ? "" : "  DOES NOT ADD UP")} {p.One.Faults} {p.Other.Faults}"));
}
