using System.Net.Sockets;
using Gateway.Transport;
using Gateway.Transport.Backend.Uring;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>
/// What only the io_uring backend has: tables, busy connections, provided buffers, several rings a reactor. The rest of its conformance is
/// that of the suites that run with both backends. tests/README.md says which test stands for which pitfall.
/// </summary>
public class PitfallTestsOnUring
{
    private static readonly ReactorGroupOptions Options = new() { Reactors = 1, TickMs = 10, Io = IoBackend.Uring };

    [OnBackendFact]
    public void Full_tables_lose_no_client_and_further_rings_are_made()
    {
        var (group, backend) = Start(Options with { SocketsPerRing = 4 });
        using var _ = group;
        var server = group.ListenOn(0);
        // All at once, so that one look at the listener finds more clients than a table has places.
        var clients = Enumerable.Range(0, 150).Select(_ => Client.Connect(server)).ToList();
        foreach (var client in clients) client.SendAll([5]);
        foreach (var client in clients) Assert.Equal([5], client.ReceiveExactly(1));
        Assert.InRange(backend.Rings, 38, 60);
        Assert.Equal(0, group[0].AcceptBackoffs);

        // Places that were given back are taken again: as many clients more, and no ring more than the places under way.
        foreach (var client in clients) client.Close();
        group.AwaitEmpty(clients.Count);
        var rings = backend.Rings;
        clients = [.. Enumerable.Range(0, 150).Select(_ => Client.Connect(server))];
        foreach (var client in clients) client.SendAll([6]);
        foreach (var client in clients) Assert.Equal([6], client.ReceiveExactly(1));
        Assert.Equal(rings, backend.Rings);
        foreach (var client in clients) client.Close();
    }

    [OnBackendFact]
    public void A_reactor_with_many_rings_sleeps_and_is_woken_by_each_of_them()
    {
        var (group, _) = Start(Options with { SocketsPerRing = 2, TickMs = 1000 });
        using var __ = group;
        var server = group.ListenOn(0);
        var clients = Enumerable.Range(0, 40).Select(_ => Client.Connect(server)).ToList();
        Wait.Until(() => group.SlotsInUse == clients.Count, "all accepted");
        // One byte at a time and nothing else under way: were a wake lost, each would take a tick. Twenty rounds of ticks are past any deadline.
        for (var round = 0; round < 20; round++)
        {
            foreach (var client in clients)
            {
                client.SendAll([(byte)round]);
                Assert.Equal([(byte)round], client.ReceiveExactly(1));
            }
        }

        Assert.InRange(group[0].Turns, 1, 20 * 40 * 20);
        foreach (var client in clients) client.Close();
    }

    [OnBackendFact]
    public void A_connection_that_talks_becomes_busy_and_quiet_again()
    {
        var time = new ManualTime();
        var (group, backend) = Start(Options, time);
        using var _ = group;
        using var client = Client.Connect(group.ListenOn(0));
        for (var i = 0; i < 30; i++) Echo(client, 64);
        Assert.Equal(1, Ask(group, () => backend.Promoted));
        Assert.Equal(0, Ask(group, () => backend.Demoted));

        // Quiet for longer than ten gaps; it is looked at in some later tick.
        for (var i = 0; i < 100 && Ask(group, () => backend.Demoted) == 0; i++) time.Advance(200);
        Assert.Equal(1, Ask(group, () => backend.Demoted));
        Echo(client, 64);

        // Slow talk does not count.
        for (var i = 0; i < 30; i++)
        {
            time.Advance(1000);
            Echo(client, 64);
        }

        Assert.Equal(1, Ask(group, () => backend.Promoted));
    }

    [OnBackendFact]
    public void A_busy_connection_that_becomes_bulky_loses_no_byte()
    {
        var (group, backend) = Start(Options with { BusyBufferBytes = 256, BusyGapMs = 10_000 });
        using var _ = group;
        using var client = Client.Connect(group.ListenOn(0));
        for (var round = 0; round < 5; round++)
        {
            for (var i = 0; i < 20; i++) Echo(client, 64);
            var bulk = new byte[300_000];
            new Random(round).NextBytes(bulk);
            var sending = Threads.Start(() => client.SendAll(bulk));
            Assert.Equal(bulk, client.ReceiveExactly(bulk.Length));
            sending.GetAwaiter().GetResult();
        }

        Assert.True(Ask(group, () => backend.Promoted) >= 1);
        group.AwaitIdle();
    }

