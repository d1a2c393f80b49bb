using System.Globalization;
using System.Text;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Alerts;

/// <summary>The run as perf-reports/TEMPLATE.md wants it, and as JSON with every sample. Stateless.</summary>
internal static class AlertsReport
{
    public static string JsonOf(RunFacts facts, AlertsSettings settings, IReadOnlyList<AlertSample> samples) => ReportText.JsonOf(facts, new
    {
        Rounds = settings.Rounds.Count,
        settings.Reactors,
        Samples = samples,
    });

    public static string MarkdownOf(RunFacts facts, AlertsSettings settings, IReadOnlyList<AlertSample> samples)
    {
        var text = new StringBuilder();
        new ReportHead
        {
            Facts = facts,
            Title = "eight faults, what the first alert says and when",
            Beside = ("the node", string.Create(CultureInfo.InvariantCulture, $"`--reactors {settings.Reactors}`, fsync, thresholds as shipped")),
            OtherCores = null,
            Rounds = string.Create(
                CultureInfo.InvariantCulture,
                $"{settings.Rounds.Count}; in each every fault once, with a node and a folder of its own: {FaultScene.Pairs} pairs that send a message every {FaultScene.Gap.TotalMilliseconds:0} ms, {settings.Rounds.Warmup.TotalSeconds:0} s in which nothing may be raised, the fault until {AlertsSettings.GoesOn.TotalSeconds:0} s after its alert, then without it until that is cleared"),
        }.WriteTo(text);
        text.AppendLine("## Result");
        Table(text, settings, samples);
        Sentences(text, settings, samples);
        Amiss(text, samples);
        text.AppendLine(
            """

            ## What bounds it
            The thresholds: a depth, rate or age of a commit must last 5 s (`alert-after`), an age is as long as it is, and a webhook fails once it has taken nothing for
            15 s after a post of 5 s was given up. The node looks once a second. An alert is cleared when its figure was below four fifths of its threshold for 30 s
            (`alert-clear-after`), and a rate over some 10 s takes a while to fall that far.
            """);
        Options(text, settings);
        text.AppendLine(
            """

            ## What it does not show
            The node, its honest load and the fault's share the cores of one machine. A slow disk, slow reads and a stuck reactor are had by holding up the
            node's own calls, in a program that hosts the node's: the kernel does other things meanwhile than with a real disk that is slow. One fault at a time: of two the
            first alert can name but one.
            """);
        return text.ToString();
    }

    private static void Table(StringBuilder text, AlertsSettings settings, IReadOnlyList<AlertSample> samples)
    {
        text.AppendLine("| fault | put in how | first alert | names the culprit | seconds to alert | seconds to clear | raised too, as following from it |");
        text.AppendLine("|---|---|---|---|---|---|---|");
        foreach (var fault in settings.Faults)
        {
            var own = samples.Where(s => s.Fault == fault.Name).ToList();
            text.Line($"| {fault.Name} | {fault.How} | {string.Join(", ", own.Select(s => s.First ?? "none").Distinct())} | {own.Count(s => s.IsRight)} of {own.Count} | {Seconds(own.Select(s => s.SecondsToAlert))} | {Seconds(own.Select(s => s.SecondsToClear))} | {Names(own.SelectMany(s => s.Following))} |");
        }
    }

    private static void Sentences(StringBuilder text, AlertsSettings settings, IReadOnlyList<AlertSample> samples)
    {
        text.AppendLine("\nThe sentences, of the last round:\n");
        foreach (var fault in settings.Faults)
        {
            if (samples.LastOrDefault(s => s.Fault == fault.Name) is { First: not null } last) text.Line($"- **{fault.Name}**: {last.First}: {last.Culprit}");
        }
    }

    private static void Amiss(StringBuilder text, IReadOnlyList<AlertSample> samples)
    {
        var amiss = samples.SelectMany(s => s.BeforeTheFault.Select(a => (s.Round, s.Fault, What: "before the fault", a)).Concat(s.Astray.Select(a => (s.Round, s.Fault, What: "not put down to it", a)))).ToList();
        if (amiss.Count == 0)
        {
            text.AppendLine("\nNothing was raised before a fault, and nothing after its first alert that was not put down to that.");
            return;
        }

        text.AppendLine("\nRaised where nothing was to be:\n");
        foreach (var (round, fault, what, alert) in amiss) text.Line($"- round {round}, {fault}, {what}: {alert}");
    }

    private static void Options(StringBuilder text, AlertsSettings settings)
    {
        text.AppendLine("\nNot as shipped:\n");
        foreach (var fault in settings.Faults.Where(f => f.WhyOptions.Length > 0)) text.Line($"- {fault.Name}: {fault.WhyOptions}");
    }

    private static string Seconds(IEnumerable<double?> values) => Spread.Of(values.OfType<double>()) is { } spread ? spread.ToString("0.0") : "never";

    private static string Names(IEnumerable<string> names) => string.Join(", ", names.Distinct().DefaultIfEmpty("nothing"));
}
