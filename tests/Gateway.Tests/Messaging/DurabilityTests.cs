using Gateway.Messaging;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>P1 and P3: nothing is answered, and no message delivered, before it is durable, and a log that is lost answers nothing more.</summary>
public class DurabilityTests : HomeTests
{
    [Theory]
    [MemberData(nameof(Homes))]
    public void While_the_commit_is_held_back_nobody_hears_of_the_message(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "one");
        for (var i = 0; i < 10; i++) net.Exchange();
        Assert.Empty(anna.Accepted);
        Assert.Empty(ben.Inbox);
        Assert.Equal(1, net.HomeOf(ben.Address).Uncommitted);

        net.Store.CommitAll();
        net.Exchange();
        Assert.Single(anna.Accepted);
        Assert.Single(ben.Inbox);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_commit_releases_exactly_what_it_covers(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        var before = net.Store.CommittedThrough;
        for (var i = 1; i <= 10; i++) anna.Send(ben.Address, $"{i}");
        net.Exchange();
        for (var i = 1; i <= 10; i++)
        {
            net.Store.CommitThrough(before + i);
            net.Exchange();
            Assert.Equal(i, anna.Accepted.Count());
            Assert.Equal(i, ben.Inbox.Count);
        }
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_reader_that_is_behind_is_not_shown_what_is_not_durable(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        anna.Send(ben.Address, "durable");
        net.Settle();
        ben.Login();
        ben.HangUp();
        ben.Forget(position: true);
        anna.Send(ben.Address, "durable too");
        net.Settle();
        anna.Send(ben.Address, "not durable");
        net.Exchange();
        ben.Connect();
        net.Exchange();
        net.Store.CommitThrough(net.Store.Appended - 1);
        for (var i = 0; i < 5; i++)
        {
            net.Store.CompleteReads();
            net.Exchange();
        }

        Assert.DoesNotContain(ben.Inbox, d => d.Body == "not durable");
        net.Settle();
        Assert.Equal(["durable", "durable too", "not durable"], ben.Inbox.Select(d => d.Body));
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void What_was_not_committed_before_a_crash_was_never_accepted_and_the_resend_is_stored(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "one");
        net.Exchange();
        net.Crash();
        Assert.Empty(anna.Accepted);
        ben.Login();
        anna.Login(); // sends it again
        Assert.Single(anna.Accepted);
        Assert.Equal("one", Assert.Single(ben.Inbox).Body);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void What_survived_a_crash_uncommitted_is_recognised_when_it_is_sent_again(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "one");
        net.Exchange();
        net.Crash(uncommittedKept: 1);
        ben.Login();
        anna.Login();
        Assert.Single(anna.Accepted);
        Assert.Equal("one", Assert.Single(ben.Inbox).Body);
        Assert.Equal(1, net.Store.Messages.Accepted);
        AssertIdle(net);
    }

    [Theory]
    [InlineData(LogOutcome.Fenced)]
    [InlineData(LogOutcome.Unknown)]
    public void A_log_that_is_lost_is_told_once_a_home_and_nothing_more_is_accepted(LogOutcome outcome)
    {
        var net = Start(homes: 8);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "in the air");
        net.Exchange();
        net.Store.Outcome = outcome;
        net.Settle();
        anna.Send(ben.Address, "too late");
        net.Settle();

        Assert.Equal(Enumerable.Range(0, 8).Select(home => (home, outcome)), net.LogLost.Order());
        Assert.Empty(anna.Accepted);
        Assert.Empty(ben.Inbox);
        Assert.Equal([2UL], anna.Refused.Select(r => r.Number));
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Beyond_the_bound_on_uncommitted_entries_senders_are_told_to_try_later(int homes)
    {
        var net = Start(homes, new HomeOptions { MaxUncommitted = 4 });
        var (anna, ben) = (Anna(net), Ben(net));
        for (var i = 1; i <= 10; i++) anna.Send(ben.Address, $"{i}");
        net.Exchange();
        Assert.Equal(4, net.HomeOf(ben.Address).Uncommitted);
        Assert.Equal(RefusalReason.Busy, anna.Refused.First().Reason);
        Assert.Equal(Enumerable.Range(5, 6).Select(n => (ulong)n), anna.Refused.Select(r => r.Number));

        while (anna.Outbox.Count != 0)
        {
            foreach (var number in anna.Outbox.Keys) anna.Transmit(number);
            net.Settle();
        }

        Assert.Equal(Enumerable.Range(1, 10).Select(n => $"{n}"), ben.Inbox.Select(d => d.Body));
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_snapshot_is_called_for_when_everything_before_it_is_durable(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        var home = net.HomeOf(ben.Address);
        var order = new List<string>();
        home.WhenDurable(() => order.Add("nothing to wait for"));
        net.Exchange();
        Assert.Single(order);

        anna.Send(ben.Address, "one");
        net.Exchange();
        home.WhenDurable(() => order.Add($"accepted {home.Counters.Accepted}"));
        home.WhenDurable(() => home.WhenDurable(() => order.Add("asked from within")));
        net.Exchange();
        Assert.Single(order);
        net.Store.CommitAll();
        net.Exchange();
        Assert.Equal(["nothing to wait for", "accepted 1", "asked from within"], order);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_key_epoch_is_durable_before_its_change_is_answered_and_survives(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net);
        var answered = false;
        Assert.True(net.HomeOf(anna.Address).TrySetKeyEpoch(anna.Address, 3, () => answered = true));
        net.Exchange();
        Assert.False(answered);
        net.Store.CommitAll();
        net.Exchange();
        Assert.True(answered);

        net.Crash();
        Assert.Equal(3u, net.CurrentEpoch(anna.Address));
        anna.Login();
        Assert.Equal(ErrorCode.KeyRevoked, Assert.Single(anna.Failures).Code);
        anna.KeyEpoch = 3;
        anna.Login();
        Assert.True(anna.IsWelcome);

        net.Store.Admission = LogStatus.Full;
        Assert.False(net.HomeOf(anna.Address).TrySetKeyEpoch(anna.Address, 4, () => Assert.Fail("it was refused")));
    }
}
