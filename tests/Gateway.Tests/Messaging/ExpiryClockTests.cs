using Gateway.Messaging;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>Rule 10: expiry follows time that never outruns the monotonic clock, and an implausible wall clock suspends it.</summary>
public class ExpiryClockTests
{
    private const uint Now = 1_800_000_000;
    private const uint Day = 24 * 3600;
    private const uint Week = 7 * Day;

    [Fact]
    public void It_starts_with_the_wall_clock_and_goes_on_with_it()
    {
        var clock = new ExpiryClock(Week);
        Assert.True(Tell(clock, 0, Now));
        Assert.Equal(Now, clock.NowSeconds);
        Assert.True(Tell(clock, 3600, Now + 3600));
        Assert.Equal(Now + 3600, clock.NowSeconds);
    }

    [Fact]
    public void A_wall_clock_set_forward_is_not_followed_and_one_set_back_is()
    {
        var clock = new ExpiryClock(Week);
        Tell(clock, 0, Now);
        Assert.True(Tell(clock, 10, Now + Day));
        Assert.Equal(Now + 10, clock.NowSeconds);
        Assert.True(Tell(clock, 20, Now - Day));
        Assert.Equal(Now - Day, clock.NowSeconds);
    }

    [Fact]
    public void After_a_step_back_and_forth_it_has_not_run_faster_than_the_monotonic_clock()
    {
        var clock = new ExpiryClock(Week);
        Tell(clock, 0, Now);
        Tell(clock, 10, Now - Day);
        Assert.True(Tell(clock, 20, Now + 20));
        Assert.Equal(Now - Day + 10, clock.NowSeconds);
    }

    [Fact]
    public void A_start_takes_the_wall_clocks_word_for_what_has_passed_up_to_the_bound()
    {
        var clock = new ExpiryClock(Week);
        clock.Restore(Now, isSuspended: false);
        Assert.True(Tell(clock, 0, Now + Week));
        Assert.False(clock.IsSuspended);
        Assert.Equal(Now + Week, clock.NowSeconds);
    }

    [Fact]
    public void A_start_further_ahead_than_that_suspends_expiry_is_told_once_and_stays_so_until_an_operator_resumes_it()
    {
        var clock = new ExpiryClock(Week);
        clock.Restore(Now, isSuspended: false);
        Assert.False(clock.SetTime(1, (Now + Week + 1) * 1_000_000UL, out var expected));
        Assert.Equal(Now, expected);
        Assert.Equal((true, 0u), (clock.IsSuspended, clock.NowSeconds));

        Assert.True(Tell(clock, 100, Now + Week + 100));
        Assert.True(Tell(clock, 200, Now + 200)); // right again, but somebody has to look
        Assert.Equal((true, 0u), (clock.IsSuspended, clock.NowSeconds));

        clock.Resume();
        Assert.True(Tell(clock, 300, Now + 300));
        Assert.Equal((false, Now + 300), (clock.IsSuspended, clock.NowSeconds));
    }

    [Fact]
    public void A_clock_that_runs_away_while_the_node_runs_suspends_expiry_too()
    {
        var clock = new ExpiryClock(Week);
        Tell(clock, 0, Now);
        Assert.False(clock.SetTime(60_001, (Now + 60 + Week + 1) * 1_000_000UL, out var expected));
        Assert.Equal(Now + 60, expected);
        Assert.Equal(0u, clock.NowSeconds);
        clock.Resume();
        Assert.True(Tell(clock, 61, Now + 61 + Week));
        Assert.Equal(Now + 61 + Week, clock.NowSeconds);
    }

    [Fact]
    public void What_was_suspended_before_a_restart_is_suspended_after_it_however_right_the_clock_looks()
    {
        var clock = new ExpiryClock(Week);
        clock.Restore(Now, isSuspended: true);
        Assert.True(Tell(clock, 0, Now + 1));
        Assert.Equal((true, 0u), (clock.IsSuspended, clock.NowSeconds));
    }

    private static bool Tell(ExpiryClock clock, long monotonicSeconds, uint wallSeconds) =>
        clock.SetTime(monotonicSeconds * 1000 + 1, wallSeconds * 1_000_000UL, out _);
}
