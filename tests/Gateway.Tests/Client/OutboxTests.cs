using Gateway.Client;
using Gateway.Protocol;
using Xunit;
using static Gateway.Tests.Client.SendingSteps;

namespace Gateway.Tests.Client;

/// <summary>What the application has of the outbox: order, limits, waiting, giving up, and what an earlier run left.</summary>
public class OutboxTests
{
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
}
