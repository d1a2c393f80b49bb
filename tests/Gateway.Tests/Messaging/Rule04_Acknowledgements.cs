using Gateway.Messaging;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>Rules 3 and 4: what a device may claim to have, and what its claim removes.</summary>
public class Rule04_Acknowledgements : HomeTests
{
    [Theory]
    [MemberData(nameof(Homes))]
    public void An_acknowledgement_above_what_the_session_was_sent_is_an_error(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "one");
        net.Settle();

        ben.Acknowledge(ben.HighestSeen + 1);
        net.Settle();
        Assert.Equal(ErrorCode.AcknowledgeAhead, Assert.Single(ben.Failures).Code);
        Assert.Equal(1, net.Store.Messages.Pending);
        Assert.Empty(anna.Receipts);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void An_entry_that_is_durable_but_was_not_delivered_in_this_session_cannot_be_acknowledged(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "one");
        net.Settle();
        var sequence = ben.HighestSeen;
        ben.HangUp();
        ben.CreditMessages = 0;
        ben.Login();

        ben.Acknowledge(sequence);
        net.Settle();
        Assert.Equal(ErrorCode.AcknowledgeAhead, Assert.Single(ben.Failures).Code);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void What_the_session_before_a_take_over_was_delivered_cannot_be_acknowledged_by_the_next(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "one");
        net.Settle();
        var sequence = ben.HighestSeen;
        ben.CreditMessages = 0;
        ben.Login(); // takes its own session over

        ben.Acknowledge(sequence);
        net.Settle();
        Assert.Equal(ErrorCode.AcknowledgeAhead, ben.Failures.Last().Code);
        Assert.Equal(1, net.Store.Messages.Pending);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void An_acknowledgement_is_cumulative_and_its_repeats_say_nothing_new(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        for (var i = 0; i < 5; i++) anna.Send(ben.Address, $"{i}");
        net.Settle();

        ben.Acknowledge(ben.Inbox[2].Sequence);
        net.Settle();
        ben.Acknowledge(ben.Inbox[2].Sequence);
        ben.Acknowledge(ben.Inbox[0].Sequence);
        net.Settle();
        Assert.Equal([1UL, 2UL, 3UL], anna.Receipts.SelectMany(r => r.Numbers));
        Assert.Equal(2, net.Store.Messages.Pending);

        ben.Acknowledge(ben.Inbox[4].Sequence);
        net.Settle();
        Assert.Equal([1UL, 2UL, 3UL, 4UL, 5UL], anna.Receipts.SelectMany(r => r.Numbers));
        AssertIdle(net);
    }

    /// <summary>Its position then lies between what it is owed and what comes next, and the reading must find an end.</summary>
    [Theory]
    [MemberData(nameof(Homes))]
    public void A_device_may_leave_that_acknowledged_a_sequence_between_two_entries(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "one");
        net.Settle();
        net.Clock.Advance(10);
        anna.Send(ben.Address, "two");
        net.Settle();
        Assert.True(ben.Inbox[1].Sequence > ben.Inbox[0].Sequence + 1);

