using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;

namespace Gateway.Tests.Ladder;

/// <summary>`mailbox`, from its command line to its report.</summary>
public partial class MailboxReportTests
{
    private static readonly Lazy<MeasuredReport> Measured = new(() =>
        MeasuredReport.Of("mailbox", "--rounds", "3", "--scale", "0.001", "--time", "100ms", "--warmup", "100ms", "--only", "pairs,paging,index,recovery"));

    [Fact]
    public void One_command_measures_and_judges_each_bar_by_the_median_of_its_rounds()
    {
        Assert.True(Measured.Value.ExitCode == 0, Measured.Value.Said);
        var (json, report) = (Measured.Value.Json!, Measured.Value.Markdown!);
        Assert.Contains("-- mailbox --rounds 3 --scale 0.001", report, StringComparison.Ordinal);
        Assert.Contains("shows no bar", report, StringComparison.Ordinal);
        var readings = json["readings"]!.AsArray();
        var bars = json["bars"]!.AsArray();
        // Those of the four that were measured, and only those.
        Assert.Equal(11, bars.Count);
        foreach (var bar in bars)
        {
            var values = readings.Where(r => (string?)r!["trial"] == (string?)bar!["trial"] && (string?)r["figure"] == (string?)bar["figure"]).Select(r => (double)r!["value"]!).Order().ToArray();
            Assert.Equal((string?)bar!["trial"] == "index" ? 1 : 3, values.Length);
            var median = values[values.Length / 2];
            Assert.Equal(median, (double)bar["median"]!);
            var (isFloor, limit) = LimitOf((string)bar["limit"]!);
            Assert.Equal(isFloor ? median >= limit : median <= limit, (bool)bar["met"]!);
            var row = Assert.Single(report.Split('\n'), l => l.Contains($"| {bar["what"]} |", StringComparison.Ordinal));
            Assert.Contains((bool)bar["met"]! ? "| met |" : "| **missed** |", row, StringComparison.Ordinal);
        }

        Assert.Equal(11, report.Split('\n').Count(l => l.EndsWith("| not measured |", StringComparison.Ordinal)));
    }

    [Fact]
    public void Both_sides_of_a_ratio_are_of_the_same_round()
    {
        var readings = Measured.Value.Json!["readings"]!.AsArray();
        for (var round = 1; round <= 3; round++)
            Assert.Equal(Of("store_1000_pairs_per_s", round) / Of("raw_1000_pairs_per_s", round), Of("store_by_raw_1000", round), 6);

        double Of(string figure, int round) => (double)readings.Single(r => (string?)r!["figure"] == figure && (int)r["round"]! == round)!["value"]!;
    }

    [Fact]
    public void Every_test_that_the_report_names_for_a_trap_exists()
    {
        var named = TestName().Matches(Measured.Value.Markdown!).Select(m => (Type: m.Groups[1].Value, Method: m.Groups[2].Value)).Distinct().ToList();
        Assert.True(named.Count > 12, $"{named.Count} tests are named");
        foreach (var (type, method) in named)
            Assert.NotNull(typeof(MailboxReportTests).Assembly.GetType($"Gateway.Tests.{type}", throwOnError: true)!.GetMethod(method));
        // All twelve traps, each in a row of its own.
        foreach (var trap in Enumerable.Range(1, 12))
            Assert.Single(Measured.Value.Markdown!.Split('\n'), l => l.StartsWith($"| {trap} | ", StringComparison.Ordinal) && TestName().IsMatch(l));
    }

    [Fact]
    public void Neither_report_names_a_folder_of_the_machine() => Measured.Value.AssertNamesNoPlace();

    [Theory]
    [InlineData("--only", "pears", "there is no pears to measure")]
    [InlineData("--scale", "2", "from 0.001 to 1")]
    [InlineData("--rounds", "0", "from 1 to 100")]
    public void What_cannot_be_understood_is_said_before_anything_runs(string option, string value, string expected)
    {
        var measured = MeasuredReport.Of("mailbox", option, value);
        Assert.NotEqual(0, measured.ExitCode);
        Assert.Contains(expected, measured.Said, StringComparison.Ordinal);
        Assert.Null(measured.Markdown);
    }

    private static (bool IsFloor, double Limit) LimitOf(string text) =>
        (text[0] == '≥', double.Parse(text.AsSpan(2), NumberStyles.Float | NumberStyles.AllowThousands, CultureInfo.InvariantCulture));

    [GeneratedRegex(@"`([A-Z]\w+\.\w+Tests)\.(\w+)`")]
    private static partial Regex TestName();
}
