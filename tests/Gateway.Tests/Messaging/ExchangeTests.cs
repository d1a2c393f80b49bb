using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>A message's life with nothing in its way.</summary>
public class ExchangeTests : HomeTests
{
    [Theory]
    [MemberData(nameof(Homes))]
    public void A_message_is_accepted_delivered_acknowledged_and_receipted_and_then_gone(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net);
        var ben = Ben(net);

        var number = anna.Send(ben.Address, "good morning");
        net.Settle();

        Assert.Equal(number, Assert.Single(anna.Accepted).Number);
        var delivered = Assert.Single(ben.Inbox);
        Assert.Equal((anna.Address, anna.Incarnation, number, "good morning"), (delivered.From, delivered.Incarnation, delivered.Number, delivered.Body));
        var receipt = Assert.Single(anna.Receipts);
        Assert.Equal((ben.Address, anna.Incarnation, Gateway.Protocol.ReceiptKind.Delivered), (receipt.Peer, receipt.Incarnation, receipt.Kind));
        Assert.Equal([number], receipt.Numbers);
        Assert.Equal(new LedgerTotals(1, 1, 0, 0, 0, 0, 0), net.Store.Messages);
        Assert.Equal(new LedgerTotals(1, 1, 0, 0, 0, 0, 0), net.Store.Receipts);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_message_to_an_absent_device_waits_for_it(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net);
        var ben = Ben(net, login: false);

        anna.Send(ben.Address, "are you there?");
        net.Settle();
        Assert.Single(anna.Accepted);
        Assert.Empty(anna.Receipts);
        Assert.Equal(1, net.Store.Messages.Pending);

        ben.Login();
        Assert.Equal("are you there?", Assert.Single(ben.Inbox).Body);
        Assert.Single(anna.Receipts);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_device_may_write_to_itself(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net);

        anna.Send(anna.Address, "note to self");
        net.Settle();

        Assert.Equal("note to self", Assert.Single(anna.Inbox).Body);
        Assert.Single(anna.Receipts);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_read_receipt_is_an_entry_like_any_other_and_earns_none_itself(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net);
        var ben = Ben(net);
        var number = anna.Send(ben.Address, "seen this?");
        net.Settle();

        ben.Send(anna.Address, ReadBody(anna.Incarnation, number), Gateway.Protocol.SendKind.Read);
        net.Settle();

        Assert.Single(ben.Accepted);
        Assert.Empty(ben.Receipts);
        Assert.Equal(
            [Gateway.Protocol.ReceiptKind.Delivered, Gateway.Protocol.ReceiptKind.Read], anna.Receipts.Select(r => r.Kind));
        Assert.Equal([number], anna.Receipts[1].Numbers);
        Assert.Equal(anna.Incarnation, anna.Receipts[1].Incarnation);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Hundreds_of_messages_both_ways_all_arrive_once_and_in_order(int homes)
    {
        var net = Start(homes);
        DeviceModel[] devices = [Anna(net), Ben(net), Cleo(net)];
        for (var round = 0; round < 20; round++)
        {
            foreach (var from in devices)
            {
                foreach (var to in devices)
                {
                    for (var i = 0; i < 5; i++) from.Send(to.Address, $"{from} to {to} {round}.{i}");
                }
            }

            net.Settle();
        }

        foreach (var device in devices)
        {
            Assert.Equal(300, device.Inbox.Count);
            Assert.Equal(0, device.Repeats);
            foreach (var sender in devices)
                Assert.Equal(Enumerable.Range(0, 100).Select(i => $"{sender} to {device} {i / 5}.{i % 5}"), device.Inbox.Where(d => d.From == sender.Address).Select(d => d.Body));
            Assert.Equal(300, device.Receipts.Sum(r => r.Numbers.Count));
        }

        AssertIdle(net);
    }
}
