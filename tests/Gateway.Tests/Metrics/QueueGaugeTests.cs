using Gateway.Messaging.Queues;
using Xunit;

namespace Gateway.Tests.Metrics;

/// <summary>What one queue tells: depth, high mark and totals exactly, the oldest's age within its bound, whatever order entries leave in.</summary>
public sealed class QueueGaugeTests
{
    private static readonly TimeSpan Millisecond = TimeSpan.FromMilliseconds(1);

    [Fact]
    public void Depth_high_mark_and_totals_follow_what_enters_and_leaves()
    {
        var gauge = new QueueGauge("commits", 10, Millisecond);
        Assert.Equal(("commits", 0, 10, 0, 0, 0, TimeSpan.Zero), gauge.Read(now: 5000));

        gauge.Enter(100);
        gauge.Enter(101);
        gauge.Enter(150);
        Assert.Equal(("commits", 3, 10, 3, 3, 0, TimeSpan.FromMilliseconds(900)), gauge.Read(now: 1000));
        gauge.Leave(101);
        Assert.Equal(TimeSpan.FromMilliseconds(900), gauge.Read(now: 1000).OldestAge);
        gauge.Leave(100);
        Assert.Equal(("commits", 1, 10, 3, 3, 2, TimeSpan.FromMilliseconds(850)), gauge.Read(now: 1000));
        gauge.Leave(150);
        Assert.Equal(("commits", 0, 10, 3, 3, 3, TimeSpan.Zero), gauge.Read(now: 1000));
    }

    [Fact]
    public void First_in_first_out_the_age_is_exact()
    {
        var gauge = new QueueGauge("commits", 10, Millisecond);
        for (var i = 0; i < 1000; i++) gauge.EnterLast(i * 3);
        for (var i = 0; i < 1000; i++)
        {
            Assert.Equal(("commits", 1000 - i, 10, 1000, 1000, i, TimeSpan.FromMilliseconds(5000 - i * 3)), gauge.Read(now: 5000));
            gauge.LeaveFirst((i + 1) * 3);
        }

        Assert.Equal(("commits", 0, 10, 1000, 1000, 1000, TimeSpan.Zero), gauge.Read(now: 5000));
        gauge.EnterLast(4990);
        Assert.Equal(TimeSpan.FromMilliseconds(10), gauge.Read(now: 5000).OldestAge);
    }

    [Fact]
    public void A_renewed_entry_counts_from_its_new_time_and_enters_no_second_time()
    {
        var gauge = new QueueGauge("handshakes", 0, Millisecond);
        gauge.Enter(100);
        gauge.Renew(100, 700);
        Assert.Equal(("handshakes", 1, 0, 1, 1, 0, TimeSpan.FromMilliseconds(300)), gauge.Read(now: 1000));
        gauge.Leave(700);
        Assert.Equal(0, gauge.Read(now: 1000).Depth);
    }

    [Fact]
    public void A_clock_that_went_back_makes_no_negative_age()
    {
        var gauge = new QueueGauge("x", 0, Millisecond);
        gauge.Enter(1000);
        Assert.Equal(TimeSpan.Zero, gauge.Read(now: 400).OldestAge);
        gauge.Enter(400);
        Assert.Equal(TimeSpan.FromMilliseconds(200), gauge.Read(now: 600).OldestAge);
    }

    [Fact]
    public void What_never_entered_cannot_leave()
    {
        var gauge = new QueueGauge("x", 0, Millisecond);
        gauge.Enter(1000);
        Assert.Throws<InvalidOperationException>(() => gauge.Leave(1001));
    }

