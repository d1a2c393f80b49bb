using System.Collections.Concurrent;
using Gateway.Client;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Client;

/// <summary>Logging in, staying connected, coming back and staying away: PROTOCOL.md, "Handshake", "Liveness", "Ending", "Error codes".</summary>
public class ConnectionTests
{
    private static readonly Address Bob = new(AddressKind.User, 42);

    [Fact]
    public async Task A_client_proves_its_key_and_logs_in()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore())) { MessageReceived = (_, _) => default };
        var changes = new ConcurrentQueue<ClientStateChange>();
        client.StateChanged += changes.Enqueue;
        await client.StartAsync();
        var connection = await node.LoginAsync();
        await client.WaitForConnectionAsync().WaitAsync(FakeNode.Deadline);
        Assert.Equal(new ClientLogin(FakeNode.Device, 0, 0, 256, true), connection.Client);
        Assert.Equal([ClientState.Connecting, ClientState.Connected], changes.Select(c => c.State));
        await client.StopAsync();
        Assert.Equal(ClientState.Stopped, changes.Last().State);
    }

    [Fact]
    public async Task A_node_that_cannot_prove_itself_gets_nothing_and_is_not_come_back_to()
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        await using var client = new GatewayClient(node.Options(store));
        await client.StartAsync();
        var message = await client.SendAsync(Bob, "secret"u8.ToArray());
        var connection = await node.LoginAsync(new Welcome(Incarnation: 66, WrongProof: true));
        var last = await client.Completion.WaitAsync(FakeNode.Deadline);
        Assert.Equal(DisconnectReason.NodeNotAuthentic, last.Reason);
        await connection.WaitForEndAsync();
        await Assert.ThrowsAnyAsync<System.Threading.Channels.ChannelClosedException>(connection.NextAsync);
        Assert.Equal(0U, (await store.OpenAsync(FakeNode.Device, default)).Incarnation);
        var error = await Assert.ThrowsAsync<ClientStoppedException>(() => message.Accepted);
        Assert.Equal(DisconnectReason.NodeNotAuthentic, error.Change.Reason);
        await Assert.ThrowsAsync<ClientStoppedException>(() => client.WaitForConnectionAsync());
    }

    [Theory]
    [InlineData(ErrorCode.AuthenticationFailed)]
    [InlineData(ErrorCode.KeyRevoked)]
    [InlineData(ErrorCode.ResumeAhead)]
    [InlineData(ErrorCode.UnsupportedVersion)]
    public async Task An_error_that_forbids_coming_back_stops_the_client_and_says_so(ErrorCode code)
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()));
        await client.StartAsync();
        var connection = await node.AcceptAsync();
        await connection.ReadAuthenticateAsync();
        await connection.ErrorAsync(code, "why it is so");
        var last = await client.Completion.WaitAsync(FakeNode.Deadline);
        Assert.Equal((ClientState.Stopped, DisconnectReason.NodeError, code, "why it is so"), (last.State, last.Reason, last.Code, last.Detail));
    }

    [Fact]
    public async Task A_take_over_stops_the_client_and_what_is_open_stays_in_the_outbox()
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        await using var client = new GatewayClient(node.Options(store));
        await client.StartAsync();
        var connection = await node.LoginAsync();
        var message = await client.SendAsync(Bob, "x"u8.ToArray());
        var flush = client.FlushAsync();
        await connection.NextSendAsync();
        await connection.ErrorAsync(ErrorCode.TakenOver);
        Assert.Equal(ErrorCode.TakenOver, (await client.Completion.WaitAsync(FakeNode.Deadline)).Code);
        Assert.Equal(ErrorCode.TakenOver, (await Assert.ThrowsAsync<ClientStoppedException>(() => message.Accepted)).Change.Code);
        await Assert.ThrowsAsync<ClientStoppedException>(() => flush);
        await Assert.ThrowsAsync<ClientStoppedException>(() => client.SendAsync(Bob, new byte[1]));
        Assert.Equal(1, (await store.OpenAsync(FakeNode.Device, default)).OpenCount);
    }

    [Fact]
    public async Task A_fenced_incarnation_makes_open_messages_unknown_and_a_fresh_one_is_used()
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        await using var client = new GatewayClient(node.Options(store));
        await client.StartAsync();
        var connection = await node.LoginAsync(new Welcome(Incarnation: 5));
        var messages = new List<OutboxMessage>();
        for (var i = 0; i < 70; i++) messages.Add(await client.SendAsync(Bob, new[] { (byte)i }));
        for (var i = 0; i < 64; i++) await connection.NextSendAsync();
        connection.Cut();

        connection = await node.AcceptAsync();
        Assert.Equal(5U, (await connection.ReadAuthenticateAsync()).Client.Incarnation);
        await connection.ErrorAsync(ErrorCode.IncarnationFenced);

        connection = await node.LoginAsync(new Welcome(Incarnation: 6));
        Assert.Equal(0U, connection.Client.Incarnation);
        foreach (var message in messages) Assert.Equal(MessageState.OutcomeUnknown, (await message.Accepted.WaitAsync(FakeNode.Deadline)).State);
        // Nothing is sent again by itself, also not the six that had never left: a copy of this store may have sent them.
        Assert.Empty(await connection.DrainAsync());
        await client.SendAsync(Bob, new byte[] { 99 });
        var sent = await connection.NextSendAsync();
        Assert.Equal((1UL, 1UL, (byte)99), (sent.Number, sent.LowestOpen, sent.Body[0]));
        Assert.Equal(6U, (await store.OpenAsync(FakeNode.Device, default)).Incarnation);
    }

    [Fact]
    public async Task A_welcome_with_another_incarnation_is_a_fault_of_the_node_and_costs_no_message()
    {
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        await store.OpenAsync(FakeNode.Device, default);
        await store.SetIncarnationAsync(5, 1);
        await using var client = new GatewayClient(node.Options(store, reconnect: false));
        await client.StartAsync();
        await client.SendAsync(Bob, "x"u8.ToArray());
        var connection = await node.LoginAsync(new Welcome(Incarnation: 6));
        await connection.WaitForEndAsync();
        Assert.Equal(DisconnectReason.ProtocolViolation, (await client.Completion.WaitAsync(FakeNode.Deadline)).Reason);
        var snapshot = await store.OpenAsync(FakeNode.Device, default);
        Assert.Equal((5U, 1), (snapshot.Incarnation, snapshot.OpenCount));
    }

    [Theory]
    [InlineData(9UL, 0UL)]
    [InlineData(1UL, 0b1000UL)]
    public async Task A_store_that_is_an_old_copy_is_recognised_and_its_numbers_are_not_used_again(ulong windowLow, ulong settled)
    {
        // The store gave number 1 only; the node has a low mark of 9, or number 4 settled: another life of this store gave those.
        await using var node = new FakeNode();
        var store = new MemoryMessageStore();
        await store.OpenAsync(FakeNode.Device, default);
        await store.SetIncarnationAsync(5, 1);
        await using var client = new GatewayClient(node.Options(store));
        await client.StartAsync();
        var message = await client.SendAsync(Bob, "x"u8.ToArray());
        var connection = await node.LoginAsync(new Welcome(WindowLow: windowLow, WindowSettled: settled));
        await connection.WaitForEndAsync();
        Assert.Equal(MessageState.OutcomeUnknown, (await message.Accepted.WaitAsync(FakeNode.Deadline)).State);
        connection = await node.LoginAsync(new Welcome(Incarnation: 6));
        Assert.Equal(0U, connection.Client.Incarnation);
    }

    [Fact]
    public async Task Silence_is_broken_by_a_ping_and_a_node_that_stays_silent_is_left()
    {
        var time = new ManualTime();
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore(), time, pingInterval: TimeSpan.FromSeconds(30), pingTimeout: TimeSpan.FromSeconds(20)));
        var changes = new ConcurrentQueue<ClientStateChange>();
        client.StateChanged += changes.Enqueue;
        await client.StartAsync();
        var connection = await node.LoginAsync();
        connection.AnswersPings = false;
        await client.WaitForConnectionAsync().WaitAsync(FakeNode.Deadline);
        Assert.Empty(await connection.DrainAsync());
        time.Advance(TimeSpan.FromSeconds(29));
        Assert.Empty(await connection.DrainAsync());
        time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(FrameType.Ping, (await connection.NextAsync()).Type);
        // The node does not answer, but it speaks: it lives.
        await connection.DrainAsync();
        time.Advance(TimeSpan.FromSeconds(49));
        await connection.DrainAsync();
        Assert.Equal(ClientState.Connected, client.State.State);
        Assert.Equal(2, changes.Count);

        // Now it is half open: the socket stands, nothing comes.
        await AdvanceUntilAsync(time, TimeSpan.FromSeconds(10), () => changes.Any(c => c.Reason == DisconnectReason.DeadPeer));
        await AdvanceUntilAsync(time, TimeSpan.FromSeconds(1), () => changes.Last().State == ClientState.Connecting);
        await node.LoginAsync();
    }

    [Fact]
    public async Task A_node_that_reads_nothing_is_left_though_output_is_stuck()
    {
        var time = new ManualTime();
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore(), time));
        var changes = new ConcurrentQueue<ClientStateChange>();
        client.StateChanged += changes.Enqueue;
        await client.StartAsync();
        var connection = await node.AcceptAsync();
        await connection.WriteWelcomeAsync(new Welcome(), await connection.ReadAuthenticateAsync());
        await client.WaitForConnectionAsync().WaitAsync(FakeNode.Deadline);
        // 64 bodies of 64 KiB: more than the kernel holds for a reader that does not read.
        for (var i = 0; i < 64; i++) await client.SendAsync(Bob, new byte[64 * 1024]);
        await AdvanceUntilAsync(time, TimeSpan.FromMinutes(10), () => changes.Any(c => c.Reason == DisconnectReason.DeadPeer));
    }

    [Fact]
    public async Task The_nodes_pings_are_answered_with_their_token()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()));
        await client.StartAsync();
        var connection = await node.LoginAsync();
        var ping = new byte[PingFrame.FrameBytes];
        PingFrame.Write(ping, 0xFEED);
        await connection.WriteAsync(ping);
        var pong = await connection.NextAsync();
        Assert.True(pong.Type == FrameType.Pong && PingFrame.TryParse(pong.Payload, out var frame, out _) && frame.Token == 0xFEED);
    }

    [Fact]
    public async Task Go_away_lets_what_is_in_flight_be_answered_sends_nothing_new_and_comes_back_after_the_hint()
    {
        var time = new ManualTime();
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore(), time));
        var changes = new ConcurrentQueue<ClientStateChange>();
        client.StateChanged += changes.Enqueue;
        await client.StartAsync();
        var connection = await node.LoginAsync();
        var first = await client.SendAsync(Bob, "1"u8.ToArray());
        await connection.NextSendAsync();
        await connection.GoAwayAsync(8_000);
        Assert.Empty(await connection.DrainAsync());
        await client.SendAsync(Bob, "2"u8.ToArray());
        Assert.Empty(await connection.DrainAsync());
        await connection.AcceptAsync(1);
        await first.Accepted.WaitAsync(FakeNode.Deadline);
        await connection.WaitForEndAsync();

        await WaitUntil.TrueAsync(() => changes.Last().State == ClientState.Waiting);
        var waiting = changes.Last();
        Assert.Equal((DisconnectReason.GoAway, ErrorCode.ShuttingDown), (waiting.Reason, waiting.Code));
        Assert.InRange(waiting.RetryIn, TimeSpan.FromSeconds(8), TimeSpan.FromSeconds(10));
        await WaitUntil.TrueAsync(() => time.Waiting.Contains(waiting.RetryIn));
        time.Advance(waiting.RetryIn - TimeSpan.FromMilliseconds(1));
        Assert.Equal(ClientState.Waiting, client.State.State);
        time.Advance(TimeSpan.FromMilliseconds(1));
        connection = await node.LoginAsync();
        Assert.Equal(2UL, (await connection.NextSendAsync()).Number);
    }

    [Theory]
    [InlineData(ErrorCode.ShuttingDown, 8, 10)]
    [InlineData((ErrorCode)4242, 8, 10)]
    [InlineData(ErrorCode.Kicked, 60, 120)]
    public async Task The_hint_of_a_go_away_holds_also_when_an_error_follows_unless_that_asks_for_slowness(ErrorCode code, int fromSeconds, int toSeconds)
    {
        var time = new ManualTime();
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore(), time));
        var changes = new ConcurrentQueue<ClientStateChange>();
        client.StateChanged += changes.Enqueue;
        await client.StartAsync();
        var connection = await node.LoginAsync();
        await client.SendAsync(Bob, "in flight, so that the client does not close first"u8.ToArray());
        await connection.NextSendAsync();
        await connection.GoAwayAsync(8_000);
        await connection.ErrorAsync(code);

        await WaitUntil.TrueAsync(() => changes.Last().State == ClientState.Waiting);
        var waiting = changes.Last();
        Assert.Equal((DisconnectReason.NodeError, code), (waiting.Reason, waiting.Code));
        Assert.InRange(waiting.RetryIn, TimeSpan.FromSeconds(fromSeconds), TimeSpan.FromSeconds(toSeconds));
    }

    [Fact]
    public async Task Go_away_is_obeyed_within_its_linger_though_nothing_is_answered()
    {
        var time = new ManualTime();
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore(), time));
        var changes = new ConcurrentQueue<ClientStateChange>();
        client.StateChanged += changes.Enqueue;
        await client.StartAsync();
        var connection = await node.LoginAsync();
        await client.SendAsync(Bob, "1"u8.ToArray());
        await connection.NextSendAsync();
        await connection.GoAwayAsync(0);
        await connection.DrainAsync();
        await AdvanceUntilAsync(time, TimeSpan.FromSeconds(1), () => changes.Any(c => c.Reason == DisconnectReason.GoAway));
        Assert.InRange(time.GetElapsedTime(0), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task Attempts_follow_each_other_after_growing_pauses_with_chance_in_them()
    {
        var time = new ManualTime();
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore(), time, reconnectMin: TimeSpan.FromSeconds(1)));
        var pauses = new ConcurrentQueue<TimeSpan>();
        client.StateChanged += c =>
        {
            if (c.State == ClientState.Waiting) pauses.Enqueue(c.RetryIn);
        };
        await client.StartAsync();
        for (var i = 1; i <= 12; i++)
        {
            (await node.AcceptAsync()).Cut();
            await WaitUntil.TrueAsync(() => pauses.Count == i);
            var pause = pauses.Last();
            Assert.InRange(pause, TimeSpan.Zero, TimeSpan.FromSeconds(Math.Min(64, Math.Pow(2, i - 1))));
            await WaitUntil.TrueAsync(() => time.Waiting.Contains(pause) || client.State.State == ClientState.Connecting);
            time.Advance(pause);
        }

        Assert.True(pauses.Skip(6).Max() > TimeSpan.FromSeconds(10), "The pauses do not grow.");
        Assert.Equal(12, pauses.Distinct().Count());
    }

    [Theory]
    [InlineData(ErrorCode.Kicked, 60, 120)]
    [InlineData(ErrorCode.WindowExceeded, 60, 120)]
    [InlineData(ErrorCode.Overloaded, 0, 1)]
    [InlineData((ErrorCode)12345, 0, 1)]
    public async Task What_a_reconnect_does_not_mend_is_tried_again_slowly(ErrorCode code, int leastSeconds, int mostSeconds)
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()));
        var waiting = new TaskCompletionSource<ClientStateChange>();
        client.StateChanged += c =>
        {
            if (c.State == ClientState.Waiting) waiting.TrySetResult(c);
        };
        await client.StartAsync();
        await (await node.LoginAsync()).ErrorAsync(code);
        var change = await waiting.Task.WaitAsync(FakeNode.Deadline);
        Assert.Equal(code, change.Code);
        Assert.InRange(change.RetryIn, TimeSpan.FromSeconds(leastSeconds), TimeSpan.FromSeconds(mostSeconds));
    }

    [Fact]
    public async Task A_node_that_breaks_the_protocol_is_left_and_told_apart_from_a_lost_connection()
    {
        byte[][] violations =
        [
            [1, 0, 0, 0x55, 0],
            [0, 0, 0, 0x11],
            [0xFF, 0xFF, 0xFF, 0x13],
            [28, 0, 0, 0x01, .. new byte[28]],
        ];
        foreach (var bytes in violations)
        {
            await using var node = new FakeNode();
            await using var client = new GatewayClient(node.Options(new MemoryMessageStore(), reconnect: false)) { MessageReceived = (_, _) => default };
            await client.StartAsync();
            var connection = await node.LoginAsync();
            await connection.WriteAsync(bytes);
            Assert.Equal(DisconnectReason.ProtocolViolation, (await client.Completion.WaitAsync(FakeNode.Deadline)).Reason);
        }
    }

    [Fact]
    public async Task A_client_for_one_run_stops_at_the_first_failure()
    {
        await using var client = new GatewayClient(new GatewayClientOptions
        {
            Host = "127.0.0.1",
            Port = ClosedPort(),
            Key = new KeyFile(FakeNode.Device, 0, new byte[32]),
            Store = new MemoryMessageStore(),
            Reconnect = false,
        });
        await client.StartAsync();
        var error = await Assert.ThrowsAsync<ClientStoppedException>(() => client.WaitForConnectionAsync()).WaitAsync(FakeNode.Deadline);
        Assert.Equal(DisconnectReason.ConnectFailed, error.Change.Reason);
    }

    [Fact]
    public async Task A_handshake_that_stalls_is_given_up_and_tried_again()
    {
        var time = new ManualTime();
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore(), time));
        await client.StartAsync();
        var connection = await node.AcceptAsync();
        await connection.ReadAuthenticateAsync();
        time.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(ClientState.Connecting, client.State.State);
        await AdvanceUntilAsync(time, TimeSpan.FromSeconds(1), () => client.State.State == ClientState.Waiting);
        Assert.Contains("did not end within 10 s", client.State.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whoever_waits_can_give_up_and_the_client_goes_on()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()));
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await client.StartAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.WaitForConnectionAsync(cancelled.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.SendAsync(Bob, new byte[1], null, cancelled.Token));
        var connection = await node.LoginAsync();
        Assert.Empty(await connection.DrainAsync());
        await client.SendAsync(Bob, new byte[1]);
        Assert.Equal(1UL, (await connection.NextSendAsync()).Number);
    }

    [Fact]
    public async Task A_start_that_fails_leaves_a_stopped_client_and_a_cancelled_one_too()
    {
        var store = new MemoryMessageStore();
        await store.OpenAsync(Bob, default);
        await using var node = new FakeNode();
        await using (var client = new GatewayClient(node.Options(store)))
        {
            await Assert.ThrowsAsync<MessageStoreException>(() => client.StartAsync());
            Assert.Equal(DisconnectReason.StoreFailed, (await client.Completion).Reason);
            await Assert.ThrowsAsync<InvalidOperationException>(() => client.StartAsync());
        }

        await using var other = new GatewayClient(node.Options(new MemoryMessageStore()));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => other.StartAsync(new CancellationToken(canceled: true)));
        Assert.Equal(ClientState.Stopped, other.State.State);
    }

    [Fact]
    public async Task A_store_that_fails_stops_the_client_before_it_promises_anything()
    {
        await using var node = new FakeNode();
        using var folder = new TemporaryFolder();
        var store = new SqliteMessageStore(folder.File("a.db"), SqliteDurability.Normal);
        await using var client = new GatewayClient(node.Options(store)) { MessageReceived = (_, _) => default };
        await client.StartAsync();
        var connection = await node.LoginAsync();
        await client.WaitForConnectionAsync().WaitAsync(FakeNode.Deadline);
        await store.DisposeAsync();
        await connection.DeliverAsync(1);
        Assert.Equal(DisconnectReason.StoreFailed, (await client.Completion.WaitAsync(FakeNode.Deadline)).Reason);
        await connection.WaitForEndAsync();
        await Assert.ThrowsAnyAsync<System.Threading.Channels.ChannelClosedException>(connection.NextAsync);
    }

    [Fact]
    public async Task An_observer_that_throws_hurts_nobody()
    {
        await using var node = new FakeNode();
        await using var client = new GatewayClient(node.Options(new MemoryMessageStore()));
        var faults = new ConcurrentQueue<ClientFault>();
        client.Faulted += faults.Enqueue;
        client.StateChanged += _ => throw new InvalidOperationException("observer");
        await client.StartAsync();
        await node.LoginAsync();
        await client.WaitForConnectionAsync().WaitAsync(FakeNode.Deadline);
        Assert.All(faults, f => Assert.Equal(FaultSource.Observer, f.Source));
        Assert.NotEmpty(faults);
    }

    [Fact]
    public async Task Options_out_of_range_are_named()
    {
        await using var node = new FakeNode();
        var error = Assert.Throws<ArgumentException>(() => new GatewayClient(node.Options(new MemoryMessageStore(), creditMessages: 0)));
        Assert.Contains("CreditMessages must be 1 to 65,536", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Lets time pass in steps until something has happened: what it happens to runs on other threads, between the steps.</summary>
    private static async Task AdvanceUntilAsync(ManualTime time, TimeSpan step, Func<bool> happened)
    {
        using var deadline = new CancellationTokenSource(FakeNode.Deadline);
        while (!happened())
        {
            time.Advance(step);
            await Task.Delay(5, deadline.Token);
        }
    }

    private static int ClosedPort()
    {
        using var listener = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.InterNetwork, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp);
        listener.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        return ((System.Net.IPEndPoint)listener.LocalEndPoint!).Port;
    }
}
