using System.Net;
using System.Net.Sockets;
using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>When connections are taken, when they wait, and outbound ones.</summary>
public abstract class AcceptTests(int reactors, IoBackend io)
{
    private readonly ReactorGroupOptions _options = new ReactorGroupOptions { Reactors = reactors, TickMs = 10 }.On(io);

    [OnBackendTheory]
    [InlineData(24)]
    [InlineData(23)]
    [InlineData(105)]
    [InlineData(12)]
    public void Out_of_descriptors_or_memory_pauses_accepting_and_goes_on_by_itself(int errno)
    {
        var short_ = 1;
        var calls = 0;
        var time = new ManualTime();
        var options = _options with
        {
            AcceptBackoffMs = 200,
            AcceptFault = () =>
            {
                Interlocked.Increment(ref calls);
                return Volatile.Read(ref short_) != 0 ? errno : 0;
            },
        };
        using var group = new TestGroup<EchoHandler>(options, r => new EchoHandler(r), time);
        using var client = Client.Connect(group.ListenOn(0));
        Wait.Until(() => group[0].AcceptBackoffs == 1, "the shortage is counted");

        // It does not spin: turns pass without another try until the time has come.
        for (var i = 0; i < 20; i++) group.On(0, (_, _) => { });
        Assert.Equal(1, Volatile.Read(ref calls));
        time.Advance(200);
        Wait.Until(() => group[0].AcceptBackoffs == 2, "it tries again");

        Volatile.Write(ref short_, 0);
        time.Advance(200);
        client.SendAll([1]);
        Assert.Equal([1], client.ReceiveExactly(1));
        Assert.Equal(2, group[0].AcceptBackoffs);
    }

    [OnBackendFact]
    public void A_client_that_gave_up_in_the_backlog_does_not_stop_the_next()
    {
        var aborted = 3;
        var options = _options with
        {
            AcceptFault = () => Interlocked.Decrement(ref aborted) >= 0 ? 103 : 0,
        };
        using var group = new TestGroup<EchoHandler>(options, r => new EchoHandler(r));
        using var client = Client.Connect(group.ListenOn(0));
        client.SendAll([1]);
        Assert.Equal([1], client.ReceiveExactly(1));
        Assert.Equal(0, group[0].AcceptBackoffs);
    }

    [OnBackendFact]
    public void At_the_cap_clients_wait_in_the_backlog_and_are_taken_as_others_leave()
    {
        using var group = new TestGroup<EchoHandler>(_options with { MaxConnections = 3 }, r => new EchoHandler(r));
        var server = group.ListenOn(0);
        var clients = new Queue<Socket>(Enumerable.Range(0, 10).Select(_ => Client.Connect(server)));
        Wait.Until(() => group.SlotsInUse == 3, "the cap is reached");
        for (var served = 0; clients.TryDequeue(out var client); served++)
        {
            client.SendAll([7]);
            Assert.Equal([7], client.ReceiveExactly(1));
            Assert.InRange(group.SlotsInUse, 1, 3);
            client.Close();
        }

        group.AwaitEmpty(10);
        Assert.Equal(3, group[0].SlotsHigh);
    }

    [OnBackendFact]
    public void At_the_cap_of_handshakes_clients_wait_until_one_is_established_or_gone()
    {
        using var group = new TestGroup<TestHandler>(_options with { MaxHandshakes = 2 }, r => new TestHandler(r));
        var server = group.ListenOn(0);
        var clients = Enumerable.Range(0, 6).Select(_ => Client.Connect(server)).ToList();
        Wait.Until(() => group[0].Handshakes == 2, "the cap is reached");
        for (var i = 0; i < 10; i++) Assert.Equal(2, group.On(0, (r, h) => h.Accepted.Count));

        Assert.True(group.Handlers[0].Accepted.TryDequeue(out var first));
        Assert.True(group.Handlers[0].Accepted.TryDequeue(out var second));
        group.On(0, (r, _) =>
        {
            r.MarkEstablished(first);
            r.MarkEstablished(first);
        });
        var third = CloseTests.AwaitAccepted(group.Handlers[0]);
        group.On(0, (r, _) => r.Abort(second));
        CloseTests.AwaitAccepted(group.Handlers[0]);
        for (var i = 0; i < 10; i++) Assert.Equal(0, group.On(0, (r, h) => h.Accepted.Count));

        // A closing connection has left the handshake.
        group.On(0, (r, _) => r.Close(third));
        CloseTests.AwaitAccepted(group.Handlers[0]);
        foreach (var client in clients) client.Reset();
    }

