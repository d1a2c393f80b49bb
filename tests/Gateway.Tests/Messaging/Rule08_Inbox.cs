using Gateway.Protocol;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>Rule 8: without credit to another home a connection is parked unread; nobody waits for an inbox.</summary>
public class Rule08_Inbox : HomeTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void A_connection_without_credit_is_parked_and_goes_on_with_the_same_frame(int slots)
    {
        var net = Start(homes: 8, replySlots: slots);
        var (anna, ben) = (Anna(net), Ben(net));
        for (var i = 0; i < 20; i++) anna.Send(ben.Address, $"{i}");
        net.Turn();
        Assert.True(anna.Connection!.IsPaused);
        Assert.Equal(1, net.HomeOf(anna.Address).Counters.Parked);
        Assert.Equal(slots, net.HomeOf(anna.Address).Counters.SendsReceived);

        net.Settle();
        Assert.False(anna.Connection.IsPaused);
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"{i}"), ben.Inbox.Select(d => d.Body));
        Assert.Equal(20, net.Store.Messages.Accepted);
        AssertIdle(net);
    }

    [Fact]
    public void A_parked_connection_keeps_no_other_from_other_homes_and_its_device_is_still_delivered_to()
    {
        var net = Start(homes: 8, replySlots: 1);
        var (anna, ben, cleo) = (Anna(net), Ben(net), Cleo(net));
        var neighbour = Device(net, 1, 2);
        for (var i = 0; i < 5; i++) anna.Send(ben.Address, $"{i}");
        net.Turn();
        Assert.True(anna.Connection!.IsPaused);

        neighbour.Send(cleo.Address, "to a third home");
        neighbour.Send(anna.Address, "to the parked one");
        net.Turn();
        net.Store.CommitAll();
        net.Turn();
        anna.Receive();
        Assert.False(neighbour.Connection!.IsPaused);
        Assert.Equal("to the parked one", Assert.Single(anna.Inbox).Body);
        net.Settle();
        Assert.Single(cleo.Inbox);
        AssertIdle(net);
    }

    [Fact]
    public void Several_connections_parked_for_one_home_all_go_on()
    {
        var net = Start(homes: 8, replySlots: 2);
        var ben = Ben(net);
        var senders = Enumerable.Range(1, 20).Select(i => Device(net, 1, i)).ToList();
        foreach (var sender in senders)
        {
            for (var i = 0; i < 10; i++) sender.Send(ben.Address, $"{i}");
        }

        net.Settle();
        Assert.Equal(200, ben.Inbox.Count);
        Assert.All(senders, s => Assert.False(s.Connection!.IsPaused));
        AssertIdle(net);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void Two_homes_that_flood_each_other_do_not_stop_each_other(int seed)
    {
        var net = Start(homes: 8, replySlots: 1, seed: seed);
        var there = Enumerable.Range(1, 4).Select(i => Device(net, 1, i)).ToList();
        var here = Enumerable.Range(1, 4).Select(i => Device(net, 4, i)).ToList();
        for (var round = 0; round < 10; round++)
        {
            for (var i = 0; i < 4; i++)
            {
                for (var n = 0; n < 6; n++)
                {
                    there[i].Send(here[n % 4].Address, "x");
                    here[i].Send(there[n % 4].Address, "y");
                }
            }

            net.Settle();
        }

        Assert.Equal(480, there.Concat(here).Sum(d => d.Inbox.Count));
        Assert.All(there.Concat(here), d => Assert.Equal(60, d.Receipts.Sum(r => r.Numbers.Count)));
        AssertIdle(net);
    }

    [Fact]
    public void A_parked_connection_that_is_taken_over_or_lost_leaves_nothing_behind()
    {
        var net = Start(homes: 8, replySlots: 1);
        var (anna, ben) = (Anna(net), Ben(net));
        for (var i = 0; i < 5; i++) anna.Send(ben.Address, $"{i}");
        net.Turn();
        anna.Connect(); // takes itself over and sends again what was not answered
        net.Turn();
        anna.HangUp();
        anna.Connect();
        net.Settle();
        Assert.Equal(["0", "1", "2", "3", "4"], ben.Inbox.Select(d => d.Body));
        AssertIdle(net);
    }

    [Fact]
    public void Receipts_that_find_no_credit_go_as_soon_as_there_is_some_although_senders_want_it_too()
    {
        var net = Start(homes: 8, replySlots: 1);
        var (anna, ben) = (Anna(net), Ben(net));
        var flooders = Enumerable.Range(2, 8).Select(i => Device(net, 4, i)).ToList(); // at Ben's home, and all write to Anna's
        for (var round = 0; round < 4; round++)
        {
            anna.Send(ben.Address, $"{round}");
            foreach (var flooder in flooders)
            {
                for (var i = 0; i < 8; i++) flooder.Send(anna.Address, "flood");
            }

            // Time stands still: nothing that waits for a retry's time helps here.
            for (var i = 0; i < 200; i++)
            {
                net.Turn();
                net.DeliverLanes();
                net.Store.CommitAll();
                net.Store.CompleteReads();
                foreach (var device in net.Devices) device.Receive();
            }

            Assert.Equal(round + 1, anna.Receipts.Sum(r => r.Numbers.Count));
        }

        net.Settle();
        AssertIdle(net);
    }

    [Fact]
    public void A_rejection_that_finds_no_credit_parks_the_connection_and_is_not_lost()
    {
        var net = Start(homes: 8, replySlots: 1);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "unreadable");
        anna.Send(ben.Address, "fine");
        net.Settle();
        ben.Send(anna.Address, "takes the one slot");
        net.Turn();

        ben.Reject(ben.Inbox[0].Sequence, reason: 5);
        ben.Acknowledge();
        net.Turn();
        Assert.True(ben.Connection!.IsPaused);
        net.Settle();

        Assert.Equal(
            [(ReceiptKind.Rejected, (ushort)5, 1UL), (ReceiptKind.Delivered, (ushort)0, 2UL)],
            anna.Receipts.Select(r => (r.Kind, r.Reason, Assert.Single(r.Numbers))));
        Assert.Equal(new LedgerTotals(3, 2, 0, 1, 0, 0, 0), net.Store.Messages);
        ben.Acknowledge();
        net.Settle();
        AssertIdle(net);
    }
}