    [OnBackendFact]
    public async Task Buffers_that_run_out_lose_no_message()
    {
        var (group, backend) = Start(Options with { BusyBuffers = 2, BusyGapMs = 10_000 });
        using var _ = group;
        var server = group.ListenOn(0);
        var clients = Enumerable.Range(0, 64).Select(_ => Client.Connect(server)).ToList();
        for (var attempt = 0; attempt < 50 && Ask(group, () => backend.BuffersRanOut) == 0; attempt++)
        {
            await Threads.Each(4, worker =>
            {
                for (var i = 0; i < 50; i++)
                {
                    for (var c = worker; c < clients.Count; c += 4) clients[c].SendAll([(byte)i]);
                    for (var c = worker; c < clients.Count; c += 4) Assert.Equal([(byte)i], clients[c].ReceiveExactly(1));
                }
            });
        }

        Assert.NotEqual(0, Ask(group, () => backend.BuffersRanOut));
        foreach (var client in clients) client.Close();
        group.AwaitEmpty(clients.Count);
    }

    [OnBackendFact]
    public void A_busy_connection_that_is_paused_is_not_read_and_its_reset_is_noticed()
    {
        var (group, backend) = Start(Options with { BusyGapMs = 10_000 });
        using var _ = group;
        using var client = Client.Connect(group.ListenOn(0));
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        for (var i = 0; i < 20; i++) Echo(client, 8);
        Assert.Equal(1, Ask(group, () => backend.Promoted));
        group.On(0, (r, _) => r.PauseReading(id));
        client.SendAll(new byte[100]);
        var seen = Ask(group, () => group[0].ReceivedBytes);
        for (var i = 0; i < 20; i++) Assert.Equal(seen, Ask(group, () => group[0].ReceivedBytes));

        group.On(0, (r, _) => r.ResumeReading(id));
        client.ReceiveExactly(100);
        for (var i = 0; i < 20; i++) Echo(client, 8);
        group.On(0, (r, _) => r.PauseReading(id));
        client.Reset();
        group.AwaitEmpty();
        Assert.Equal(CloseReason.Reset, Assert.Single(group.Handlers[0].Closings).Reason);
    }

    [OnBackendFact]
    public void The_buffers_of_busy_connections_go_when_none_is_busy_any_more_and_come_again()
    {
        var (group, backend) = Start(Options with { BusyGapMs = 20, KeepUnusedMs = 50 });
        using var _ = group;
        var server = group.ListenOn(0);
        for (var round = 0; round < 3; round++)
        {
            // Busy until it ends, and until it becomes quiet.
            using var client = Client.Connect(server);
            for (var i = 0; i < 100_000 && Ask(group, () => backend.RingsWithBuffers) == 0; i++) Echo(client, 64);
            Assert.Equal(1, Ask(group, () => backend.RingsWithBuffers));
            if (round == 1) client.Close();
            Wait.Until(() => Ask(group, () => backend.RingsWithBuffers) == 0, "the buffers are given back");
        }
    }

    [OnBackendFact]
    public void A_burst_of_long_receives_leaves_a_page_a_slice()
    {
        var (group, backend) = Start(Options with { KeepUnusedMs = 50 });
        using var _ = group;
        using var client = Client.Connect(group.ListenOn(0));
        var bulk = new byte[2_000_000];
        var sending = Threads.Start(() => client.SendAll(bulk));
        client.ReceiveExactly(bulk.Length);
        sending.GetAwaiter().GetResult();
        Wait.Until(() => Ask(group, () => backend.HoldsLongReceives ? 1 : 0) == 0, "the arena is given back");
        Echo(client, 64);
    }

