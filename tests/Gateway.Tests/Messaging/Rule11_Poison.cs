using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>Rule 11: a device may reject one entry; one message may always exceed its credit.</summary>
public class Rule11_Poison : HomeTests
{
    [Theory]
    [MemberData(nameof(Homes))]
    public void A_rejected_entry_goes_the_sender_is_told_why_and_its_neighbours_stay(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        for (var i = 1; i <= 3; i++) anna.Send(ben.Address, $"{i}");
        net.Settle();

        ben.Reject(ben.Inbox[1].Sequence, reason: 513);
        net.Settle();
        var receipt = Assert.Single(anna.Receipts);
        Assert.Equal((ReceiptKind.Rejected, (ushort)513), (receipt.Kind, receipt.Reason));
        Assert.Equal([2UL], receipt.Numbers);
        Assert.Equal(new LedgerTotals(3, 0, 2, 1, 0, 0, 0), net.Store.Messages);

        ben.Acknowledge();
        net.Settle();
        Assert.Equal([1UL, 3UL], anna.Receipts.Skip(1).SelectMany(r => r.Numbers));
        Assert.Equal(new LedgerTotals(3, 2, 0, 1, 0, 0, 0), net.Store.Messages);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_rejected_entry_stays_until_its_receipt_is_durable_and_holds_back_later_acknowledgements(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "1");
        anna.Send(ben.Address, "2");
        net.Settle();

        ben.Reject(ben.Inbox[0].Sequence, 1);
        ben.Acknowledge();
        net.Exchange();
        Assert.Equal(2, net.Store.Messages.Pending);
        net.Settle();
        Assert.Equal(new LedgerTotals(2, 1, 0, 1, 0, 0, 0), net.Store.Messages);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_rejection_behind_an_acknowledgement_is_counted_as_what_it_is_when_both_become_durable_at_once(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "fine");
        anna.Send(ben.Address, "unreadable");
        net.Settle();
        ben.Acknowledge(ben.Inbox[0].Sequence);
        net.Turn();
        ben.Reject(ben.Inbox[1].Sequence, reason: 7);
        net.Settle();

        Assert.Equal(new LedgerTotals(2, 1, 0, 1, 0, 0, 0), net.Store.Messages);
        Assert.Equal([(ReceiptKind.Delivered, 1UL), (ReceiptKind.Rejected, 2UL)], anna.Receipts.Select(r => (r.Kind, Assert.Single(r.Numbers))));
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Only_what_is_delivered_and_not_acknowledged_can_be_rejected(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "acknowledged");
        net.Settle();
        ben.Reject(ben.Inbox[0].Sequence, 1);
        net.Settle();
        Assert.Equal(ErrorCode.RejectUnknown, Assert.Single(ben.Failures).Code);
        Assert.Single(anna.Receipts);

        ben.Login();
        ben.Reject(ben.HighestSeen + 1, 1);
        net.Settle();
        Assert.Equal(ErrorCode.RejectUnknown, ben.Failures.Last().Code);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_second_rejection_of_the_same_entry_says_nothing_new(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "1");
        net.Settle();
        ben.Reject(ben.Inbox[0].Sequence, 1);
        ben.Reject(ben.Inbox[0].Sequence, 2);
        net.Settle();
        Assert.Empty(ben.Failures);
        Assert.Equal(1, Assert.Single(anna.Receipts).Reason);
        Assert.Equal(new LedgerTotals(1, 0, 0, 1, 0, 0, 0), net.Store.Messages);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_rejected_receipt_goes_without_anybody_being_told(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Acknowledges = false;
        anna.Send(ben.Address, "1");
        net.Settle();
        anna.Reject(anna.Receipts[0].Sequence, 9);
        net.Settle();
        Assert.Equal(new LedgerTotals(1, 0, 0, 1, 0, 0, 0), net.Store.Receipts);
        Assert.Empty(ben.Receipts);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_rejected_entry_is_never_called_delivered_also_when_it_is_read_again_before_it_is_gone(int homes)
    {
        var net = Start(homes, new HomeOptions { RedeliverAfterMs = 1_000 });
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        for (var i = 1; i <= 3; i++) anna.Send(ben.Address, $"{i}");
        net.Settle();
        net.Store.ReceiptAdmission = LogStatus.Full; // so that the rejection stays owed
        ben.Reject(ben.Inbox[1].Sequence, 7);
        net.Settle();

        // It is read again for a redelivery, and then for another session.
        net.Clock.Advance(2_000);
        net.Settle();
        Assert.Equal(2, ben.Repeats);
        ben.HangUp();
        ben.Login();
        Assert.Equal(4, ben.Repeats);
        ben.Acknowledge();
        net.Settle();
        net.Store.ReceiptAdmission = LogStatus.Appended;
        net.Settle();

        Assert.Equal([2UL], anna.Receipts.Where(r => r.Kind == ReceiptKind.Rejected).SelectMany(r => r.Numbers));
        Assert.Equal([1UL, 3UL], anna.Receipts.Where(r => r.Kind == ReceiptKind.Delivered).SelectMany(r => r.Numbers));
        Assert.Equal(new LedgerTotals(3, 2, 0, 1, 0, 0, 0), net.Store.Messages);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_page_that_was_asked_for_before_a_rejected_entry_went_does_not_bring_it_back(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "1");
        net.Settle();
        ben.Reject(ben.Inbox[0].Sequence, 7);
        net.Exchange();
        ben.Connect(); // its first page is asked for while the rejection is owed
        net.Exchange();
        Assert.True(ben.IsWelcome);
        net.Store.CommitAll();
        net.Exchange();
        Assert.Equal(0, net.Store.Messages.Pending);
        ben.Acknowledges = true;
        net.Settle();

        Assert.Equal(0, ben.Repeats);
        Assert.Equal([ReceiptKind.Rejected], anna.Receipts.Select(r => r.Kind));
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_rejection_that_crosses_a_redelivery_is_no_error_and_the_next_one_counts(int homes)
    {
        var net = Start(homes, new HomeOptions { RedeliverAfterMs = 1_000 });
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "1");
        net.Settle();
        net.Clock.Advance(2_000);
        net.Turn(); // the cursor goes back, the page is on its way
        ben.Rejects = _ => true;
        ben.Reject(ben.Inbox[0].Sequence, 7);
        net.Settle();

        Assert.Empty(ben.Failures);
        Assert.Equal(1, ben.Repeats);
        Assert.Equal([ReceiptKind.Rejected], anna.Receipts.Select(r => r.Kind));
        Assert.Equal(new LedgerTotals(1, 0, 0, 1, 0, 0, 0), net.Store.Messages);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Rejecting_gives_the_credit_back(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        ben.CreditMessages = 1;
        ben.Acknowledges = false;
        ben.Login();
        anna.Send(ben.Address, "1");
        anna.Send(ben.Address, "2");
        net.Settle();
        Assert.Single(ben.Inbox);
        ben.Reject(ben.Inbox[0].Sequence, 1);
        net.Settle();
        Assert.Equal(2, ben.Inbox.Count);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void One_message_above_the_credit_is_still_delivered_alone(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        ben.CreditBytes = 100;
        ben.Acknowledges = false;
        ben.Login();
        anna.Send(ben.Address, new string('x', 5000));
        anna.Send(ben.Address, "y");
        net.Settle();
        Assert.Equal(5000, Assert.Single(ben.Inbox).Body.Length);
        ben.Acknowledge();
        net.Settle();
        Assert.Equal("y", ben.Inbox[1].Body);

        // And from the log, behind a small one.
        ben.Acknowledge();
        net.Settle();
        ben.HangUp();
        anna.Send(ben.Address, "small");
        anna.Send(ben.Address, new string('z', 5000));
        net.Settle();
        ben.Login();
        Assert.Equal(3, ben.Inbox.Count);
        ben.Acknowledge();
        net.Settle();
        Assert.Equal(5000, ben.Inbox[3].Body.Length);
    }
}
