using Gateway.Mailbox.Index;
using Gateway.Messaging;
using Xunit;

namespace Gateway.Tests.Health;

/// <summary>The two bounded lists of who is behind a backlog or a flood, against counts that forget nothing.</summary>
public sealed class SketchTests
{
    [Theory]
    [InlineData(1, 40, 1.0)]
    [InlineData(2, 400, 1.2)]
    [InlineData(3, 5000, 1.01)]
    public void A_senders_count_is_never_too_small_and_too_great_by_no_more_than_its_error_which_the_bound_covers(int seed, int senders, double skew)
    {
        var (random, exact) = (new Random(seed), new Dictionary<ulong, long>());
        var sketch = new BusiestSenders(64, stride: 1, seed: 1);
        for (var i = 0; i < 50_000; i++)
        {
            var device = 1 + (ulong)(senders * Math.Pow(random.NextDouble(), 3 * skew));
            exact[device] = exact.GetValueOrDefault(device) + 1;
            sketch.Note(device);
        }

        var shares = new List<SenderShare>();
        Assert.True(sketch.TryRead(shares, out var totals));
        Assert.Equal(50_000, totals.Sends);
        Assert.Equal(50_000, shares.Sum(s => s.Sends));
        Assert.True(totals.Error <= 50_000 / 64);
        foreach (var share in shares)
        {
            var truth = exact.GetValueOrDefault(share.Device);
            Assert.InRange(truth, share.Sends - share.Error, share.Sends);
            Assert.True(share.Error <= 50_000 / 64);
        }

        var listed = shares.Select(s => s.Device).ToHashSet();
        Assert.All(exact.Where(e => !listed.Contains(e.Key)), e => Assert.True(e.Value <= totals.Error));
        Assert.Contains(exact.MaxBy(e => e.Value).Key, listed);
    }

    [Fact]
    public void Looking_at_one_send_in_sixteen_counts_them_all_to_a_few_hundredths_also_when_a_sender_keeps_in_step()
    {
        var sketch = new BusiestSenders(64, BusiestSenders.Stride, seed: 3);
        // Device 1 sends every sixteenth, 2 half of the rest.
        for (var i = 0; i < 1_600_000; i++) sketch.Note(i % 16 == 0 ? 1UL : (ulong)(2 + i % 2));

        var shares = new List<SenderShare>();
        Assert.True(sketch.TryRead(shares, out var totals));
        Assert.InRange(totals.Sends, 1_550_000, 1_650_000);
        Assert.InRange(shares.Single(s => s.Device == 1).Sends, 92_000, 108_000);
        Assert.InRange(shares.Single(s => s.Device == 3).Sends, 760_000, 840_000);
    }

    [Fact]
    public void The_past_fades_by_half_every_ten_seconds_until_nothing_is_told_of_it()
    {
        var sketch = new BusiestSenders(4, stride: 1, seed: 1);
        sketch.Fade(10_000);
        for (var i = 0; i < 100; i++) sketch.Note(7);
        sketch.Fade(19_999);
        Assert.Equal(100, Read(sketch).Single().Sends);
        sketch.Fade(20_000);
        Assert.Equal(50, Read(sketch).Single().Sends);
        for (var i = 3; i < 10; i++) sketch.Fade(i * 10_000);
        Assert.Empty(Read(sketch));
    }

    [Theory]
    [InlineData(1, 20)]
    [InlineData(2, 60)]
    [InlineData(3, 1000)]
    public void Listed_mailboxes_have_their_exact_depth_and_no_other_holds_more_than_is_said_to_be_missed(int seed, int mailboxes)
    {
        var random = new Random(seed);
        var depths = new Dictionary<ulong, long>();
        var backlog = new Backlog();
        for (var step = 0; step < 60_000; step++)
        {
            var mailbox = 1 + (ulong)(mailboxes * Math.Pow(random.NextDouble(), 2));
            var before = depths.GetValueOrDefault(mailbox);
            // Acknowledgements take many at once; backlogs come and go.
            var after = random.Next(step % 20_000 < 12_000 ? 60 : 6) == 0 ? random.NextInt64(before + 1) : before + 1;
            if (after == before) continue;
            depths[mailbox] = after;
            backlog.Resize(mailbox, before, after);
            if (step % 97 == 0) Agree(backlog, depths);
        }

        foreach (var (mailbox, depth) in depths.Where(d => d.Value > 0)) backlog.Resize(mailbox, depth, 0);
        var (listed, missed) = Read(backlog);
        Assert.Empty(listed);
        // What was missed while the backlog was there is not held against an empty one.
        Assert.Equal(DeepestMailboxes.Least - 1, missed);
    }

    [Fact]
    public void The_deepest_of_many_mailboxes_takes_a_place_when_it_outgrows_another()
    {
        var backlog = new Backlog();
        for (ulong mailbox = 1; mailbox <= 100; mailbox++)
        {
            for (var depth = 0; depth < 50; depth++) backlog.Resize(mailbox, depth, depth + 1);
        }

        for (var depth = 50; depth < 5000; depth++) backlog.Resize(77, depth, depth + 1);
        var (listed, missed) = Read(backlog);
        Assert.Equal(DeepestMailboxes.Places, listed.Count);
        Assert.Equal(5000, listed[77]);
        Assert.Equal(50, missed);
    }

    [Fact]
    public async Task A_reader_sees_pairs_that_belong_together_while_places_change_hands()
    {
        // A mailbox's depth here is its own number or one less, whatever is read.
        var backlog = new Backlog();
        using var stop = new CancellationTokenSource();
        var writer = Task.Run(() =>
        {
            for (ulong i = 0; !stop.IsCancellationRequested; i++)
            {
                var mailbox = 10 + i % 200;
                backlog.Resize(mailbox, 0, (long)mailbox);
                backlog.Resize(mailbox, (long)mailbox, 0);
            }
        });
        var reads = 0;
        for (var i = 0; i < 20_000; i++)
        {
            var entries = new List<(ulong Mailbox, long Entries)>();
            if (!backlog.Deepest.TryRead(entries, out _)) continue;
            reads++;
            Assert.All(entries, e => Assert.Equal((long)e.Mailbox, e.Entries));
        }

        await stop.CancelAsync();
        await writer;
        Assert.True(reads > 0);
    }

    private static List<SenderShare> Read(BusiestSenders sketch)
    {
        var shares = new List<SenderShare>();
        Assert.True(sketch.TryRead(shares, out _));
        return shares;
    }

    private static void Agree(Backlog backlog, Dictionary<ulong, long> depths)
    {
        var (listed, missed) = Read(backlog);
        foreach (var (mailbox, depth) in listed) Assert.Equal(depths[mailbox], depth);
        var most = depths.Where(d => !listed.ContainsKey(d.Key)).Select(d => d.Value).DefaultIfEmpty(0).Max();
        Assert.True(most <= missed, $"a mailbox that is not listed holds {most}, {missed} is said to be the most");
    }

    private static (Dictionary<ulong, long> Listed, long Missed) Read(Backlog backlog)
    {
        var entries = new List<(ulong Mailbox, long Entries)>();
        Assert.True(backlog.Deepest.TryRead(entries, out var missed));
        return (entries.ToDictionary(e => e.Mailbox, e => e.Entries), missed);
    }
}
