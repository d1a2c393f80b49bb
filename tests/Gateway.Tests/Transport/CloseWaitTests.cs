using System.Globalization;
using Gateway.Transport;
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
