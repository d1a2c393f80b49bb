using System.Globalization;
using Gateway.Tests.C10M;
using Xunit;

namespace Gateway.Tests.Ladder;

/// <summary>`rivals`, from its command line to its report.</summary>
public class RivalsReportTests
{
    // Long enough that the slowest of them has messages to show beside other tests: one without any does not add up.
    private static readonly Lazy<MeasuredReport> Measured = new(() =>
        MeasuredReport.Of("rivals", "--rounds", "1", "--time", "2s", "--warmup", "1s", "--rest", "100ms", "--idle", "20,60"));

    [RivalFact("ejabberdctl", "mosquitto")]
    public void One_command_measures_all_three_and_its_ratios_and_slopes_are_those_of_the_samples()
    {
        Assert.True(Measured.Value.ExitCode == 0, Measured.Value.Said);
        var (json, report) = (Measured.Value.Json!, Measured.Value.Markdown);

        var samples = json["samples"]!.AsArray();
        Assert.Equal(9, samples.Count);
        foreach (var load in (ReadOnlySpan<string>)["100x16", "1000x4", "100x1"])
        {
            var gateway = Rate("gateway", load);
            foreach (var rival in (ReadOnlySpan<string>)["ejabberd", "mosquitto"])
            {
                var (rate, ratio) = (Rate(rival, load), gateway / Rate(rival, load));
                Assert.Contains(
                    string.Create(CultureInfo.InvariantCulture, $"| {rival} | {rate:N0} ({rate:N0} to {rate:N0}) | {ratio:0.00} ({ratio:0.00} to {ratio:0.00}) |"), report, StringComparison.Ordinal);
            }
        }

        foreach (var sample in samples)
        {
            foreach (var figure in (ReadOnlySpan<string>)["load_cpu_us_per_message", "memory_before", "memory_after"])
                Assert.True((double)sample![figure]! > 0, $"{figure} is missing: {sample}");
        }

        foreach (var idle in json["idle"]!.AsArray())
        {
            var memory = idle!["memory"]!.AsArray().Select(m => (double)m!).ToArray();
            var slope = (memory[1] - memory[0]) / 40;
            Assert.Equal(slope, (double)idle["bytes_per_connection"]!, 3);
            Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"| {(string)idle["rival"]!} | {slope:N0} ({slope:N0} to {slope:N0}) |"), report, StringComparison.Ordinal);
        }

        double Rate(string rival, string load) =>
            (double)samples.Select(s => s!["of"]!).Single(s => (string)s["rung"]! == rival && (string)s["load"]! == load)["messages_per_second"]!;
    }

    [RivalFact("ejabberdctl", "mosquitto")]
    public void Neither_report_names_a_folder_of_the_machine() => Measured.Value.AssertNamesNoPlace();

    [Theory]
    [InlineData("--rounds", "0", "from 1 to 100")]
    [InlineData("--idle", "4000,2000", "rising")]
    [InlineData("--idle", "2000", "at least two")]
    [InlineData("--idle", "2001,4000", "even")]
    public void What_cannot_be_understood_is_said_before_anything_runs(string option, string value, string expected)
    {
        var measured = MeasuredReport.Of("rivals", option, value);
        Assert.NotEqual(0, measured.ExitCode);
        Assert.Contains(expected, measured.Said, StringComparison.Ordinal);
    }
}
