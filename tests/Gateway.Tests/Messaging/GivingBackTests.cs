using Gateway.Messaging;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>What a home keeps for what is under way follows what was under way of late, not the largest burst.</summary>
public class GivingBackTests : HomeTests
{
    [Fact]
    public void A_slab_gives_back_the_chunks_of_a_burst_and_old_indices_find_nobody()
    {
        var slab = new Slab<Session>(int.MaxValue);
        uint[] indices = [.. Enumerable.Range(0, 20_000).Select(_ => slab.Rent())];
        Assert.InRange(slab.HeldBytes, 20_000 * 128, 21_000 * 128);
        foreach (var index in indices) slab[index].Epoch = index;
        foreach (var index in indices.Where(i => i != 9_000))
        {
            slab[index] = default;
            slab.Return(index);
        }

        slab.Roll();
        Assert.False(slab.GiveBack());
        slab.Roll();
        var pieces = 0;
        while (slab.GiveBack()) pieces++;
        Assert.Equal(78, pieces);
        Assert.Equal(256 * 128, slab.HeldBytes);
        Assert.Equal(9_000u, slab[9_000].Epoch);
        Assert.Equal(20_001u, slab.End);
        for (uint index = 1; index < slab.End; index++) Assert.True(index == 9_000 || slab[index].Epoch == 0);
        Assert.Equal(1u, slab.Rent());
    }

    [Fact]
    public void A_commit_queue_that_held_a_burst_is_small_again()
    {
        var commits = new CommitQueue(maxCount: 100_000, hotBytes: 1024, gauge: null);
        for (var i = 1; i <= 50_000; i++)
        {
            var added = new PendingCommit { Position = i };
            commits.Enqueue(in added, default, keepHot: false, nowMs: 0);
        }

        Assert.True(commits.Capacity >= 50_000);
        for (var i = 1; i <= 50_000; i++)
        {
            Assert.True(commits.TryPeek(50_000, out var pending));
            Assert.Equal(i, pending.Position);
            commits.Dequeue();
        }

        commits.Roll();
        Assert.False(commits.GiveBack());
        commits.Roll();
        Assert.True(commits.GiveBack());
        Assert.Equal(64, commits.Capacity);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_storm_of_logins_and_deliveries_leaves_what_few_need(int homes)
    {
        var net = Start(homes, new HomeOptions { KeepUnusedMs = 1_000 });
        var anna = Anna(net);
        net.Settle();
        Rest(net);
        var before = Held(net);
        var crowd = Enumerable.Range(1, 1_500).Select(i => Device(net, 4, i)).ToList();
        net.Settle();
        foreach (var device in crowd) device.Acknowledges = false;
        foreach (var some in crowd.Chunk(50))
        {
            foreach (var device in some) anna.Send(device.Address, "x");
            net.Settle();
        }

        Assert.All(crowd, d => Assert.Single(d.Inbox));
        var during = Held(net);
        Assert.True(during > before + 1_500 * (128 + 40), $"{before} B, then {during} B");

        foreach (var device in crowd) device.Acknowledge();
        for (var i = 0; i < 10; i++) net.Settle();
        foreach (var device in crowd) device.HangUp();
        net.Settle();
        Assert.Equal(0, net.Reactors.Sum(r => r.Home.DeliveredUnacknowledged));
        Rest(net);
        // Of each kind a chunk may stay that was last in use.
        Assert.InRange(Held(net), 0, before + 100 * 1024);
        anna.Send(crowd[0].Address, "after");
        crowd[0].Login();
        net.Settle();
        Assert.Equal(2, crowd[0].Inbox.Count);
    }

    private static long Held(Gateway.Simulation.HomeNet net) => net.Reactors.Sum(r => r.Home.HeldBytes);

    private static void Rest(Gateway.Simulation.HomeNet net)
    {
        for (var i = 0; i < 200; i++)
        {
            net.Clock.Advance(100);
            net.Turn();
        }
    }
}
