using System.Text;
using Gateway.Client;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Client;

/// <summary>From SendAsync to the double check: PROTOCOL.md, "Window" and "Refusals".</summary>
public class SendingTests
{
    private static readonly Address Bob = new(AddressKind.User, 42);
    private static readonly Address Carol = new(AddressKind.User, 43);

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
    public async Task A_message_written_before_the_first_login_is_sent_after_it()
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        await using var client = new GatewayClient(node.Options(store));
        await client.StartAsync();
        var message = await client.SendAsync(Bob, "early"u8.ToArray());
        var connection = await node.LoginAsync(new Welcome(Incarnation: 9));
        Assert.Equal("early", Text(await connection.NextSendAsync()));
        await connection.AcceptAsync(1);
        await message.Accepted.WaitAsync(FakeNode.Deadline);
        Assert.Equal(9U, (await store.FindAsync(message.Id))!.Incarnation);
    }

    [Fact]
    public async Task The_caller_may_reuse_its_buffer()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()));
        await client.StartAsync();
        var buffer = "first"u8.ToArray();
        await client.SendAsync(Bob, buffer);
        Array.Clear(buffer);
        Assert.Equal("first", Text(await (await node.LoginAsync()).NextSendAsync()));
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

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_long_outbox_goes_out_in_order_though_memory_holds_a_window_of_it(int seed)
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        const int count = 1000;
        await using (var offline = new GatewayClient(node.Options(store)))
        {
            await offline.StartAsync();
            await SendAsync(offline, Bob, count);
        }

        await using var client = new GatewayClient(node.Options(store));
        await client.StartAsync();
        var connection = await AcceptLatestAsync(node);
        var random = new Random(seed);
        var unanswered = new List<ulong>();
        for (var expected = 1UL; expected <= count; expected++)
        {
            var sent = await connection.NextSendAsync();
            Assert.Equal((expected, $"{expected}"), (sent.Number, Text(sent)));
            Assert.InRange(sent.Number - sent.LowestOpen, 0UL, 63UL);
            unanswered.Add(sent.Number);
            // Answers in any order, but never so late that the window is shut.
            while (unanswered.Count != 0 && (unanswered.Count > 20 || expected == count || expected - unanswered[0] > 30 || random.Next(2) == 0))
            {
                var i = expected - unanswered[0] > 30 ? 0 : random.Next(unanswered.Count);
                await connection.AcceptAsync(unanswered[i]);
                unanswered.RemoveAt(i);
            }
        }

        await client.FlushAsync().WaitAsync(FakeNode.Deadline);
        Assert.Equal(0, client.Status.OpenMessages);
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

    [Fact]
    public async Task A_receipt_for_an_open_number_says_that_it_was_accepted()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore())) { MessageReceived = (_, _) => default };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        var message = await client.SendAsync(Bob, "x"u8.ToArray());
        await connection.NextSendAsync();
        await connection.ReceiptAsync(5, ReceiptKind.Rejected, Bob, 1, [1], reason: 12);
        Assert.True((await message.Accepted.WaitAsync(FakeNode.Deadline)).IsAccepted);
        Assert.Equal(new SendOutcome(MessageState.Rejected, 12), await message.Delivered.WaitAsync(FakeNode.Deadline));
    }

    [Fact]
    public async Task A_read_receipt_whoever_wrote_it_does_not_close_an_open_message()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore())) { MessageReceived = (_, _) => default };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        var message = await client.SendAsync(Bob, "hello"u8.ToArray());
        await connection.NextSendAsync();
        await connection.ReceiptAsync(1000, ReceiptKind.Read, Bob, 1, [1]);
        Assert.Equal(1000UL, await connection.NextAcknowledgeAsync());
        Assert.False(message.Accepted.IsCompleted);
        connection.Cut();

        connection = await node.LoginAsync();
        Assert.Equal(1UL, (await connection.NextSendAsync()).Number);
        await connection.AcceptAsync(1);
        Assert.Equal(new SendOutcome(MessageState.Accepted), await message.Accepted.WaitAsync(FakeNode.Deadline));
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
    public async Task A_full_outbox_throws_when_told_to()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore(), maxOutbox: 3, whenFull: OutboxFullMode.Throw));
        await client.StartAsync();
        await SendAsync(client, Bob, 3);
        var error = await Assert.ThrowsAsync<OutboxFullException>(() => client.SendAsync(Bob, new byte[1]));
        Assert.Equal(3, error.Limit);
        var connection = await node.LoginAsync();
        await connection.NextSendAsync();
        await connection.AcceptAsync(1);
        await connection.NextSendAsync();
        await connection.NextSendAsync();
        await WaitUntil.TrueAsync(() => client.Status.OpenMessages == 2);
        await client.SendAsync(Bob, new byte[1]);
        await Assert.ThrowsAsync<OutboxFullException>(() => client.SendAsync(Bob, new byte[1]));
    }

    [Fact]
    public async Task A_full_outbox_makes_senders_wait_for_room_or_for_their_cancellation()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore(), maxOutbox: 2));
        await client.StartAsync();
        await SendAsync(client, Bob, 2);
        using var cancel = new CancellationTokenSource();
        var cancelled = client.SendAsync(Bob, "never"u8.ToArray(), null, cancel.Token);
        var waiting = client.SendAsync(Bob, "third"u8.ToArray());
        Assert.False(cancelled.IsCompleted);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        Assert.False(waiting.IsCompleted);
        var connection = await node.LoginAsync();
        await connection.NextSendAsync();
        await connection.NextSendAsync();
        await connection.AcceptAsync(1);
        await waiting.WaitAsync(FakeNode.Deadline);
        Assert.Equal("third", Text(await connection.NextSendAsync()));
    }

    [Fact]
    public async Task Room_above_a_limit_that_was_lowered_since_is_not_given_twice()
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        await using (var before = new GatewayClient(node.Options(store)))
        {
            await before.StartAsync();
            await SendAsync(before, Bob, 5);
        }

        await using var client = new GatewayClient(node.Options(store, maxOutbox: 3, whenFull: OutboxFullMode.Throw));
        await client.StartAsync();
        var connection = await AcceptLatestAsync(node);
        for (var i = 0; i < 5; i++) await connection.NextSendAsync();
        for (var i = 1UL; i <= 2; i++) await connection.AcceptAsync(i);
        await WaitUntil.TrueAsync(() => client.Status.OpenMessages == 3);
        await Assert.ThrowsAsync<OutboxFullException>(() => client.SendAsync(Bob, new byte[1]));
        await connection.AcceptAsync(3);
        await WaitUntil.TrueAsync(() => client.Status.OpenMessages == 2);
        await client.SendAsync(Bob, new byte[1]);
    }

    [Fact]
    public async Task Flush_waits_for_what_was_there_and_not_for_what_comes_after()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()));
        await client.StartAsync();
        await client.FlushAsync();
        var connection = await node.LoginAsync();
        await SendAsync(client, Bob, 2);
        var flush = client.FlushAsync();
        await SendAsync(client, Bob, 1);
        for (var i = 0; i < 3; i++) await connection.NextSendAsync();
        await connection.AcceptAsync(1);
        await connection.DrainAsync();
        Assert.False(flush.IsCompleted);
        await connection.RefuseAsync(2, RefusalReason.UnsupportedRecipient);
        await flush.WaitAsync(FakeNode.Deadline);
        Assert.Equal(1, client.Status.OpenMessages);

        using var cancel = new CancellationTokenSource();
        var cancelled = client.FlushAsync(cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
    }

    [Fact]
    public async Task An_abandoned_message_is_passed_by_the_low_mark_and_holds_nobody()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()));
        await client.StartAsync();
        var connection = await node.LoginAsync();
        var messages = await SendAsync(client, Bob, 2);
        await connection.NextSendAsync();
        await connection.NextSendAsync();
        await connection.RefuseAsync(1, RefusalReason.MailboxFull, 3_600_000);
        await connection.RefuseAsync(2, RefusalReason.HeldForOrder);
        await connection.DrainAsync();
        Assert.True(await client.AbandonAsync(messages[0].Id));
        Assert.False(await client.AbandonAsync(messages[0].Id));
        Assert.Equal(MessageState.Abandoned, (await messages[0].Accepted.WaitAsync(FakeNode.Deadline)).State);
        await client.SendAsync(Carol, "c"u8.ToArray());
        var sent = await connection.NextSendAsync();
        Assert.Equal((3UL, 2UL), (sent.Number, sent.LowestOpen));
    }

    [Fact]
    public async Task An_abandoned_message_that_memory_does_not_hold_is_never_sent()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()));
        await client.StartAsync();
        var messages = await SendAsync(client, Bob, 130);
        Assert.True(await client.AbandonAsync(messages[99].Id));
        var connection = await node.LoginAsync();
        for (var number = 1UL; number <= 130; number++)
        {
            if (number == 100) continue;
            Assert.Equal(number, (await connection.NextSendAsync()).Number);
            await connection.AcceptAsync(number);
        }

        await client.FlushAsync().WaitAsync(FakeNode.Deadline);
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

    [Fact]
    public async Task Outcomes_of_messages_from_an_earlier_run_are_told_by_event()
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        long id;
        await using (var before = new GatewayClient(node.Options(store)))
        {
            await before.StartAsync();
            id = (await before.SendAsync(Bob, "x"u8.ToArray())).Id;
        }

        await using var client = new GatewayClient(node.Options(store));
        var settled = new TaskCompletionSource<SettledMessage>();
        client.MessageSettled += m => settled.TrySetResult(m);
        await client.StartAsync();
        var connection = await AcceptLatestAsync(node);
        await connection.NextSendAsync();
        await connection.AcceptAsync(1);
        Assert.Equal(new SettledMessage(id, Bob, new SendOutcome(MessageState.Accepted)), await settled.Task.WaitAsync(FakeNode.Deadline));
    }

    /// <summary>Logs in the first connection that lives; one of an earlier client may be waiting before it.</summary>
    private static async Task<FakeConnection> AcceptLatestAsync(FakeNode node)
    {
        while (true)
        {
            try
            {
                return await node.LoginAsync();
            }
            catch (Exception e) when (e is EndOfStreamException or System.Net.Sockets.SocketException)
            {
                // The client that made it has stopped.
            }
        }
    }

    private static async Task<OutboxMessage[]> SendAsync(GatewayClient client, Address to, int count)
    {
        var messages = new OutboxMessage[count];
        for (var i = 0; i < count; i++) messages[i] = await client.SendAsync(to, Encoding.UTF8.GetBytes($"{i + 1}"));
        return messages;
    }

    private static async Task<(Address, ulong)> NextToAsync(FakeConnection connection)
    {
        var sent = await connection.NextSendAsync();
        return (sent.To, sent.Number);
    }

    private static (uint, string) ReadOf(SentMessage sent)
    {
        Assert.True(ReadBody.TryParse(sent.Body, out var incarnation, out var numbers));
        return (incarnation, string.Join(',', System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(numbers).ToArray()));
    }

    private static string Text(SentMessage sent) => Encoding.UTF8.GetString(sent.Body);
}

internal static class WaitUntil
{
    /// <summary>Waits for a state that another thread brings about; the deadline is generous because it is only met in failure.</summary>
    public static async Task TrueAsync(Func<bool> holds)
    {
        using var deadline = new CancellationTokenSource(FakeNode.Deadline);
        while (!holds()) await Task.Delay(1, deadline.Token);
    }
}
