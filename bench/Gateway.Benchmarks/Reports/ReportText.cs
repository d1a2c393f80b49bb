using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Gateway.Benchmarks.Reports;

/// <summary>How every report is written: the same on each machine, whatever its language. Stateless.</summary>
internal static class ReportText
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static void Line(this StringBuilder text, FormattableString line) => text.AppendLine(line.ToString(CultureInfo.InvariantCulture));

    /// <summary>A report as JSON: the facts of the run, then what it found.</summary>
    public static string JsonOf(RunFacts facts, object findings)
    {
        var report = JsonSerializer.SerializeToNode(new { Facts = facts, BenchPaths.Configuration }, Indented)!.AsObject();
        foreach (var (name, value) in JsonSerializer.SerializeToNode(findings, Indented)!.AsObject().ToArray()) report[name] = value?.DeepClone();
        return report.ToJsonString(Indented) + "\n";
    }
}
