using Gateway.Messaging;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>Storms: how many logins a reactor takes up, and when it has the others come back.</summary>
public class LoginBucketTests
{
    [Fact]
    public void A_burst_is_taken_up_at_once_and_then_the_rate()
    {
        var bucket = new LoginBucket(perSecond: 100, burst: 5);
        Assert.Equal(5, TakenAt(bucket, nowMs: 1_000));
        Assert.Equal(0, TakenAt(bucket, nowMs: 1_009));
        Assert.Equal(1, TakenAt(bucket, nowMs: 1_010));
        Assert.Equal(3, TakenAt(bucket, nowMs: 1_040));
    }

    [Fact]
    public void A_rest_of_any_length_saves_up_one_burst_and_no_more()
    {
        var bucket = new LoginBucket(perSecond: 100, burst: 5);
        TakenAt(bucket, nowMs: 1_000);
        Assert.Equal(5, TakenAt(bucket, nowMs: 1_000_000_000));
    }

    [Fact]
    public void Over_a_long_time_the_rate_is_kept_also_where_a_millisecond_holds_several_or_none()
    {
        foreach (var rate in new[] { 3.0, 77.7, 4_000, 123_456 })
        {
            var bucket = new LoginBucket(rate, burst: 10);
            var taken = 0;
            for (var ms = 0; ms < 20_000; ms++) taken += TakenAt(bucket, nowMs: 1 + ms);
            // Those of the burst too; and a millisecond saves up a burst at most, which bounds the highest rate here.
            var expected = Math.Min(rate * 20, 10 * 20_000) + 10;
            Assert.InRange(taken, 0.99 * expected - 11, 1.01 * expected + 1);
        }
    }

    [Fact]
    public void A_login_given_back_is_there_for_another()
    {
        var bucket = new LoginBucket(perSecond: 1, burst: 2);
        Assert.Equal(2, TakenAt(bucket, nowMs: 1_000));
        bucket.GiveBack();
        Assert.Equal(1, TakenAt(bucket, nowMs: 1_000));
    }

    [Fact]
    public void Those_sent_away_are_given_moments_one_gap_apart()
    {
        var bucket = new LoginBucket(perSecond: 1_000, burst: 1);
        TakenAt(bucket, nowMs: 5_000);
        for (var i = 1; i <= 1_000; i++) Assert.Equal(LoginBucket.ShortestWaitMs + i, bucket.GiveMoment(5_000));
        // Time passes, and the moments with it.
        Assert.Equal(LoginBucket.ShortestWaitMs + 501, bucket.GiveMoment(5_500));
        // After they have all passed it begins anew.
        Assert.Equal(LoginBucket.ShortestWaitMs + 1, bucket.GiveMoment(60_000));
    }

    [Fact]
    public void Who_comes_back_at_the_moment_given_is_let_in()
    {
        // Two hundred thousand at once, each coming back when it was told and a part of up to a quarter later, as PROTOCOL.md has it.
        const int devices = 200_000;
        const double rate = 4_000;
        var bucket = new LoginBucket(rate, burst: 1_000);
        var chance = new Random(7);
        var due = new PriorityQueue<int, long>(Enumerable.Range(0, devices).Select(i => (i, 1_000L)));
        var tries = new int[devices];
        var last = 0L;
        while (due.TryDequeue(out var device, out var now))
        {
            tries[device]++;
            last = now;
            if (bucket.TryTake(now)) continue;
            due.Enqueue(device, now + (long)(bucket.GiveMoment(now) * (1 + chance.NextDouble() / 4)));
        }

        // Everybody at the rate takes 50 s, with the quarter 62 s; nobody comes in vain more often than now and then.
        Assert.InRange(last, 49_000, 70_000);
        Assert.InRange(tries.Average(), 1, 2.2);
        Assert.InRange(tries.Max(), 2, 6);
    }

    [Fact]
    public void However_many_are_sent_away_nobody_is_told_to_wait_beyond_the_bound_and_they_are_spread_below_it()
    {
        var bucket = new LoginBucket(perSecond: 1, burst: 1);
        var waits = Enumerable.Range(0, 10_000).Select(_ => bucket.GiveMoment(1_000)).ToArray();
        Assert.True(waits.Max() <= LoginBucket.ShortestWaitMs + LoginBucket.LongestWaitMs);
        // After the first 300 the later half of the time is filled evenly: a tenth of them in each tenth of it.
        var tenths = waits.Skip(300).CountBy(w => (w - LoginBucket.ShortestWaitMs - LoginBucket.LongestWaitMs / 2) * 10 / (LoginBucket.LongestWaitMs / 2)).ToArray();
        Assert.Equal(10, tenths.Length);
        Assert.All(tenths, t => Assert.InRange(t.Value, 960, 980));
    }

    private static int TakenAt(LoginBucket bucket, long nowMs)
    {
        var taken = 0;
        while (taken < 1_000_000 && bucket.TryTake(nowMs)) taken++;
        return taken;
    }
}
