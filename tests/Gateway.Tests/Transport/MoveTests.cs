using System.Buffers;
using System.Buffers.Binary;
using System.Net.Sockets;
using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>Connections that change their reactor under traffic: every byte arrives once and in order.</summary>
public abstract class MoveTests(IoBackend io)
{
    [OnBackendTheory]
    [InlineData(1, 256)]
    [InlineData(2, 256)]
    [InlineData(4, 1)]
    [InlineData(8, 256)]
    public async Task Connections_that_wander_under_traffic_lose_and_repeat_nothing(int reactors, int laneSlots)
    {
        var options = new ReactorGroupOptions { Reactors = reactors, TickMs = 10, MoveLaneSlots = laneSlots, ReceiveBytesPerTurn = 4096 }.On(io);
        using var group = new TestGroup<WanderingHandler>(options, r => new WanderingHandler(r));
        var server = group.Listen();
        const int clients = 24;
        await Threads.Each(clients, seed =>
        {
            var random = new Random(seed);
            using var client = Client.Connect(server);
            var sent = new byte[200_000];
            random.NextBytes(sent);
            // Every frame is [length u16 | payload]; cut by chance, sent while earlier echoes are still under way.
            var frames = new MemoryStream();
            for (var at = 0; at < sent.Length;)
            {
                var n = Math.Min(random.Next(1, 2000), sent.Length - at);
                frames.Write([(byte)(n >> 8), (byte)n]);
                frames.Write(sent, at, n);
                at += n;
            }

            var wire = frames.ToArray();
            var sending = Threads.Start(() =>
            {
                for (var at = 0; at < wire.Length;)
                {
                    var n = Math.Min(random.Next(1, 5000), wire.Length - at);
                    client.SendAll(wire.AsSpan(at, n));
                    at += n;
                }
            });
            Assert.True(wire.AsSpan().SequenceEqual(client.ReceiveExactly(wire.Length)));
            sending.GetAwaiter().GetResult();
        });
        group.AwaitEmpty(clients);
        var counters = group.Group.Reactors.Select(r => r.Counters).ToList();
        Assert.True(counters.Sum(c => c.MovedOut) > clients);
        Assert.Equal(counters.Sum(c => c.MovedOut), counters.Sum(c => c.MovedIn));
        // Told of its end once, where it was last.
        Assert.Equal(clients, group.Handlers.Sum(h => h.Closings.Count));
    }

