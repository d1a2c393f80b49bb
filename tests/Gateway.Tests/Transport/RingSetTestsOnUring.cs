using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Gateway.Transport;
using Gateway.Transport.Backend.Uring;
using Gateway.Transport.Linux;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>
/// The rings of a reactor share an eventfd, and the flag that says which of them has deferred work may be stale: the kernel sets it a moment
/// after it queued the work, when that may be done already, and takes it back only when it has some to do. A ring at rest is not looked at until
/// it signals.
/// </summary>
public sealed unsafe class RingSetTestsOnUring : IDisposable
{
    private static readonly ReactorGroupOptions Options = new() { Reactors = 1, Io = IoBackend.Uring, SocketsPerRing = 2 };

    // SAFETY: freed after the rings that read into it are gone.
    private readonly ulong* _counter = (ulong*)NativeMemory.AllocZeroed(sizeof(ulong));
    private readonly int _wake = Syscalls.EventDescriptor(blocking: true);

    public void Dispose()
    {
        _ = Syscalls.Close(_wake);
        NativeMemory.Free(_counter);
    }

    [OnBackendFact]
    public void A_stale_flag_neither_keeps_the_reactor_awake_nor_makes_it_spin() => OnItsThread(rings =>
    {
        LeaveFlagsStale(rings);
        Assert.True(rings[2].WantsEnter);
        // Collecting ends although the flags stay.
        rings.Collect();
        Assert.True(rings[2].WantsEnter);
        Assert.False(rings.HasCompletions);

        // Asleep until somebody signals: if a stale flag kept it awake, it would come back at once and without a completion.
        for (var round = 0; round < 20; round++)
        {
            LeaveFlagsStale(rings);
            using var signal = Later(() => _ = Syscalls.Signal(_wake));
            rings.Sleep(60_000);
            Assert.True(rings.Primary.TryTake(out var entry));
            Assert.Equal(Operation.Wake, UserData.OperationOf(entry.UserData));
            ReadWakes(rings);
        }
    });

    [OnBackendFact]
    public void Work_of_a_ring_whose_flag_was_stale_all_the_time_is_found() => OnItsThread(rings =>
    {
        using var listener = Listen();
        for (var round = 0; round < 20; round++)
        {
            // A socket, not an eventfd: what one eventfd wakes did not get through to another in a minute.
            using var client = Client.Connect((IPEndPoint)listener.LocalEndPoint!);
            using var server = listener.Accept();
            var ring = rings[1 + round % 3];
            Poll(ring, server, round);
            rings.Push();
            LeaveFlagsStale(rings);
            using var signal = Later(() => client.SendAll([1]));
            for (var taken = false; !taken;)
            {
                rings.Sleep(60_000);
                TakeWakes(rings);
                while (ring.TryTake(out var entry)) taken |= entry.UserData == UserData.Of(Operation.Listen, (uint)round);
            }
        }
    });

