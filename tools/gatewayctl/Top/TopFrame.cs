using System.Globalization;
using System.Text.Json.Nodes;
using Gateway.Ctl.Texts;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Gateway.Ctl.Top;

/// <summary>What a person has chosen to see.</summary>
/// <param name="Order">Of the rows.</param>
/// <param name="ByReactor">A row for each reactor's queue in place of one for all reactors'.</param>
/// <param name="WithEmpty">Empty queues too.</param>
internal sealed record TopView(QueueOrder Order, bool ByReactor, bool WithEmpty);

/// <summary>
/// One picture of a node: the headline, its figures, its alerts, its queues, each line no wider than the terminal and all of them no more than it is high.
/// The same for a terminal, a pipe and a test. Stateless.
/// </summary>
internal static class TopFrame
{
    /// <summary>From this width on each queue's sentence stands beside it.</summary>
    private const int RoomForSentences = 150;
    private const int NameWidth = 17;
    private const int StandingWidth = 10;
    private const int LeastGraph = 11;
    private const int LongestGraph = 60;
    private const int MostAlerts = 4;

    /// <param name="status">GET /status.</param>
    /// <param name="view">Chosen.</param>
    /// <param name="width">Columns.</param>
    /// <param name="height">Lines for all of it; 0: as many as it takes.</param>
    /// <param name="graph">A queue's graph, so many columns wide; null: without graphs.</param>
    /// <param name="now">For how long alerts last.</param>
    public static IReadOnlyList<IRenderable> Of(JsonNode status, TopView view, int width, int height, Func<QueueRow, int, string>? graph, DateTimeOffset now)
    {
        var lines = new List<IRenderable>();
        lines.AddRange(Headline(status, width));
        lines.AddRange(Wrapped(FiguresOf(status), width - 2, " · ").Select(line => Line("", $"  {line}", width)));
        lines.AddRange(Alerts(status, width, now));
        lines.Add(Text.Empty);
        var rows = Rows(status, view).ToList();
        var hidden = view.WithEmpty ? 0 : rows.RemoveAll(r => r.Standing == "empty");
        // A heading above the rows, a line on what is hidden below them.
        var room = height == 0 ? rows.Count : Math.Max(1, height - lines.Count - 2);
        lines.Add(Queues(rows.Take(room).ToList(), width, graph));
        var rest = rows.Count - room;
        if (rest > 0) lines.Add(Line("grey", $"and {rest} more", width));
        else if (rows.Count == 0) lines.Add(Line("grey", hidden == 0 ? "the node does not measure its queues" : "every queue is empty", width));
        else if (hidden > 0) lines.Add(Line("grey", $"{hidden} empty", width));
        return lines;
    }

    /// <summary>A line cut to the width, so that it never takes two.</summary>
    public static IRenderable Line(string style, string text, int width) =>
        new Text(text.Length <= width ? text : text[..Math.Max(0, width - 1)] + "…", style.Length == 0 ? Style.Plain : Style.Parse(style));

    private static IEnumerable<IRenderable> Headline(JsonNode status, int width)
    {
        var headline = status["headline"]!;
        var (mark, style) = (string)headline["mood"]! switch
        {
            "well" => ("✓", "green"),
            "watch" => ("◆", "yellow"),
            _ => ("▲", "bold red"),
        };
        yield return Line(style, $"{mark} {headline["title"]}", width);
        foreach (var line in Wrapped(((string)headline["why"]!).Split(' '), width - 2, " ").Take(3)) yield return Line("", $"  {line}", width);
    }

    private static string[] FiguresOf(JsonNode status)
    {
        var (totals, buffers) = (status["totals"]!, status["buffers"]!);
        var backlog = status["nodeQueues"]!.AsArray().Select(q => new QueueRow(q!)).FirstOrDefault(q => q.Name == "mailbox_backlog");
        string[] figures =
        [
            $"{Figures.Count((double)totals["connections"]!)} connections",
            backlog is null ? "" : $"{Figures.Count(backlog.In)}/s in",
            backlog is null ? "" : $"{Figures.Count(backlog.Out)}/s out",
            $"{Figures.Count((double)totals["pendingMessages"]!)} pending",
            backlog is { Depth: > 0 } ? $"oldest {Figures.Time(backlog.OldestSeconds)}" : "",
            $"commit {Figures.Time((double)status["longestCommitSeconds"]!)}",
            $"buffers {Figures.Bytes((double)buffers["bytes"]!)} of {Figures.Bytes((double)buffers["hard"]!)}",
        ];
        return [.. figures.Where(f => f.Length > 0)];
    }

    private static IEnumerable<IRenderable> Alerts(JsonNode status, int width, DateTimeOffset now)
    {
        var active = status["alerts"]!.AsArray().Where(a => (string)a!["state"]! == "active").ToList();
        foreach (var alert in active.Take(MostAlerts))
        {
            var (queue, reactor, unit) = ((string)alert!["queue"]!, (int)alert["reactor"]!, (string)alert["unit"]!);
            var of = (queue.Length > 0, reactor >= 0) switch
            {
                (true, true) => string.Create(CultureInfo.InvariantCulture, $" {queue}/{reactor}"),
                (true, false) => $" {queue}",
                (false, true) => string.Create(CultureInfo.InvariantCulture, $" of reactor {reactor}"),
                _ => "",
            };
            var lasts = Figures.Time(Math.Max(0, Math.Round((now - (DateTimeOffset)alert["since"]!).TotalSeconds)));
            yield return Line(
                "red", $"  ▲ {alert["name"]}{of} for {lasts}: {Figures.Measured((double)alert["value"]!, unit)}, limit {Figures.Measured((double)alert["threshold"]!, unit)}", width);
            if (ReferenceEquals(alert, active[0])) yield return Line("grey", $"    usually: {string.Join("; ", alert["causes"]!.AsArray().Select(c => (string)c!))}", width);
        }

        if (active.Count > MostAlerts) yield return Line("red", $"  ▲ and {active.Count - MostAlerts} more", width);
    }