    [OnBackendTheory]
    [InlineData(2)]
    [InlineData(8)]
    public void The_context_and_the_kept_bytes_arrive_and_the_tag_does_not(int reactors)
    {
        using var group = new TestGroup<WanderingHandler>(new ReactorGroupOptions { Reactors = reactors, TickMs = 10 }.On(io), r => new WanderingHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        client.SendAll([0, 5, 1, 2]);
        Wait.Until(() => group.Group.Reactors.Sum(r => r.Counters.LeasesOut) == 1, "a partial frame is kept");
        const int from = 0;
        var id = CloseTests.AwaitAccepted(group.Handlers[from]);
        var context = Enumerable.Range(0, Reactor.MaxMoveContextBytes).Select(i => (byte)i).ToArray();
        group.On(from, (r, _) =>
        {
            r.SetTag(id, 42);
            r.Move(id, 1 - from, context);
            // The id died here.
            Assert.False(r.IsOpen(id));
            Assert.Equal(0ul, r.GetTag(id));
            r.Abort(id);
        });
        var target = group.Handlers[1 - from];
        (ConnectionId Id, int From, byte[] Context, ulong Tag) moved = default;
        Wait.Until(() => target.Arrivals.TryDequeue(out moved), "arrived");
        Assert.Equal(from, moved.From);
        Assert.Equal(context, moved.Context);
        Assert.Equal(0ul, moved.Tag);
        client.SendAll([3, 4, 5]);
        Assert.Equal([0, 5, 1, 2, 3, 4, 5], client.ReceiveExactly(7));
        Assert.Empty(group.Handlers[from].Closings);
        Assert.Throws<ArgumentOutOfRangeException>(() => group.On(from, (r, _) => r.Move(id, reactors, default)));
        Assert.Throws<ArgumentOutOfRangeException>(() => group.On(from, (r, _) => r.Move(id, 0, new byte[257])));
    }

    [OnBackendTheory]
    [InlineData(2)]
    [InlineData(8)]
    public void Unsent_output_goes_along_and_before_what_is_written_later(int reactors)
    {
        using var group = new TestGroup<WanderingHandler>(new ReactorGroupOptions { Reactors = reactors, TickMs = 10 }.On(io), r => new WanderingHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        client.SendAll([0, 1, 9]);
        Assert.Equal([0, 1, 9], client.ReceiveExactly(3));
        const int from = 0;
        var id = CloseTests.AwaitAccepted(group.Handlers[from]);
        const int words = 4 << 20;
        group.On(from, (r, h) =>
        {
            h.Count(id, 0, words);
            r.Move(id, 1 - from, default);
        });
        (ConnectionId Id, int From, byte[] Context, ulong Tag) moved = default;
        Wait.Until(() => group.Handlers[1 - from].Arrivals.TryDequeue(out moved), "arrived");
        group.On(1 - from, (_, h) => h.Count(moved.Id, words, 10));
        var received = client.ReceiveExactly((words + 10) * 4);
        for (var i = 0; i < words + 10; i++) Assert.Equal(i, BinaryPrimitives.ReadInt32LittleEndian(received.AsSpan(i * 4)));
        group.AwaitIdle();
        Assert.Single(group.Handlers[1 - from].Drains);
    }

    [OnBackendTheory]
    [InlineData(2)]
    [InlineData(8)]
    public void A_handshake_is_counted_where_the_connection_is(int reactors)
    {
        using var group = new TestGroup<MovingHandler>(new ReactorGroupOptions { Reactors = reactors, TickMs = 10 }.On(io), r => new MovingHandler(r));
        var server = group.Listen();
        var clients = Enumerable.Range(0, 40).Select(_ => Client.Connect(server)).ToList();
        foreach (var client in clients) client.SendAll([1]);
        Wait.Until(() => group[1].Handshakes == 40 && group.Group.Reactors.Sum(r => r.Counters.Handshakes) == 40, "all moved to reactor 1");
        foreach (var client in clients) client.Reset();
        group.AwaitEmpty(40);
        Assert.All(group.Handlers.Where((_, i) => i != 1), h => Assert.Empty(h.Closings));
        Assert.Equal(40, group.Handlers[1].Closings.Count);
    }

    [OnBackendTheory]
    [InlineData(2)]
    [InlineData(8)]
    public async Task Peers_that_leave_while_they_are_moved_leave_nothing_behind(int reactors)
    {
        var options = new ReactorGroupOptions { Reactors = reactors, TickMs = 10, MoveLaneSlots = 2 }.On(io);
        using var group = new TestGroup<WanderingHandler>(options, r => new WanderingHandler(r));
        var server = group.Listen();
        const int cycles = 900;
        await Threads.Each(6, worker =>
        {
            var random = new Random(worker);
            for (var i = 0; i < cycles / 6; i++)
            {
                var client = Client.Connect(server);
                for (var n = random.Next(1, 8); n > 0; n--) client.SendAll([0, 2, 1, 1]);
                if (random.Next(2) == 0) client.Reset();
                else client.Close();
            }
        });
        Wait.Until(() => group.Handlers.Sum(h => h.Accepted.Count) > 0, "some were accepted");
        Wait.Until(
            () => group.Group.Reactors.All(r => r.Counters is { SlotsInUse: 0, Handshakes: 0, LeasesOut: 0, OutputsOut: 0, SegmentsOut: 0 })
                && group.Group.Reactors.Sum(r => r.Counters.MovedOut) == group.Group.Reactors.Sum(r => r.Counters.MovedIn)
                && group.Handlers.Sum(h => h.Accepted.Count) == group.Handlers.Sum(h => h.Closings.Count),
            () => string.Join("; ", group.Group.Reactors.Select(r => r.Counters)));
    }

    [OnBackendTheory]
    [InlineData(2)]
    [InlineData(8)]
    public void A_group_that_stops_during_moves_closes_every_descriptor(int reactors)
    {
        var group = new TestGroup<WanderingHandler>(new ReactorGroupOptions { Reactors = reactors, TickMs = 10 }.On(io), r => new WanderingHandler(r));
        var server = group.Listen();
        var clients = Enumerable.Range(0, 50).Select(_ => Client.Connect(server)).ToList();
        foreach (var client in clients) client.SendAll([0, 2, 1, 1, 0, 2, 1, 1]);
        group.Dispose();
        // Whatever became of each, its end is seen: no descriptor stayed open anywhere.
        foreach (var client in clients)
        {
            try
            {
                client.ReceiveToEnd();
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
            {
            }

            client.Close();
        }
    }

    /// <summary>Echoes [length u16 big-endian | payload] frames and, after each, moves on with the tail unread.</summary>
    private sealed class WanderingHandler(Reactor reactor) : TestHandler(reactor)
    {
        private readonly Random _random = new(reactor.Index);

        public System.Collections.Concurrent.ConcurrentQueue<(ConnectionId Id, int From, byte[] Context, ulong Tag)> Arrivals { get; } = new();

        public override void OnMoved(ConnectionId c, int fromReactor, ReadOnlySpan<byte> context) =>
            Arrivals.Enqueue((c, fromReactor, context.ToArray(), Reactor.GetTag(c)));

        public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
        {
            var consumed = 0;
            while (bytes.Length - consumed >= 2)
            {
                var size = 2 + BinaryPrimitives.ReadUInt16BigEndian(bytes[consumed..]);
                if (bytes.Length - consumed < size) break;
                Send(c, bytes.Slice(consumed, size));
                consumed += size;
                // Not after the single-byte frame that other tests use to find out where a connection is.
                if (size == 3 || _random.Next(4) != 0) continue;
                Reactor.Move(c, _random.Next(Reactor.Options.Reactors), [1, 2, 3]);
                break;
            }

            return consumed;
        }

        public override long OnReceived(ConnectionId c, in ReadOnlySequence<byte> bytes) => OnReceived(c, bytes.ToArray());

        public void Count(ConnectionId c, int from, int words)
        {
            Span<byte> word = stackalloc byte[4];
            for (var i = from; i < from + words; i++)
            {
                BinaryPrimitives.WriteInt32LittleEndian(word, i);
                Send(c, word);
            }
        }
    }

    /// <summary>Moves everything to reactor 1 at its first byte.</summary>
    private sealed class MovingHandler(Reactor reactor) : TestHandler(reactor)
    {
        public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
        {
            if (Reactor.Index == 1) return bytes.Length;
            Reactor.Move(c, 1, default);
            return 0;
        }
    }
}

public sealed class MoveTestsWithEpoll() : MoveTests(IoBackend.Epoll);

public sealed class MoveTestsWithUring() : MoveTests(IoBackend.Uring);