    [OnBackendFact]
    public void While_turns_keep_those_inside_waiting_a_sixteenth_is_accepted_in_each()
    {
        var time = new ManualTime();
        using var group = new TestGroup<SlowHandler>(_options with { AcceptsPerTurn = 64, AcceptLagUs = 2_000 }, r => new SlowHandler(r, time), time);
        var server = group.ListenOn(0);
        for (var i = 0; i < 10; i++) group.On(0, (_, _) => { });

        // A crowd comes while the reactor is at work, and waits in the backlog.
        using var crowded = new ManualResetEventSlim();
        Assert.True(group.Group.Reactors[0].TryPost(_ => crowded.Wait(Wait.Deadline)));
        var clients = Enumerable.Range(0, 200).Select(_ => Client.Connect(server)).ToList();
        crowded.Set();
        Wait.Until(() => group[0].Accepted == 200, "everybody is accepted in the end");
        Assert.InRange(group.On(0, (_, h) => h.MostInATurn), 1, 4);
        foreach (var client in clients) client.Close();
    }

    [OnBackendFact]
    public void Several_listeners_of_both_families_serve_one_reactor()
    {
        using var group = new TestGroup<EchoHandler>(_options, r => new EchoHandler(r));
        IPEndPoint[] servers = [group.ListenOn(0), group.ListenOn(0), group.ListenOn(0, new IPEndPoint(IPAddress.IPv6Loopback, 0))];
        foreach (var server in servers)
        {
            using var client = Client.Connect(server);
            client.SendAll([9]);
            Assert.Equal([9], client.ReceiveExactly(1));
            var id = CloseTests.AwaitAccepted(group.Handlers[0]);
            Assert.Equal(client.LocalEndPoint, group.On(0, (r, _) => r.RemoteEndPoint(id)));
        }
    }

    [OnBackendFact]
    public void Every_reactor_takes_its_share_of_one_port()
    {
        using var group = new TestGroup<EchoHandler>(_options, r => new EchoHandler(r));
        var server = group.Listen();
        var clients = Enumerable.Range(0, 200).Select(_ => Client.Connect(server)).ToList();
        Wait.Until(() => group.SlotsInUse == 200, "all accepted");
        Assert.All(group.Handlers, h => Assert.NotEmpty(h.Accepted));
        foreach (var client in clients) client.Close();
    }

    [OnBackendFact]
    public void A_port_that_is_taken_is_reported_by_its_errno()
    {
        using var group = new TestGroup<EchoHandler>(_options, r => new EchoHandler(r));
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        taken.Listen();
        const int EADDRINUSE = 98;
        Assert.Equal(EADDRINUSE, group.Group.Listen((IPEndPoint)taken.LocalEndPoint!, 16, out _));
        Assert.Equal(EADDRINUSE, group.On(0, (r, _) => r.Listen((IPEndPoint)taken.LocalEndPoint!, 16)));
    }

    [OnBackendFact]
    public void After_StopAccepting_connections_go_on_and_new_clients_wait()
    {
        using var group = new TestGroup<EchoHandler>(_options, r => new EchoHandler(r));
        var server = group.ListenOn(0);
        using var client = Client.Connect(server);
        CloseTests.AwaitAccepted(group.Handlers[0]);
        group.Group.StopAccepting();
        group.On(0, (_, _) => { });
        using var late = Client.Connect(server);
        client.SendAll([1]);
        Assert.Equal([1], client.ReceiveExactly(1));
        for (var i = 0; i < 10; i++) Assert.Equal(1, group.On(0, (r, _) => (int)r.Counters.Accepted));
    }

    [OnBackendFact]
    public void An_outbound_connection_is_like_any_other()
    {
        using var server = new TestGroup<EchoHandler>(_options, r => new EchoHandler(r));
        using var group = new TestGroup<CollectingHandler>(_options, r => new CollectingHandler(r));
        var target = server.ListenOn(0);
        var id = group.On(0, (r, _) =>
        {
            var c = r.Connect(target, IPAddress.Parse("127.0.0.9"));
            r.SetTag(c, 77);
            return c;
        });
        (ConnectionId, int) outcome = default;
        Wait.Until(() => group.Handlers[0].Connected.TryDequeue(out outcome), "connected");
        Assert.Equal((id, 0), outcome);
        var peer = CloseTests.AwaitAccepted(server.Handlers[0]);
        Assert.Equal(IPAddress.Parse("127.0.0.9"), server.On(0, (r, _) => r.RemoteEndPoint(peer))!.Address);

        group.On(0, (r, h) => h.Say(id, [1, 2, 3]));
        Wait.Until(() => group.Handlers[0].Received.Count == 3, "the echo came");
        group.On(0, (r, _) => r.Close(id));
        group.AwaitEmpty();
        Assert.Equal(new Closed(id, 77, CloseReason.Closed, 0), Assert.Single(group.Handlers[0].Closings));
    }

