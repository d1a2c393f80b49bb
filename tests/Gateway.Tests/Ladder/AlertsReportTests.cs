using Xunit;

namespace Gateway.Tests.Ladder;

/// <summary>`alerts`, from its command line to its report.</summary>
public class AlertsReportTests
{
    [Fact]
    public void A_fault_in_a_hosted_node_is_told_with_its_culprit_and_cleared()
    {
        var measured = MeasuredReport.Of("alerts", "--rounds", "1", "--only", "stuck-reactor", "--warmup", "1s", "--reactors", "3");

        Assert.True(measured.ExitCode == 0, measured.Said);
        var sample = Assert.Single(measured.Json!["samples"]!.AsArray())!;
        Assert.Equal(("ReactorStalled", true), ((string?)sample["first"], (bool)sample["is_right"]!));
        Assert.StartsWith("reactor 2 has not begun a turn for ", (string?)sample["culprit"], StringComparison.Ordinal);
        Assert.True((double)sample["seconds_to_clear"]! > 0, sample.ToString());
        Assert.Contains("| ReactorStalled | 1 of 1 |", measured.Markdown, StringComparison.Ordinal);
        measured.AssertNamesNoPlace();
    }

    [Theory]
    [InlineData("--only", "slow-dsk", "there is no fault slow-dsk")]
    [InlineData("--reactors", "0", "from 1 to 64")]
    public void What_cannot_be_understood_is_said_before_anything_runs(string option, string value, string expected)
    {
        var measured = MeasuredReport.Of("alerts", option, value);

        Assert.NotEqual(0, measured.ExitCode);
        Assert.Contains(expected, measured.Said, StringComparison.Ordinal);
        Assert.Null(measured.Markdown);
    }
}
