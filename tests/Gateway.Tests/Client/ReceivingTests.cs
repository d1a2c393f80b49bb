using System.Collections.Concurrent;
using System.Text;
using Gateway.Client;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Client;

/// <summary>From deliver to acknowledge: PROTOCOL.md, "Delivery".</summary>
public class ReceivingTests
{
    private static readonly Address Bob = new(AddressKind.User, 42);

    [Fact]
    public async Task A_message_is_acknowledged_after_its_handler_completed_and_not_before()
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        var gate = new TaskCompletionSource();
        var seen = new TaskCompletionSource<ReceivedMessage>();
        await using var client = new GatewayClient(node.Options(store))
        {
            MessageReceived = async (m, ct) =>
            {
                seen.TrySetResult(m);
                await gate.Task.WaitAsync(ct);
            },
        };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        await connection.DeliverAsync(100, 0, "hello", Bob, number: 9);
        var message = await seen.Task.WaitAsync(FakeNode.Deadline);
        Assert.Equal((100UL, Bob, 1U, 9UL, "hello"), (message.Sequence, message.From, message.Incarnation, message.Number, Encoding.UTF8.GetString(message.Body.Span)));
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(1_700_000_000), message.EnqueuedAt);
        Assert.Empty(await connection.DrainAsync());
        Assert.Equal(0UL, (await store.OpenAsync(FakeNode.Device, default)).Position);
        gate.SetResult();
        Assert.Equal(100UL, await connection.NextAcknowledgeAsync());
        Assert.Equal(100UL, (await store.OpenAsync(FakeNode.Device, default)).Position);
    }

    [Fact]
    public async Task Frames_that_come_a_byte_at_a_time_and_right_behind_the_welcome_are_understood()
    {
        await using var node = new FakeNode();
        var bodies = new ConcurrentQueue<int>();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()))
        {
            MessageReceived = (m, _) =>
            {
                bodies.Enqueue(m.Body.Length);
                return default;
            },
        };
        await client.StartAsync();
        var connection = await node.AcceptAsync();
        connection.OneByteAtATime = true;
        var login = await connection.ReadAuthenticateAsync();
        await connection.WriteWelcomeAsync(new Welcome(), login);
        await connection.DeliverAsync(1, 0, "hello");
        connection.OneByteAtATime = false;
        // Longer than a segment of the pipe, so that it straddles several; longer than the node's own limit of today, too.
        await connection.DeliverAsync(2, 1, new string('x', 100_000));
        connection.Start();
        while (await connection.NextAcknowledgeAsync() != 2)
        {
        }

        Assert.Equal([5, 100_000], bodies);
    }

    [Fact]
    public async Task A_repetition_is_dropped_and_acknowledged()
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        var handled = new ConcurrentQueue<ulong>();
        await using var client = new GatewayClient(node.Options(store)) { MessageReceived = Note(handled) };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        await connection.DeliverAsync(5);
        Assert.Equal(5UL, await connection.NextAcknowledgeAsync());
        // Once more on the same connection, as after 30 s without an answer.
        await connection.DeliverAsync(5, flags: DeliverFlags.Redelivered);
        Assert.Equal(5UL, await connection.NextAcknowledgeAsync());
        connection.Cut();
        // And on the next one: the node lost the acknowledgement.
        connection = await node.LoginAsync();
        Assert.Equal(5UL, connection.Client.Resume);
        await connection.DeliverAsync(5, flags: DeliverFlags.Redelivered);
        Assert.Equal(5UL, await connection.NextAcknowledgeAsync());
        await connection.DeliverAsync(6, 5);
        Assert.Equal(6UL, await connection.NextAcknowledgeAsync());
        Assert.Equal([5UL, 6UL], handled);
    }

    [Fact]
    public async Task What_is_stored_between_a_login_and_the_beginning_of_its_session_is_acknowledged_too()
    {
        await using var node = new FakeNode();
        var gate = new TaskCompletionSource();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()))
        {
            MessageReceived = async (_, ct) => await gate.Task.WaitAsync(ct),
        };
        var logins = 0;
        client.StateChanged += change =>
        {
            // Called between the two: the handler catches up with what was queued, and then nothing more comes that would tell the session.
            if (change.State != ClientState.Connected || ++logins != 2) return;
            gate.SetResult();
            Assert.True(SpinWait.SpinUntil(() => client.Status.Position == 3, FakeNode.Deadline));
        };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        for (var i = 1UL; i <= 3; i++) await connection.DeliverAsync(i, i - 1);
        await connection.DrainAsync();
        connection.Cut();

        connection = await node.LoginAsync();
        Assert.Equal(0UL, connection.Client.Resume);
        for (var i = 1UL; i <= 3; i++) await connection.DeliverAsync(i, i - 1, flags: DeliverFlags.Redelivered);
        while (await connection.NextAcknowledgeAsync() != 3)
        {
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_was_queued_when_the_connection_broke_is_processed_once_and_acknowledged_on_the_next(bool repeatedWhileQueued)
    {
        await using var node = new FakeNode();
        var gate = new TaskCompletionSource();
        var handled = new ConcurrentQueue<ulong>();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()))
        {
            MessageReceived = async (m, ct) =>
            {
                await gate.Task.WaitAsync(ct);
                handled.Enqueue(m.Sequence);
            },
        };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        for (var i = 1UL; i <= 3; i++) await connection.DeliverAsync(i, i - 1);
        await connection.DrainAsync();
        connection.Cut();
        connection = await node.LoginAsync();
        Assert.Equal(0UL, connection.Client.Resume);
        if (repeatedWhileQueued)
        {
            for (var i = 1UL; i <= 3; i++) await connection.DeliverAsync(i, i - 1);
            Assert.Empty(await connection.DrainAsync());
            gate.SetResult();
        }
        else
        {
            gate.SetResult();
            await WaitUntil.TrueAsync(() => handled.Count == 3);
            // Nothing was delivered here yet, so nothing may be acknowledged here.
            Assert.Empty(await connection.DrainAsync());
            for (var i = 1UL; i <= 3; i++) await connection.DeliverAsync(i, i - 1);
        }

        await connection.DeliverAsync(4, 3);
        while (await connection.NextAcknowledgeAsync() != 4)
        {
        }

        Assert.Equal([1UL, 2UL, 3UL, 4UL], handled);
    }

    [Fact]
    public async Task A_gap_is_told_and_the_message_processed()
    {
        await using var node = new FakeNode();
        var gaps = new ConcurrentQueue<SequenceGap>();
        var handled = new ConcurrentQueue<ulong>();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore())) { MessageReceived = Note(handled) };
        client.GapDetected += gaps.Enqueue;
        await client.StartAsync();
        var connection = await node.LoginAsync();
        // The first ever says nothing about a gap; holes in the sequence are none either.
        await connection.DeliverAsync(10, 7);
        await connection.DeliverAsync(20, 10);
        await connection.DeliverAsync(40, 30);
        await connection.ReceiptAsync(60, ReceiptKind.Delivered, Bob, 1, [1], previous: 50);
        while (await connection.NextAcknowledgeAsync() != 60)
        {
        }

        Assert.Equal([new SequenceGap(20, 30), new SequenceGap(40, 50)], gaps);
        Assert.Equal([10UL, 20UL, 40UL], handled);
    }

    [Fact]
    public async Task A_handler_that_throws_sees_the_message_again_and_nothing_is_acknowledged_meanwhile()
    {
        await using var node = new FakeNode();
        var attempts = 0;
        var faults = new ConcurrentQueue<ClientFault>();
        var twice = new TaskCompletionSource();
        var fix = new TaskCompletionSource();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()))
        {
            MessageReceived = async (m, ct) =>
            {
                if (m.Sequence != 1) return;
                var attempt = Interlocked.Increment(ref attempts);
                if (attempt == 3)
                {
                    twice.SetResult();
                    await fix.Task.WaitAsync(ct);
                }

                if (attempt < 4) throw new InvalidOperationException("not now");
            },
        };
        client.Faulted += faults.Enqueue;
        await client.StartAsync();
        var connection = await node.LoginAsync();
        await connection.DeliverAsync(1);
        await connection.DeliverAsync(2, 1);
        await twice.Task.WaitAsync(FakeNode.Deadline);
        Assert.Empty(await connection.DrainAsync());
        fix.SetResult();
        while (await connection.NextAcknowledgeAsync() != 2)
        {
        }

        Assert.Equal(4, attempts);
        Assert.Equal([(FaultSource.Handler, 1UL, 1), (FaultSource.Handler, 1UL, 2), (FaultSource.Handler, 1UL, 3)], faults.Select(f => (f.Source, f.Sequence, f.Attempt)));
    }

    [Fact]
    public async Task Receipts_reach_their_handler_in_order_with_messages()
    {
        await using var node = new FakeNode();
        var order = new ConcurrentQueue<string>();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()))
        {
            MessageReceived = (m, _) =>
            {
                order.Enqueue($"message {m.Sequence}");
                return default;
            },
            ReceiptReceived = (r, _) =>
            {
                order.Enqueue($"{r.Kind} {r.Sequence}: {string.Join(',', r.Numbers)} of {r.Incarnation} by {r.Peer}");
                return default;
            },
        };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        await connection.DeliverAsync(1);
        await connection.ReceiptAsync(2, ReceiptKind.Read, Bob, 77, [4, 5], previous: 1);
        await connection.DeliverAsync(3, 2);
        while (await connection.NextAcknowledgeAsync() != 3)
        {
        }

        Assert.Equal(["message 1", "Read 2: 4,5 of 77 by 42", "message 3"], order);
    }

    [Fact]
    public async Task The_stored_position_is_where_the_next_run_resumes()
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        await using (var first = new GatewayClient(node.Options(store)) { MessageReceived = (_, _) => default })
        {
            await first.StartAsync();
            var connection = await node.LoginAsync();
            await connection.DeliverAsync(1234);
            await connection.NextAcknowledgeAsync();
        }

        await using var second = new GatewayClient(node.Options(store)) { MessageReceived = (_, _) => default };
        await second.StartAsync();
        Assert.Equal((1234UL, 1U), (await node.LoginAsync()).Client is var c ? (c.Resume, c.Incarnation) : default);
    }

    [Theory]
    [InlineData(5UL, 3UL)]
    [InlineData(1UL, 1UL)]
    public async Task An_application_that_keeps_its_own_position_sees_exactly_what_it_lacks(ulong applications, ulong resumed)
    {
        // The store has 1..3. The application stored its effects up to its own position: ahead of the store after a crash between the two,
        // behind it when it was itself put back from a copy.
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        await store.OpenAsync(FakeNode.Device, default);
        for (var i = 1UL; i <= 3; i++)
            await store.RecordMessageAsync(new ReceivedMessage(i, i - 1, Bob, 1, i, DateTimeOffset.UnixEpoch, false, default), MessageState.Received);
        var handled = new ConcurrentQueue<ulong>();
        await using var client = new GatewayClient(node.Options(store, resumePosition: _ => ValueTask.FromResult(applications))) { MessageReceived = Note(handled) };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        Assert.Equal(resumed, connection.Client.Resume);
        for (var i = resumed + 1; i <= 7; i++) await connection.DeliverAsync(i, i - 1);
        while (await connection.NextAcknowledgeAsync() != 7)
        {
        }

        Assert.Equal(Enumerable.Range((int)applications + 1, 7 - (int)applications).Select(i => (ulong)i), handled);
        Assert.Equal([7UL, 6UL, 5UL, 4UL, 3UL, 2UL, 1UL], (await store.ReadHistoryAsync(null, long.MaxValue, 99)).Select(e => e.Sequence));
    }

    [Fact]
    public async Task Without_a_handler_nothing_is_asked_for_and_nothing_acknowledged()
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        await using var client = new GatewayClient(node.Options(store));
        await client.StartAsync();
        var connection = await node.LoginAsync();
        Assert.Equal(0U, connection.Client.CreditMessages);
        await connection.DeliverAsync(1);
        await connection.ReceiptAsync(2, ReceiptKind.Delivered, Bob, 1, [1]);
        Assert.Empty(await connection.DrainAsync());
        Assert.Equal(0UL, (await store.OpenAsync(FakeNode.Device, default)).Position);
        Assert.Throws<InvalidOperationException>(() => client.MessageReceived = (_, _) => default);
    }

    [Fact]
    public async Task A_node_that_delivers_far_more_than_the_credit_is_cut_off_and_nothing_is_lost()
    {
        await using var node = new FakeNode();
        var gate = new TaskCompletionSource();
        var changes = new ConcurrentQueue<ClientStateChange>();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore(), creditMessages: 4)) { MessageReceived = async (_, ct) => await gate.Task.WaitAsync(ct) };
        client.StateChanged += changes.Enqueue;
        await client.StartAsync();
        var connection = await node.LoginAsync();
        for (var i = 1UL; i <= 200; i++)
        {
            try
            {
                await connection.DeliverAsync(i, i - 1);
            }
            catch (System.Net.Sockets.SocketException)
            {
                break;
            }
        }

        await connection.WaitForEndAsync();
        await WaitUntil.TrueAsync(() => changes.Any(c => c.Reason == DisconnectReason.ProtocolViolation));
        Assert.InRange(client.Status.QueuedDeliveries, 1, 2 * 4 + 64);
        gate.SetResult();
    }

    [Fact]
    public async Task Stopping_tells_the_handler_acknowledges_what_was_processed_and_leaves_the_rest()
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        var second = new TaskCompletionSource();
        await using var client = new GatewayClient(node.Options(store, acknowledgeEvery: 1000, acknowledgeWithin: TimeSpan.FromHours(1)))
        {
            MessageReceived = async (m, ct) =>
            {
                if (m.Sequence == 1) return;
                second.SetResult();
                await Task.Delay(Timeout.Infinite, ct);
            },
        };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        await connection.DeliverAsync(1);
        await connection.DeliverAsync(2, 1);
        await second.Task.WaitAsync(FakeNode.Deadline);
        await client.StopAsync();
        Assert.Equal(1UL, await connection.NextAcknowledgeAsync());
        await connection.WaitForEndAsync();
        Assert.Equal(1UL, (await store.OpenAsync(FakeNode.Device, default)).Position);
        Assert.Equal(DisconnectReason.Requested, (await client.Completion).Reason);
    }

    [Fact]
    public async Task Ephemerals_pass_both_ways_and_unknown_kinds_are_ignored()
    {
        await using var node = new FakeNode();
        var seen = new ConcurrentQueue<ReceivedEphemeral>();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()));
        client.EphemeralReceived += seen.Enqueue;
        Assert.False(client.TrySendEphemeral(Bob, EphemeralKind.Typing));
        await client.StartAsync();
        var connection = await node.LoginAsync();
        await client.WaitForConnectionAsync().WaitAsync(FakeNode.Deadline);
        Assert.True(client.TrySendEphemeral(Bob, EphemeralKind.Typing, "x"u8));
        var frame = await connection.NextAsync();
        Assert.True(frame.Type == FrameType.Ephemeral && EphemeralFrame.TryParse(frame.Payload, out var sent, out _) && sent.Peer == Bob && sent.Kind == EphemeralKind.Typing && sent.Data.Length == 1);
        await connection.EphemeralAsync(Bob, EphemeralKind.StoppedTyping);
        await connection.EphemeralAsync(Bob, (EphemeralKind)77);
        await connection.EphemeralAsync(Bob, (EphemeralKind)200);
        await connection.DrainAsync();
        Assert.Equal([EphemeralKind.StoppedTyping, (EphemeralKind)200], seen.Select(e => e.Kind));
    }

    private static Func<ReceivedMessage, CancellationToken, ValueTask> Note(ConcurrentQueue<ulong> handled) => (m, _) =>
    {
        handled.Enqueue(m.Sequence);
        return default;
    };
}