    [OnBackendFact]
    public void A_refused_connect_says_so_and_nothing_else()
    {
        using var group = new TestGroup<TestHandler>(_options, r => new TestHandler(r));
        using var unused = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        unused.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        const int ECONNREFUSED = 111;
        var id = group.On(0, (r, _) => r.Connect((IPEndPoint)unused.LocalEndPoint!, null));
        (ConnectionId, int) outcome = default;
        Wait.Until(() => group.Handlers[0].Connected.TryDequeue(out outcome), "the outcome");
        Assert.Equal((id, ECONNREFUSED), outcome);
        group.AwaitEmpty(closed: 0);
        Assert.Empty(group.Handlers[0].Closings);
    }

    [OnBackendFact]
    public void A_connect_that_fails_at_once_or_is_given_up_has_its_outcome_too()
    {
        using var group = new TestGroup<TestHandler>(_options, r => new TestHandler(r));
        const int EADDRNOTAVAIL = 99;
        const int ECANCELED = 125;
        var server = new TestGroup<TestHandler>(_options, r => new TestHandler(r));
        using var _ = server;
        var target = server.ListenOn(0);
        var (bad, closed, aborted) = group.On(0, (r, _) =>
        {
            var ids = (r.Connect(target, IPAddress.Parse("203.0.113.1")), r.Connect(target, null), r.Connect(target, null));
            r.Close(ids.Item2);
            r.Abort(ids.Item3);
            return ids;
        });
        Wait.Until(() => group.Handlers[0].Connected.Count == 3, "three outcomes");
        Assert.Equal([(bad, EADDRNOTAVAIL), (closed, ECANCELED), (aborted, ECANCELED)], group.Handlers[0].Connected);
        group.AwaitEmpty(closed: 0);
        Assert.Empty(group.Handlers[0].Closings);
    }

    [OnBackendFact]
    public void Beyond_the_rate_clients_wait_in_the_backlog_until_time_has_passed()
    {
        var time = new ManualTime();
        using var group = new TestGroup<EchoHandler>(_options with { AcceptsPerTurn = 5, AcceptsPerSecond = 10 }, r => new EchoHandler(r), time);
        var server = group.ListenOn(0);
        var clients = Enumerable.Range(0, 20).Select(_ => Client.Connect(server)).ToList();
        Wait.Until(() => group[0].Accepted == 5, "what was saved up is accepted");
        for (var i = 0; i < 20; i++) Assert.Equal(5, group.On(0, (r, _) => (int)r.Counters.Accepted));
        for (var accepted = 6; accepted <= 20; accepted++)
        {
            time.Advance(100);
            Wait.Until(() => group[0].Accepted == accepted, "one more a tenth of a second");
        }

        foreach (var client in clients) client.Close();
    }

    /// <summary>Every turn of it takes 10 ms.</summary>
    private sealed class SlowHandler(Reactor reactor, ManualTime time) : TestHandler(reactor)
    {
        private int _inThisTurn;

        public int MostInATurn { get; private set; }

        public override void OnAccepted(ConnectionId c) => _inThisTurn++;

        public override void OnTurn(long nowMs)
        {
            MostInATurn = Math.Max(MostInATurn, _inThisTurn);
            _inThisTurn = 0;
            time.Advance(10);
        }
    }

    private sealed class CollectingHandler(Reactor reactor) : TestHandler(reactor)
    {
        public List<byte> Received { get; } = [];

        public void Say(ConnectionId c, ReadOnlySpan<byte> bytes) => Send(c, bytes);

        public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
        {
            Received.AddRange(bytes);
            return bytes.Length;
        }
    }
}

public sealed class AcceptTestsOnOneReactor() : AcceptTests(1, IoBackend.Epoll);

public sealed class AcceptTestsOnEightReactors() : AcceptTests(8, IoBackend.Epoll);

public sealed class AcceptTestsOnOneReactorWithUring() : AcceptTests(1, IoBackend.Uring);

public sealed class AcceptTestsOnEightReactorsWithUring() : AcceptTests(8, IoBackend.Uring);
