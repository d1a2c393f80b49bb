using System.Net.Sockets;
using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>Output that may wait for other output of its connection: with it, by itself in the end, never lost, never out of order.</summary>
public abstract class OutputWaitTests(int reactors, IoBackend io)
{
    // So long that nothing in these tests goes by its time unless the test says so.
    private const int Long = 600_000;

    private readonly ReactorGroupOptions _options = new ReactorGroupOptions
    {
        Reactors = reactors, TickMs = 10, HandshakeTimeoutMs = 0, OutputWaitMs = Long, OutputWaitLoadPercent = 0,
    }.On(io);

    [OnBackendFact]
    public void It_goes_with_the_next_output_and_before_it()
    {
        using var group = new TestGroup<TestHandler>(_options, r => new TestHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        // Each of these is a turn or more of its own.
        for (var i = 1; i < 10; i++) group.On(0, (r, _) => Write(r, id, i, mayWait: true));
        Assert.Equal(9, group.On(0, (r, _) => r.UnsentBytes(id)));
        group.On(0, (r, _) => Write(r, id, 10, mayWait: false));

        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], client.ReceiveExactly(10));
        group.AwaitIdle();
        Assert.Equal((1, 0), (group[0].OutputsJoined, group[0].OutputsInVain));
    }

    [OnBackendFact]
    public void It_goes_by_itself_when_nothing_comes_and_ever_fewer_others_wait()
    {
        using var group = new TestGroup<TestHandler>(_options with { OutputWaitMs = 5 }, r => new TestHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        for (var i = 1; i <= 600; i++)
        {
            group.On(0, (r, _) => Write(r, id, i, mayWait: true));
            Assert.Equal([(byte)i], client.ReceiveExactly(1));
            if (i == 1) Assert.Equal(1, group[0].OutputsInVain);
        }

        // The first, then one of 2, one of 4, and so on by chance, down to one of 256: about nine.
        Assert.InRange(group[0].OutputsInVain, 4, 25);
    }

    [OnBackendFact]
    public void Connections_that_are_busy_in_step_all_get_to_wait_again()
    {
        var time = new ManualTime();
        using var group = new TestGroup<TestHandler>(_options with { OutputWaitMs = 5 }, r => new TestHandler(r), time);
        var endpoint = group.ListenOn(0);
        var clients = new Socket[4];
        var ids = new ConnectionId[4];
        for (var i = 0; i < 4; i++)
        {
            clients[i] = Client.Connect(endpoint);
            ids[i] = CloseTests.AwaitAccepted(group.Handlers[0]);
            // Each has waited in vain once.
            group.On(0, (r, _) => Write(r, ids[i], 1, mayWait: true));
            time.Advance(5);
            clients[i].ReceiveExactly(1);
        }

        Assert.Equal(4, group[0].OutputsInVain);

        // All are written to in each round, one after the other; one that joined what came after it waits each time from then on.
        var waits = new bool[4];
        for (var round = 0; round < 100; round++)
        {
            foreach (var id in ids) group.On(0, (r, _) => Write(r, id, 2, mayWait: true));
            for (var i = 0; i < 4; i++)
            {
                waits[i] |= group.On(0, (r, _) => r.UnsentBytes(ids[i])) != 0;
                group.On(0, (r, _) => Write(r, ids[i], 3, mayWait: false));
                Assert.Equal([2, 3], clients[i].ReceiveExactly(2));
            }
        }

        Assert.Equal([true, true, true, true], waits);
        foreach (var client in clients) client.Dispose();
    }

    [OnBackendFact]
    public void A_reactor_that_sleeps_looks_again_when_its_time_has_come()
    {
        // Time stands still, so that the reactor finds that it has come too early, again and again; without anything that waits it would look once a second.
        var time = new ManualTime();
        using var group = new TestGroup<TestHandler>(_options with { OutputWaitMs = 5, TickMs = 1000 }, r => new TestHandler(r), time);
        using var client = Client.Connect(group.ListenOn(0));
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        group.On(0, (r, _) => Write(r, id, 7, mayWait: true));
        var turns = group[0].Turns;
        Wait.Until(() => group[0].Turns > turns + 200, "the reactor looks again");
        Assert.Equal(1, group.On(0, (r, _) => r.UnsentBytes(id)));

        time.Advance(5);
        Assert.Equal([7], client.ReceiveExactly(1));
    }

    [OnBackendFact]
    public void A_close_hands_it_over()
    {
        using var group = new TestGroup<TestHandler>(_options, r => new TestHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        group.On(0, (r, _) => Write(r, id, 7, mayWait: true));
        group.On(0, (r, _) => r.Close(id));

        Assert.Equal([7], client.ReceiveToEnd());
        client.Dispose();
        group.AwaitEmpty();
        Assert.Equal(0, group[0].OutputsInVain);
    }

    [OnBackendFact]
    public void A_peer_that_ends_its_side_is_handed_it()
    {
        using var group = new TestGroup<TestHandler>(_options, r => new TestHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        group.On(0, (r, _) => Write(r, id, 7, mayWait: true));
        client.Shutdown(SocketShutdown.Send);

        Assert.Equal([7], client.ReceiveToEnd());
        group.AwaitEmpty();
    }

    [OnBackendFact]
    public void A_move_takes_it_along()
    {
        using var group = new TestGroup<TestHandler>(_options, r => new TestHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        group.On(0, (r, _) => Write(r, id, 7, mayWait: true));
        group.On(0, (r, _) => r.Move(id, reactors - 1, default));

        Assert.Equal([7], client.ReceiveExactly(1));
        group.AwaitIdle();
    }

    [OnBackendFact]
    public void A_reactor_with_little_to_do_lets_nothing_wait()
    {
        using var group = new TestGroup<TestHandler>(_options with { OutputWaitLoadPercent = 100 }, r => new TestHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        for (var i = 1; i <= 20; i++)
        {
            group.On(0, (r, _) => Write(r, id, i, mayWait: true));
            Assert.Equal([(byte)i], client.ReceiveExactly(1));
        }

        Assert.Equal((0, 0), (group[0].OutputsJoined, group[0].OutputsInVain));
    }

    [OnBackendFact]
    public void A_reactor_with_much_to_do_lets_it_wait()
    {
        using var group = new TestGroup<BusyHandler>(_options with { OutputWaitLoadPercent = 25 }, r => new BusyHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        Wait.Until(
            () =>
            {
                group.On(0, (r, _) => Write(r, id, 1, mayWait: true));
                return group.On(0, (r, _) => r.UnsentBytes(id)) != 0;
            },
            "output waits");
    }

    [OnBackendFact]
    public void Only_so_many_wait_that_what_they_hold_is_bounded()
    {
        using var group = new TestGroup<TestHandler>(_options with { OutputsPerTurn = 4 }, r => new TestHandler(r));
        var endpoint = group.ListenOn(0);
        var clients = new List<Socket>();
        var ids = new List<ConnectionId>();
        for (var i = 0; i < 8; i++)
        {
            clients.Add(Client.Connect(endpoint));
            ids.Add(CloseTests.AwaitAccepted(group.Handlers[0]));
            group.On(0, (r, _) => Write(r, ids[i], i, mayWait: true));
        }

        for (var i = 4; i < 8; i++) Assert.Equal([(byte)i], clients[i].ReceiveExactly(1));
        for (var i = 0; i < 4; i++) Assert.Equal(1, group.On(0, (r, _) => r.UnsentBytes(ids[i])));
        clients.ForEach(c => c.Dispose());
        group.AwaitEmpty(8);
    }

    [OnBackendFact]
    public void A_stop_hands_it_over()
    {
        using var group = new TestGroup<TestHandler>(_options, r => new TestHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        group.On(0, (r, _) => Write(r, id, 7, mayWait: true));
        group.Group.Dispose();

        Assert.Equal([7], client.ReceiveExactly(1));
    }

    [OnBackendTheory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Mixed_with_other_output_and_a_slow_reader_every_byte_comes_in_order(int seed)
    {
        using var group = new TestGroup<TestHandler>(_options with { OutputWaitMs = 2, OutputsPerTurn = 4, MaxUnsentBytes = 50_000 }, r => new TestHandler(r));
        var endpoint = group.ListenOn(0);
        var clients = new List<(Socket Client, ConnectionId Id)>();
        for (var i = 0; i < 8; i++)
        {
            var client = Client.Connect(endpoint);
            clients.Add((client, CloseTests.AwaitAccepted(group.Handlers[0])));
        }

        const int total = 2_000_000;
        var receiving = clients.Select(c => Threads.Start(() => c.Client.ReceiveExactly(total))).ToArray();
        var random = new Random(seed);
        var written = new int[clients.Count];
        while (written.Any(w => w < total))
        {
            group.On(0, (r, _) =>
            {
                for (var n = random.Next(1, 40); n > 0; n--)
                {
                    var k = random.Next(clients.Count);
                    var bytes = Math.Min(random.Next(10) == 0 ? random.Next(1, 60_000) : random.Next(1, 60), total - written[k]);
                    if (bytes == 0) continue;
                    var span = r.GetSpan(clients[k].Id, bytes);
                    for (var i = 0; i < bytes; i++) span[i] = Expected(written[k] + i);
                    if (random.Next(3) == 0) r.Advance(clients[k].Id, bytes);
                    else r.AdvanceWithNext(clients[k].Id, bytes);
                    written[k] += bytes;
                }
            });
        }

        foreach (var all in await Task.WhenAll(receiving).WaitAsync(Wait.Deadline))
        {
            for (var i = 0; i < total; i++) Assert.True(all[i] == Expected(i), $"byte {i} is {all[i]}");
        }

        group.AwaitIdle();
        foreach (var (client, _) in clients) client.Dispose();
        group.AwaitEmpty(clients.Count);

        static byte Expected(int at) => (byte)(at * 31 + (at >> 8));
    }

    /// <summary>Works for twice a tick in every turn.</summary>
    private sealed class BusyHandler(Reactor reactor) : TestHandler(reactor)
    {
        public override void OnTurn(long nowMs)
        {
            while (Reactor.ClockMs < nowMs + 2 * Reactor.Options.TickMs) Thread.SpinWait(100);
        }
    }

    private static void Write(Reactor r, ConnectionId id, int value, bool mayWait)
    {
        r.GetSpan(id, 1)[0] = (byte)value;
        if (mayWait) r.AdvanceWithNext(id, 1);
        else r.Advance(id, 1);
    }
}

public sealed class OutputWaitTestsOnOneReactor() : OutputWaitTests(1, IoBackend.Epoll);

public sealed class OutputWaitTestsOnEightReactors() : OutputWaitTests(8, IoBackend.Epoll);

public sealed class OutputWaitTestsOnOneReactorWithUring() : OutputWaitTests(1, IoBackend.Uring);

public sealed class OutputWaitTestsOnEightReactorsWithUring() : OutputWaitTests(8, IoBackend.Uring);
