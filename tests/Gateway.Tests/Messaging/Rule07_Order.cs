using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>Rule 7: a temporary refusal holds back the session's later sends to the same mailbox until it is resent or given up.</summary>
public class Rule07_Order : HomeTests
{
    [Theory]
    [MemberData(nameof(Homes))]
    public void Sends_already_on_their_way_when_one_is_refused_are_refused_too(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        for (var i = 1; i <= 5; i++) anna.Send(ben.Address, $"{i}");
        net.Turn(); // all five are on their way, or refused where they are
        DeliverRequests(net, 1, LogStatus.Full);
        DeliverRequests(net, 4, LogStatus.Appended);
        net.Settle();

        if (homes == 1) return; // nothing is ever on its way within a home
        Assert.Equal(
            [(1UL, RefusalReason.NodeFull), (2UL, RefusalReason.HeldForOrder), (3UL, RefusalReason.HeldForOrder), (4UL, RefusalReason.HeldForOrder), (5UL, RefusalReason.HeldForOrder)],
            anna.Refused.Select(r => (r.Number, r.Reason)));
        Assert.Equal(0, net.Store.Messages.Accepted);

        for (var number = 1UL; number <= 5; number++) anna.Transmit(number);
        net.Settle();
        Assert.Equal(["1", "2", "3", "4", "5"], ben.Inbox.Select(d => d.Body));
        AssertIdle(net);
    }

