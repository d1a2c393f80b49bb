using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>What a burst of busy connections took goes back when they have gone, and what is in use all the time stays.</summary>
public abstract class GivingBackTests(int reactors, IoBackend io)
{
    private readonly ReactorGroupOptions _options = new ReactorGroupOptions { Reactors = reactors, TickMs = 10, KeepUnusedMs = 50 }.On(io);

    [OnBackendFact]
    public void A_burst_of_busy_connections_leaves_nothing_behind()
    {
        // Kept until the burst is over, so that what it took can be seen.
        using var group = new TestGroup<HoldingHandler>(_options with { KeepUnusedMs = 2_000 }, r => new HoldingHandler(r));
        const int count = 1_500;
        var server = group.ListenOn(0);
        var clients = Enumerable.Range(0, count).Select(_ => Client.Connect(server)).ToList();
        // Each leaves an unfinished frame, which takes a pipe, and all are written to in one turn.
        foreach (var client in clients) client.SendAll([1]);
        Wait.Until(() => group[0].LeasesOut == count, "every input is kept");
        group.On(0, (_, h) => h.SayToAll());
        var during = group.On(0, (r, _) => r.Holdings);
        Assert.True(during is { SlotBytes: >= count * 64, SegmentBytes: > 64 * 1024, Outputs: >= 1000, LeasePlaces: >= count, QueuePlaces: > 1024 }, during.ToString());

        foreach (var client in clients) client.Reset();
        group.AwaitEmpty(count);
        AwaitSmall(group);

        // And all of it is to be had again.
        using var again = Client.Connect(server);
        again.SendAll([1, 2]);
        Assert.Equal([1, 2], again.ReceiveExactly(2));
    }

    [OnBackendFact]
    public void What_is_needed_every_turn_is_kept()
    {
        using var group = new TestGroup<HoldingHandler>(_options, r => new HoldingHandler(r));
        var server = group.ListenOn(0);
        var clients = Enumerable.Range(0, 200).Select(_ => Client.Connect(server)).ToList();
        for (var round = 0; round < 20; round++)
        {
            foreach (var client in clients) client.SendAll([1, 2]);
            foreach (var client in clients) Assert.Equal([1, 2], client.ReceiveExactly(2));
        }

        var held = group.On(0, (r, _) => r.Holdings);
        Assert.True(held.SlotBytes >= 200 * 64, held.ToString());
        foreach (var client in clients) client.Close();
        group.AwaitEmpty(200);
        AwaitSmall(group);
    }

    [OnBackendFact]
    public void Records_of_moves_come_back_and_are_let_go()
    {
        using var group = new TestGroup<HoldingHandler>(_options with { KeepUnusedMs = 2_000 }, r => new HoldingHandler(r));
        const int count = 300;
        var server = group.ListenOn(0);
        var clients = Enumerable.Range(0, count).Select(_ => Client.Connect(server)).ToList();
        Wait.Until(() => group[0].Accepted == count, "all are accepted");
        group.On(0, (_, h) => h.MoveAll(reactors - 1));
        Wait.Until(() => group[reactors - 1].MovedIn == count, "all have moved");
        Wait.Until(() => group.On(0, (r, _) => r.Holdings.MoveRecords) == count, "each record is back where it was made");
        foreach (var client in clients) client.Close();
        group.AwaitEmpty(count);
        AwaitSmall(group);
    }

    private static void AwaitSmall(TestGroup<HoldingHandler> group)
    {
        ReactorHoldings after = default;
        Wait.Until(
            () => (after = group.On(0, (r, _) => r.Holdings)) is
            {
                // A chunk of each kind, and of a queue less than four times its least.
                SlotBytes: <= 4096, SegmentBytes: <= 64 * 1024, Outputs: <= 64, LeasePlaces: <= 64, Pipes: <= 1, QueuePlaces: < 8 * 4 * 64, MoveRecords: 0, LaneBytes: <= 3 * 8 * 4096,
            },
            () => after.ToString());
    }

    /// <summary>Echoes pairs of bytes; keeps one byte back.</summary>
    private sealed class HoldingHandler(Reactor reactor) : TestHandler(reactor)
    {
        private readonly HashSet<ConnectionId> _open = [];

        public void SayToAll()
        {
            foreach (var c in _open) Send(c, [0]);
        }

        public void MoveAll(int to)
        {
            foreach (var c in _open) Reactor.Move(c, to, default);
            _open.Clear();
        }

        public override void OnAccepted(ConnectionId c)
        {
            base.OnAccepted(c);
            Reactor.MarkEstablished(c);
            _open.Add(c);
        }

        public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
        {
            var whole = bytes.Length & ~1;
            Send(c, bytes[..whole]);
            return whole;
        }

        public override long OnReceived(ConnectionId c, in System.Buffers.ReadOnlySequence<byte> bytes) =>
            OnReceived(c, System.Buffers.BuffersExtensions.ToArray(bytes));

        public override void OnClosed(ConnectionId c, ulong tag, CloseReason reason, int errno)
        {
            base.OnClosed(c, tag, reason, errno);
            _open.Remove(c);
        }
    }
}

public sealed class GivingBackTestsOnOneReactorWithEpoll() : GivingBackTests(1, IoBackend.Epoll);

public sealed class GivingBackTestsOnEightReactorsWithEpoll() : GivingBackTests(8, IoBackend.Epoll);

public sealed class GivingBackTestsOnOneReactorWithUring() : GivingBackTests(1, IoBackend.Uring);

public sealed class GivingBackTestsOnEightReactorsWithUring() : GivingBackTests(8, IoBackend.Uring);