    private static IEnumerable<QueueRow> Rows(JsonNode status, TopView view)
    {
        var together = status["nodeQueues"]!.AsArray().Select(q => new QueueRow(q!)).ToList();
        // Of reactors' queues the node gives no order of trouble: that of their names' sums first, then the fuller.
        var rank = together.Select((q, i) => (q.Name, i)).ToDictionary(q => q.Name, q => q.i);
        var rows = view.ByReactor
            ? status["queues"]!.AsArray().Select(q => new QueueRow(q!)).OrderBy(q => q.IsTrouble ? 0 : 1).ThenBy(q => rank.GetValueOrDefault(q.Name)).ThenByDescending(q => q.Depth).ToList()
            : together;
        return view.Order switch
        {
            QueueOrder.Depth => rows.OrderByDescending(q => q.Depth),
            QueueOrder.Drain => rows.OrderByDescending(q => q.Drain),
            QueueOrder.Age => rows.OrderByDescending(q => q.OldestSeconds),
            QueueOrder.In => rows.OrderByDescending(q => q.In),
            QueueOrder.Name => rows.OrderBy(q => q.Name, StringComparer.Ordinal).ThenBy(q => q.Reactor),
            _ => rows,
        };
    }

    private static Table Queues(IReadOnlyList<QueueRow> rows, int width, Func<QueueRow, int, string>? graph)
    {
        var sentences = width >= RoomForSentences;
        const int Gap = 1;
        var columns = new List<(string Title, int Width, bool Right, Func<QueueRow, string> Cell)>
        {
            ("queue", NameWidth, false, q => q.Title),
            ("state", StandingWidth, false, q => $"{Shape(q.Standing)} {q.Standing}"),
            ("depth", 7, true, q => Figures.Count(q.Depth)),
            ("in/s", 7, true, q => Figures.Count(q.In)),
            ("out/s", 7, true, q => Figures.Count(q.Out)),
            ("oldest", 7, true, q => q.Depth == 0 ? "" : Figures.Time(q.OldestSeconds)),
            ("drain", 7, true, q => q.Depth == 0 || q.Standing == "flowing" ? "" : Figures.Time(q.Drain)),
        };
        var free = width - Taken();
        // 80 columns are enough for all of it; a narrower terminal has the figures that matter most.
        foreach (var dispensable in (string[])["in/s", "out/s", "oldest", "state"])
        {
            if (free < 0) columns.RemoveAll(c => c.Title == dispensable);
            free = width - Taken();
        }

        if (graph is not null && free > LeastGraph)
        {
            var graphWidth = Math.Clamp((sentences ? width / 5 : width) - Taken() - Gap, LeastGraph, LongestGraph);
            columns.Insert(Math.Min(2, columns.Count), ("last minute", graphWidth, false, q => graph(q, graphWidth)));
            free = width - Taken();
        }

        if (sentences) columns.Add(("", free - Gap, false, q => q.Text));
        int Taken() => columns.Sum(c => c.Width + Gap) - Gap;

        var table = new Table { Border = TableBorder.None, ShowHeaders = true, Expand = false };
        for (var i = 0; i < columns.Count; i++)
        {
            var column = columns[i];
            table.AddColumn(new TableColumn(new Text(column.Title, Style.Parse("grey")))
            {
                Width = column.Width,
                Padding = new Padding(0, 0, i == columns.Count - 1 ? 0 : Gap, 0),
                Alignment = column.Right ? Justify.Right : Justify.Left,
                NoWrap = true,
            });
        }

        foreach (var row in rows)
        {
            var style = row.Standing switch { "alert" => "bold red", "growing" => "yellow", "empty" => "grey", _ => "default" };
            table.AddRow(columns.Select(c => (IRenderable)new Text(Cut(c.Cell(row), c.Width), Style.Parse(style)) { Overflow = Overflow.Crop }));
        }

        return table;
    }

    /// <summary>Beside each word: nothing is told by colour alone.</summary>
    private static char Shape(string standing) => standing switch
    {
        "alert" => '▲',
        "growing" => '↗',
        "draining" => '↘',
        "steady" => '→',
        "resting" => '■',
        "flowing" => '·',
        _ => '○',
    };

    private static string Cut(string text, int width) => text.Length <= width ? text : text[..(width - 1)] + "…";

    /// <summary>Parts joined into lines of at most so many columns.</summary>
    private static IEnumerable<string> Wrapped(IEnumerable<string> parts, int width, string between)
    {
        var line = "";
        foreach (var part in parts)
        {
            if (line.Length > 0 && line.Length + between.Length + part.Length > width)
            {
                yield return line;
                line = "";
            }

            line = line.Length == 0 ? part : line + between + part;
        }

        if (line.Length > 0) yield return line;
    }
}
