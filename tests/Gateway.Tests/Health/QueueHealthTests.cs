using Gateway.Server.Health;
using Gateway.Server.Metrics;
using Xunit;

namespace Gateway.Tests.Health;

/// <summary>Rates that forget, where a queue is going, and the sentence that says so.</summary>
public sealed class QueueHealthTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(100)]
    public void The_first_tick_already_tells_its_rate(double window)
    {
        var rate = new DecayingRate(window);
        Assert.Equal(0, rate.PerSecond);
        rate.Note(50, 0.5);
        Assert.Equal(100, rate.PerSecond, 9);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(100)]
    public void A_steady_stream_has_its_rate_however_irregular_the_ticks_are(double window)
    {
        var rate = new DecayingRate(window);
        var random = new Random(7);
        for (var i = 0; i < 500; i++)
        {
            var elapsed = 0.01 + random.NextDouble() * 5;
            rate.Note(40_000 * elapsed, elapsed);
            Assert.Equal(40_000, rate.PerSecond, 3);
        }
    }

    [Fact]
    public void What_is_a_window_old_weighs_an_e_th_and_ticks_in_between_change_nothing()
    {
        var once = new DecayingRate(10);
        var often = new DecayingRate(10);
        // Long enough that the window is full.
        once.Note(1000 * 100, 1000);
        often.Note(1000 * 100, 1000);
        once.Note(0, 10);
        for (var i = 0; i < 40; i++) often.Note(0, 0.25);

        Assert.Equal(100 / Math.E, once.PerSecond, 6);
        Assert.Equal(once.PerSecond, often.PerSecond, 6);
    }

    [Fact]
    public void A_tick_of_no_length_is_no_tick()
    {
        var rate = new DecayingRate(1);
        rate.Note(10, 0);
        Assert.Equal(0, rate.PerSecond);
        rate.Note(10, 1);
        rate.Note(1_000_000, 0);
        Assert.Equal(10, rate.PerSecond, 9);
    }

    [Fact]
    public void A_queue_that_drains_says_its_delay_and_when_it_is_empty()
    {
        var queue = Queue(600_000, inRate: 25_366, outRate: 40_000, age: 15);
        Assert.Equal("600 k queued, 40 k/s out, 15 s delay, 41 s to drain", queue.Text);
        Assert.Equal(41, queue.DrainSeconds, 0);
        Assert.Equal(QueueMotion.Draining, queue.Motion);
    }

    [Theory]
    [InlineData(0, 0, 0, QueueMotion.Empty, "empty")]
    [InlineData(0, 40_000, 40_000, QueueMotion.Empty, "empty, 40 k/s through")]
    [InlineData(12, 0, 0, QueueMotion.AtRest, "12 queued, nothing comes or goes, the oldest for 3 h")]
    [InlineData(120, 40_000, 40_100, QueueMotion.Steady, "120 queued, 40 k/s in and out, 3 ms delay")]
    [InlineData(5_000, 1_000, 200, QueueMotion.Growing, "5,000 queued, 1,000/s in, 200/s out, the oldest for 3 h, growing")]
    public void Every_other_queue_says_what_it_does_instead(long depth, double inRate, double outRate, object motion, string text)
    {
        var queue = Queue(depth, inRate, outRate, age: 3 * 3600);
        Assert.Equal(text, queue.Text);
        Assert.Equal((QueueMotion)motion, queue.Motion);
        Assert.Equal(depth == 0 ? 0 : double.PositiveInfinity, queue.DrainSeconds);
    }

    [Fact]
    public void The_watch_makes_rates_of_totals_and_keeps_the_queues_of_reactors_apart()
    {
        var watch = new QueueWatch();
        IReadOnlyList<QueueHealth> seen = [];
        for (var second = 0; second <= 30; second++)
        {
            seen = watch.Observe(
                [
                    new QueueReading("inbox", 0, 1000 - 10 * second, 0, 1000, 90 * second, 100 * second, TimeSpan.Zero),
                    new QueueReading("inbox", 1, 5 * second, 0, 1000, 5 * second, 0, TimeSpan.Zero),
                ],
                1);
        }

        Assert.Equal(90, seen[0].Rates.In10s, 6);
        Assert.Equal(100, seen[0].Rates.Out10s, 6);
        Assert.Equal(700 / 10.0, seen[0].DrainSeconds, 6);
        Assert.Equal(new QueueRates(5, 5, 5, 0, 0, 0), Rounded(seen[1].Rates));
        Assert.Equal(QueueMotion.Growing, seen[1].Motion);
    }

    private static QueueRates Rounded(QueueRates r) => new(
        Math.Round(r.In1s, 6), Math.Round(r.In10s, 6), Math.Round(r.In100s, 6), Math.Round(r.Out1s, 6), Math.Round(r.Out10s, 6), Math.Round(r.Out100s, 6));

    private static QueueHealth Queue(long depth, double inRate, double outRate, double age) => new(
        new QueueReading("inbox", 0, depth, 0, depth, 0, 0, TimeSpan.FromSeconds(age)), new QueueRates(inRate, inRate, inRate, outRate, outRate, outRate));
}
