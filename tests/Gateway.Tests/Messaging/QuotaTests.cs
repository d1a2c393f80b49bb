using Gateway.Messaging;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>A mailbox and a node take so much and no more: senders are refused for now, in order, and nobody else notices.</summary>
public class QuotaTests : HomeTests
{
    [Theory]
    [MemberData(nameof(Homes))]
    public void A_mailbox_at_its_quota_refuses_for_now_and_takes_the_rest_in_order_later(int homes)
    {
        var net = Start(homes, new HomeOptions { MaxMailboxEntries = 3 });
        var (anna, ben, cleo) = (Anna(net), Ben(net, login: false), Cleo(net));
        for (var i = 1; i <= 5; i++)
        {
            anna.Send(ben.Address, $"{i}");
            net.Settle();
        }

        Assert.Equal([1UL, 2, 3], anna.Accepted.Select(a => a.Number));
        Assert.Equal([(4UL, RefusalReason.MailboxFull), (5UL, RefusalReason.HeldForOrder)], anna.Refused.Select(r => (r.Number, r.Reason)));
        anna.Send(cleo.Address, "to another mailbox");
        net.Settle();
        Assert.Single(cleo.Inbox);

        ben.Login();
        net.Settle();
        Assert.Equal(["1", "2", "3"], ben.Inbox.Select(d => d.Body));
        // The fifth alone does not pass the fourth.
        anna.Transmit(5);
        net.Settle();
        Assert.Equal(RefusalReason.HeldForOrder, anna.Refused.Last().Reason);
        anna.Transmit(4);
        net.Settle();
        anna.Transmit(5);
        net.Settle();
        Assert.Equal(["1", "2", "3", "4", "5"], ben.Inbox.Select(d => d.Body));
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Bytes_count_too_and_one_message_always_fits_an_empty_mailbox(int homes)
    {
        var net = Start(homes, new HomeOptions { MaxMailboxBytes = 500 });
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        anna.Send(ben.Address, new string('m', 2_000));
        anna.Send(ben.Address, "one more byte");
        net.Settle();
        Assert.Equal([1UL], anna.Accepted.Select(a => a.Number));
        Assert.Equal((2UL, RefusalReason.MailboxFull), Assert.Single(anna.Refused) is var r ? (r.Number, r.Reason) : default);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_receipt_reaches_a_mailbox_that_is_full(int homes)
    {
        var net = Start(homes, new HomeOptions { MaxMailboxEntries = 1 });
        var (anna, ben, cleo) = (Anna(net), Ben(net), Cleo(net));
        var number = anna.Send(ben.Address, "delivered while its sender's own mailbox is full");
        net.Settle();
        anna.HangUp();
        net.Settle();
        var before = anna.Receipts.Count;
        cleo.Send(anna.Address, "fills it");
        net.Settle();
        cleo.Send(anna.Address, "refused");
        ben.Send(anna.Address, ReadBody(anna.Incarnation, number), SendKind.Read);
        net.Settle();
        Assert.Equal(RefusalReason.MailboxFull, Assert.Single(cleo.Refused).Reason);
        Assert.Empty(ben.Refused);

        anna.Login();
        net.Settle();
        Assert.Equal("fills it", Assert.Single(anna.Inbox).Body);
        Assert.Equal(ReceiptKind.Read, anna.Receipts.Skip(before).Last().Kind);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_node_that_holds_its_quota_takes_no_message_for_anybody_until_some_are_gone(int homes)
    {
        var net = Start(homes, new HomeOptions { MaxPendingBytes = 1 });
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        anna.Send(ben.Address, "the first");
        net.Settle();
        anna.Send(ben.Address, "the second");
        net.Settle();
        Assert.Equal((2UL, RefusalReason.NodeFull), Assert.Single(anna.Refused) is var r ? (r.Number, r.Reason) : default);

        ben.Login();
        net.Settle();
        anna.Transmit(2);
        net.Settle();
        Assert.Equal(["the first", "the second"], ben.Inbox.Select(d => d.Body));
    }
}
