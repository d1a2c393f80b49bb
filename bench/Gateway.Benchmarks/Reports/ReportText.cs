using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Gateway.Benchmarks.Reports;

/// <summary>How every report is written: the same on each machine, whatever its language. Stateless.</summary>
internal static class ReportText
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static void Line(this StringBuilder text, FormattableString line) => text.AppendLine(line.ToString(CultureInfo.InvariantCulture));

    public static string JsonOf(object report) => JsonSerializer.Serialize(report, Indented) + "\n";
}
