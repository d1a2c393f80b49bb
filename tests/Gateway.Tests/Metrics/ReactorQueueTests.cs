using Gateway.Tests.Transport;
using Gateway.Transport;
using Xunit;
using Sockets = Gateway.Tests.Transport.Client;

namespace Gateway.Tests.Metrics;

/// <summary>A reactor's queues as another thread reads them, above all while the reactor hangs.</summary>
public abstract class ReactorQueueTests(int reactors)
{
    private readonly ReactorGroupOptions _options = new() { Reactors = reactors, TickMs = 10, HandshakeTimeoutMs = 60_000 };

    [Fact]
    public void What_waits_for_a_reactor_that_hangs_is_seen_to_grow_older_and_so_is_its_turn()
    {
        var time = new ManualTime();
        using var group = new TestGroup<TestHandler>(_options with { Reactors = Math.Max(2, reactors) }, r => new TestHandler(r), time);
        using var hung = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        var reactor = group.Group.Reactors[1];
        Assert.True(reactor.TryPost(_ =>
        {
            hung.Set();
            release.Wait();
        }));
        hung.Wait();

        time.Advance(100);
        Assert.True(reactor.TryPost(_ => { }));
        // A turn begins after the clock moved, so the notices carry the time at which they are written.
        group.On(0, (r, _) => r.NowMs);
        Wait.Until(() => group.On(0, (r, _) => r.NowMs) >= 101, "reactor 0 has seen the clock move");
        group.On(0, (r, _) =>
        {
            for (var i = 0; i < 3; i++) Assert.True(r.TryNotify(1, [1, 2, 3]));
            Assert.True(r.TryRequest(1, [1], [2]));
        });
        time.Advance(400);

        var inbox = Read(reactor, "inbox");
        Assert.Equal((4, 4, 0, TimeSpan.FromMilliseconds(400)), (inbox.Depth, inbox.In, inbox.Out, inbox.OldestAge));
        var posts = Read(reactor, "posts");
        Assert.Equal((1, TimeSpan.FromMilliseconds(400)), (posts.Depth, posts.OldestAge));
        Assert.Equal(500, reactor.SinceTurnMs);
        time.Advance(60_000);
        Assert.Equal(TimeSpan.FromMilliseconds(60_400), Read(reactor, "inbox").OldestAge);

        release.Set();
        Wait.Until(() => Read(reactor, "inbox") is { Depth: 0, Out: 4, HighMark: 4 } && Read(reactor, "posts").Depth == 0, "what waited was taken");
        Assert.Equal(TimeSpan.Zero, Read(reactor, "inbox").OldestAge);
        Wait.Until(() => reactor.SinceTurnMs == 0, "it turns again");
        Assert.True(Read(reactor, "inbox").Capacity >= 4);
    }

    [Fact]
    public void A_handshake_ages_from_its_accept_until_it_is_established_here_or_elsewhere()
    {
        var time = new ManualTime();
        using var group = new TestGroup<TestHandler>(_options, r => new TestHandler(r), time);
        var server = group.ListenOn(0);
        var reactor = group.Group.Reactors[0];
        using var first = Sockets.Connect(server);
        Wait.Until(() => group.Handlers[0].Accepted.Count == 1, "the first is accepted");
        time.Advance(5_000);
        Wait.Until(() => group.On(0, (r, _) => r.NowMs) > 5_000, "the reactor has seen the clock move");
        using var second = Sockets.Connect(server);
        Wait.Until(() => Read(reactor, "handshakes").Depth == 2, "the second is accepted");
        time.Advance(1_000);

        Assert.InRange(Read(reactor, "handshakes").OldestAge.TotalMilliseconds, 6_000, 6_000 * 16 / 15 + 10);
        group.Handlers[0].Accepted.TryDequeue(out var id);
        group.On(0, (r, _) => r.MarkEstablished(id));
        Assert.InRange(Read(reactor, "handshakes").OldestAge.TotalMilliseconds, 1_000, 1_000 * 16 / 15 + 10);
        second.Dispose();
        Wait.Until(() => Read(reactor, "handshakes") is { Depth: 0, In: 2, Out: 2, HighMark: 2 }, "the second is gone");
    }

