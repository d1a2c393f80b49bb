using System.Net.Sockets;
using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>Every way a connection can end: told once, with its reason, and nothing left behind.</summary>
public abstract class CloseTests(int reactors, IoBackend io)
{
    private readonly ReactorGroupOptions _options = new ReactorGroupOptions { Reactors = reactors, TickMs = 10, HandshakeTimeoutMs = 0 }.On(io);

    [OnBackendFact]
    public void A_peer_that_closes_is_told_once_with_its_tag()
    {
        using var group = new TestGroup<EchoHandler>(_options, r => new EchoHandler(r));
        var client = Client.Connect(group.ListenOn(0));
        var id = AwaitAccepted(group.Handlers[0]);
        group.On(0, (r, _) => r.SetTag(id, 0xDEAD_BEEF_0000_0001));
        client.Close();
        group.AwaitEmpty();
        Assert.Equal([new Closed(id, 0xDEAD_BEEF_0000_0001, CloseReason.PeerClosed, 0)], group.Handlers[0].Closings);
    }

    [OnBackendFact]
    public void A_half_closed_peer_gets_all_that_was_written_for_it_and_then_the_end()
    {
        using var group = new TestGroup<GenerousHandler>(_options, r => new GenerousHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        client.SendAll([7]);
        client.Shutdown(SocketShutdown.Send);
        // The kernel cannot have taken it all: the reactor holds the rest while it knows of the peer's end.
        Wait.Until(() => group[0].OutputsOut == 1, "output is pending");
        Assert.Equal(GenerousHandler.Bytes, client.ReceiveToEnd());
        group.AwaitEmpty();
        Assert.Equal(CloseReason.PeerClosed, Assert.Single(group.Handlers[0].Closings).Reason);
    }

    [OnBackendFact]
    public void A_reset_is_told_as_one()
    {
        using var group = new TestGroup<EchoHandler>(_options, r => new EchoHandler(r));
        var client = Client.Connect(group.ListenOn(0));
        AwaitAccepted(group.Handlers[0]);
        client.Reset();
        group.AwaitEmpty();
        var closed = Assert.Single(group.Handlers[0].Closings);
        Assert.Equal((CloseReason.Reset, 104), (closed.Reason, closed.Errno));
    }

    [OnBackendFact]
    public void A_reset_is_noticed_while_reading_is_paused()
    {
        using var group = new TestGroup<EchoHandler>(_options, r => new EchoHandler(r));
        var client = Client.Connect(group.ListenOn(0));
        var id = AwaitAccepted(group.Handlers[0]);
        group.On(0, (r, _) => r.PauseReading(id));
        client.Reset();
        group.AwaitEmpty();
        Assert.Equal(CloseReason.Reset, Assert.Single(group.Handlers[0].Closings).Reason);
    }

    [OnBackendFact]
    public void Writing_to_a_peer_that_is_gone_ends_the_connection_without_a_signal()
    {
        using var group = new TestGroup<TestHandler>(_options, r => new TestHandler(r));
        var client = Client.Connect(group.ListenOn(0));
        var id = AwaitAccepted(group.Handlers[0]);
        // Not reading, so that only the write can notice.
        group.On(0, (r, _) => r.PauseReading(id));
        client.Shutdown(SocketShutdown.Send);
        client.Reset();
        group.On(0, (r, _) =>
        {
            r.GetSpan(id, 10);
            r.Advance(id, 10);
        });
        group.AwaitEmpty();
        Assert.Single(group.Handlers[0].Closings);
    }

    [OnBackendFact]
    public void Close_hands_over_the_output_and_survives_input_that_keeps_coming()
    {
        using var group = new TestGroup<FarewellHandler>(_options, r => new FarewellHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        // The first byte makes the handler say goodbye; the rest arrives while it closes and must not make the kernel reset.
        for (var i = 0; i < 50; i++) client.SendAll(new byte[1000]);
        var farewell = client.ReceiveToEnd();
        Assert.Equal(FarewellHandler.Farewell, farewell);
        client.Close();
        group.AwaitEmpty();
        var handler = group.Handlers[0];
        Assert.Equal(CloseReason.Closed, Assert.Single(handler.Closings).Reason);
        Assert.Equal(1, handler.Presented);
    }

    [OnBackendFact]
    public void A_peer_that_does_not_end_its_side_is_closed_after_the_linger_time()
    {
        using var group = new TestGroup<FarewellHandler>(_options with { LingerTimeoutMs = 50 }, r => new FarewellHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        client.SendAll([1]);
        group.AwaitEmpty();
        Assert.Equal(CloseReason.Closed, Assert.Single(group.Handlers[0].Closings).Reason);
        Assert.Equal(FarewellHandler.Farewell, client.ReceiveToEnd());
    }

    [OnBackendFact]
    public void Output_that_a_peer_does_not_take_within_the_linger_time_is_lost_and_told_so()
    {
        using var group = new TestGroup<TestHandler>(_options with { LingerTimeoutMs = 50 }, r => new TestHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        var id = AwaitAccepted(group.Handlers[0]);
        group.On(0, (r, _) =>
        {
            for (var i = 0; i < 32; i++)
            {
                r.GetSpan(id, 1 << 20);
                r.Advance(id, 1 << 20);
            }

            r.Close(id);
        });
        group.AwaitEmpty();
        Assert.Equal(CloseReason.Lingered, Assert.Single(group.Handlers[0].Closings).Reason);
    }

    [OnBackendFact]
    public void Abort_resets_the_peer_at_once()
    {
        using var group = new TestGroup<TestHandler>(_options, r => new TestHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        var id = AwaitAccepted(group.Handlers[0]);
        group.On(0, (r, _) =>
        {
            r.Abort(id);
            r.Abort(id);
            r.Close(id);
        });
        var error = Assert.Throws<SocketException>(() => client.Receive(new byte[1]));
        Assert.Equal(SocketError.ConnectionReset, error.SocketErrorCode);
        group.AwaitEmpty();
        Assert.Equal(CloseReason.Aborted, Assert.Single(group.Handlers[0].Closings).Reason);
    }

    [OnBackendFact]
    public void A_connection_may_be_ended_from_every_callback()
    {
        using var group = new TestGroup<SelfClosingHandler>(_options with { IdleTimeoutMs = 20 }, r => new SelfClosingHandler(r));
        var server = group.ListenOn(0);
        var ended = 0;
        foreach (var stage in Enum.GetValues<Stage>())
        {
            foreach (var abort in new[] { false, true })
            {
                group.On(0, (_, h) => (h.Stage, h.Abort) = (stage, abort));
                using var client = Client.Connect(server);
                try
                {
                    client.SendAll(new byte[10]);
                    client.ReceiveToEnd();
                }
                catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown)
                {
                }

                client.Close();
                group.AwaitEmpty(++ended);
                Assert.True(group.Handlers[0].Closings.TryDequeue(out var closed));
                Assert.Equal(abort ? CloseReason.Aborted : CloseReason.Closed, closed.Reason);
                Assert.Empty(group.Handlers[0].Closings);
            }
        }
    }

    [OnBackendFact]
    public void Stopping_the_group_tells_every_connection_and_flushes_what_was_written()
    {
        var group = new TestGroup<EchoHandler>(_options, r => new EchoHandler(r));
        var server = group.Listen();
        var clients = Enumerable.Range(0, 20).Select(_ => Client.Connect(server)).ToArray();
        Wait.Until(() => group.SlotsInUse == clients.Length, "all accepted");
        group.Dispose();
        Assert.Equal(clients.Length, group.Handlers.Sum(h => h.Closings.Count(c => c.Reason == CloseReason.Shutdown)));
        foreach (var client in clients)
        {
            Assert.Empty(client.ReceiveToEnd());
            client.Close();
        }
    }

    [OnBackendFact]
    public async Task Five_thousand_connections_that_come_and_go_leave_nothing()
    {
        using var group = new TestGroup<EchoHandler>(_options, r => new EchoHandler(r));
        var server = group.Listen();
        const int cycles = 5000;
        await Threads.Each(8, worker =>
        {
            var random = new Random(worker);
            for (var i = 0; i < cycles / 8; i++)
            {
                var client = Client.Connect(server);
                switch (random.Next(5))
                {
                    case 0: client.Close(); break;
                    case 1: client.Reset(); break;
                    case 2:
                        client.SendAll(new byte[random.Next(1, 5000)]);
                        client.Close();
                        break;
                    case 3:
                        client.SendAll(new byte[random.Next(1, 5000)]);
                        client.Reset();
                        break;
                    default:
                        client.SendAll([42]);
                        Assert.Equal([42], client.ReceiveExactly(1));
                        client.Shutdown(SocketShutdown.Send);
                        Assert.Empty(client.ReceiveToEnd());
                        client.Close();
                        break;
                }
            }
        });
        group.AwaitEmpty();
        // A client that reset while it still waited in the backlog may never have been accepted.
        var accepted = group.Handlers.Sum(h => h.Accepted.Count);
        Assert.InRange(accepted, 1, cycles);
        Assert.Equal(accepted, group.Handlers.Sum(h => h.Closings.Count));
        Assert.All(group.Handlers, h => Assert.Equal(h.Closings.Count, h.Closings.Select(c => c.Id).Distinct().Count()));
        Assert.True(group.Group.Reactors.Max(r => r.Counters.SlotsHigh) < 1000);
    }

    internal static ConnectionId AwaitAccepted(TestHandler handler)
    {
        ConnectionId id = default;
        Wait.Until(() => handler.Accepted.TryDequeue(out id), "accepted");
        return id;
    }

    private enum Stage
    {
        Accepted,
        Received,
        ReceivedKept,
        Idle,
    }

    /// <summary>Answers a byte with more than the kernel buffers for a connection.</summary>
    private sealed class GenerousHandler(Reactor reactor) : TestHandler(reactor)
    {
        public static readonly byte[] Bytes = [.. Enumerable.Range(0, 16 << 20).Select(i => (byte)(i * 7 >> 3))];

        public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
        {
            Send(c, Bytes);
            return bytes.Length;
        }
    }

    private sealed class FarewellHandler(Reactor reactor) : TestHandler(reactor)
    {
        public static readonly byte[] Farewell = [.. Enumerable.Range(0, 200).Select(i => (byte)i)];

        public int Presented { get; private set; }

        public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
        {
            Presented++;
            Send(c, Farewell);
            Reactor.Close(c);
            Send(c, Farewell);
            return 0;
        }
    }

    private sealed class SelfClosingHandler(Reactor reactor) : TestHandler(reactor)
    {
        public Stage Stage { get; set; }

        public bool Abort { get; set; }

        public override void OnAccepted(ConnectionId c)
        {
            Reactor.MarkEstablished(c);
            EndAt(Stage.Accepted, c);
        }

        public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
        {
            if (Stage == Stage.ReceivedKept)
            {
                // Leave something, and have it presented again from the lease.
                Reactor.PauseReading(c);
                Reactor.ResumeReading(c);
                return 3;
            }

            EndAt(Stage.Received, c);
            return 3;
        }

        public override long OnReceived(ConnectionId c, in System.Buffers.ReadOnlySequence<byte> bytes)
        {
            EndAt(Stage.ReceivedKept, c);
            // Still readable after the connection was ended.
            Assert.Equal(0, bytes.FirstSpan[0]);
            return 1;
        }

        public override void OnTimeout(ConnectionId c, TimeoutKind kind) => EndAt(Stage.Idle, c);

        private void EndAt(Stage stage, ConnectionId c)
        {
            if (stage != Stage) return;
            if (Abort) Reactor.Abort(c);
            else Reactor.Close(c);
        }
    }
}

public sealed class CloseTestsOnOneReactor() : CloseTests(1, IoBackend.Epoll);

public sealed class CloseTestsOnEightReactors() : CloseTests(8, IoBackend.Epoll);

public sealed class CloseTestsOnOneReactorWithUring() : CloseTests(1, IoBackend.Uring);

public sealed class CloseTestsOnEightReactorsWithUring() : CloseTests(8, IoBackend.Uring);