    [OnBackendFact]
    public void Thousands_of_armed_receives_are_cancelled_and_each_is_cancelled_once()
    {
        var (group, backend) = Start(Options with { BusyGapMs = 10_000 });
        using var _ = group;
        const int count = 3_000;
        var server = group.ListenOn(0);
        var clients = Enumerable.Range(0, count).Select(_ => Client.Connect(server)).ToList();
        Wait.Until(() => group.Handlers[0].Accepted.Count == count, "all accepted");
        var ids = group.Handlers[0].Accepted.ToList();
        // A third is busy: its receive stays in the kernel. The others have a poll there.
        for (var i = 0; i < 20; i++)
        {
            for (var c = 0; c < count; c += 3) clients[c].SendAll([1]);
            for (var c = 0; c < count; c += 3) clients[c].ReceiveExactly(1);
        }

        Assert.InRange(Ask(group, () => backend.Promoted), count / 3, int.MaxValue);
        for (var round = 0; round < 3; round++)
        {
            var seen = Ask(group, () => group[0].ReceivedBytes);
            group.On(0, (r, _) => ids.ForEach(r.PauseReading));
            foreach (var client in clients) client.SendAll([(byte)round]);
            // What was under way when reading was paused may have brought a byte of some, and keeps it; nobody is answered.
            for (var i = 0; i < 20; i++) Ask(group, () => 0);
            Assert.DoesNotContain(clients, c => c.Available != 0);
            group.On(0, (r, _) => ids.ForEach(r.ResumeReading));
            foreach (var client in clients) Assert.Equal([(byte)round], client.ReceiveExactly(1));
            Assert.Equal(seen + count, Ask(group, () => group[0].ReceivedBytes));
        }

        // All at once, each with its operation armed.
        group.On(0, (r, _) => ids.ForEach(r.Abort));
        group.AwaitEmpty(count);
        Assert.Equal(0, Ask(group, () => backend.Places));
        Assert.Equal(count, group.Handlers[0].Closings.Count);
        foreach (var client in clients) client.Close();
    }

    [OnBackendFact]
    public async Task One_greedy_connection_takes_every_buffer_and_the_others_are_served()
    {
        // Two buffers: one connection that never pauses has both all the time.
        var (group, backend) = Start(Options with { BusyBuffers = 2, BusyBufferBytes = 1024, BusyGapMs = 10_000 });
        using var _ = group;
        var server = group.ListenOn(0);
        using var greedy = Client.Connect(server);
        var others = Enumerable.Range(0, 8).Select(_ => Client.Connect(server)).ToList();
        var stop = 0;
        var sending = Threads.Start(() =>
        {
            // Shorter than a buffer, so that it counts as busy and not as bulky.
            var some = new byte[100];
            var sent = 0L;
            for (; Volatile.Read(ref stop) == 0; sent += some.Length) greedy.SendAll(some);
            greedy.Shutdown(SocketShutdown.Send);
            return sent;
        });
        var echoed = Threads.Start(() => (long)greedy.ReceiveToEnd().Length);
        for (var i = 0; (i < 500 || Ask(group, () => backend.BuffersRanOut) == 0) && i < 100_000; i++)
        {
            foreach (var client in others) client.SendAll([(byte)i]);
            foreach (var client in others) Assert.Equal([(byte)i], client.ReceiveExactly(1));
        }

        Volatile.Write(ref stop, 1);
        Assert.Equal(await sending, await echoed);
        Assert.NotEqual(0, Ask(group, () => backend.BuffersRanOut));
        foreach (var client in others) client.Close();
    }

    [OnBackendFact]
    public void Descriptors_of_the_process_are_not_used_up_by_connections()
    {
        var (group, _) = Start(Options);
        using var __ = group;
        var server = group.ListenOn(0);
        var clients = Enumerable.Range(0, 300).Select(_ => Client.Connect(server)).ToList();
        Wait.Until(() => group.SlotsInUse == clients.Count, "all accepted");
        // Of the server's ends no file of this process is a socket with that port; its listener is one.
        var inodes = File.ReadLines("/proc/net/tcp").Skip(1)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(f => f[1].EndsWith($":{server.Port:X4}", StringComparison.Ordinal) && f[3] == "01")
            .Select(f => $"socket:[{f[9]}]")
            .ToHashSet();
        Assert.Equal(clients.Count, inodes.Count);
        Assert.DoesNotContain(Directory.GetFiles("/proc/self/fd"), f => new FileInfo(f).LinkTarget is { } target && inodes.Contains(target));
        foreach (var client in clients) client.Close();
    }

    private static (TestGroup<EchoHandler> Group, UringBackend Backend) Start(ReactorGroupOptions options, TimeProvider? time = null)
    {
        UringBackend? made = null;
        var group = new TestGroup<EchoHandler>(options, r => new EchoHandler(r), time, table => made = new UringBackend(table, options));
        return (group, made!);
    }

    private static long Ask(TestGroup<EchoHandler> group, Func<long> what) => group.On(0, (_, _) => what());

    private static void Echo(Socket client, int bytes)
    {
        client.SendAll(new byte[bytes]);
        client.ReceiveExactly(bytes);
    }
}
