using Gateway.Transport.Buffers;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>Which holders are the noisiest, found without a search.</summary>
public class HeldBytesTests
{
    [Fact]
    public void The_noisiest_are_the_largest_that_hold_the_sum_together()
    {
        var held = new HeldBytes(segmentBytes: 4096);
        for (var i = 0; i < 10; i++) held.Change(0, 100); // each a segment
        held.Change(0, 60_000); // 61,440 in segments
        held.Change(0, 300_000); // 303,104
        Assert.Equal(1 << 18, held.NoisiestFrom(1));
        Assert.Equal(1 << 18, held.NoisiestFrom(303_104));
        Assert.Equal(1 << 15, held.NoisiestFrom(303_105));
        Assert.Equal(1 << 15, held.NoisiestFrom(303_104 + 61_440));
        Assert.Equal(1 << 12, held.NoisiestFrom(303_104 + 61_440 + 1));
        Assert.Equal(1 << 12, held.NoisiestFrom(303_104 + 61_440 + 40_960));
        Assert.Equal(0, held.NoisiestFrom(303_104 + 61_440 + 40_960 + 1));
    }

    [Fact]
    public void It_follows_every_change_and_comes_back_to_nothing()
    {
        var held = new HeldBytes(segmentBytes: 16);
        var random = new Random(5);
        var holders = new long[200];
        for (var i = 0; i < 20_000; i++)
        {
            ref var holder = ref holders[random.Next(holders.Length)];
            var after = random.Next(4) == 0 ? 0 : random.Next(1 << random.Next(1, 20));
            held.Change(holder, after);
            holder = after;
            if (i % 100 != 0) continue;
            var sum = 1 + random.NextInt64(2 * holders.Sum(held.Rounded));
            var from = held.NoisiestFrom(sum);
            Assert.Equal(sum <= holders.Sum(held.Rounded), from != 0);
            if (from == 0) continue;
            Assert.True(holders.Where(h => held.Rounded(h) >= from).Sum(held.Rounded) >= sum);
            Assert.True(holders.Where(h => held.Rounded(h) >= 2 * from).Sum(held.Rounded) < sum);
        }

        foreach (var holder in holders) held.Change(holder, 0);
        Assert.Equal(0, held.NoisiestFrom(1));
    }
}
