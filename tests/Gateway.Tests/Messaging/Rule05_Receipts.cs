using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>Rule 5: the receipt goes through the sender's mailbox and is durable before the entry it speaks of may go.</summary>
public class Rule05_Receipts : HomeTests
{
    /// <summary>Ben has Anna's message, her first, and has not acknowledged it.</summary>
    private static (HomeNet Net, DeviceModel Anna, DeviceModel Ben) StartWithOneUnacknowledged(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "one");
        net.Settle();
        return (net, anna, ben);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void An_acknowledged_entry_stays_until_its_receipt_is_durable(int homes)
    {
        var (net, anna, ben) = StartWithOneUnacknowledged(homes);

        ben.Acknowledge();
        net.Exchange();
        Assert.Equal(1, net.Store.Messages.Pending);
        Assert.Equal(1, net.Store.Receipts.Accepted);
        Assert.Equal(1, net.HomeOf(ben.Address).ReceiptsOwed);

        net.Store.CommitAll();
        net.Exchange();
        Assert.Equal(0, net.Store.Messages.Pending);
        Assert.Equal(0, net.HomeOf(ben.Address).ReceiptsOwed);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_crash_between_receipt_and_acknowledgement_repeats_the_receipt_and_loses_none(int homes)
    {
        var (net, anna, ben) = StartWithOneUnacknowledged(homes);
        ben.Acknowledge();
        net.Exchange();
        net.Store.CommitAll(); // the receipt; the acknowledgement that follows it is lost

        net.Crash();
        ben.Acknowledges = true;
        ben.Login();
        anna.Login();
        Assert.Equal([1UL, 1UL], anna.Receipts.SelectMany(r => r.Numbers));
        Assert.Single(ben.Inbox);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_double_check_is_shown_before_it_is_durable(int homes)
    {
        var (net, anna, ben) = StartWithOneUnacknowledged(homes);
        anna.Acknowledges = false;
        ben.Acknowledge();
        net.Exchange();
        Assert.Equal([1UL], anna.Receipts.Single().Numbers);
        Assert.Equal(1, net.HomeOf(anna.Address).Counters.DeliveredAhead);

        // Its commit shows it to nobody again, and it goes when it is acknowledged.
        net.Settle();
        Assert.Equal((1, 0), (anna.Receipts.Count, anna.Repeats));
        anna.Acknowledge();
        net.Settle();
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_double_check_that_was_shown_and_lost_in_a_crash_comes_again(int homes)
    {
        var (net, anna, ben) = StartWithOneUnacknowledged(homes);
        ben.Acknowledge();
        net.Exchange();
        Assert.Single(anna.Receipts);

        // The receipt is gone, and with it the acknowledgement of Anna, whose position lies above everything in her mailbox.
        net.Crash();
        Assert.Equal(1, net.Store.Messages.Pending);
        anna.Login();
        ben.Login();
        net.Settle();
        Assert.Equal([1UL, 1UL], anna.Receipts.SelectMany(r => r.Numbers));
        Assert.Single(ben.Inbox);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_double_check_passes_nothing_that_is_not_durable(int homes)
    {
        var net = Start(homes);
        var (anna, ben, cleo) = (Anna(net), Ben(net), Cleo(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "one");
        net.Settle();
        cleo.Send(anna.Address, "not durable yet");
        net.Exchange();
        ben.Acknowledge();
        net.Exchange();
        Assert.Empty(anna.Inbox);
        Assert.Empty(anna.Receipts);

        net.Settle();
        Assert.Single(anna.Inbox);
        Assert.Single(anna.Receipts);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_rejection_and_a_read_receipt_wait_to_be_durable(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "poison");
        net.Settle();
        ben.Reject(ben.Inbox[0].Sequence, 7);
        net.Exchange();
        Assert.Empty(anna.Receipts);
        ben.Send(anna.Address, ReadBody(anna.Incarnation, 1), SendKind.Read);
        net.Exchange();
        Assert.Empty(anna.Receipts);

        net.Settle();
        Assert.Equal([ReceiptKind.Rejected, ReceiptKind.Read], anna.Receipts.Select(r => r.Kind));
    }

    /// <summary>What it has processed already is only to be acknowledged once it is durable: not sent again, and not left there.</summary>
    [Theory]
    [MemberData(nameof(Homes))]
    public void A_device_that_comes_back_before_what_it_was_shown_is_durable_is_not_shown_it_again(int homes)
    {
        var (net, anna, ben) = StartWithOneUnacknowledged(homes);
        anna.Acknowledges = false;
        ben.Acknowledge();
        net.Exchange();
        anna.Position = anna.Receipts.Single().Sequence;

        anna.Connect(reactor: 1 % homes); // takes over from itself
        net.Exchange();
        Assert.True(anna.IsWelcome);
        net.Store.CompleteReads(); // finds nothing durable
        net.Exchange();
        Assert.Equal(1, net.Store.Receipts.Pending);

        net.Settle();
        Assert.Equal((1, 0), (anna.Receipts.Count, anna.Repeats));
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_device_that_has_left_before_what_it_acknowledged_is_durable_leaves_nothing_behind(int homes)
    {
        var (net, anna, ben) = StartWithOneUnacknowledged(homes);
        anna.Acknowledges = false;
        ben.Acknowledge();
        net.Exchange();
        anna.Position = anna.Receipts.Single().Sequence;
        anna.Connect(reactor: 1 % homes);
        net.Exchange();
        anna.HangUp();
        net.Exchange();
        net.Store.CompleteReads(); // finds nothing durable
        net.Exchange();
        Assert.Equal(1, net.Store.Receipts.Pending);

        net.Settle();
        Assert.Empty(net.Offline);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void What_it_acknowledged_becomes_durable_while_a_page_without_it_is_on_its_way(int homes)
    {
        var (net, anna, ben) = StartWithOneUnacknowledged(homes);
        anna.Acknowledges = false;
        ben.Acknowledge();
        net.Exchange();
        anna.Position = anna.Receipts.Single().Sequence;
        anna.Connect(reactor: 1 % homes);
        net.Exchange();
        anna.HangUp();
        net.Exchange();
        net.Store.CommitAll();
        net.Exchange();
        Assert.Equal(1, net.Store.Receipts.Pending); // the page was asked for before, and has not come

        net.Settle();
        Assert.Empty(net.Offline);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_device_that_was_shown_a_double_check_and_leaves_is_told_of_as_absent_once(int homes)
    {
        var (net, anna, ben) = StartWithOneUnacknowledged(homes);
        anna.Acknowledges = false;
        ben.Acknowledge();
        net.Exchange();
        Assert.Single(anna.Receipts);
        anna.HangUp();
        net.Exchange();
        Assert.Empty(net.Offline); // nothing durable waits for her

        net.Settle();
        Assert.Equal([anna.Address], net.Offline);
        Assert.Equal(1, net.Store.Receipts.Pending);
    }

    /// <summary>What was kept in memory could be gone from the mailbox by then.</summary>
    [Theory]
    [MemberData(nameof(Homes))]
    public void What_was_shown_acknowledged_and_is_gone_is_not_shown_to_a_later_session(int homes)
    {
        var (net, anna, ben) = StartWithOneUnacknowledged(homes);
        ben.Acknowledge();
        net.Exchange(); // Anna acknowledges what she was shown
        Assert.Equal(0, net.Store.Receipts.Pending);
        anna.HangUp();
        net.Exchange();

        anna.Position = 0;
        anna.SharesMailbox = true;
        anna.Connect(reactor: 1 % homes);
        net.Exchange();
        Assert.True(anna.IsWelcome);
        net.Settle();
        Assert.Single(anna.Receipts);
        Assert.Equal(0, anna.Repeats);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void What_a_device_acknowledges_in_a_turn_makes_one_receipt_a_sender(int homes)
    {
        var net = Start(homes);
        var (anna, ben, cleo) = (Anna(net), Ben(net), Cleo(net));
        ben.Acknowledges = false;
        for (var i = 0; i < 10; i++)
        {
            anna.Send(ben.Address, $"from Anna {i}");
            cleo.Send(ben.Address, $"from Cleo {i}");
            net.Settle();
        }

        ben.Acknowledge();
        net.Settle();
        Assert.Equal(Enumerable.Range(1, 10).Select(n => (ulong)n), Assert.Single(anna.Receipts).Numbers);
        Assert.Equal(Enumerable.Range(1, 10).Select(n => (ulong)n), Assert.Single(cleo.Receipts).Numbers);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_receipt_names_at_most_64_numbers_and_the_rest_follow(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        for (var i = 0; i < 150; i++)
        {
            anna.Send(ben.Address, $"{i}");
            if (i % 50 == 49) net.Settle();
        }

        ben.Acknowledge();
        net.Settle();
        Assert.Equal([64, 64, 22], anna.Receipts.Select(r => r.Numbers.Count));
        Assert.Equal(Enumerable.Range(1, 150).Select(n => (ulong)n), anna.Receipts.SelectMany(r => r.Numbers));
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Numbers_of_two_incarnations_never_share_a_receipt(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        var first = anna.Incarnation;
        anna.Send(ben.Address, "from the first");
        net.Settle();
        anna.Forget();
        anna.Login();
        anna.Send(ben.Address, "from the second");
        net.Settle();

        ben.Acknowledge();
        net.Settle();
        Assert.Equal([(first, 1UL), (anna.Incarnation, 1UL)], anna.Receipts.Select(r => (r.Incarnation, Assert.Single(r.Numbers))));
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Receipts_survive_the_senders_absence_and_a_crash(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        var number = anna.Send(ben.Address, "one");
        net.Settle();
        anna.HangUp();
        ben.Login();
        Assert.Equal(1, net.Store.Receipts.Pending);

        net.Crash();
        anna.Login();
        Assert.Equal([number], Assert.Single(anna.Receipts).Numbers);
        Assert.Equal(ReceiptKind.Delivered, anna.Receipts[0].Kind);
        ben.Login();
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void An_acknowledged_receipt_causes_no_receipt(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "one");
        net.Settle();
        Assert.Single(anna.Receipts);
        Assert.Empty(ben.Receipts);
        Assert.Equal(new LedgerTotals(1, 1, 0, 0, 0, 0, 0), net.Store.Receipts);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Receipts_that_find_no_room_wait_in_order_and_go_later(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        net.Store.ReceiptAdmission = LogStatus.Full;
        for (var i = 0; i < 5; i++)
        {
            anna.Send(ben.Address, $"{i}");
            net.Settle();
        }

        Assert.Equal(5, ben.Inbox.Count);
        Assert.Empty(anna.Receipts);
        Assert.Equal(5, net.Store.Messages.Pending);
        Assert.True(net.HomeOf(ben.Address).ReceiptsOwed > 0);

        net.Store.ReceiptAdmission = LogStatus.Appended;
        net.Settle();
        Assert.Equal([1UL, 2UL, 3UL, 4UL, 5UL], anna.Receipts.SelectMany(r => r.Numbers));
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_receipt_does_not_overtake_those_that_wait_for_room(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        for (var i = 0; i < 2; i++) anna.Send(ben.Address, $"{i}");
        net.Settle();
        net.Store.ReceiptAdmission = LogStatus.Full;
        ben.Acknowledge(ben.Inbox[0].Sequence);
        net.Exchange();

        // There is room again, and the time to look for it has not come when the next is asked for.
        net.Store.ReceiptAdmission = LogStatus.Appended;
        ben.Acknowledge(ben.Inbox[1].Sequence);
        net.Exchange();
        net.Settle();
        Assert.Equal([1UL, 2UL], anna.Receipts.SelectMany(r => r.Numbers));
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Receipts_draw_on_their_own_room_when_messages_find_none(int homes)
    {
        var (net, anna, ben) = StartWithOneUnacknowledged(homes);
        net.Store.Admission = LogStatus.Full;
        ben.Acknowledge();
        net.Settle();
        Assert.Single(anna.Receipts);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void The_device_may_leave_while_its_receipts_are_owed(int homes)
    {
        var (net, anna, ben) = StartWithOneUnacknowledged(homes);
        ben.Acknowledge();
        net.Turn();
        ben.HangUp();
        Assert.Equal(1, net.HomeOf(ben.Address).Sessions - net.HomeOf(ben.Address).Online);

        net.Settle();
        Assert.Single(anna.Receipts);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Receipts_alone_are_acknowledged_without_waiting_for_anybody(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Acknowledges = false;
        for (var i = 0; i < 3; i++)
        {
            anna.Send(ben.Address, $"{i}");
            net.Settle();
        }

        Assert.Equal(3, net.Store.Receipts.Pending);
        anna.Acknowledge();
        net.Exchange();
        Assert.Equal(0, net.Store.Receipts.Pending);
    }
}
