using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>Slow readers, paused connections and budgets: memory stays bounded and nothing is lost.</summary>
public abstract class BackpressureTests(int reactors, IoBackend io)
{
    private readonly ReactorGroupOptions _options = new ReactorGroupOptions { Reactors = reactors, TickMs = 10, HandshakeTimeoutMs = 0 }.On(io);

    [OnBackendFact]
    public async Task A_slow_reader_stops_being_read_and_gets_every_byte_in_the_end()
    {
        using var group = new TestGroup<EchoHandler>(_options with { MaxUnsentBytes = 100_000 }, r => new EchoHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        var sent = new byte[40 << 20];
        new Random(4).NextBytes(sent);
        var sending = Threads.Start(() => client.SendAll(sent));
        // What both kernels buffer is full, the reactor holds its share, and the sender stands still.
        Wait.Until(() => group[0].OutputsOut == 1, "output is pending");
        var received = client.ReceiveExactly(sent.Length);
        Assert.True(sent.AsSpan().SequenceEqual(received));
        group.AwaitIdle();
        Assert.NotEmpty(group.Handlers[0].Drains);
        // The limit, the receive that crossed it, and the rounding of segments.
        Assert.InRange(group[0].BufferedHighBytes, 1, 100_000 + 3 * _options.ReceiveBytesPerTurn);
        await sending.WaitAsync(Wait.Deadline);
    }

    [OnBackendFact]
    public void Drained_is_told_once_when_the_last_byte_has_gone()
    {
        using var group = new TestGroup<TestHandler>(_options, r => new TestHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        const int bytes = 30 << 20;
        group.On(0, (r, _) =>
        {
            for (var left = bytes; left > 0; left -= 1 << 20)
            {
                var span = r.GetSpan(id, 1 << 20);
                span[..(1 << 20)].Fill((byte)(left >> 20));
                r.Advance(id, 1 << 20);
            }

            // Some of it went to the kernel at once.
            Assert.InRange(r.UnsentBytes(id), 1, bytes);
        });
        Assert.Empty(group.Handlers[0].Drains);
        var received = client.ReceiveExactly(bytes);
        for (var i = 0; i < 30; i++) Assert.Equal(30 - i, received[(i << 20) + 12345]);
        group.AwaitIdle();
        Assert.Equal([id], group.Handlers[0].Drains);
        Assert.Equal(0, group.On(0, (r, _) => r.UnsentBytes(id)));
    }

    [OnBackendFact]
    public void Output_that_the_kernel_takes_at_once_causes_no_drained()
    {
        using var group = new TestGroup<EchoHandler>(_options, r => new EchoHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        for (var i = 0; i < 100; i++)
        {
            client.SendAll(new byte[100]);
            client.ReceiveExactly(100);
        }

        Assert.Empty(group.Handlers[0].Drains);
        Assert.Equal(0, group[0].LeasesHigh);
    }

    [OnBackendFact]
    public async Task A_span_as_large_as_asked_for_is_given_at_any_fill()
    {
        using var group = new TestGroup<TestHandler>(_options, r => new TestHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        int[] sizes = [1, 4095, 2, 4096, 4097, 100, 65_536, 7, 600_000, 1, 0, 3, 1 << 20, 5];
        var expected = sizes.SelectMany((n, i) => Enumerable.Repeat((byte)i, n)).ToArray();
        var receiving = Threads.Start(() => client.ReceiveExactly(expected.Length * 4));
        for (var round = 0; round < 4; round++)
        {
            group.On(0, (r, _) =>
            {
                for (var i = 0; i < sizes.Length; i++)
                {
                    var span = r.GetSpan(id, sizes[i]);
                    Assert.True(span.Length >= Math.Max(sizes[i], 1));
                    span[..sizes[i]].Fill((byte)i);
                    r.Advance(id, sizes[i]);
                }
            });
        }

        var received = await receiving.WaitAsync(Wait.Deadline);
        for (var round = 0; round < 4; round++) Assert.True(expected.AsSpan().SequenceEqual(received.AsSpan(round * expected.Length, expected.Length)));
        group.AwaitIdle();
    }

    [OnBackendFact]
    public void A_span_that_is_not_written_to_leaves_no_buffer_behind()
    {
        using var group = new TestGroup<TestHandler>(_options, r => new TestHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        group.On(0, (r, _) => { r.GetSpan(id, 10); });
        group.AwaitIdle();
    }

    [OnBackendFact]
    public void A_span_beyond_the_limit_or_an_advance_beyond_the_span_is_a_fault_of_ours()
    {
        using var group = new TestGroup<TestHandler>(_options, r => new TestHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        group.On(0, (r, _) =>
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => { r.GetSpan(id, _options.MaxSpanBytes + 1); });
            Assert.Throws<ArgumentOutOfRangeException>(() => { r.GetSpan(id, -1); });
            Assert.Throws<InvalidOperationException>(() => r.Advance(id, 1));
            var room = r.GetSpan(id, 1).Length;
            Assert.Throws<ArgumentOutOfRangeException>(() => r.Advance(id, room + 1));
            Assert.Throws<ArgumentOutOfRangeException>(() => r.Advance(id, -1));
        });
    }

    [OnBackendFact]
    public void More_connections_written_to_in_a_turn_than_outputs_are_flushed_early_and_completely()
    {
        using var group = new TestGroup<TestHandler>(_options with { OutputsPerTurn = 4 }, r => new TestHandler(r));
        var server = group.ListenOn(0);
        var clients = Enumerable.Range(0, 50).Select(_ => Client.Connect(server)).ToList();
        var ids = clients.Select(_ => CloseTests.AwaitAccepted(group.Handlers[0])).ToList();
        group.On(0, (r, _) =>
        {
            for (var round = 0; round < 3; round++)
            {
                foreach (var id in ids)
                {
                    r.GetSpan(id, 1)[0] = (byte)round;
                    r.Advance(id, 1);
                }
            }
        });
        foreach (var client in clients)
        {
            Assert.Equal([0, 1, 2], client.ReceiveExactly(3));
            client.Close();
        }

        Assert.InRange(group[0].OutputsHigh, 1, 4);
    }

    [OnBackendFact]
    public async Task A_paused_connection_is_not_read_and_its_kept_bytes_come_first_after_the_resume()
    {
        using var group = new TestGroup<ParkingHandler>(_options with { MaxKeptInputBytes = 200_000 }, r => new ParkingHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        var sent = new byte[20 << 20];
        new Random(9).NextBytes(sent);
        var sending = Threads.Start(() => client.SendAll(sent));
        var handler = group.Handlers[0];
        while (Volatile.Read(ref handler.Consumed) < sent.Length)
        {
            Wait.Until(() => handler.IsParked, "the handler parked the connection");
            var (before, seen) = group.On(0, (r, h) => (h.Calls, r.Counters.ReceivedBytes));
            // Turns pass and nothing is presented or read.
            for (var i = 0; i < 3; i++) Assert.Equal((before, seen), group.On(0, (r, h) => (h.Calls, r.Counters.ReceivedBytes)));
            group.On(0, (r, h) => h.Unpark());
        }

        Assert.True(sent.AsSpan().SequenceEqual(handler.Received.ToArray()));
        group.AwaitIdle();
        await sending.WaitAsync(Wait.Deadline);
    }

    [OnBackendFact]
    public void A_handler_that_leaves_too_much_input_ends_the_connection()
    {
        using var group = new TestGroup<HoardingHandler>(_options with { MaxKeptInputBytes = 50_000 }, r => new HoardingHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        Assert.ThrowsAny<Exception>(() =>
        {
            for (var i = 0; i < 10_000; i++) client.SendAll(new byte[1000]);
        });
        group.AwaitEmpty();
        Assert.Equal(CloseReason.InputOverflow, Assert.Single(group.Handlers[0].Closings).Reason);
        Assert.InRange(group[0].BufferedHighBytes, 1, 50_000 + 2 * _options.ReceiveBytesPerTurn);
    }

    [OnBackendFact]
    public void Above_the_soft_mark_partial_frames_wait_their_turn_and_all_of_them_complete()
    {
        var options = _options with { ReactorSoftBufferBytes = 256 * 1024, BudgetResumesPerTick = 2, TickMs = 1, ReceiveBytesPerTurn = 8192 };
        using var group = new TestGroup<FramedEchoHandler>(options, r => new FramedEchoHandler(r));
        var server = group.ListenOn(0);
        var clients = Enumerable.Range(0, 40).Select(_ => Client.Connect(server)).ToList();
        var frame = new byte[2 + 60_000];
        frame[0] = 60_000 >> 8;
        frame[1] = 60_000 & 0xFF;
        // All but the last byte from everyone: about ten times what the mark allows.
        foreach (var client in clients) client.SendAll(frame.AsSpan(0, frame.Length - 1));
        Wait.Until(() => group[0].PausedByBudget > 0, "some are held back");
        foreach (var client in clients) client.SendAll(frame.AsSpan(frame.Length - 1));
        foreach (var client in clients)
        {
            Assert.Equal(frame, client.ReceiveExactly(frame.Length));
            client.Close();
        }

        group.AwaitEmpty(clients.Count);
        Assert.Equal(0, group[0].PausedByBudget);
    }

    [OnBackendFact]
    public void Above_the_hard_mark_new_clients_are_told_and_those_inside_go_on_until_memory_is_free()
    {
        var options = _options with { ReactorSoftBufferBytes = 64 * 1024, ReactorHardBufferBytes = 128 * 1024 };
        using var group = new TestGroup<RefusingHandler>(options, r => new RefusingHandler(r));
        var server = group.ListenOn(0);
        using var slow = Client.Connect(server);
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        const int bytes = 30 << 20;
        group.On(0, (r, _) =>
        {
            for (var i = 0; i < 30; i++)
            {
                r.GetSpan(id, 1 << 20);
                r.Advance(id, 1 << 20);
            }
        });
        Assert.True(group.On(0, (r, _) => r.IsOverHardMark));
        for (var i = 0; i < 5; i++)
        {
            using var late = Client.Connect(server);
            Assert.Equal([RefusingHandler.Refusal], late.ReceiveToEnd());
        }

        slow.ReceiveExactly(bytes);
        Wait.Until(() => !group.On(0, (r, _) => r.IsOverHardMark), "memory is free");
        using var welcome = Client.Connect(server);
        CloseTests.AwaitAccepted(group.Handlers[0]);
        Assert.Equal(5, group.Handlers[0].Refused);
    }

    [OnBackendFact]
    public void Above_the_soft_mark_those_that_hold_the_most_are_not_read_and_the_others_are()
    {
        // Two connections leave 60,000 of a frame's bytes each, ten leave a few: the two are the noise, and hold more than the excess together.
        var options = _options with { ReactorSoftBufferBytes = 96 * 1024, BudgetResumesPerTick = 1, ReceiveBytesPerTurn = 16 * 1024 };
        var time = new ManualTime();
        using var group = new TestGroup<FramedEchoHandler>(options, r => new FramedEchoHandler(r), time);
        var server = group.ListenOn(0);
        var noisy = Enumerable.Range(0, 2).Select(_ => Client.Connect(server)).ToList();
        var quiet = Enumerable.Range(0, 10).Select(_ => Client.Connect(server)).ToList();
        Wait.Until(() => group[0].Accepted == 12, "all are in");
        var frame = new byte[2 + 60_000];
        frame[0] = 60_000 >> 8;
        frame[1] = 60_000 & 0xFF;
        foreach (var client in noisy) client.SendAll(frame.AsSpan(0, frame.Length - 1));
        Wait.Until(() => group[0].PausedByBudget >= 1, "one that holds much is held back");

        // The quiet ones leave partial frames too, go on leaving them, and get each of them answered.
        for (var round = 0; round < 20; round++)
        {
            foreach (var client in quiet) client.SendAll([0, 3, 1]);
            foreach (var client in quiet) client.SendAll([2, 3]);
            foreach (var client in quiet) Assert.Equal([0, 3, 1, 2, 3], client.ReceiveExactly(5));
        }

        Assert.InRange(group[0].PausedByBudget, 1, 2);

        // And the noisy ones get theirs in the end.
        foreach (var client in noisy) client.SendAll(frame.AsSpan(frame.Length - 1));
        var waiting = noisy.Select(client => Threads.Start(() => client.ReceiveExactly(frame.Length))).ToList();
        Wait.Until(() =>
        {
            time.Advance(10);
            return waiting.TrueForAll(w => w.IsCompleted);
        }, "every frame is complete");
        foreach (var client in noisy.Concat(quiet)) client.Close();
        group.AwaitEmpty(12);
    }

    [OnBackendFact]
    public void The_node_budget_is_charged_by_every_reactor_and_returns_to_zero()
    {
        using var group = new TestGroup<TestHandler>(_options, r => new TestHandler(r));
        var server = group.Listen();
        var clients = new List<System.Net.Sockets.Socket>();
        // The kernel chooses the reactor by the client's port: go on until each has one.
        while (group.Handlers.Any(h => h.Accepted.IsEmpty))
        {
            clients.Add(Client.Connect(server));
            Wait.Until(() => group.SlotsInUse == clients.Count, "accepted");
        }

        for (var i = 0; i < _options.Reactors; i++)
        {
            var id = CloseTests.AwaitAccepted(group.Handlers[i]);
            group.On(i, (r, _) =>
            {
                for (var n = 0; n < 16; n++)
                {
                    r.GetSpan(id, 1 << 20);
                    r.Advance(id, 1 << 20);
                }
            });
        }

        // Whatever the kernel took of 16 MiB each, the sum is the reactors' own, to within a quantum each.
        Wait.Until(() => group.Group.Reactors.All(r => r.Counters.OutputsOut == 1), "each holds output");
        var own = group.Group.Reactors.Sum(r => r.Counters.BufferedBytes);
        var slack = _options.Reactors * 256 * 1024;
        Assert.InRange(group.Group.BufferedBytes, own - slack, own + slack);
        foreach (var client in clients) client.Reset();
        group.AwaitEmpty(clients.Count);
    }

    /// <summary>Refuses with one byte whoever comes above the hard mark.</summary>
    private sealed class RefusingHandler(Reactor reactor) : TestHandler(reactor)
    {
        public const byte Refusal = 69;

        private int _refused;

        public int Refused => Volatile.Read(ref _refused);

        public override void OnAccepted(ConnectionId c)
        {
            if (!Reactor.IsOverHardMark)
            {
                base.OnAccepted(c);
                return;
            }

            Interlocked.Increment(ref _refused);
            Send(c, [Refusal]);
            Reactor.Close(c);
        }
    }

    /// <summary>Takes a little, parks the connection and waits to be told.</summary>
    private sealed class ParkingHandler(Reactor reactor) : TestHandler(reactor)
    {
        private ConnectionId _parked;

        public long Consumed;

        public int Calls { get; private set; }

        public MemoryStream Received { get; } = new();

        public bool IsParked { get; private set; }

        public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
        {
            Calls++;
            // More each time, so that a spell ends with nothing, a part or all of it consumed.
            var n = Math.Min(bytes.Length, 30_000 + Calls * 1000);
            Received.Write(bytes[..n]);
            Reactor.PauseReading(c);
            _parked = c;
            Volatile.Write(ref Consumed, Consumed + n);
            IsParked = true;
            return n;
        }

        public override long OnReceived(ConnectionId c, in System.Buffers.ReadOnlySequence<byte> bytes) => OnReceived(c, System.Buffers.BuffersExtensions.ToArray(bytes));

        public void Unpark()
        {
            IsParked = false;
            Reactor.ResumeReading(_parked);
        }
    }

    private sealed class HoardingHandler(Reactor reactor) : TestHandler(reactor)
    {
        public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes) => 0;

        public override long OnReceived(ConnectionId c, in System.Buffers.ReadOnlySequence<byte> bytes) => 0;
    }
}

public sealed class BackpressureTestsOnOneReactor() : BackpressureTests(1, IoBackend.Epoll);

public sealed class BackpressureTestsOnEightReactors() : BackpressureTests(8, IoBackend.Epoll);

public sealed class BackpressureTestsOnOneReactorWithUring() : BackpressureTests(1, IoBackend.Uring);

public sealed class BackpressureTestsOnEightReactorsWithUring() : BackpressureTests(8, IoBackend.Uring);