    [OnBackendTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_ring_that_had_nothing_for_some_turns_rests_and_is_found_when_it_has(bool asleep) => OnItsThread(rings =>
    {
        using var listener = Listen();
        for (var round = 0; round < 20; round++)
        {
            using var client = Client.Connect((IPEndPoint)listener.LocalEndPoint!);
            using var server = listener.Accept();
            var ring = rings[1 + round % 3];
            Assert.Contains(ring, rings.Awake);
            Poll(ring, server, round);
            rings.Push();
            for (var turn = 0; turn < 100; turn++) rings.Collect();
            Assert.Equal([rings.Primary], rings.Awake);

            using var signal = Later(() => client.SendAll([1]));
            for (var taken = false; !taken;)
            {
                if (asleep) rings.Sleep(60_000);
                else rings.Collect();
                TakeWakes(rings);
                while (rings.Awake.Contains(ring) && ring.TryTake(out var entry)) taken |= entry.UserData == UserData.Of(Operation.Listen, (uint)round);
            }
        }
    });

    [OnBackendFact]
    public void A_ring_that_is_awake_again_does_not_signal() => OnItsThread(rings =>
    {
        using var listener = Listen();
        using var client = Client.Connect((IPEndPoint)listener.LocalEndPoint!);
        using var server = listener.Accept();
        for (var turn = 0; turn < 100; turn++) rings.Collect();
        Assert.Equal([rings.Primary], rings.Awake);
        var ring = rings[1];
        Poll(ring, server, 7);
        rings.Push();
        client.SendAll([1]);
        var taken = false;
        while (!taken)
        {
            rings.Collect();
            taken = ring.TryTake(out _);
        }

        rings.Collect();
        Assert.False(rings.Primary.TryTake(out _));
    });

    /// <summary>
    /// An enter does 20 pieces of deferred work, and of what it leaves over nothing is signalled. Pieces that complete nothing, as when a peer confirms our end
    /// of sending to a poll for input, must not hide the one behind them that does.
    /// </summary>
    [OnBackendFact]
    public void Work_behind_much_that_completes_nothing_is_found() => OnItsThread(rings =>
    {
        const int Pairs = 100;
        using var listener = Listen();
        List<(Socket Client, Socket Server)> pairs = [];
        var ring = rings[1];
        for (var i = 0; i <= Pairs; i++)
        {
            pairs.Add((Client.Connect((IPEndPoint)listener.LocalEndPoint!), listener.Accept()));
            Poll(ring, pairs[i].Server, i);
        }

        rings.Push();
        rings.Collect();
        foreach (var (_, server) in pairs.Take(Pairs)) server.Shutdown(SocketShutdown.Send);
        pairs[Pairs].Client.SendAll([1]);
        var found = false;
        for (var sleeps = 0; !found && sleeps < 10; sleeps++)
        {
            rings.Sleep(2_000);
            TakeWakes(rings);
            while (rings.Awake.Contains(ring) && ring.TryTake(out var entry)) found |= entry.UserData == UserData.Of(Operation.Listen, Pairs);
        }

        Assert.True(found);
        foreach (var (client, server) in pairs)
        {
            client.Dispose();
            server.Dispose();
        }
    });

    private static Socket Listen()
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(backlog: 128);
        return listener;
    }

    /// <summary>Its completion says which.</summary>
    private static void Poll(Ring ring, Socket socket, int which)
    {
        ref var poll = ref ring.Next(UserData.Of(Operation.Listen, (uint)which));
        poll.Operation = IoUring.OpPollAdd;
        poll.Descriptor = (int)socket.Handle;
        poll.OperationFlags = EpollEvent.In;
    }

    /// <summary>Rings are their thread's: made, used and closed there.</summary>
    private void OnItsThread(Action<RingSet> test) => Threads.Start(() =>
    {
        using var rings = new RingSet(Options, _wake);
        for (var i = 0; i < 4; i++) Assert.Equal(0, rings.Open(out _));
        ReadWakes(rings);
        test(rings);
    }).GetAwaiter().GetResult();

    private static void LeaveFlagsStale(RingSet rings)
    {
        for (var i = 0; i < rings.Count; i++) rings[i].LeaveFlagStale();
    }

    /// <summary>From another thread, when the caller most likely sleeps; nothing depends on whether it does.</summary>
    private static Timer Later(Action signal) => new(_ => signal(), null, 20, Timeout.Infinite);

    /// <summary>As the backend does.</summary>
    private void TakeWakes(RingSet rings)
    {
        while (rings.Primary.TryTake(out _))
        {
            ReadWakes(rings);
            rings.LookAround();
        }
    }

    private void ReadWakes(RingSet rings)
    {
        ref var entry = ref rings.Primary.Next(UserData.Of(Operation.Wake));
        entry.Operation = IoUring.OpRead;
        entry.Descriptor = _wake;
        entry.Address = (ulong)_counter;
        entry.Length = sizeof(ulong);
    }
}
