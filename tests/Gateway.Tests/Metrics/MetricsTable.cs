using Gateway.Tests.Repository;

namespace Gateway.Tests.Metrics;

/// <summary>A metric as a row of tools/ops/METRICS.md states it, or as an endpoint shows it.</summary>
internal sealed record MetricRow(string Name, string Type, string Labels, string Unit);

/// <summary>The tables of tools/ops/METRICS.md.</summary>
internal static class MetricsTable
{
    private const string Header = "| name | type | labels | unit | meaning | when to worry |";

    public static IReadOnlyList<MetricRow> Read()
    {
        var rows = new List<MetricRow>();
        var inTable = false;
        foreach (var line in File.ReadLines(RepositoryRoot.File("tools", "ops", "METRICS.md")))
        {
            if (line == Header) inTable = true;
            else if (!line.StartsWith('|')) inTable = false;
            else if (inTable && !line.StartsWith("|---", StringComparison.Ordinal)) rows.Add(RowOf(line));
        }

        return rows;
    }

    private static MetricRow RowOf(string line)
    {
        var cells = line.Trim('|').Split('|').Select(c => c.Trim()).ToArray();
        if (cells.Length != 6) throw new FormatException($"METRICS.md: not six cells: {line}");
        if (cells[4].Length == 0) throw new FormatException($"METRICS.md: no meaning: {line}");
        return new MetricRow(cells[0], cells[1], cells[2], cells[3]);
    }
}