        ben.Acknowledge(ben.Inbox[0].Sequence + 1);
        net.Exchange(); // its receipt is owed
        ben.HangUp();
        net.Exchange();
        net.Settle();
        Assert.Equal(0, net.HomeOf(ben.Address).ReceiptsOwed);
        Assert.Equal(net.HomeOf(ben.Address).Online, net.HomeOf(ben.Address).Sessions);
        Assert.Equal(1, net.Store.Messages.Pending);
        Assert.Equal([ben.Address], net.Offline);
    }

    /// <summary>Whatever a device says that it has is acknowledged as soon as it is durable, and not left there because nobody acknowledges it again.</summary>
    [Theory]
    [MemberData(nameof(Homes))]
    public void A_resume_position_above_what_is_not_durable_yet_acknowledges_it_when_it_is(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "one");
        net.Exchange(); // appended, and kept in memory for Ben
        ben.Position = net.Store.Homes[net.ReactorOf(ben.Address).Index].Floor;
        ben.Connect(reactor: 4 % homes);
        net.Exchange();
        Assert.True(ben.IsWelcome);
        net.Store.CompleteReads(); // finds nothing durable
        net.Exchange();

        net.Settle();
        Assert.Empty(ben.Inbox);
        Assert.Single(anna.Receipts);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_resume_position_above_the_floor_is_refused(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "one");
        net.Settle();
        ben.HangUp();
        var floor = net.Store.Homes[net.ReactorOf(ben.Address).Index].Floor;

        ben.Position = floor + 1;
        ben.Login();
        Assert.Equal(ErrorCode.ResumeAhead, Assert.Single(ben.Failures).Code);
        ben.Position = floor;
        ben.Login();
        Assert.True(ben.IsWelcome);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_device_that_resumes_is_not_sent_again_what_it_has_and_the_receipts_go_out(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        for (var i = 0; i < 5; i++) anna.Send(ben.Address, $"{i}");
        net.Settle();
        ben.HangUp();
        ben.Position = ben.Inbox[2].Sequence; // it processed three, and its acknowledgement was lost on the way
        ben.Acknowledges = true;
        ben.Login();

        Assert.Equal(2, ben.Repeats);
        Assert.Equal([1UL, 2UL, 3UL, 4UL, 5UL], anna.Receipts.SelectMany(r => r.Numbers));
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void What_a_resume_position_covers_leaves_the_mailbox_also_while_delivery_is_paused(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        for (var i = 0; i < 5; i++) anna.Send(ben.Address, $"{i}");
        net.Settle();
        ben.HangUp();
        ben.Position = ben.Inbox[2].Sequence;
        ben.CreditMessages = 0;
        ben.Login();
        net.Settle();

        Assert.Equal(0, ben.Repeats);
        Assert.Equal([1UL, 2UL, 3UL], anna.Receipts.SelectMany(r => r.Numbers));
        Assert.Equal(2, net.Store.Messages.Pending);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void What_a_device_acknowledges_as_the_last_thing_it_says_counts(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        for (var i = 0; i < 5; i++) anna.Send(ben.Address, $"{i}");
        net.Settle();
        ben.Acknowledge(ben.Inbox[2].Sequence);
        ben.Connection!.HangUpBehindInput(); // both are read in one turn
        net.Settle();

        Assert.False(ben.IsConnected);
        Assert.Equal([1UL, 2UL, 3UL], anna.Receipts.SelectMany(r => r.Numbers));
        Assert.Equal(2, net.Store.Messages.Pending);
        Assert.Equal(0, net.HomeOf(ben.Address).Sessions - net.HomeOf(ben.Address).Online);
        ben.Acknowledges = true;
        ben.Login();
        Assert.Equal(2, ben.Repeats);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_device_that_resumes_and_leaves_before_its_mailbox_was_read_has_told_enough(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        for (var i = 0; i < 300; i++)
        {
            anna.Send(ben.Address, $"{i}");
            if (i % 50 == 0) net.Settle();
        }

        net.Settle();
        ben.HangUp();
        net.Settle();
        ben.Position = ben.Inbox[199].Sequence;
        ben.CreditMessages = 0;
        ben.Connect();
        net.Exchange();
        Assert.True(ben.IsWelcome);
        ben.HangUp();
        net.Settle();

        Assert.Equal(Enumerable.Range(1, 200).Select(i => (ulong)i), anna.Receipts.SelectMany(r => r.Numbers));
        Assert.Equal(100, net.Store.Messages.Pending);
        Assert.Equal(0, net.HomeOf(ben.Address).Sessions - net.HomeOf(ben.Address).Online);
        Assert.Equal(0, net.HomeOf(ben.Address).DeliveredUnacknowledged);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_login_while_what_the_last_session_said_is_still_being_read_changes_nothing(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        for (var i = 0; i < 5; i++) anna.Send(ben.Address, $"{i}");
        net.Settle();
        ben.Acknowledge(ben.Inbox[2].Sequence);
        ben.Connection!.HangUpBehindInput();
        net.Turn();
        ben.Acknowledges = true;
        ben.Login();

        Assert.Equal([1UL, 2UL, 3UL, 4UL, 5UL], anna.Receipts.SelectMany(r => r.Numbers).Order());
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_device_that_lost_its_position_is_sent_everything_that_is_pending(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "acknowledged");
        net.Settle();
        ben.Acknowledges = false;
        anna.Send(ben.Address, "pending 1");
        anna.Send(ben.Address, "pending 2");
        net.Settle();
        ben.HangUp();
        ben.Forget(position: true);
        ben.Acknowledges = true;
        ben.Login();

        Assert.Equal(2, ben.Repeats);
        Assert.Equal(3, ben.Inbox.Count);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void While_no_sequence_may_be_issued_senders_are_told_to_try_later(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        net.Store.MayReserve = false;
        net.Clock.Advance(5_000);
        var number = anna.Send(ben.Address, "later");
        net.Settle();
        Assert.Equal((number, RefusalReason.Busy), (anna.Refused.Single().Number, anna.Refused.Single().Reason));

        net.Store.MayReserve = true;
        anna.Transmit(number);
        net.Settle();
        Assert.Single(ben.Inbox);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_wall_clock_that_steps_back_takes_no_sequence_with_it(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "before");
        net.Settle();
        net.Clock.StepWall(-3_600_000);
        anna.Send(ben.Address, "after");
        net.Settle();
        Assert.Equal(["before", "after"], ben.Inbox.Select(d => d.Body));
        Assert.True(ben.Inbox[1].Sequence > ben.Inbox[0].Sequence);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Acknowledgements_that_find_no_room_in_the_log_wait_and_go_later(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        net.Store.RemovalAdmission = LogStatus.Full;
        for (var i = 0; i < 3; i++)
        {
            anna.Send(ben.Address, $"{i}");
            net.Settle();
        }

        Assert.Equal(3, net.Store.Messages.Pending);
        Assert.Equal(3, ben.Inbox.Count);
        ben.HangUp();
        net.Settle();
        net.Store.RemovalAdmission = LogStatus.Appended;
        net.Settle();
        Assert.Equal(0, net.Store.Messages.Pending);
        AssertIdle(net);
    }
}
