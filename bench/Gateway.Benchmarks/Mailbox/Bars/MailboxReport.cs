using System.Globalization;
using System.Text;
using System.Xml.Linq;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>The run as perf-reports/TEMPLATE.md wants it, and as JSON with every reading.</summary>
internal sealed class MailboxReport(
    RunFacts facts, MailboxSettings settings, IReadOnlyList<Trial> trials, IReadOnlyList<Reading> readings, IReadOnlyList<string> faults, IReadOnlyList<double> otherCores)
{
    public string Json() => ReportText.JsonOf(facts, new
    {
        Rounds = settings.Rounds.Count,
        TimeSeconds = settings.Rounds.Time.TotalSeconds,
        WarmupSeconds = settings.Rounds.Warmup.TotalSeconds,
        settings.Scale,
        Faults = faults,
        Bars = MailboxBar.All.Select(b => (Bar: b, Spread: SpreadOf(b.Trial, b.Figure))).Where(b => b.Spread is not null).Select(b => new
        {
            b.Bar.Number,
            b.Bar.What,
            b.Bar.Trial,
            b.Bar.Figure,
            Limit = b.Bar.LimitText,
            b.Spread!.Value.Median,
            b.Spread!.Value.Least,
            b.Spread!.Value.Most,
            Met = b.Bar.IsMetBy(b.Spread!.Value.Median),
        }),
        Readings = readings,
    });

    public string Markdown()
    {
        var text = new StringBuilder();
        Head().WriteTo(text);
        if (settings.Scale < 1) text.Line($"**Sizes are {settings.Scale:P1} of those that the bars name: this tries the command and shows no bar.**\n");
        foreach (var fault in faults) text.Line($"**Did not add up**, and is left out: {fault}\n");
        BarTable(text);
        foreach (var trial in trials) Figures(text, trial);
        text.AppendLine(
            """
            ## What bounds it
            With many messages on their way the owner's and the commit thread share the cores with whoever writes the zeros of new segments, which is copying into
            pages of the page cache that were never touched (ROADMAP.md); with one, the disk's fdatasync and two wake-ups are all there is. Recovery reads ahead of one thread that checks and
            indexes: where `read_share` is 1 and a second reads fewer bytes than the disk could give, it is that thread. A log that is compacted at full speed has its
            owner, its compactor and its commit thread at work at once.

            ## What else the bars ask
            """);
        Elsewhere(text);
        text.AppendLine(
            """

            ## What it does not show
            One machine, whose cores the log's threads share, and one disk. Ratios say more than rates. Durability of the compacted and of the recovered log is `os`:
            what their figures count does not depend on it, their time does. The page cache was dropped, not the disk's own. A node's reactors, sockets and
            messaging are only in the backlog's figures, where two load ends take their share of the cores; the ladder has the rest.
            """);
        return text.ToString();
    }

    private ReportHead Head() => new()
    {
        Facts = facts,
        Title = "the bars of the mailbox log",
        Beside = ("FASTER", FasterVersion()),
        OtherCores = Spread.Of(otherCores),
        ListsOtherCores = true,
        Rounds = string.Create(
            CultureInfo.InvariantCulture,
            $"{settings.Rounds.Count}; what is compared is measured in turns in one process, beginning with another side each round; a turn lasts {settings.Rounds.Time.TotalSeconds:0.##} s or a fixed number of messages, whichever is less, after {settings.Rounds.Warmup.TotalSeconds:0.##} s of warm-up"),
    };

    /// <summary>As it is pinned: the assembly says 1.0.0.</summary>
    private static string FasterVersion()
    {
        const string Package = "Microsoft.FASTER.Core";
        var pinned = XDocument.Load(Path.Combine(BenchPaths.Root, "Directory.Packages.props")).Descendants("PackageVersion").Single(p => (string?)p.Attribute("Include") == Package);
        return $"{Package} {(string?)pinned.Attribute("Version")}";
    }

    private void BarTable(StringBuilder text)
    {
        text.AppendLine("## Result");
        text.AppendLine("Medians over the rounds, with the range in brackets.");
        text.AppendLine();
        text.Line($"| | bar | limit | measured | |\n|---|---|---|---:|---|");
        foreach (var bar in MailboxBar.All)
        {
            if (SpreadOf(bar.Trial, bar.Figure) is { } spread)
                text.Line($"| {bar.Number} | {bar.What} | {bar.LimitText} | {spread.ToString(bar.Format)} | {(bar.IsMetBy(spread.Median) ? "met" : "**missed**")} |");
            else text.Line($"| {bar.Number} | {bar.What} | {bar.LimitText} | | not measured |");
        }

        text.AppendLine();
    }

    private void Figures(StringBuilder text, Trial trial)
    {
        var its = readings.Where(r => r.Trial == trial.Name).ToList();
        if (its.Count == 0) return;
        text.Line($"### `{trial.Name}`\n{trial.What}\n");
        text.Line($"| figure | rounds | median (range) |\n|---|---:|---:|");
        foreach (var figure in its.Select(r => r.Figure).Distinct())
        {
            var values = its.Where(r => r.Figure == figure).Select(r => r.Value).ToList();
            text.Line($"| {figure} | {values.Count} | {Spread.Of(values)!.Value.ToString(values.Max() >= 1000 ? "N0" : "0.###")} |");
        }

        text.AppendLine();
    }

    /// <summary>Bars 7 and 9: what is no measurement.</summary>
    private static void Elsewhere(StringBuilder text)
    {
        text.AppendLine(
            """
            Bar 7, by commands that end with 0 when they held: `dotnet run -c Release --project tests/Gateway.PowerLoss -- chain --kills 50` (kills of a real node, chained in one folder, compaction and
            truncation included) and `-- --images 10000` (crash images of a disk that loses or tears any subset of unflushed sectors; with `--mutations`: that leaving out an fdatasync is caught).

            Bar 9, each by a test that fails without the remedy (`dotnet test tests/Gateway.Tests --filter "FullyQualifiedName~Gateway.Tests.Mailbox"`):

            | trap | of FASTER 2.6.5 | here | tests, below `Gateway.Tests` |
            |---|---|---|---|
            """);
        foreach (var trap in Trap.All) text.Line($"| {trap.Number} | {trap.What} | {trap.Remedy} | {string.Join(", ", trap.Tests.Select(t => $"`{t}`"))} |");
    }

    private Spread? SpreadOf(string trial, string figure) => Spread.Of(readings.Where(r => r.Trial == trial && r.Figure == figure).Select(r => r.Value));
}
