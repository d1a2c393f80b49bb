using Gateway.Transport.Connections;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>Fair to those already in: how many are accepted in a turn follows how long the last one kept others waiting.</summary>
public class AcceptPaceTests
{
    [Fact]
    public void It_halves_while_turns_are_too_long_and_doubles_when_they_are_not()
    {
        var pace = new AcceptPace(most: 128, lagBoundUs: 2_000);
        Assert.Equal(128, pace.Allowance(0));
        Assert.Equal([64, 32, 16, 8, 8], After(pace, 2_001, 2_001, 5_000, 1_000_000, 2_001));
        Assert.Equal([16, 32, 64, 128, 128], After(pace, 2_000, 0, 1_999, 1, 2_000));
    }

    [Fact]
    public void However_busy_the_node_some_are_accepted()
    {
        foreach (var most in new[] { 1, 5, 16, 128 })
        {
            var pace = new AcceptPace(most, lagBoundUs: 1);
            for (var i = 0; i < 100; i++) pace.Note(1_000_000);
            Assert.Equal(Math.Max(1, most / 16), pace.Allowance(0));
        }
    }

    [Fact]
    public void Over_time_no_more_are_accepted_than_the_rate()
    {
        var pace = new AcceptPace(most: 10, lagBoundUs: 1, perSecond: 300);
        var taken = 0;
        for (var ms = 1; ms <= 10_000; ms++)
        {
            // As a backend may have more under way than the allowance says a turn later.
            for (var allowed = pace.Allowance(ms); allowed > 0; allowed--, taken++) pace.Take();
        }

        Assert.InRange(taken, 3_000, 3_010);
        Assert.True(pace.IsSpent);
        Assert.Equal(10, pace.Allowance(1_000_000));
        Assert.False(pace.IsSpent);
    }

    private static int[] After(AcceptPace pace, params long[] lagsUs) => [.. lagsUs.Select(lag =>
    {
        pace.Note(lag);
        return pace.Allowance(0);
    })];
}
