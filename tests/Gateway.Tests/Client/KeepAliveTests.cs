using Gateway.Client;
using Xunit;

namespace Gateway.Tests.Client;

public sealed class KeepAliveTests
{
    private const uint IdleTimeoutMs = 300_000;

    [Fact]
    public void Sessions_that_begin_together_ping_spread_over_the_interval()
    {
        var intervals = Enumerable.Range(1, 1000).Select(seed => KeepAlive.Intervals(null, IdleTimeoutMs, new Jitter(new Random(seed)))).ToList();

        Assert.All(intervals, i => Assert.InRange(i.IntervalMs, 135_000, 150_000));
        Assert.All(intervals, i => Assert.InRange(i.FirstMs, 1, i.IntervalMs));
        // Of a thousand in ten parts of the interval a hundred each; half of that by chance is six standard deviations away.
        Assert.All(intervals.CountBy(i => Math.Min(9, i.FirstMs * 10 / i.IntervalMs)), part => Assert.InRange(part.Value, 50, 150));
        Assert.Equal(10, intervals.CountBy(i => Math.Min(9, i.FirstMs * 10 / i.IntervalMs)).Count());
    }

    [Fact]
    public void A_node_without_an_idle_timeout_is_pinged_every_five_minutes_at_most()
    {
        var (_, interval) = KeepAlive.Intervals(null, 0, new Jitter(new Random(1)));

        Assert.InRange(interval, 270_000, 300_000);
    }

    [Fact]
    public void A_configured_interval_holds_from_the_first_ping_on() =>
        Assert.Equal((7_000, 7_000), KeepAlive.Intervals(TimeSpan.FromSeconds(7), IdleTimeoutMs, new Jitter(new Random(1))));

    [Fact]
    public void After_its_first_ping_a_session_waits_for_the_whole_interval()
    {
        var keepAlive = new KeepAlive(firstMs: 40, intervalMs: 100, timeoutMs: 20, nowMs: 1_000);
        Assert.Equal(1_040, keepAlive.DueMs);

        // Silence is what counts, either way.
        keepAlive.OnSent(1_030);
        Assert.Equal(1_040, keepAlive.DueMs);
        keepAlive.OnReceived(1_035);
        Assert.Equal(1_070, keepAlive.DueMs);

        keepAlive.OnPinged(1_070);
        Assert.Equal(1_170, keepAlive.DueMs);
        Assert.Equal(1_035 + 120, keepAlive.DeadMs);
    }
}
