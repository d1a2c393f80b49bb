using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>Rule 10: what nobody fetched in its time goes, its sender is told, and what a device may have been sent does not.</summary>
public class Rule10_Expiry : HomeTests
{
    [Theory]
    [MemberData(nameof(Homes))]
    public void What_is_not_fetched_in_its_time_goes_and_its_sender_is_told_once(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Absent(net));
        var short1 = anna.Send(ben.Address, "short", expirySeconds: 60);
        anna.Send(ben.Address, "long");
        var short2 = anna.Send(ben.Address, "short too", expirySeconds: 60);
        net.Settle();
        Assert.Equal(3, net.Store.Messages.Pending);

        Pass(net, seconds: 45);
        Assert.Equal(3, net.Store.Messages.Pending);
        Pass(net, seconds: 20);
        var receipt = Assert.Single(anna.Receipts);
        Assert.Equal((ReceiptKind.Expired, ben.Address), (receipt.Kind, receipt.Peer));
        Assert.Equal([short1, short2], receipt.Numbers);
        Assert.Equal(new LedgerTotals(3, 0, 1, 0, 2, 0, 0), net.Store.Messages);

        ben.Login();
        Assert.Equal(["long"], ben.Inbox.Select(d => d.Body));
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_message_without_a_life_of_its_own_has_the_nodes(int homes)
    {
        var net = Start(homes, new HomeOptions { DefaultExpirySeconds = 100 });
        var (anna, ben) = (Anna(net), Absent(net));
        anna.Send(ben.Address, "the node's");
        anna.Send(ben.Address, "its own", expirySeconds: 200);
        net.Settle();
        Pass(net, seconds: 102);
        Assert.Equal([1UL], Assert.Single(anna.Receipts).Numbers);
        Pass(net, seconds: 100);
        Assert.Equal(2, net.Store.Messages.Expired);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void What_is_in_a_live_delivery_window_does_not_expire_and_what_waits_behind_it_does(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Absent(net));
        (ben.Acknowledges, ben.CreditMessages) = (false, 1);
        ben.Login();
        anna.Send(ben.Address, "delivered", expirySeconds: 10);
        anna.Send(ben.Address, "waits for credit", expirySeconds: 10);
        net.Settle();
        Assert.Single(ben.Inbox);

        Pass(net, seconds: 20);
        Assert.Equal([2UL], Assert.Single(anna.Receipts).Numbers);
        ben.Acknowledge();
        net.Settle();
        Assert.Equal(["delivered"], ben.Inbox.Select(d => d.Body));
        Assert.Equal([ReceiptKind.Expired, ReceiptKind.Delivered], anna.Receipts.Select(r => r.Kind));
        Assert.Equal(new LedgerTotals(2, 1, 0, 0, 1, 0, 0), net.Store.Messages);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void What_was_delivered_to_a_session_that_is_over_may_expire(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "never acknowledged", expirySeconds: 10);
        net.Settle();
        ben.HangUp();
        Pass(net, seconds: 20);
        Assert.Equal(ReceiptKind.Expired, Assert.Single(anna.Receipts).Kind);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void What_was_acknowledged_and_waits_for_its_receipt_does_not_expire(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        net.Store.ReceiptAdmission = LogStatus.Full;
        anna.Send(ben.Address, "acknowledged", expirySeconds: 10);
        net.Settle();
        Assert.Single(ben.Inbox);
        Pass(net, seconds: 20);
        Assert.Equal(1, net.Store.Messages.Pending);
        net.Store.ReceiptAdmission = LogStatus.Appended;
        Pass(net, seconds: 1);
        Assert.Equal(ReceiptKind.Delivered, Assert.Single(anna.Receipts).Kind);
        Assert.Equal(new LedgerTotals(1, 1, 0, 0, 0, 0, 0), net.Store.Messages);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void What_was_rejected_and_waits_for_its_receipt_does_not_expire_also_when_that_session_is_over(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        net.Store.ReceiptAdmission = LogStatus.Full;
        anna.Send(ben.Address, "rejected", expirySeconds: 10);
        net.Settle();
        ben.Reject(ben.Inbox[0].Sequence, reason: 3);
        net.Settle();
        ben.HangUp();
        net.Settle();
        ben.Login();
        Pass(net, seconds: 20);
        net.Store.ReceiptAdmission = LogStatus.Appended;
        Pass(net, seconds: 1);
        Assert.Equal(ReceiptKind.Rejected, Assert.Single(anna.Receipts).Kind);
        Assert.Equal(new LedgerTotals(1, 0, 0, 1, 0, 0, 0), net.Store.Messages);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void What_is_not_durable_yet_does_not_expire_however_long_that_takes(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "slow disk", expirySeconds: 1);
        for (var i = 0; i < 10; i++)
        {
            net.Exchange();
            net.Clock.Advance(1000);
        }

        Assert.Empty(ben.Inbox);
        net.Settle();
        Assert.Equal(["slow disk"], ben.Inbox.Select(d => d.Body));
        Assert.Equal(new LedgerTotals(1, 1, 0, 0, 0, 0, 0), net.Store.Messages);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_page_that_is_on_its_way_when_an_entry_expires_brings_it_to_nobody(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Absent(net));
        anna.Send(ben.Address, "short", expirySeconds: 10);
        anna.Send(ben.Address, "long");
        net.Settle();
        ben.Connect();
        net.Exchange(); // the page is asked for
        Assert.True(ben.IsWelcome);
        Assert.Equal(1, net.Store.Homes.Sum(h => h.ReadsUnderWay));
        net.Clock.Advance(15_000);
        net.Turn();
        net.Settle();
        Assert.Equal(["long"], ben.Inbox.Select(d => d.Body));
        Assert.Equal(new LedgerTotals(2, 1, 0, 0, 1, 0, 0), net.Store.Messages);
        AssertIdle(net);
    }

    /// <summary>
    /// The record that an entry has expired is taken back by a crash. Had the device been sent what lies behind the entry, its resume position would
    /// acknowledge an entry that it never had.
    /// </summary>
    [Theory]
    [MemberData(nameof(Homes))]
    public void Nothing_behind_an_expired_entry_is_sent_before_the_record_of_its_expiry_is_durable(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Absent(net));
        anna.Send(ben.Address, "short", expirySeconds: 10);
        anna.Send(ben.Address, "long");
        net.Settle();
        net.Clock.Advance(12_000);
        net.Turn(); // recorded, not durable

        ben.Connect();
        net.Exchange();
        net.Store.CompleteReads();
        net.Exchange();
        Assert.True(ben.IsWelcome);
        Assert.Empty(ben.Inbox);

        net.Settle();
        Assert.Equal(["long"], ben.Inbox.Select(d => d.Body));
        Assert.Equal(new LedgerTotals(2, 1, 0, 0, 1, 0, 0), net.Store.Messages);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void An_expired_entry_is_not_delivered_while_its_sender_is_being_told_and_no_acknowledgement_takes_it(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Absent(net));
        anna.Send(ben.Address, "short", expirySeconds: 10);
        anna.Send(ben.Address, "long");
        net.Settle();
        net.Store.ReceiptAdmission = LogStatus.Full;
        Pass(net, seconds: 15);
        Assert.Equal(2, net.Store.Messages.Pending);

        ben.Login();
        Assert.Equal(["long"], ben.Inbox.Select(d => d.Body));
        Assert.Equal(2, net.Store.Messages.Pending);
        net.Store.ReceiptAdmission = LogStatus.Appended;
        Pass(net, seconds: 1);
        Assert.Equal(new LedgerTotals(2, 1, 0, 0, 1, 0, 0), net.Store.Messages);
        AssertIdle(net);
    }

    /// <summary>After each step of an entry's way out in turn.</summary>
    [Theory]
    [MemberData(nameof(Homes))]
    public void A_crash_at_any_step_tells_the_sender_again_and_loses_and_delivers_nothing_twice(int homes)
    {
        for (var steps = 0; steps < 10; steps++) CrashAfter(homes, steps);
    }

    private static void CrashAfter(int homes, int steps)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Absent(net));
        anna.Send(ben.Address, "short", expirySeconds: 10);
        net.Settle();
        net.Clock.Advance(12_000);
        for (var i = 0; i < steps; i++)
        {
            net.Turn();
            net.DeliverLanes();
            if (i % 2 == 0) net.Store.CompleteReads();
            else net.Store.CommitAll();
        }

