using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>A session of which nothing is under way is kept small, and nobody can tell.</summary>
public class IdleSessionTests : HomeTests
{
    [Theory]
    [MemberData(nameof(Homes))]
    public void A_session_is_small_again_once_everything_it_exchanged_is_done_with(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        net.Settle();
        AssertBusy(net, 0);

        ben.Acknowledges = false;
        anna.Send(ben.Address, "1");
        net.Settle();
        AssertBusy(net, 1); // it waits for an acknowledgement
        ben.Acknowledge();
        net.Settle();
        Assert.Single(anna.Receipts);
        AssertBusy(net, 0);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void What_comes_after_a_rest_follows_what_came_before_it(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        for (var i = 0; i < 5; i++)
        {
            anna.Send(ben.Address, $"{i}");
            net.Settle();
            AssertBusy(net, 0);
        }

        Assert.Equal(5, ben.Inbox.Count);
        for (var i = 1; i < 5; i++) Assert.Equal(ben.Inbox[i - 1].Sequence, ben.Inbox[i].Previous);
        Assert.Equal(0UL, ben.Inbox[0].Previous);
        Assert.Equal(0, ben.Repeats);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_resume_position_is_not_taken_for_an_entry_of_the_mailbox(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "1");
        net.Settle();
        ben.HangUp();
        net.Settle();
        ben.Login();
        net.Settle();
        AssertBusy(net, 0);
        anna.Send(ben.Address, "2");
        net.Settle();
        Assert.Equal(2, ben.Inbox.Count);
        Assert.Equal(0UL, ben.Inbox[1].Previous); // of the session that is gone nothing is known here
        Assert.Equal(new LedgerTotals(2, 2, 0, 0, 0, 0, 0), net.Store.Messages);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void The_limits_on_acknowledgements_outlast_a_rest(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "1");
        net.Settle();
        AssertBusy(net, 0);
        ben.Acknowledge(ben.HighestSeen); // once more
        net.Settle();
        Assert.Empty(ben.Failures);
        ben.Acknowledge(ben.HighestSeen + 1);
        net.Settle();
        Assert.Equal(ErrorCode.AcknowledgeAhead, Assert.Single(ben.Failures).Code);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_device_that_rejected_what_it_was_sent_last_may_do_so_again_after_a_rest(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "1");
        net.Settle();
        ben.Reject(ben.Inbox[0].Sequence, 1);
        net.Settle();
        net.Settle();
        ben.Reject(ben.Inbox[0].Sequence, 1);
        net.Settle();
        Assert.Empty(ben.Failures);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void The_credit_of_a_session_at_rest_is_what_it_was(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        ben.CreditMessages = 3;
        ben.Login();
        net.Settle();
        AssertBusy(net, 0);
        ben.Acknowledges = false;
        for (var i = 0; i < 10; i++) anna.Send(ben.Address, $"{i}");
        net.Settle();
        Assert.Equal(3, ben.Inbox.Count);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Operators_see_and_close_sessions_at_rest(int homes)
    {
        var net = Start(homes);
        var ben = Ben(net);
        net.Settle();
        AssertBusy(net, 0);
        var home = net.HomeOf(ben.Address);
        var status = home.FindSession(ben.Address);
        Assert.Equal(ben.Address, status?.Device);
        var listed = new List<SessionStatus>();
        home.ListSessions(listed, 10);
        Assert.Equal([status!.Value], listed);
        Assert.True(home.Kick(ben.Address));
        net.Settle();
        Assert.Equal(ErrorCode.Kicked, Assert.Single(ben.Failures).Code);
        Assert.Equal(0, home.Sessions);
        Assert.Null(home.FindSession(ben.Address));
    }

    private static void AssertBusy(HomeNet net, int sessions) => Assert.Equal(sessions, net.Reactors.Sum(r => r.Home.BusySessions));
}
