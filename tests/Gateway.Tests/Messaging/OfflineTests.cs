using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>One event an absence, raised when something waits for a device that is not there: the push service's cue.</summary>
public class OfflineTests : HomeTests
{
    [Theory]
    [MemberData(nameof(Homes))]
    public void The_first_to_wait_for_an_absent_device_raises_the_event_and_the_rest_join_it(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        for (var i = 0; i < 5; i++)
        {
            anna.Send(ben.Address, "a");
            anna.Send(ben.Address, "b");
            if (i % 2 == 0) net.Settle();
        }

        net.Settle();
        Assert.Equal([ben.Address], net.Offline);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void No_event_before_the_entry_is_durable_and_none_for_a_device_that_is_there(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        anna.Send(ben.Address, "a");
        net.Exchange();
        Assert.Empty(net.Offline);
        ben.Connect();
        net.Settle();
        Assert.Single(ben.Inbox);
        Assert.Empty(net.Offline);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_device_that_leaves_with_something_unacknowledged_raises_it(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "a");
        net.Settle();
        Assert.Empty(net.Offline);
        ben.HangUp();
        Assert.Equal([ben.Address], net.Offline);
        anna.Send(ben.Address, "b");
        net.Settle();
        Assert.Equal([ben.Address], net.Offline);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_device_that_leaves_with_something_it_had_no_credit_for_raises_it(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        ben.CreditMessages = 0;
        ben.Login();
        anna.Send(ben.Address, "a");
        net.Settle();
        ben.HangUp();
        Assert.Equal([ben.Address], net.Offline);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_device_that_leaves_with_everything_done_raises_none_until_something_comes(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "a");
        net.Settle();
        ben.HangUp();
        net.Settle();
        Assert.Empty(net.Offline);
        anna.Send(ben.Address, "b");
        net.Settle();
        Assert.Equal([ben.Address], net.Offline);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void An_entry_that_becomes_durable_just_after_the_device_left_raises_it_once(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "a");
        anna.Send(ben.Address, "b");
        net.Exchange(); // appended, not durable
        ben.HangUp();
        Assert.Empty(net.Offline);
        net.Settle();
        Assert.Equal([ben.Address], net.Offline);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_device_that_leaves_while_only_receipts_are_owed_raises_none(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "a");
        anna.Send(ben.Address, "b");
        net.Settle();
        ben.Reject(ben.Inbox[0].Sequence, 1);
        ben.Acknowledge();
        net.Exchange();
        ben.HangUp();
        Assert.Equal(2, net.Store.Messages.Pending);
        net.Settle();
        Assert.Empty(net.Offline);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Every_absence_has_its_own_event(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "a");
        net.Settle();
        for (var i = 0; i < 3; i++)
        {
            ben.Login();
            ben.HangUp();
            net.Settle();
        }

        Assert.Equal(Enumerable.Repeat(ben.Address, 4), net.Offline);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_take_over_is_no_absence(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "a");
        net.Settle();
        ben.Login();
        Assert.Empty(net.Offline);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void After_a_start_the_event_is_raised_again_for_everybody_for_whom_something_waits_and_for_nobody_else(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net);
        var absent = Enumerable.Range(1, 1500).Select(i => AddressAt(homes, i % 8, 10 + i)).ToList();
        for (var i = 0; i < absent.Count; i++)
        {
            var number = anna.NextNumber++;
            anna.Write(SendTo(absent[i], number));
            if (i % 50 == 49) net.Settle();
        }

        var ben = Ben(net);
        anna.Send(ben.Address, "delivered");
        net.Settle();
        Assert.Equal(absent.OrderBy(a => a.Value), net.Offline.OrderBy(a => a.Value));
        net.Offline.Clear();

        net.Crash();
        anna.Login();
        anna.Send(Cleo(net, login: false).Address, "one more, after the start");
        for (var i = 0; i < 10; i++)
        {
            net.Clock.Advance(100);
            net.Settle();
        }

        Assert.Equal(absent.Append(AddressAt(homes, 6, 1)).OrderBy(a => a.Value), net.Offline.OrderBy(a => a.Value));

        static byte[] SendTo(Address to, ulong number)
        {
            var frame = new byte[SendFrame.FrameBytes(1)];
            SendFrame.Write(frame, to, number, number, 0, SendKind.Message, "x"u8);
            return frame;
        }
    }
}