    [Fact]
    public void A_refusal_holds_back_nothing_on_its_way_to_another_mailbox_or_from_another_sender()
    {
        var net = Start(homes: 8);
        var (anna, ben) = (Anna(net), Ben(net));
        var bensNeighbour = Device(net, 4, 2);
        var annasNeighbour = Device(net, 1, 2);
        annasNeighbour.NextNumber = 10; // above the refused number, or the window would let it pass
        anna.Send(ben.Address, "refused");
        anna.Send(bensNeighbour.Address, "to another mailbox of that home");
        annasNeighbour.Send(ben.Address, "from another sender of that home");
        net.Turn(); // all three are on their way
        DeliverRequests(net, 1, LogStatus.Full);
        DeliverRequests(net, 2, LogStatus.Appended);
        net.Settle();

        Assert.Equal((1UL, RefusalReason.NodeFull), Assert.Single(anna.Refused) is var r ? (r.Number, r.Reason) : default);
        Assert.Empty(annasNeighbour.Refused);
        Assert.Equal("to another mailbox of that home", Assert.Single(bensNeighbour.Inbox).Body);
        Assert.Equal("from another sender of that home", Assert.Single(ben.Inbox).Body);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Later_sends_to_that_mailbox_are_held_until_the_refused_one_is_resent(int homes)
    {
        var net = Start(homes);
        var (anna, ben, cleo) = (Anna(net), Ben(net), Cleo(net));
        RefuseOne(net, anna, ben);

        anna.Send(ben.Address, "two");
        anna.Send(cleo.Address, "to another mailbox");
        net.Settle();
        Assert.Equal([(1UL, RefusalReason.NodeFull), (2UL, RefusalReason.HeldForOrder)], anna.Refused.Select(r => (r.Number, r.Reason)));
        Assert.Single(cleo.Inbox);
        Assert.Empty(ben.Inbox);

        // The held one is itself refused, so it is held for as well.
        anna.Send(ben.Address, "four");
        anna.Transmit(2);
        net.Settle();
        Assert.Equal(RefusalReason.HeldForOrder, anna.Refused.Last().Reason);
        anna.Transmit(1);
        anna.Transmit(2);
        anna.Transmit(4);
        net.Settle();
        Assert.Equal(["one", "two", "four"], ben.Inbox.Select(d => d.Body));
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Later_sends_go_when_the_refused_one_is_given_up(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        RefuseOne(net, anna, ben);
        anna.Send(ben.Address, "two");
        net.Settle();
        Assert.Empty(ben.Inbox);

        anna.Abandon(1);
        anna.Transmit(2);
        net.Settle();
        Assert.Equal("two", Assert.Single(ben.Inbox).Body);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_refused_number_that_is_refused_again_goes_on_holding(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        RefuseOne(net, anna, ben);
        for (var i = 0; i < 3; i++)
        {
            net.Store.Admission = LogStatus.Full;
            anna.Transmit(1);
            net.Settle();
            net.Store.Admission = LogStatus.Appended;
            anna.Write(SendOf(ben, 2, lowestOpen: 1, "two"));
            net.Settle();
            Assert.Equal(RefusalReason.HeldForOrder, anna.Refused.Last().Reason);
        }

        anna.Transmit(1);
        anna.Write(SendOf(ben, 2, lowestOpen: 1, "two"));
        net.Settle();
        Assert.Equal(["one", "two"], ben.Inbox.Select(d => d.Body));
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_refusal_of_one_sender_holds_back_no_other(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        var neighbour = Device(net, 1, 2); // at Anna's home
        RefuseOne(net, anna, ben);

        neighbour.Send(ben.Address, "from a neighbour");
        net.Settle();
        Assert.Empty(neighbour.Refused);
        Assert.Equal("from a neighbour", Assert.Single(ben.Inbox).Body);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_fresh_incarnation_is_not_held_back_by_what_the_one_before_was_refused(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        RefuseOne(net, anna, ben);
        var afresh = net.AddDevice(anna.Address);
        afresh.Login(); // takes over, without anything that it could remember
        afresh.Write(SendOf(ben, number: 2, lowestOpen: 1, "above the number that was refused"));
        net.Settle();

        Assert.Empty(afresh.Refused);
        Assert.Equal("above the number that was refused", Assert.Single(ben.Inbox).Body);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_flood_that_is_refused_hurts_no_other_sender(int homes)
    {
        var net = Start(homes);
        var ben = Ben(net);
        var anna = Anna(net);
        var flooders = Enumerable.Range(2, 10).Select(i => Device(net, 1, i)).ToList();
        net.Store.Admission = LogStatus.Full;
        for (var round = 0; round < 50; round++)
        {
            foreach (var flooder in flooders)
            {
                if (round == 0)
                {
                    for (var i = 0; i < Wire.WindowSize; i++) flooder.Send(ben.Address, "flood");
                }
                else
                {
                    foreach (var number in flooder.Outbox.Keys) flooder.Transmit(number);
                }
            }

            net.Exchange();
        }

        Assert.All(flooders, f => Assert.Equal(50 * Wire.WindowSize, f.Refused.Count()));
        net.Store.Admission = LogStatus.Appended;
        anna.Send(ben.Address, "calm");
        net.Settle();
        Assert.Equal("calm", Assert.Single(ben.Inbox).Body);
        Assert.Empty(anna.Refused);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_refusal_that_arrives_at_the_next_session_holds_that_one_back(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "one");
        net.Turn();
        net.Store.Admission = LogStatus.Full;
        anna.ResendsAtLogin = false;
        anna.Connect(); // the first is on its way
        while (!anna.IsWelcome)
        {
            foreach (var reactor in net.Reactors) reactor.Turn();
            anna.Receive();
        }

        net.Settle();
        net.Store.Admission = LogStatus.Appended;
        if (homes == 1) return; // refused before the take-over, on the old connection

        Assert.Equal((1UL, RefusalReason.NodeFull), (anna.Refused.Single().Number, anna.Refused.Single().Reason));
        anna.Send(ben.Address, "two");
        net.Settle();
        Assert.Equal(RefusalReason.HeldForOrder, anna.Refused.Last().Reason);
        anna.Transmit(1);
        anna.Transmit(2);
        net.Settle();
        Assert.Equal(["one", "two"], ben.Inbox.Select(d => d.Body));
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void What_the_recipients_home_remembers_of_refusals_is_bounded_by_what_is_on_its_way(int homes)
    {
        var refusals = new RecentRefusals();
        var seen = 0u;
        for (var n = 1UL; n <= 10_000; n++)
        {
            // As many homes as there are: each refusal is known to the sender's home so many requests later.
            if (n > (ulong)homes) seen++;
            refusals.Holds(1, 1, 2, 1, seen);
            refusals.OnRefused(1, 1, 2, n);
            Assert.InRange(refusals.Count, 1, homes + 1);
        }
    }

    /// <summary>Sends "one", which is refused for want of room.</summary>
    private static void RefuseOne(HomeNet net, DeviceModel anna, DeviceModel ben)
    {
        net.Store.Admission = LogStatus.Full;
        anna.Send(ben.Address, "one");
        net.Settle();
        net.Store.Admission = LogStatus.Appended;
        Assert.Equal(RefusalReason.NodeFull, Assert.Single(anna.Refused).Reason);
    }

    private static void DeliverRequests(HomeNet net, int count, LogStatus admission)
    {
        net.Store.Admission = admission;
        while (count-- > 0 && net.TryDeliverRequest())
        {
        }
    }
}
