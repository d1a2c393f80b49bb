using Gateway.Transport.Pools;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>Places and chunks of the pools, and queues whose memory follows what is in them.</summary>
public class PlaceMapTests
{
    [Theory]
    [InlineData(64, 0)]
    [InlineData(64, 1)]
    [InlineData(256, 1)]
    public void Every_place_is_given_out_once_the_lowest_first(int chunk, int first)
    {
        var map = new PlaceMap(chunk, first);
        for (var i = 0; i < 5_000; i++)
        {
            Assert.Equal((uint)(i + first), map.Take(out var isNew));
            Assert.Equal((i + first) % chunk == 0 || i == 0, isNew);
        }

        foreach (var place in new uint[] { 4_000, 70, 300, 71 }) map.Return(place);
        Assert.Throws<InvalidOperationException>(() => map.Return(300));
        Assert.Equal([70u, 71u, 300u, 4_000u, (uint)(5_000 + first)], Enumerable.Range(0, 5).Select(i => map.Take(out _)));
        Assert.Equal(5_001, map.Count);
    }

    [Fact]
    public void A_model_of_sets_agrees_with_it_whatever_comes_and_goes()
    {
        var random = new Random(7);
        var map = new PlaceMap(64, 1);
        var taken = new SortedSet<uint>();
        var there = new HashSet<int>();
        for (var step = 0; step < 60_000; step++)
        {
            if (random.Next(1000) < (step / 5_000 % 2 == 0 ? 600 : 400))
            {
                var place = map.Take(out var isNew);
                Assert.True(taken.Add(place) && place != 0);
                Assert.Equal(isNew, there.Add((int)(place / 64)));
            }
            else if (taken.Count != 0)
            {
                var place = taken.ElementAt(random.Next(Math.Min(taken.Count, 50)));
                taken.Remove(place);
                map.Return(place);
            }

            if (step % 100 == 0)
            {
                map.Roll();
                for (int gone; (gone = map.TakeSurplus()) >= 0;)
                {
                    Assert.True(there.Remove(gone));
                    Assert.DoesNotContain(taken, p => p / 64 == gone);
                }
            }

            if (step % 1_000 != 0) continue;
            Assert.Equal(taken.Count, map.Count);
            Assert.Equal(there.Count, map.Chunks);
            Assert.All(taken, p => Assert.True(map.Has(p) && there.Contains((int)(p / 64))));
        }
    }

    [Fact]
    public void What_comes_and_goes_within_an_interval_is_kept_and_what_was_not_needed_for_two_is_not()
    {
        var map = new PlaceMap(64, 0);
        for (var turn = 0; turn < 20; turn++)
        {
            uint[] places = [.. Enumerable.Range(0, 640).Select(i => map.Take(out _))];
            foreach (var place in places) map.Return(place);
            map.Roll();
            Assert.Equal(-1, map.TakeSurplus());
        }

        map.Roll();
        Assert.Equal([9, 8, 7, 6, 5, 4, 3, 2, 1, 0, -1], Enumerable.Range(0, 11).Select(_ => map.TakeSurplus()));
        Assert.Equal(0, map.Chunks);
        Assert.Equal(0u, map.Take(out var isNew));
        Assert.True(isNew);
    }

    [Fact]
    public void A_queue_keeps_its_order_while_it_grows_and_shrinks()
    {
        var queue = new ElasticQueue<int>();
        var random = new Random(3);
        int written = 0, read = 0;
        for (var step = 0; step < 300; step++)
        {
            for (var n = random.Next(step < 150 ? 400 : 100); n > 0; n--) queue.Enqueue(written++);
            for (var n = random.Next(step < 150 ? 300 : 400); n > 0 && queue.TryDequeue(out var item); n--) Assert.Equal(read++, item);
            queue.Roll();
            queue.GiveBack();
            Assert.Equal(written - read, queue.Count);
            for (var i = 0; i < queue.Count; i += 97) Assert.Equal(read + i, queue[i]);
        }
    }

    [Fact]
    public void A_queue_that_held_a_burst_is_small_again_two_intervals_later_and_one_that_breathes_stays()
    {
        var queue = new ElasticQueue<long>();
        for (var interval = 0; interval < 5; interval++)
        {
            for (var i = 0; i < 20_000; i++) queue.Enqueue(i);
            while (queue.TryDequeue(out _))
            {
            }

            queue.Roll();
            Assert.False(queue.GiveBack());
        }

        Assert.Equal(32_768, queue.Capacity);
        queue.Roll();
        Assert.True(queue.GiveBack());
        Assert.Equal(64, queue.Capacity);
    }

    [Fact]
    public void Housekeeping_does_a_bounded_share_at_a_time_and_all_of_it_in_the_end()
    {
        var maps = Enumerable.Range(0, 3).Select(_ => new Pool(new PlaceMap(64, 0))).ToArray();
        var keeping = new Housekeeping(1_000);
        keeping.Add(maps);
        foreach (var pool in maps)
        {
            uint[] places = [.. Enumerable.Range(0, 64 * 100).Select(i => pool.Map.Take(out _))];
            foreach (var place in places) pool.Map.Return(place);
        }

        keeping.Run(0);
        keeping.Run(999);
        keeping.Run(1_000);
        Assert.Equal(300, maps.Sum(p => p.Map.Chunks));
        var now = 2_000L;
        for (var left = 300; left > 0; now++)
        {
            keeping.Run(now);
            var after = maps.Sum(p => p.Map.Chunks);
            Assert.InRange(left - after, 1, 16);
            left = after;
        }
    }

    private sealed class Pool(PlaceMap map) : IElastic
    {
        public PlaceMap Map { get; } = map;

        public void Roll() => Map.Roll();

        public bool GiveBack() => Map.TakeSurplus() >= 0;
    }
}
