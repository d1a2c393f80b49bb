using System.Globalization;
using Xunit;

namespace Gateway.Tests.Ladder;

/// <summary>`pair`, from its command line to its report.</summary>
public class PairReportTests
{
    [Fact]
    public void Ratios_are_taken_within_a_round_and_who_goes_first_changes()
    {
        var measured = MeasuredReport.Of("pair", "--rounds", "3", "--load", "100x1", "--warmup", "100ms", "--time", "300ms");

        Assert.True(measured.ExitCode == 0, measured.Said);
        var samples = measured.Json!["samples"]!.AsArray();
        Assert.Equal(["one", "other", "one", "other", "one", "other"], samples.Select(s => (string?)s!["rung"]));
        double Rate(int sample) => (double)samples[sample]!["messages_per_second"]!;
        var ratios = new[] { Rate(0) / Rate(1), Rate(2) / Rate(3), Rate(4) / Rate(5) }.Order().ToArray();
        // Of three no interval is sure: it is the range.
        var expected = string.Create(CultureInfo.InvariantCulture, $"| messages/s | **{ratios[1]:0.000}** | {ratios[0]:0.000} to {ratios[2]:0.000} | {ratios[0]:0.000} to {ratios[2]:0.000} |");
        Assert.Contains(expected, measured.Markdown, StringComparison.Ordinal);
        Assert.Contains("`--metrics on` ÷ `--metrics off`", measured.Markdown, StringComparison.Ordinal);
        measured.AssertNamesNoPlace();
    }

    [Theory]
    [InlineData("--load", "echo-256x1", "echo-256x1")]
    [InlineData("--reactors", "0", "from 1 to 64")]
    public void What_cannot_be_understood_is_said_before_anything_runs(string option, string value, string expected)
    {
        var measured = MeasuredReport.Of("pair", option, value);

        Assert.NotEqual(0, measured.ExitCode);
        Assert.Contains(expected, measured.Said, StringComparison.Ordinal);
        Assert.Null(measured.Markdown);
    }
}