        net.Crash();
        anna.Login();
        Pass(net, seconds: 2);
        Assert.All(anna.Receipts, r => Assert.Equal(ReceiptKind.Expired, r.Kind));
        Assert.NotEmpty(anna.Receipts);
        ben.Login();
        Assert.Empty(ben.Inbox);
        Assert.Equal(new LedgerTotals(1, 0, 0, 0, 1, 0, 0), net.Store.Messages);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_read_receipt_expires_without_a_word_to_anybody(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "hello");
        net.Settle();
        anna.HangUp();
        ben.Send(anna.Address, ReadBody(anna.Incarnation, 1), SendKind.Read, expirySeconds: 10);
        net.Settle();
        Pass(net, seconds: 20);
        Assert.Equal((2, 1, 1), (net.Store.Receipts.Accepted, net.Store.Receipts.Delivered, net.Store.Receipts.Expired));
        Assert.Empty(ben.Receipts);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void What_the_node_has_to_tell_a_sender_does_not_expire(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Acknowledges = false;
        ben.Send(anna.Address, "its receipt waits for Ben");
        net.Settle();
        ben.HangUp();
        anna.Acknowledge();
        net.Settle();
        Pass(net, seconds: 40 * 24 * 3600);
        ben.Login();
        Assert.Equal(ReceiptKind.Delivered, Assert.Single(ben.Receipts).Kind);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_mailbox_of_thousands_of_expired_messages_from_many_senders_empties_and_each_sender_hears_of_each(int homes)
    {
        var net = Start(homes);
        var ben = Absent(net);
        DeviceModel[] senders = [Anna(net), Cleo(net), Device(net, 2, 1)];
        for (var i = 0; i < 20; i++)
        {
            foreach (var sender in senders)
            {
                for (var n = 0; n < 60; n++) sender.Send(ben.Address, $"{i}.{n}", expirySeconds: 3600);
            }

            net.Settle();
        }

        Pass(net, seconds: 3700, stepMs: 50_000);
        Pass(net, seconds: 20, stepMs: 50);
        Assert.Equal(new LedgerTotals(3600, 0, 0, 0, 3600, 0, 0), net.Store.Messages);
        foreach (var sender in senders)
            Assert.Equal(Enumerable.Range(1, 1200).Select(n => (ulong)n), sender.Receipts.SelectMany(r => r.Numbers).Order());
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_clock_that_runs_away_expires_nothing_until_an_operator_says_that_it_is_right(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Absent(net));
        anna.Send(ben.Address, "a day", expirySeconds: 24 * 3600);
        net.Settle();
        net.Clock.StepWall(365L * 24 * 3600 * 1000);
        Pass(net, seconds: 10);
        Assert.Equal(homes, net.ExpirySuspended.Count);
        Assert.All(net.Reactors, r => Assert.True(r.Home.IsExpirySuspended));
        Assert.Equal(1, net.Store.Messages.Pending);

        net.Crash(); // by now the log has times of the wrong clock, and the start looks plausible
        Pass(net, seconds: 10);
        Assert.Equal(1, net.Store.Messages.Pending);

        net.ResumeExpiry();
        Pass(net, seconds: 10);
        Assert.Equal(1, net.Store.Messages.Expired);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_clock_set_forward_within_reason_does_not_shorten_a_life(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Absent(net));
        anna.Send(ben.Address, "an hour", expirySeconds: 3600);
        net.Settle();
        net.Clock.StepWall(2 * 3600 * 1000);
        Pass(net, seconds: 3000);
        Assert.Equal(1, net.Store.Messages.Pending);
        Pass(net, seconds: 700);
        Assert.Equal(1, net.Store.Messages.Expired);
    }

    /// <summary>Ben, who has been here before and may miss what expires while he is away.</summary>
    private static DeviceModel Absent(HomeNet net)
    {
        var ben = Ben(net);
        ben.MayMissEntries = true;
        ben.HangUp();
        net.Settle();
        return ben;
    }

    /// <summary>Lets time pass and everything happen, so that sweeps come to pass.</summary>
    private static void Pass(HomeNet net, long seconds, int stepMs = 500)
    {
        var step = Math.Max(stepMs, seconds * 1000 / 100);
        for (var passed = 0L; passed < seconds * 1000; passed += step)
        {
            net.Clock.Advance(Math.Min(step, seconds * 1000 - passed));
            net.Settle();
        }

        // A sweep ends in one turn and begins anew a second after the last.
        for (var i = 0; i < 4; i++)
        {
            net.Clock.Advance(300);
            net.Settle();
        }
    }
}
