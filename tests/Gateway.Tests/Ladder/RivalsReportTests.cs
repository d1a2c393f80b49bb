using Gateway.Benchmarks.Ladder;
using Gateway.Benchmarks.Rivals;
using Xunit;

namespace Gateway.Tests.Ladder;

/// <summary>What the report beside ejabberd and mosquitto makes of its samples.</summary>
public class RivalsReportTests
{
    private static readonly Load Relay = Load.All.First(l => !l.IsEcho);

    [Fact]
    public void Ratios_are_taken_within_a_round_and_what_did_not_add_up_is_left_out_and_said()
    {
        // Rounds differ tenfold, as when other work came in between; the ratios do not.
        var report = Report(
            [
                Sample("gateway", 1, 100_000, 4), Sample("ejabberd", 1, 10_000, 40), Sample("gateway", 2, 10_000, 4), Sample("ejabberd", 2, 1_000, 40),
                Sample("mosquitto", 1, 50_000, 20), Sample("mosquitto", 2, 123_456, 20, addsUp: false),
            ],
            []);

        Assert.Contains("| gateway | 55,000 (10,000 to 100,000) |  |", report, StringComparison.Ordinal);
        Assert.Contains("| ejabberd | 5,500 (1,000 to 10,000) | 10.00 (10.00 to 10.00) |", report, StringComparison.Ordinal);
        Assert.Contains("40.00 (40.00 to 40.00) | 0.10 (0.10 to 0.10)", report, StringComparison.Ordinal);
        Assert.Contains("| mosquitto | 50,000 (50,000 to 50,000) | 2.00 (2.00 to 2.00) |", report, StringComparison.Ordinal);
        Assert.DoesNotContain("123,456", report, StringComparison.Ordinal);
        Assert.Contains("round 2, mosquitto: did not add up and is left out; lost 3", report, StringComparison.Ordinal);
    }

    [Fact]
    public void An_idle_connection_costs_the_slope_and_not_what_the_process_costs_anyway()
    {
        var sample = new IdleSample("mosquitto", 1, true, [2000, 4000, 8000], [50_000_000 + 2000 * 900, 50_000_000 + 4000 * 900, 50_000_000 + 8000 * 900]);
        Assert.Equal(900, sample.BytesPerConnection, 6);

        var report = Report([], [sample, sample with { Rival = "ejabberd", AddsUp = false }]);
        Assert.Contains("| mosquitto | 900 (900 to 900) | 51.8 | 53.6 | 57.2 |", report, StringComparison.Ordinal);
        Assert.Contains("| ejabberd | no measurement that adds up |", report, StringComparison.Ordinal);
    }

    private static string Report(IReadOnlyList<RivalSample> samples, IReadOnlyList<IdleSample> idle)
    {
        var settings = new RivalsSettings(2, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(2), [Relay], [2000, 4000, 8000], "data");
        var machine = new Machine("commit", "Linux", "CPU", 2, 24, ".NET", "gcc", "ext4");
        return RivalsReport.MarkdownOf(new RivalsFacts("2026-01-01", "command", machine, "ejabberd 1; mosquitto 2", settings, "0", "0", 0), samples, idle);
    }

    private static RivalSample Sample(string rival, int round, double rate, double cpu, bool addsUp = true) => new(
        new Sample { Round = round, Rung = rival, Load = Relay.Name, AddsUp = addsUp, Faults = addsUp ? "" : "lost 3", MessagesPerSecond = rate, ServerCpuUsPerMessage = cpu },
        LoadCpuUsPerMessage: 3, MemoryBefore: 1_000_000, MemoryAfter: 2_000_000);
}
