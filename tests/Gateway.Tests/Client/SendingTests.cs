using Gateway.Client;
using Gateway.Protocol;
using Xunit;
using static Gateway.Tests.Client.SendingSteps;

namespace Gateway.Tests.Client;

/// <summary>From SendAsync to the single check, on the wire: PROTOCOL.md, "Window" and "Refusals".</summary>
public class SendingTests
{
    [Fact]
    public async Task A_message_is_sent_accepted_and_delivered()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore())) { MessageReceived = (_, _) => default };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        var message = await client.SendAsync(Bob, "hello"u8.ToArray(), new SendOptions { Expiry = TimeSpan.FromMinutes(1) });

        var sent = await connection.NextSendAsync();
        Assert.Equal((Bob, 1UL, 1UL, 60U, SendKind.Message, "hello"), (sent.To, sent.Number, sent.LowestOpen, sent.Expiry, sent.Kind, Text(sent)));
        Assert.False(message.Accepted.IsCompleted);
        await connection.AcceptAsync(1);
        Assert.Equal(new SendOutcome(MessageState.Accepted), await message.Accepted.WaitAsync(FakeNode.Deadline));
        Assert.False(message.Delivered.IsCompleted);
        await connection.ReceiptAsync(1000, ReceiptKind.Delivered, Bob, 1, [1]);
        Assert.Equal(new SendOutcome(MessageState.Delivered), await message.Delivered.WaitAsync(FakeNode.Deadline));
        Assert.Equal(1000UL, await connection.NextAcknowledgeAsync());
    }

    [Fact]
    public async Task A_reconnect_resends_exactly_the_open_ones_in_order_under_their_numbers()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()));
        await client.StartAsync();
        var connection = await node.LoginAsync();
        var messages = await SendAsync(client, Bob, 6);
        for (var i = 0; i < 6; i++) await connection.NextSendAsync();
        await connection.AcceptAsync(2);
        await connection.AcceptAsync(5);
        await messages[1].Accepted.WaitAsync(FakeNode.Deadline);
        await messages[4].Accepted.WaitAsync(FakeNode.Deadline);
        connection.Cut();

        connection = await node.LoginAsync();
        var sent = new List<SentMessage>();
        for (var i = 0; i < 4; i++) sent.Add(await connection.NextSendAsync());
        Assert.Equal([(1UL, "1"), (3UL, "3"), (4UL, "4"), (6UL, "6")], sent.Select(s => (s.Number, Text(s))));
        Assert.All(sent, s => Assert.Equal(1UL, s.LowestOpen));
        Assert.Empty(await connection.DrainAsync());
    }

    [Fact]
    public async Task What_the_welcome_calls_settled_is_accepted_and_not_resent()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()));
        await client.StartAsync();
        var connection = await node.LoginAsync();
        var messages = await SendAsync(client, Bob, 4);
        for (var i = 0; i < 4; i++) await connection.NextSendAsync();
        connection.Cut();

        // Numbers 1 and 3 had been committed when the connection broke.
        connection = await node.LoginAsync(new Welcome(WindowSettled: 0b101));
        Assert.Equal(MessageState.Accepted, (await messages[0].Accepted.WaitAsync(FakeNode.Deadline)).State);
        Assert.Equal(MessageState.Accepted, (await messages[2].Accepted.WaitAsync(FakeNode.Deadline)).State);
        Assert.Equal([2UL, 4UL], new[] { await connection.NextSendAsync(), await connection.NextSendAsync() }.Select(s => s.Number));
        Assert.Empty(await connection.DrainAsync());
    }

    [Fact]
    public async Task Accepted_may_come_unasked_before_the_resend()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()));
        await client.StartAsync();
        var connection = await node.LoginAsync();
        var message = await client.SendAsync(Bob, "x"u8.ToArray());
        await connection.NextSendAsync();
        connection.Cut();
        connection = await node.LoginAsync();
        await connection.AcceptAsync(1);
        await connection.AcceptAsync(1);
        await connection.AcceptAsync(77);
        Assert.Equal(MessageState.Accepted, (await message.Accepted.WaitAsync(FakeNode.Deadline)).State);
        Assert.Equal(ClientState.Connected, client.State.State);
    }

    [Fact]
    public async Task No_number_leaves_that_is_64_or_more_above_the_lowest_open_one()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()));
        await client.StartAsync();
        var connection = await node.LoginAsync();
        await SendAsync(client, Bob, 200);
        for (var i = 1UL; i <= 64; i++) Assert.Equal(i, (await connection.NextSendAsync()).Number);
        Assert.Empty(await connection.DrainAsync());

        // Everything but the lowest is accepted: the window does not move.
        for (var i = 2UL; i <= 64; i++) await connection.AcceptAsync(i);
        Assert.Empty(await connection.DrainAsync());
        await connection.AcceptAsync(1);
        for (var i = 65UL; i <= 128; i++)
        {
            var sent = await connection.NextSendAsync();
            Assert.Equal(i, sent.Number);
            Assert.InRange(sent.Number - sent.LowestOpen, 0UL, 63UL);
            // The low mark is told only once the outcomes below it are durable, and no message waits longer than that.
            await connection.AcceptAsync(i);
        }
    }

    [Fact]
    public async Task A_temporary_refusal_is_resent_under_its_number_and_later_ones_to_that_recipient_follow_in_order()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()));
        await client.StartAsync();
        var connection = await node.LoginAsync();
        var bob = await SendAsync(client, Bob, 3);
        for (var i = 0; i < 3; i++) await connection.NextSendAsync();
        await connection.RefuseAsync(1, RefusalReason.MailboxFull, 5);
        Assert.Empty(await connection.DrainAsync());
        // Not answered yet: 2 and 3. Until they are, nothing goes to Bob, whatever the clock says; to Carol it does.
        await SendAsync(client, Bob, 1);
        await client.SendAsync(Carol, "carol"u8.ToArray());
        Assert.Equal((Carol, 5UL), await NextToAsync(connection));
        Assert.Empty(await connection.DrainAsync());
        await connection.RefuseAsync(2, RefusalReason.HeldForOrder);
        await connection.RefuseAsync(3, RefusalReason.HeldForOrder);

        // The first goes alone, to try; refused again, alone again.
        Assert.Equal((Bob, 1UL), await NextToAsync(connection));
        Assert.Empty(await connection.DrainAsync());
        await connection.RefuseAsync(1, RefusalReason.RateLimited, 1);
        Assert.Equal((Bob, 1UL), await NextToAsync(connection));
        await connection.AcceptAsync(1);
        for (var number = 2UL; number <= 4; number++) Assert.Equal((Bob, number), await NextToAsync(connection));
        foreach (var number in new[] { 4UL, 3UL, 2UL }) await connection.AcceptAsync(number);
        foreach (var message in bob) Assert.True((await message.Accepted.WaitAsync(FakeNode.Deadline)).IsAccepted);
    }

    [Fact]
    public async Task A_temporary_refusal_is_not_resent_before_its_time()
    {
        var time = new ManualTime();
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore(), time, pingInterval: TimeSpan.FromHours(1)));
        await client.StartAsync();
        var connection = await node.LoginAsync();
        await client.SendAsync(Bob, "x"u8.ToArray());
        await connection.NextSendAsync();
        await connection.RefuseAsync(1, RefusalReason.NodeFull, 10_000);
        Assert.Empty(await connection.DrainAsync());
        time.Advance(TimeSpan.FromMilliseconds(9_999));
        Assert.Empty(await connection.DrainAsync());
        // The jitter adds up to half.
        time.Advance(TimeSpan.FromMilliseconds(5_002));
        Assert.Equal(1UL, (await connection.NextSendAsync()).Number);
    }

    [Theory]
    [InlineData(RefusalReason.UnsupportedRecipient, MessageState.Refused)]
    [InlineData(RefusalReason.OutcomeUnknown, MessageState.OutcomeUnknown)]
    [InlineData((RefusalReason)999, MessageState.Refused)]
    public async Task A_final_refusal_is_told_and_closes_the_number(RefusalReason reason, MessageState state)
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore())) { MessageReceived = (_, _) => default };
        var settled = new TaskCompletionSource<SettledMessage>();
        client.MessageSettled += m => settled.TrySetResult(m);
        await client.StartAsync();
        var connection = await node.LoginAsync();
        var message = await client.SendAsync(Bob, "x"u8.ToArray());
        await connection.NextSendAsync();
        await connection.RefuseAsync(1, reason);
        var outcome = await message.Accepted.WaitAsync(FakeNode.Deadline);
        Assert.Equal(state, outcome.State);
        Assert.Equal(state == MessageState.Refused ? reason : RefusalReason.None, outcome.Refusal);
        Assert.Equal(outcome, await message.Delivered.WaitAsync(FakeNode.Deadline));
        Assert.Equal((message.Id, outcome), ((await settled.Task).Id, (await settled.Task).Outcome));
        await client.SendAsync(Bob, "y"u8.ToArray());
        var next = await connection.NextSendAsync();
        Assert.Equal((2UL, 2UL), (next.Number, next.LowestOpen));
    }

    [Fact]
    public async Task A_body_above_the_nodes_limit_is_refused_here_and_never_sent()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()));
        await client.StartAsync();
        var connection = await node.LoginAsync(new Welcome(MaxBodyBytes: 520));
        var large = await client.SendAsync(Bob, new byte[521]);
        var fits = await client.SendAsync(Bob, new byte[520]);
        Assert.Equal(RefusalReason.BodyTooLarge, (await large.Accepted.WaitAsync(FakeNode.Deadline)).Refusal);
        Assert.Equal((2UL, 520), (await connection.NextSendAsync()) is var s ? (s.Number, s.Body.Length) : default);
        Assert.False(fits.Accepted.IsCompleted);
        await Assert.ThrowsAsync<ArgumentException>(() => client.SendAsync(Bob, new byte[Wire.DefaultMaxBodyBytes + 1]));
        await Assert.ThrowsAsync<ArgumentException>(() => client.SendAsync(default, new byte[1]));
    }
}
