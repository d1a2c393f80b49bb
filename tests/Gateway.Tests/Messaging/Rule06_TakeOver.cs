using Gateway.Messaging;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>Rule 6: a login takes the session over; what still comes from or for the old connection is nobody's.</summary>
public class Rule06_TakeOver : HomeTests
{
    [Theory]
    [MemberData(nameof(Homes))]
    public void The_old_connection_is_told_and_closed_and_the_new_one_gets_everything(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "delivered to the old one, not acknowledged");
        net.Settle();
        var old = ben.Connection!;

        var second = net.AddDevice(ben.Address);
        second.Pretend(ben.Incarnation);
        second.Login();
        Assert.Equal(ErrorCode.TakenOver, Assert.Single(ben.Failures).Code);
        Assert.True(old.IsClosed);
        Assert.Equal("delivered to the old one, not acknowledged", Assert.Single(second.Inbox).Body);
        Assert.Equal(1, net.HomeOf(ben.Address).Counters.TakeOvers);

        anna.Send(ben.Address, "for the new one");
        net.Settle();
        Assert.Equal(2, second.Inbox.Count);
        Assert.Single(ben.Inbox);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Frames_that_the_old_connection_sent_before_it_heard_are_not_handled(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "one");
        net.Settle();
        var second = net.AddDevice(ben.Address);
        second.Pretend(ben.Incarnation);
        second.Acknowledges = false;
        second.CreditMessages = 0;
        second.Login();
        ben.Reads = false; // it has not heard that it was taken over, and goes on

        var home = net.HomeOf(ben.Address);
        var old = ben.Connection!.Id;
        var session = second.Connection!.Session;
        Assert.Equal(ben.Connection.Session, session);
        Span<byte> frame = stackalloc byte[256];
        var acknowledge = AcknowledgeFrame.Write(frame, ben.HighestSeen);
        Assert.Equal(FrameResult.Closed, home.OnFrame(old, session, FrameType.Acknowledge, frame[Wire.HeaderBytes..acknowledge]));
        var credit = CreditFrame.Write(frame, 100, 100_000);
        Assert.Equal(FrameResult.Closed, home.OnFrame(old, session, FrameType.Credit, frame[Wire.HeaderBytes..credit]));
        var send = SendFrame.Write(frame, anna.Address, 1, 1, 0, SendKind.Message, "from nobody"u8);
        Assert.Equal(FrameResult.Closed, home.OnFrame(old, session, FrameType.Send, frame[Wire.HeaderBytes..send]));
        home.OnDrained(old, session);
        home.OnTimer(old, session);
        home.OnTimeout(old, session, ErrorCode.IdleTimeout);
        home.OnProtocolError(old, session, ErrorCode.MalformedFrame, FrameType.Send);
        home.OnClosed(old, session);
        net.Settle();

        Assert.True(second.IsWelcome && second.IsConnected);
        Assert.Empty(second.Failures);
        Assert.Empty(second.Inbox); // its own credit is none
        Assert.Empty(anna.Inbox);
        Assert.Equal(1, net.Store.Messages.Pending);
        Assert.Empty(anna.Receipts);
        Assert.Equal(1, home.Online - (net.HomeOf(anna.Address) == home ? 1 : 0));
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_page_that_was_read_for_the_old_connection_is_not_sent_to_the_new_one(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.HangUp();
        for (var i = 0; i < 3; i++) anna.Send(ben.Address, $"{i}");
        net.Settle();

        ben.Connect();
        net.Exchange(); // welcomed, and its first page is under way
        Assert.True(ben.IsWelcome);
        Assert.Equal(1, net.Store.Homes.Sum(log => log.ReadsUnderWay));
        ben.Acknowledges = false;
        ben.CreditMessages = 1;
        ben.Connect();
        net.Exchange();
        Assert.Equal(2, net.Store.Homes.Sum(log => log.ReadsUnderWay));
        net.Settle();
        Assert.Equal("0", Assert.Single(ben.Inbox).Body); // the old connection's page would have brought all three

        ben.Acknowledges = true;
        ben.Acknowledge();
        net.Settle();
        Assert.Equal(["0", "1", "2"], ben.Inbox.Select(d => d.Body));
        Assert.Equal(0, ben.Repeats);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void The_outcome_of_a_send_of_the_old_connection_is_told_to_the_new_one_that_waits_for_it(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        var number = anna.Send(ben.Address, "in flight during the take-over");
        net.Exchange();
        anna.Connect(); // the same device and outbox: it sends the number again
        net.Exchange();
        Assert.True(anna.IsWelcome);
        Assert.Empty(anna.Accepted);

        net.Settle();
        Assert.Equal([number], anna.Accepted.Select(a => a.Number));
        Assert.Equal(1, net.Store.Messages.Accepted);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Ten_logins_in_a_row_leave_one_session_that_works(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        for (var i = 0; i < 10; i++)
        {
            ben.Connect(i % homes);
            anna.Send(ben.Address, $"{i}");
            if (i % 3 == 0) net.Exchange();
        }

        net.Settle();
        Assert.Equal(10, ben.Inbox.Count);
        Assert.Equal(2, net.Reactors.Sum(r => r.Home.Online));
        AssertIdle(net);
    }

    [Fact]
    public void What_a_device_has_acknowledged_stays_so_when_another_installation_without_state_takes_over()
    {
        // Two senders at one home to which there is one request's credit: the second's receipt cannot be asked for yet.
        var net = Start(8, replySlots: 1);
        var (first, second, ben) = (Device(net, 1, 1), Device(net, 1, 2), Ben(net));
        ben.Acknowledges = false;
        first.Send(ben.Address, "one");
        net.Settle();
        second.Send(ben.Address, "two");
        net.Settle();
        ben.Acknowledge();
        net.Turn();

        ben.Acknowledges = true;
        ben.Connection!.Reactor.Home.Kick(ben.Address);
        ben.Forget(position: true);
        ben.Login();
        Assert.Equal(0, ben.Repeats);
        Assert.Equal([ReceiptKind.Delivered], first.Receipts.Select(r => r.Kind));
        Assert.Equal([ReceiptKind.Delivered], second.Receipts.Select(r => r.Kind));
        AssertIdle(net);
    }
}
