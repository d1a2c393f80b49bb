using System.Globalization;
using System.Text.Json.Nodes;
using Xunit;

namespace Gateway.Tests.Ladder;

/// <summary>`ladder`, from its command line to its report.</summary>
public class ReportTests
{
    [Fact]
    public void One_command_measures_a_real_node_with_its_commits_and_writes_both_reports()
    {
        var measured = MeasuredReport.Of("ladder", "--rounds", "1", "--only", "gateway-1,100x1", "--warmup", "100ms", "--time", "300ms");

        Assert.True(measured.ExitCode == 0, measured.Said);
        var sample = Assert.Single(Samples(measured))!;
        Assert.Equal(("gateway-1", "100x1", true), ((string?)sample["rung"], (string?)sample["load"], (bool)sample["adds_up"]!));
        foreach (var figure in (ReadOnlySpan<string>)["messages_per_second", "p50", "load_busy", "commits_per_second", "bytes_per_commit", "sync_mean", "probe_median"])
            Assert.True((double)sample[figure]! > 0, $"{figure} is missing: {sample}");
        // Each message needs its record durable before its accepted, and its receipt's before its double check.
        Assert.True((double)sample["bytes_per_commit"]! > 128, sample.ToString());

        Assert.Contains("-- ladder --rounds 1 --only gateway-1,100x1", measured.Markdown, StringComparison.Ordinal);
        Assert.Contains("## What bounds it", measured.Markdown, StringComparison.Ordinal);
        Assert.Contains("| 100x1 | gateway-1 |", measured.Markdown, StringComparison.Ordinal);
    }

    [Fact]
    public void Neither_report_names_a_folder_of_the_machine() =>
        MeasuredReport.Of("ladder", "--rounds", "1", "--only", "transport-echo,echo-256x1", "--warmup", "100ms", "--time", "100ms").AssertNamesNoPlace();

    [GccFact]
    public void Ratios_are_taken_within_a_round_and_their_median_is_reported()
    {
        var measured = MeasuredReport.Of("ladder", "--rounds", "3", "--only", "c-relay,transport-relay,100x16", "--warmup", "100ms", "--time", "200ms");

        Assert.True(measured.ExitCode == 0, measured.Said);
        var samples = Samples(measured);
        Assert.Equal(6, samples.Count);
        // Each round begins with another rung.
        Assert.Equal(["c-relay", "transport-relay", "transport-relay", "c-relay", "c-relay", "transport-relay"], samples.Select(s => (string?)s!["rung"]));
        double Rate(int round, string rung) => (double)samples.Single(s => (int)s!["round"]! == round && (string?)s["rung"] == rung)!["messages_per_second"]!;
        var ratios = Enumerable.Range(1, 3).Select(round => Rate(round, "transport-relay") / Rate(round, "c-relay")).Order().ToArray();
        var expected = string.Create(CultureInfo.InvariantCulture, $"| {ratios[1]:0.00} ({ratios[0]:0.00} to {ratios[2]:0.00}) |");
        var row = measured.Markdown!.Split('\n').First(l => l.StartsWith("| transport-relay |", StringComparison.Ordinal));
        Assert.Contains(expected, row, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--only", "c-rely", "there is no rung or load c-rely")]
    [InlineData("--rounds", "0", "from 1 to 100")]
    [InlineData("--time", "1h", "is no duration")]
    public void What_cannot_be_understood_is_said_before_anything_runs(string option, string value, string expected)
    {
        var measured = MeasuredReport.Of("ladder", option, value);

        Assert.NotEqual(0, measured.ExitCode);
        Assert.Contains(expected, measured.Said, StringComparison.Ordinal);
        Assert.Null(measured.Markdown);
    }

    private static JsonArray Samples(MeasuredReport measured) => measured.Json!["samples"]!.AsArray();
}
