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
