using System.Net;
using System.Net.Sockets;
using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>Each kind of deadline, on a clock that the test moves.</summary>
public abstract class TimeoutTests(int reactors, IoBackend io)
{
    private const int Tick = 10;

    private readonly ReactorGroupOptions _options = new ReactorGroupOptions
    {
        Reactors = reactors,
        TickMs = Tick,
        HandshakeTimeoutMs = 1000,
        FrameTimeoutMs = 2000,
        IdleTimeoutMs = 10_000,
        LingerTimeoutMs = 500,
    }.On(io);

    [OnBackendFact]
    public void A_connection_that_is_not_established_in_time_is_told_and_told_again()
    {
        var (time, group) = Start();
        using var _ = group;
        using var client = Client.Connect(group.ListenOn(0));
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        AssertNothingFires(group, time, 1000);
        AssertFires(group, time, 2 * Tick, id, TimeoutKind.Handshake);
        AssertFires(group, time, 1000 + 2 * Tick, id, TimeoutKind.Handshake);
        group.On(0, (r, _) => r.MarkEstablished(id));
        AssertNothingFires(group, time, 9_900);
    }

    [OnBackendFact]
    public void Bytes_that_are_consumed_do_not_stretch_the_handshake()
    {
        var (time, group) = Start();
        using var _ = group;
        using var client = Client.Connect(group.ListenOn(0));
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        for (var i = 0; i < 10; i++)
        {
            Receive(group, client, 1);
            AssertNothingFires(group, time, 100);
        }

        AssertFires(group, time, 2 * Tick, id, TimeoutKind.Handshake);
    }

    [OnBackendFact]
    public void An_established_connection_is_idle_only_after_bytes_stopped_coming()
    {
        var (time, group) = Start();
        using var _ = group;
        using var client = Client.Connect(group.ListenOn(0));
        var id = Establish(group);
        for (var i = 0; i < 5; i++)
        {
            AssertNothingFires(group, time, 9_900);
            Receive(group, client, 1);
        }

        AssertNothingFires(group, time, 10_000 - Tick);
        AssertFires(group, time, 3 * Tick, id, TimeoutKind.Idle);
        AssertNothingFires(group, time, 10_000 - Tick);
        AssertFires(group, time, 3 * Tick, id, TimeoutKind.Idle);
    }

    [OnBackendFact]
    public void A_silence_is_told_once_before_it_is_idle_and_again_after_a_byte()
    {
        var (time, group) = Start(_options with { QuietTimeoutMs = 7_500 });
        using var _ = group;
        using var client = Client.Connect(group.ListenOn(0));
        var id = Establish(group);
        AssertNothingFires(group, time, 7_500 - Tick);
        AssertFires(group, time, 3 * Tick, id, TimeoutKind.Quiet);
        // Another timer within the same silence changes nothing.
        group.On(0, (r, _) => r.SetTimer(id, r.NowMs + 100));
        AssertFires(group, time, 100 + 2 * Tick, id, TimeoutKind.Application);
        AssertNothingFires(group, time, 2_000);
        Receive(group, client, 1);
        AssertNothingFires(group, time, 7_500 - 2 * Tick);
        AssertFires(group, time, 4 * Tick, id, TimeoutKind.Quiet);
        AssertNothingFires(group, time, 2_000);
        AssertFires(group, time, 500 + 3 * Tick, id, TimeoutKind.Idle);
    }

    [OnBackendFact]
    public void Silences_that_began_together_are_told_each_at_its_own_moment()
    {
        const int Connections = 32;
        var (time, group) = Start(_options with { QuietTimeoutMs = 7_500, QuietSpreadMs = 2_500 });
        using var _ = group;
        var endpoint = group.ListenOn(0);
        var clients = new List<Socket>();
        for (var i = 0; i < Connections; i++)
        {
            clients.Add(Client.Connect(endpoint));
            Establish(group);
        }

        AssertNothingFires(group, time, 5_000 - Tick);
        var (moments, told) = (0, 0);
        for (var ms = 0; ms < 2_500 + 4 * Tick; ms += Tick)
        {
            time.Advance(Tick);
            group.On(0, (_, _) => { });
            group.On(0, (_, _) => { });
            var before = told;
            while (group.Handlers[0].Timeouts.TryDequeue(out var fired))
            {
                Assert.Equal(TimeoutKind.Quiet, fired.Kind);
                told++;
            }

            if (told != before) moments++;
        }

        Assert.Equal(Connections, told);
        Assert.InRange(moments, Connections / 3, Connections);
        clients.ForEach(c => c.Dispose());
    }

