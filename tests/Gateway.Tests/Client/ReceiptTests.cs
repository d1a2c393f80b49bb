using System.Collections.Concurrent;
using Gateway.Client;
using Gateway.Protocol;
using Xunit;
using static Gateway.Tests.Client.SendingSteps;

namespace Gateway.Tests.Client;

/// <summary>What receipts tell of sent messages, and what is told of received ones: PROTOCOL.md, "Receipts".</summary>
public class ReceiptTests
{
    [Theory]
    [InlineData(ReceiptKind.Rejected, MessageState.Rejected)]
    [InlineData(ReceiptKind.Delivered, MessageState.Delivered)]
    [InlineData(ReceiptKind.Read, MessageState.Read)]
    public async Task A_receipt_closes_no_open_message_and_counts_once_it_is_accepted(ReceiptKind kind, MessageState state)
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore())) { MessageReceived = (_, _) => default };
        var settled = new ConcurrentQueue<SettledMessage>();
        client.MessageSettled += settled.Enqueue;
        await client.StartAsync();
        var connection = await node.LoginAsync();
        var message = await client.SendAsync(Bob, "hello"u8.ToArray());
        await connection.NextSendAsync();
        await connection.ReceiptAsync(1000, kind, Bob, 1, [1], reason: 12);
        Assert.Equal(1000UL, await connection.NextAcknowledgeAsync());
        Assert.False(message.Accepted.IsCompleted);
        Assert.Equal(1, client.Status.OpenMessages);
        connection.Cut();

        // Sent again, and counted as open, until it is accepted; then what the receipt said is true at once.
        connection = await node.LoginAsync();
        var sent = await connection.NextSendAsync();
        Assert.Equal((1UL, 1UL), (sent.Number, sent.LowestOpen));
        await connection.AcceptAsync(1);
        Assert.True((await message.Accepted.WaitAsync(FakeNode.Deadline)).IsAccepted);
        Assert.Equal(state, (await message.Delivered.WaitAsync(FakeNode.Deadline)).State);
        Assert.Equal(state, Assert.Single(settled).Outcome.State);
    }

    [Fact]
    public async Task A_read_receipt_of_somebody_else_is_never_shown()
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        await using var client = new GatewayClient(node.Options(store)) { MessageReceived = (_, _) => default };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        var message = await client.SendAsync(Bob, "hello"u8.ToArray());
        await connection.NextSendAsync();
        await connection.ReceiptAsync(1000, ReceiptKind.Read, Carol, 1, [1]);
        await connection.ReceiptAsync(1001, ReceiptKind.Read, new Address(Bob.Kind, Bob.Number, 2), 1, [1], previous: 1000);
        await connection.AcceptAsync(1);
        Assert.Equal(new SendOutcome(MessageState.Accepted), await message.Accepted.WaitAsync(FakeNode.Deadline));
        while (await connection.NextAcknowledgeAsync() != 1001)
        {
        }

        Assert.Equal(MessageState.Accepted, (await store.FindAsync(message.Id))!.State);
    }

    [Fact]
    public async Task Delivered_is_known_to_whoever_asks_late()
    {
        await using var node = new FakeNode();
        var receipts = new TaskCompletionSource<ReceivedReceipt>();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()))
        {
            MessageReceived = (_, _) => default,
            ReceiptReceived = (r, _) =>
            {
                receipts.TrySetResult(r);
                return default;
            },
        };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        var message = await client.SendAsync(Bob, "x"u8.ToArray());
        await connection.NextSendAsync();
        await connection.AcceptAsync(1);
        await connection.ReceiptAsync(5, ReceiptKind.Delivered, Bob, 1, [1]);
        Assert.Equal([1UL], (await receipts.Task.WaitAsync(FakeNode.Deadline)).Numbers);
        Assert.Equal(5UL, await connection.NextAcknowledgeAsync());
        Assert.True((await message.Delivered.WaitAsync(FakeNode.Deadline)).IsDelivered);
    }

    [Fact]
    public async Task Read_receipts_go_through_the_outbox_one_for_each_sender()
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        var received = new List<ReceivedMessage>();
        await using var client = new GatewayClient(node.Options(store))
        {
            MessageReceived = (m, _) =>
            {
                received.Add(m);
                return default;
            },
        };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        await connection.DeliverAsync(1, 0, from: Bob, number: 7);
        await connection.DeliverAsync(2, 1, from: Carol, number: 8);
        await connection.DeliverAsync(3, 2, from: Bob, number: 9);
        while (await connection.NextAcknowledgeAsync() != 3)
        {
        }

        await client.MarkReadAsync(received);
        var (first, second) = (await connection.NextSendAsync(), await connection.NextSendAsync());
        Assert.Equal((Bob, SendKind.Read), (first.To, first.Kind));
        Assert.Equal((Carol, SendKind.Read), (second.To, second.Kind));
        Assert.Equal((1U, "7,9"), ReadOf(first));
        Assert.Equal((1U, "8"), ReadOf(second));
        Assert.All((await store.ReadHistoryAsync(null, long.MaxValue, 10)).Where(e => !e.Sent), e => Assert.Equal(MessageState.ReadHere, e.State));
    }
}
