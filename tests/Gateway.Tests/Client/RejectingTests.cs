using Gateway.Client;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Client;

/// <summary>Messages that a device will not have: PROTOCOL.md, "Delivery", reject.</summary>
public class RejectingTests
{
    private static readonly Address Bob = new(AddressKind.User, 42);

    [Fact]
    public async Task A_rejected_message_is_rejected_alone_and_its_neighbours_acknowledged()
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        await using var client = new GatewayClient(node.Options(store))
        {
            MessageReceived = (m, _) => m.Sequence == 2 ? throw new RejectMessageException(17) : default,
        };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        for (var i = 1UL; i <= 3; i++) await connection.DeliverAsync(i, i - 1);
        // The acknowledgement of 1 and the rejection of 2 may come in either order; nothing that covers 2 comes before its rejection.
        var first = await connection.NextAsync();
        if (first.Type == FrameType.Acknowledge)
        {
            Assert.Equal(1UL, first.AsAcknowledge());
            first = await connection.NextAsync();
        }

        Assert.Equal((2UL, (ushort)17), RejectOf(first));
        while (await connection.NextAcknowledgeAsync() != 3)
        {
        }

        Assert.Equal([MessageState.Received, MessageState.RejectedHere, MessageState.Received], (await store.ReadHistoryAsync(null, long.MaxValue, 9)).Select(e => e.State));
    }

    [Fact]
    public async Task A_rejection_the_node_did_not_take_is_repeated_on_the_next_connection()
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        await using var client = new GatewayClient(node.Options(store)) { MessageReceived = (m, _) => m.Sequence == 2 ? throw new RejectMessageException(17) : default };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        connection.AnswersPings = false;
        await connection.DeliverAsync(1);
        Assert.Equal(1UL, await connection.NextAcknowledgeAsync());
        await connection.DeliverAsync(2, 1);
        Assert.Equal((2UL, (ushort)17), RejectOf(await connection.NextAsync()));
        Assert.Equal(FrameType.Ping, (await connection.NextAsync()).Type);
        connection.Cut();

        // A position that covers the message would say "delivered".
        connection = await node.LoginAsync();
        Assert.Equal(1UL, connection.Client.Resume);
        Assert.Empty(await connection.DrainAsync());
        await connection.DeliverAsync(2, 1, flags: DeliverFlags.Redelivered);
        Assert.Equal((2UL, (ushort)17), RejectOf(await connection.NextAsync()));
        Assert.Equal(2UL, await connection.NextAcknowledgeAsync());
    }

    [Fact]
    public async Task A_rejection_is_moot_when_the_node_has_passed_the_message()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore())) { MessageReceived = (m, _) => m.Sequence == 2 ? throw new RejectMessageException(17) : default };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        connection.AnswersPings = false;
        await connection.DeliverAsync(2);
        await connection.NextAsync();
        connection.Cut();
        // It took the rejection, after all, or the message expired: the next entry is another one. Rejecting 2 here would be an error.
        connection = await node.LoginAsync();
        await connection.DeliverAsync(3, 2);
        Assert.Equal(3UL, await connection.NextAcknowledgeAsync());
    }

    [Fact]
    public async Task A_poisonous_message_is_rejected_after_as_many_attempts_as_allowed()
    {
        await using var node = new FakeNode();
        var attempts = 0;
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore(), maxHandlerAttempts: 3))
        {
            MessageReceived = (_, _) =>
            {
                attempts++;
                throw new FormatException("garbled");
            },
        };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        await connection.DeliverAsync(1);
        Assert.Equal((1UL, (ushort)99), RejectOf(await connection.NextAsync()));
        Assert.Equal(1UL, await connection.NextAcknowledgeAsync());
        Assert.Equal(3, attempts);
    }

    private static (ulong, ushort) RejectOf(Frame frame)
    {
        Assert.Equal(FrameType.Reject, frame.Type);
        Assert.True(RejectFrame.TryParse(frame.Payload, out var reject, out _));
        return (reject.Sequence, reject.Reason);
    }
}
