using System.Globalization;
using Gateway.Transport;
using Gateway.Transport.Backend.Uring;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>What the kernel still holds of connections that are gone, by its own list of sockets.</summary>
public abstract class CloseWaitTests(IoBackend io)
{
    private const string Established = "01";
    private const string CloseWait = "08";
    private const string Listening = "0A";

    [OnBackendTheory]
    [InlineData(1)]
    [InlineData(8)]
    public async Task Connections_that_came_and_went_leave_no_socket_half_closed(int reactors)
    {
        var options = new ReactorGroupOptions { Reactors = reactors, TickMs = 10, BusyGapMs = 1000 }.On(io);
        using var group = new TestGroup<EchoHandler>(options, r => new EchoHandler(r));
        var server = group.Listen();
        const int workers = 4;
        const int cycles = 500;
        await Threads.Each(workers, worker =>
        {
            for (var i = 0; i < cycles; i++)
            {
                var client = Client.Connect(server);
                // Some only come and go, some are polled a few times, and some have become busy.
                for (var messages = (worker + i) % 3 * 10; messages > 0; messages--)
                {
                    client.SendAll([1]);
                    client.ReceiveExactly(1);
                }

                if (i % 2 == 0) client.Close();
                else client.Reset();
            }
        });
        group.AwaitEmpty();
        Wait.Until(
            () => StatesAt(server.Port).All(s => s is not (CloseWait or Established)),
            () => string.Join(",", StatesAt(server.Port).GroupBy(s => s).Select(s => $"{s.Key}: {s.Count()}")));
        Assert.Equal(reactors, StatesAt(server.Port).Count(s => s == Listening));
    }

    [OnBackendTheory]
    [InlineData(1)]
    [InlineData(8)]
    public async Task Thousands_of_clients_that_only_come_and_thousands_that_leave_within_the_handshake_leave_nothing(int reactors)
    {
        var options = new ReactorGroupOptions { Reactors = reactors, TickMs = 10, KeepUnusedMs = 100 }.On(io);
        using var group = new TestGroup<ReluctantHandler>(options, r => new ReluctantHandler(r));
        var server = group.Listen();
        const int workers = 4;
        const int cycles = 1_500;
        Task Storm(bool speaks) => Threads.Each(workers, worker =>
        {
            for (var i = 0; i < cycles; i++)
            {
                var client = Client.Connect(server);
                // Half a frame, which the server keeps: the handshake is aborted in its midst.
                if (speaks) client.SendAll([1]);
                if ((worker + i) % 2 == 0) client.Close();
                else client.Reset();
            }
        });

        // The first storm makes what is made once.
        await Storm(speaks: true);
        AwaitRest(group, server.Port);
        var files = FilesOf(server.Port);
        var places = PlacesOf(group);
        await Storm(speaks: false);
        await Storm(speaks: true);
        AwaitRest(group, server.Port);

        Assert.Equal(files, FilesOf(server.Port));
        Assert.Equal(places, PlacesOf(group));
        Assert.All(group.Group.Reactors, r => Assert.Equal(0, r.Counters.Handshakes));
        Assert.Equal(group.Handlers.Sum(h => h.Accepted.Count), group.Handlers.Sum(h => h.Closings.Count));
        Wait.Until(() => Enumerable.Range(0, reactors).All(i => group.On(i, (r, _) => r.Holdings.SlotBytes) <= 4096), "the slots are given back");
    }

    /// <summary>Everybody who came is gone, here and in the kernel, whose queue of clients not yet accepted is empty too.</summary>
    private static void AwaitRest(TestGroup<ReluctantHandler> group, int port)
    {
        Wait.Until(
            () => StatesAt(port).All(s => s is not (CloseWait or Established)),
            () => string.Join(",", StatesAt(port).GroupBy(s => s).Select(s => $"{s.Key}: {s.Count()}")));
        group.AwaitEmpty();
    }

    /// <summary>Files of this process that are a socket with that local port.</summary>
    private static int FilesOf(int port)
    {
        var suffix = ":" + port.ToString("X4", CultureInfo.InvariantCulture);
        var inodes = File.ReadLines("/proc/net/tcp").Skip(1)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(fields => fields[1].EndsWith(suffix, StringComparison.Ordinal))
            .Select(fields => $"socket:[{fields[9]}]")
            .ToHashSet();
        return Directory.GetFiles("/proc/self/fd").Count(f => new FileInfo(f).LinkTarget is { } target && inodes.Contains(target));
    }

    /// <summary>Places taken in the tables of direct descriptors.</summary>
    private static int PlacesOf(TestGroup<ReluctantHandler> group) =>
        group.Group.Reactors.Sum(r => r.Backend is UringBackend backend ? group.On(r.Index, (_, _) => backend.Places) : 0);

    /// <summary>Waits for a whole frame that never comes, and never calls anybody established.</summary>
    private sealed class ReluctantHandler(Reactor reactor) : TestHandler(reactor)
    {
        public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes) => 0;

        public override long OnReceived(ConnectionId c, in System.Buffers.ReadOnlySequence<byte> bytes) => 0;
    }

    /// <summary>The states of the sockets whose local port this is; proc_net_tcp(5): "sl local_address rem_address st".</summary>
    private static List<string> StatesAt(int port)
    {
        var suffix = ":" + port.ToString("X4", CultureInfo.InvariantCulture);
        return [.. File.ReadLines("/proc/net/tcp").Skip(1)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(fields => fields[1].EndsWith(suffix, StringComparison.Ordinal))
            .Select(fields => fields[3])];
    }
}

public sealed class CloseWaitTestsWithEpoll() : CloseWaitTests(IoBackend.Epoll);

public sealed class CloseWaitTestsWithUring() : CloseWaitTests(IoBackend.Uring);