    [OnBackendFact]
    public void When_a_connection_was_heard_last_is_known_to_a_tick_and_no_silence_counts_that_was_not_read()
    {
        var (time, group) = Start();
        using var _ = group;
        using var client = Client.Connect(group.ListenOn(0));
        var id = Establish(group);
        Receive(group, client, 1);
        time.Advance(3_000);
        Assert.InRange(SilenceOf(), 3_000 - Tick, 3_000 + 2 * Tick);
        group.On(0, (r, _) => r.PauseReading(id));
        time.Advance(3_000);
        Assert.Equal(0, SilenceOf());
        group.On(0, (r, _) => r.ResumeReading(id));
        time.Advance(1_000);
        Assert.InRange(SilenceOf(), 1_000 - Tick, 1_000 + 2 * Tick);
        group.On(0, (r, _) => r.Abort(id));
        Assert.Equal(0, SilenceOf());

        long SilenceOf()
        {
            group.On(0, (_, _) => { }); // a whole turn at the new time
            return group.On(0, (r, _) => r.NowMs - r.HeardAtMs(id));
        }
    }

    [OnBackendFact]
    public void A_partial_frame_that_trickles_in_is_too_old_by_its_first_byte()
    {
        var (time, group) = Start();
        using var _ = group;
        using var client = Client.Connect(group.ListenOn(0));
        var id = Establish(group);
        group.On(0, (_, h) => h.Consume = 0);
        for (var i = 0; i < 20; i++)
        {
            Receive(group, client, 1);
            AssertNothingFires(group, time, 100);
        }

        AssertFires(group, time, 2 * Tick, id, TimeoutKind.Frame);
    }

    [OnBackendFact]
    public void A_frame_that_was_completed_starts_the_age_of_what_follows_it_anew()
    {
        var (time, group) = Start();
        using var _ = group;
        using var client = Client.Connect(group.ListenOn(0));
        var id = Establish(group);
        group.On(0, (_, h) => h.Consume = 0);
        Receive(group, client, 3);
        AssertNothingFires(group, time, 1900);
        group.On(0, (_, h) => h.Consume = 1);
        Receive(group, client, 3);
        group.On(0, (_, h) => h.Consume = 0);
        AssertNothingFires(group, time, 1900);
        AssertFires(group, time, 100 + 3 * Tick, id, TimeoutKind.Frame);
    }

    [OnBackendFact]
    public void A_frame_consumed_in_time_leaves_no_deadline()
    {
        var (time, group) = Start();
        using var _ = group;
        using var client = Client.Connect(group.ListenOn(0));
        Establish(group);
        group.On(0, (_, h) => h.Consume = 0);
        Receive(group, client, 3);
        group.On(0, (_, h) => h.Consume = int.MaxValue);
        Receive(group, client, 3);
        group.AwaitIdle();
        AssertNothingFires(group, time, 9_000);
    }

    [OnBackendFact]
    public void A_connection_that_the_application_paused_is_neither_idle_nor_slow()
    {
        var (time, group) = Start();
        using var _ = group;
        using var client = Client.Connect(group.ListenOn(0));
        var id = Establish(group);
        group.On(0, (_, h) => h.Consume = 0);
        Receive(group, client, 3);
        group.On(0, (r, _) => r.PauseReading(id));
        for (var i = 0; i < 10; i++) AssertNothingFires(group, time, 5_000);
        group.On(0, (r, _) => r.ResumeReading(id));
        AssertFires(group, time, 2000 + 3 * Tick, id, TimeoutKind.Frame);
    }

    [OnBackendFact]
    public void The_application_timer_fires_once_not_before_its_time_and_can_be_moved_and_cancelled()
    {
        var (time, group) = Start();
        using var _ = group;
        using var client = Client.Connect(group.ListenOn(0));
        var id = Establish(group);
        group.On(0, (r, _) => r.SetTimer(id, r.NowMs + 300));
        AssertNothingFires(group, time, 300 - 1);
        AssertFires(group, time, 2 * Tick + 1, id, TimeoutKind.Application);
        AssertNothingFires(group, time, 1000);

        group.On(0, (r, _) => r.SetTimer(id, r.NowMs + 300));
        group.On(0, (r, _) => r.SetTimer(id, r.NowMs + 3000));
        AssertNothingFires(group, time, 2999);
        AssertFires(group, time, 2 * Tick + 1, id, TimeoutKind.Application);

        group.On(0, (r, _) => r.SetTimer(id, r.NowMs + 300));
        group.On(0, (r, _) => r.SetTimer(id, 0));
        AssertNothingFires(group, time, 1000);

        // A time that has passed fires at the next tick.
        group.On(0, (r, _) => r.SetTimer(id, 1));
        AssertFires(group, time, 2 * Tick, id, TimeoutKind.Application);
    }

