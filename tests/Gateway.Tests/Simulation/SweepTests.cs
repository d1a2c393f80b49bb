using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Simulation;

/// <summary>
/// The short sweep: the same seeds every time, so that what it meets is known. The long one is a command,
/// <c>dotnet run -c Release --project tests/Gateway.Simulation -- --seeds 1000000</c>.
/// </summary>
public class SweepTests(ShortSweep sweep) : IClassFixture<ShortSweep>
{
    [Fact]
    public void No_run_breaks_a_promise()
    {
        if (sweep.Result.Failures.Count == 0) return;
        var (seed, broken) = sweep.Result.Failures[0];
        Assert.Fail(Shortening.Explain(RunPlan.Draw(seed), broken));
    }

    [Fact]
    public void Every_fault_meets_devices_in_every_state() => Assert.Empty(sweep.Result.Coverage.Empty);

    [Fact]
    public void Double_checks_are_shown_ahead_of_their_commit_and_lost_in_crashes()
    {
        Assert.InRange(sweep.Result.LostAhead, 1, sweep.Result.Ahead);
    }

    [Fact]
    public void The_median_run_has_at_least_two_thousand_events() => Assert.InRange(sweep.Result.MedianEvents, 2_000, int.MaxValue);

    [Fact]
    public void Runs_have_one_two_three_and_eight_reactors() =>
        Assert.Equal([1, 2, 3, 8], Enumerable.Range(1, 50).Select(seed => RunPlan.Draw(seed).Node.Homes).Distinct().Order());
}

/// <summary>Seeds 1 to 2000, swept once for all tests that look at them.</summary>
public sealed class ShortSweep
{
    private const int Seeds = 2_000;

    public ShortSweep()
    {
        Result = new Sweep(1, Seeds);
        Result.Run(threads: 2, maxFailures: 3);
    }

    public Sweep Result { get; }
}