    /// <summary>Bursts, pauses from none to a month, random leaving: against a list of the entries themselves.</summary>
    [Theory]
    [InlineData(1, 0, 3)]
    [InlineData(2, 0, 100)]
    [InlineData(3, 10, 30_000)]
    [InlineData(4, 10, 4_000_000)]
    [InlineData(5, 0, 4_000_000)]
    public void The_oldest_age_is_never_too_small_and_at_most_a_fifteenth_too_great(int seed, int shift, int longestPause)
    {
        var random = new Random(seed);
        var ladder = new AgeLadder(shift);
        var entries = new List<long>();
        var unit = 1L << shift;
        var deepest = 0;
        long now = seed == 4 ? 1_800_000_000_000_000 : 0;
        for (var step = 0; step < 60_000; step++)
        {
            if (random.Next(4) == 0) now += random.NextInt64(longestPause);
            // Filled and emptied by turns, so that both short and long backlogs grow old; a tenth of what enters is older than what is in.
            if (random.Next(100) < (step / 10_000 % 2 == 0 ? 55 : 40))
            {
                var at = random.Next(10) == 0 ? Math.Max(0, now - random.NextInt64(longestPause * 5L)) : now;
                ladder.Add(at);
                entries.Add(at);
            }
            else if (entries.Count > 0)
            {
                var leaving = random.Next(3) == 0 ? entries.IndexOf(entries.Min()) : random.Next(entries.Count);
                ladder.Remove(entries[leaving]);
                entries[leaving] = entries[^1];
                entries.RemoveAt(entries.Count - 1);
            }

            deepest = Math.Max(deepest, entries.Count);
            Assert.Equal(entries.Count == 0, ladder.IsEmpty);
            if (entries.Count == 0) continue;
            var age = now - entries.Min();
            var told = now - ladder.Oldest;
            Assert.True(told >= age, $"step {step}: told {told}, is {age}");
            Assert.True(told <= age + age / 15 + unit, $"step {step}: told {told}, is {age}");
            if (age < 60 * unit) Assert.True(told < age + unit, $"step {step}: a young entry is not told exactly: told {told}, is {age}");
        }

        Assert.True(deepest > 500, $"only {deepest} were ever in");
    }

    [Fact]
    public void What_is_older_than_the_ladder_reaches_counts_as_its_oldest_and_leaves_as_it_came()
    {
        const long year = 365L * 24 * 3600 * 1000;
        var ladder = new AgeLadder(0);
        ladder.Add(0);
        for (var years = 1; years <= 10; years++) ladder.Add(years * year);
        Assert.InRange(10 * year - ladder.Oldest, 2 * year, 10 * year);
        for (var years = 0; years <= 10; years++) ladder.Remove(years * year);
        Assert.True(ladder.IsEmpty);
    }

    [Fact]
    public void Recording_allocates_nothing()
    {
        var gauge = new QueueGauge("x", 0, Millisecond);
        void Use()
        {
            for (var i = 0; i < 10_000; i++) gauge.Enter(i * 7);
            for (var i = 0; i < 10_000; i++) gauge.Leave(i * 7);
        }

        var warm = gauge.Read(0);
        Use();
        var before = GC.GetAllocatedBytesForCurrentThread();
        gauge = new QueueGauge("y", 0, Millisecond);
        var made = GC.GetAllocatedBytesForCurrentThread() - before;
        before = GC.GetAllocatedBytesForCurrentThread();
        Use();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.InRange(made, 1, 8 * 1024);
        Assert.Equal(0, warm.Depth);
    }

    [Fact]
    public async Task A_reader_on_another_thread_never_sees_what_cannot_be()
    {
        var gauge = new QueueGauge("x", 0, Millisecond);
        using var stop = new CancellationTokenSource();
        var reader = Task.Run(() =>
        {
            QueueCounts last = default;
            while (!stop.IsCancellationRequested)
            {
                var now = gauge.Read(1_000_000);
                // Read twice, the writer goes on in between: its 8 entries at most are in, whatever it did meanwhile.
                Assert.True(now.Depth >= 0 && now.In >= now.Out && now.In >= last.In && now.Out >= last.Out, now.ToString());
                Assert.InRange(now.HighMark, last.HighMark, 8);
                Assert.InRange(now.OldestAge.TotalMilliseconds, 0, 1_000_000);
                last = now;
            }
        });
        for (var i = 0; i < 300_000; i++)
        {
            gauge.Enter(i);
            if (i >= 7) gauge.Leave(i - 7);
        }

        await stop.CancelAsync();
        await reader;
    }
}