    [Fact]
    public void A_handshake_whose_deadline_passed_and_that_was_left_open_still_leaves_in_the_end()
    {
        var time = new ManualTime();
        using var group = new TestGroup<TestHandler>(_options with { HandshakeTimeoutMs = 100 }, r => new TestHandler(r), time);
        var server = group.ListenOn(0);
        using var socket = Sockets.Connect(server);
        Wait.Until(() => group.Handlers[0].Accepted.Count == 1, "accepted");
        time.Advance(1_000);
        Wait.Until(() => group.Handlers[0].Timeouts.Count == 1, "its deadline passed");
        Assert.Equal(1, Read(group.Group.Reactors[0], "handshakes").In);
        socket.Dispose();
        Wait.Until(() => Read(group.Group.Reactors[0], "handshakes") is { Depth: 0, In: 1, Out: 1 }, "gone");
    }

    [Fact]
    public void A_slow_reader_holds_a_send_lease_until_it_has_read()
    {
        using var group = new TestGroup<TestHandler>(_options with { MaxUnsentBytes = 32 << 20 }, r => new TestHandler(r));
        var server = group.ListenOn(0);
        var reactor = group.Group.Reactors[0];
        using var socket = Sockets.Connect(server);
        Wait.Until(() => group.Handlers[0].Accepted.Count == 1, "accepted");
        group.Handlers[0].Accepted.TryPeek(out var id);
        var sent = 0;
        while (Read(reactor, "send_leases").Depth == 0)
        {
            Assert.True(sent < 64 << 20, "the kernel takes everything");
            group.On(0, (r, _) =>
            {
                r.GetSpan(id, 64 * 1024);
                r.Advance(id, 64 * 1024);
            });
            sent += 64 * 1024;
        }

        Wait.Until(() => Read(reactor, "send_leases").OldestAge > TimeSpan.Zero, "it ages");
        Assert.Equal(sent, socket.ReceiveExactly(sent).Length);
        Wait.Until(() => Read(reactor, "send_leases") is { Depth: 0, In: 1, Out: 1, HighMark: 1 }, "given back");
    }

    [Fact]
    public void Without_measuring_nothing_is_told()
    {
        using var group = new TestGroup<TestHandler>(_options with { MeasureQueues = false }, r => new TestHandler(r));
        using var socket = Sockets.Connect(group.Listen());
        Wait.Until(() => group.Handlers.Sum(h => h.Accepted.Count) == 1, "accepted");
        var queues = new List<QueueCounts>();
        foreach (var reactor in group.Group.Reactors) reactor.ReadQueues(queues);
        Assert.Empty(queues);
    }

    /// <summary>The reader goes back and forth beside both ends and must never see a time that no message had.</summary>
    [Fact]
    public async Task The_oldest_message_of_a_ring_is_told_rightly_while_both_ends_work()
    {
        using var ring = new Gateway.Transport.Inbox.MessageRing(4096);
        const uint messages = 400_000;
        var reader = Threads.Start(() =>
        {
            uint last = 0, seen = 0;
            while (ring.Taken < messages)
            {
                if (!ring.TryReadOldest(out var at)) continue;
                Assert.InRange(at, last, messages);
                last = at;
                seen++;
            }

            return seen;
        });
        var consumer = Threads.Start(() =>
        {
            for (uint taken = 0; taken < messages;)
            {
                if (!ring.TryRead(out var _)) continue;
                ring.Release();
                taken++;
            }
        });
        var body = new byte[61];
        for (uint i = 1; i <= messages;)
        {
            if (ring.TryWrite(body.AsSpan(0, (int)(i % 61)), default, i)) i++;
            else Thread.Yield();
        }

        await consumer;
        Assert.True(await reader > 0);
        Assert.Equal((messages, messages), (ring.Written, ring.Taken));
    }

    private static QueueCounts Read(Reactor reactor, string name)
    {
        var queues = new List<QueueCounts>();
        reactor.ReadQueues(queues);
        return queues.Single(q => q.Name == name);
    }
}

public sealed class ReactorQueueTestsOnOneReactor() : ReactorQueueTests(1);

public sealed class ReactorQueueTestsOnEightReactors() : ReactorQueueTests(8);
