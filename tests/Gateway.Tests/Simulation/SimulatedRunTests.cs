using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Simulation;

public class SimulatedRunTests
{
    [Fact]
    public void One_seed_is_one_run_whether_or_not_somebody_reads_it()
    {
        for (var seed = 1; seed <= 40; seed++)
        {
            var first = Verdict.Of(RunPlan.Draw(seed)).Run;
            var second = Verdict.Of(RunPlan.Draw(seed), keepsWords: true).Run;
            Assert.Equal((seed, first.Events, first.History.Hash), (seed, second.Events, second.History.Hash));
            Assert.Empty(first.History.Lines);
            Assert.NotEmpty(second.History.Lines);
        }
    }

    [Fact]
    public void Two_seeds_are_two_runs()
    {
        var hashes = Enumerable.Range(1, 40).Select(seed => Verdict.Of(RunPlan.Draw(seed)).Run.History.Hash).ToList();
        Assert.Equal(hashes.Count, hashes.Distinct().Count());
    }

    /// <summary>A run must notice what it is there for: here the log says that one record more is durable than is.</summary>
    [Fact]
    public void A_log_that_lies_about_one_record_is_caught_by_any_seed()
    {
        for (var seed = 1; seed <= 20; seed++)
        {
            var verdict = Verdict.Of(RunPlan.Draw(seed) with { LogClaimsAhead = 1 });
            Assert.Contains("not durable", verdict.Broken, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_broken_promise_is_told_with_its_seed_the_faults_it_takes_and_the_end_of_its_history()
    {
        var plan = RunPlan.Draw(7) with { LogClaimsAhead = 1 };
        var broken = Verdict.Of(plan).Broken;
        Assert.NotNull(broken);

        var (shortest, stillBroken) = Shortening.Shorten(plan, broken);
        Assert.NotEmpty(plan.Faults);
        Assert.Empty(shortest.Faults); // it lies without any
        Assert.True(shortest.LoadMicros < plan.LoadMicros);
        Assert.Equal(stillBroken, Verdict.Of(shortest).Broken);

        var told = Shortening.Explain(plan, broken);
        Assert.StartsWith($"Seed 7: {broken}", told, StringComparison.Ordinal);
        Assert.Contains("logs in, incarnation", told, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(9)]
    public void A_fault_that_a_broken_promise_takes_is_not_left_out(int needed)
    {
        // Whether this fault was inflicted is what "breaks" here: a log that lies from a crash on.
        var plan = RunPlan.Draw(12);
        var faults = plan.Faults.ToList();
        faults.Insert(Math.Min(needed, faults.Count), new Fault(plan.LoadMicros / 2, FaultKind.Crash, 0, 0));
        plan = plan with { Faults = faults, LogLiesFromRun = 2, LogClaimsAhead = 1 };
        var broken = Verdict.Of(plan).Broken;
        Assert.NotNull(broken);

        var (shortest, _) = Shortening.Shorten(plan, broken);
        var left = Assert.Single(shortest.Faults);
        Assert.True(left.Kind is FaultKind.Crash or FaultKind.FailStop);
    }
}