    [OnBackendFact]
    public void A_closed_connection_has_no_deadline_left()
    {
        var (time, group) = Start();
        using var _ = group;
        using var client = Client.Connect(group.ListenOn(0));
        var id = Establish(group);
        group.On(0, (r, _) => r.SetTimer(id, r.NowMs + 300));
        group.On(0, (r, _) => r.Abort(id));
        group.AwaitEmpty();
        AssertNothingFires(group, time, 20_000);
    }

    [OnBackendFact]
    public void A_closing_connection_goes_when_the_linger_time_is_over()
    {
        var (time, group) = Start();
        using var _ = group;
        using var client = Client.Connect(group.ListenOn(0));
        var id = Establish(group);
        group.On(0, (r, _) => r.Close(id));
        AssertNothingFires(group, time, 500);
        Assert.Equal(1, group.SlotsInUse);
        time.Advance(2 * Tick);
        group.AwaitEmpty();
        Assert.Equal(CloseReason.Closed, Assert.Single(group.Handlers[0].Closings).Reason);
    }

    [OnBackendFact]
    public void A_connect_that_nobody_answers_fails_when_the_handshake_time_is_over()
    {
        var (time, group) = Start();
        using var _ = group;
        // A listener whose backlog is full answers no further SYN.
        using var deaf = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        deaf.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        deaf.Listen(0);
        var target = (IPEndPoint)deaf.LocalEndPoint!;
        using var filler = Client.Connect(target);
        var connecting = group.On(0, (r, _) => Enumerable.Range(0, 4).Select(_ => r.Connect(target, null)).ToArray());
        for (var i = 0; i < 20; i++) group.On(0, (_, _) => { });
        var pending = connecting.Length - group.Handlers[0].Connected.Count;
        Assert.InRange(pending, 1, connecting.Length);
        time.Advance(1000 + 2 * Tick);
        Wait.Until(() => group.Handlers[0].Connected.Count == connecting.Length, "every connect has an outcome");
        Assert.Equal(pending, group.Handlers[0].Connected.Count(o => o.Errno == 110));
        Assert.Empty(group.Handlers[0].Closings);
    }

    private (ManualTime Time, TestGroup<PortionHandler> Group) Start(ReactorGroupOptions? options = null)
    {
        var time = new ManualTime();
        return (time, new TestGroup<PortionHandler>(options ?? _options, r => new PortionHandler(r), time));
    }

    private static ConnectionId Establish(TestGroup<PortionHandler> group)
    {
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        group.On(0, (r, _) => r.MarkEstablished(id));
        return id;
    }

    private static void Receive(TestGroup<PortionHandler> group, Socket client, int bytes)
    {
        var before = group[0].ReceivedBytes;
        client.SendAll(new byte[bytes]);
        Wait.Until(() => group[0].ReceivedBytes == before + bytes, "received");
    }

    private static void AssertNothingFires(TestGroup<PortionHandler> group, ManualTime time, int ms)
    {
        time.Advance(ms);
        // Two whole turns see the new time.
        group.On(0, (_, _) => { });
        group.On(0, (_, _) => { });
        Assert.Empty(group.Handlers[0].Timeouts);
    }

    private static void AssertFires(TestGroup<PortionHandler> group, ManualTime time, int ms, ConnectionId id, TimeoutKind kind)
    {
        time.Advance(ms);
        (ConnectionId, TimeoutKind) fired = default;
        Wait.Until(() => group.Handlers[0].Timeouts.TryDequeue(out fired), () => $"{kind} fires");
        Assert.Equal((id, kind), fired);
        group.On(0, (_, _) => { });
        Assert.Empty(group.Handlers[0].Timeouts);
    }

    private sealed class PortionHandler(Reactor reactor) : TestHandler(reactor)
    {
        public int Consume { get; set; } = int.MaxValue;

        public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes) => Math.Min(Consume, bytes.Length);

        public override long OnReceived(ConnectionId c, in System.Buffers.ReadOnlySequence<byte> bytes) => Math.Min(Consume, bytes.Length);
    }
}

public sealed class TimeoutTestsOnOneReactor() : TimeoutTests(1, IoBackend.Epoll);

public sealed class TimeoutTestsOnEightReactors() : TimeoutTests(8, IoBackend.Epoll);

public sealed class TimeoutTestsOnOneReactorWithUring() : TimeoutTests(1, IoBackend.Uring);

public sealed class TimeoutTestsOnEightReactorsWithUring() : TimeoutTests(8, IoBackend.Uring);
