using System.Collections.Concurrent;
using Gateway.Transport;
using Gateway.Transport.Backend.Uring;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>A connection that changes its reactor goes from one table of direct descriptors into another's.</summary>
public class HandOverTestsOnUring
{
    private static readonly ReactorGroupOptions Options = new() { Reactors = 2, TickMs = 10, Io = IoBackend.Uring };

    private readonly ConcurrentDictionary<int, UringBackend> _backends = new();

    [OnBackendTheory]
    [InlineData(0)]
    [InlineData(4)]
    public void A_move_goes_from_table_to_table_and_the_target_makes_as_many_as_it_takes(int socketsPerRing)
    {
        using var group = Start(Options with { SocketsPerRing = socketsPerRing });
        var server = group.ListenOn(0);
        var clients = Enumerable.Range(0, 100).Select(_ => Client.Connect(server)).ToList();
        // There and back, with a byte each time.
        for (var lap = 0; lap < 6; lap++)
        {
            foreach (var client in clients) client.SendAll([1]);
            Wait.Until(() => group[1 - lap % 2].SlotsInUse == 100 && group[lap % 2].SlotsInUse == 0, () => $"lap {lap}: {group[0]} {group[1]}");
        }

        Assert.Equal(6 * 100, _backends.Values.Sum(b => b.HandedOver));
        Assert.Equal(0, _backends.Values.Sum(b => b.HandOverFailures));
        if (socketsPerRing != 0) Assert.All(_backends.Values, b => Assert.True(b.Rings >= 25, $"{b.Rings} rings"));
        foreach (var client in clients) client.Close();
        group.AwaitEmpty(100);
        Wait.Until(() => _backends.Values.All(b => b.Places == 0), "every place is free again");
    }

    [OnBackendFact]
    public void A_hand_over_that_the_kernel_refuses_is_tried_again_and_loses_nobody()
    {
        using var group = Start(Options);
        var server = group.ListenOn(0);
        var attempts = 0;
        // Not a ring, which is what the kernel says of one that is gone.
        group.On(0, (_, _) => BackendOf(group, 0).RingFault = ring => Interlocked.Increment(ref attempts) % 3 == 0 ? ring : 0);
        var clients = Enumerable.Range(0, 60).Select(_ => Client.Connect(server)).ToList();
        foreach (var client in clients) client.SendAll([1]);
        Wait.Until(() => group[1].SlotsInUse == 60, () => $"{group[1].SlotsInUse} moved in {attempts} attempts");
        Assert.Equal(60, BackendOf(group, 0).HandedOver);
        Assert.InRange(BackendOf(group, 0).HandOverFailures, 60, attempts);
        foreach (var client in clients) client.Close();
        group.AwaitEmpty(60);
        Wait.Until(() => _backends.Values.All(b => b.Places == 0), "every place is free again");
    }

    [OnBackendFact]
    public void A_group_that_stops_while_no_hand_over_succeeds_closes_every_connection()
    {
        var group = Start(Options);
        var server = group.ListenOn(0);
        group.On(0, (_, _) => BackendOf(group, 0).RingFault = _ => 0);
        var clients = Enumerable.Range(0, 20).Select(_ => Client.Connect(server)).ToList();
        foreach (var client in clients) client.SendAll([1]);
        Wait.Until(() => BackendOf(group, 0).HandOverFailures > 40, "they wait to be moved");
        group.Dispose();
        foreach (var client in clients)
        {
            try
            {
                client.ReceiveToEnd();
            }
            catch (System.Net.Sockets.SocketException e) when (e.SocketErrorCode == System.Net.Sockets.SocketError.ConnectionReset)
            {
            }

            client.Close();
        }
    }

    [OnBackendTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void Reactors_wake_each_other_by_messages_and_by_the_eventfd_when_those_are_refused(bool refused)
    {
        // Were a wake lost, each notice would take a tick.
        using var group = new TestGroup<PlayingHandler>(Options with { TickMs = 1000 }, r => new PlayingHandler(r));
        UringBackend[] backends = [.. group.Group.Reactors.Select(r => (UringBackend)r.Backend)];
        for (var i = 0; i < 2 && refused; i++) group.On(i, (_, _) => backends[i].RingFault = _ => 0);
        group.On(0, (r, _) => Assert.True(r.TryNotify(1, [1])));
        Wait.Until(() => group.Handlers.Sum(h => Volatile.Read(ref h.Notices)) >= 2_000, () => $"{group.Handlers.Sum(h => h.Notices)} notices");
        var refusals = group.On(0, (_, _) => backends[0].MessagesRefused) + group.On(1, (_, _) => backends[1].MessagesRefused);
        if (refused) Assert.NotEqual(0, refusals);
        else Assert.Equal(0, refusals);
    }

    private static UringBackend BackendOf(TestGroup<ShuttlingHandler> group, int reactor) => (UringBackend)group.Group.Reactors[reactor].Backend;

    private TestGroup<ShuttlingHandler> Start(ReactorGroupOptions options)
    {
        var group = new TestGroup<ShuttlingHandler>(options, r => new ShuttlingHandler(r));
        for (var i = 0; i < options.Reactors; i++) _backends[i] = BackendOf(group, i);
        return group;
    }

    /// <summary>Moves to the other reactor at each byte, having consumed it.</summary>
    private sealed class ShuttlingHandler(Reactor reactor) : TestHandler(reactor)
    {
        public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
        {
            Reactor.Move(c, 1 - Reactor.Index, default);
            return bytes.Length;
        }
    }

    /// <summary>Sends back each notice.</summary>
    private sealed class PlayingHandler(Reactor reactor) : TestHandler(reactor)
    {
        public int Notices;

        public override void OnNotice(int fromReactor, ReadOnlySpan<byte> message)
        {
            Volatile.Write(ref Notices, Notices + 1);
            Reactor.TryNotify(fromReactor, message);
        }
    }
}
