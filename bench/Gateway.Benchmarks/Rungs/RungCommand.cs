using System.CommandLine;
using System.Runtime.InteropServices;
using Gateway.Benchmarks.Ladder;
using Gateway.Protocol;
using Gateway.Transport;

namespace Gateway.Benchmarks.Rungs;

/// <summary><c>rung NAME</c>: one of the ladder's .NET rungs as a program of its own. Says <c>listening PORT</c>; SIGTERM ends it, SIGUSR1 asks for a <see cref="RungCount"/>.</summary>
internal static class RungCommand
{
    /// <summary>SIGUSR1.</summary>
    private const int UserSignal = 10;

    public static Command Create()
    {
        var port = new Option<int>("--port") { Description = "on loopback; 0 takes a free one" };
        var secret = new Option<string?>("--secret") { Description = "the node's secret, for the relays' handshake", HelpName = "FILE" };
        var io = new Option<IoBackend>("--io") { Description = "what the transport's rungs drive the kernel with: epoll or uring", DefaultValueFactory = _ => IoBackend.Epoll };
        var busyGap = new Option<int>("--busy-gap") { Description = "ms between receives up to which a connection counts as busy, with uring; 0: none does", DefaultValueFactory = _ => 200 };
        var name = new Argument<string>("name").AcceptOnlyFromAmong("transport-echo", "transport-relay", "sockets-relay", "kestrel-relay");
        var command = new Command("rung", "Serve as one rung of the ladder.") { name, port, secret, io, busyGap };
        command.SetAction(parse => Run(parse.GetValue(name)!, parse.GetValue(port), parse.GetValue(secret), parse.GetValue(io), parse.GetValue(busyGap)));
        return command;
    }

    private static int Run(string name, int port, string? secretPath, IoBackend io, int busyGapMs)
    {
        byte[] secret = [];
        if (name != "transport-echo")
        {
            if (secretPath is null || !NodeSecret.TryParse(File.ReadAllText(secretPath), out var read, out _))
            {
                Console.Error.WriteLine($"rung: {name} needs --secret FILE with a node's secret");
                return 2;
            }

            secret = read;
        }

        using var stop = new ManualResetEventSlim();
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Stop(context, stop));
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Stop(context, stop));
        var core = new RelayCore(secret, TimeProvider.System);
        var (server, bound) = Serve(name, port, core, io, busyGapMs);
        using var count = PosixSignalRegistration.Create((PosixSignal)UserSignal, context => Tell(context, server));
        using (server)
        {
            Console.WriteLine($"listening {bound}");
            stop.Wait();
        }

        return 0;
    }

    private static (IDisposable Server, int Port) Serve(string name, int port, RelayCore core, IoBackend io, int busyGapMs)
    {
        switch (name)
        {
            case "sockets-relay":
                var sockets = new SocketsRelay(core, port);
                return (sockets, sockets.Port);
            case "kestrel-relay":
                var kestrel = new KestrelRelay(core, port);
                return (kestrel, kestrel.Port);
            default:
                var rung = new TransportRung(port, io, reactor => name == "transport-echo" ? new EchoHandler(reactor) : new TransportRelayHandler(reactor, core), busyGapMs);
                return (rung, rung.Port);
        }
    }

    private static void Tell(PosixSignalContext context, IDisposable server)
    {
        context.Cancel = true;
        if (server is not TransportRung rung) return;
        var counters = rung.Counters;
        Console.WriteLine(new RungCount(counters.ReceivedBytes, counters.AllocatedBytes, GC.CollectionCount(0)));
    }

    private static void Stop(PosixSignalContext context, ManualResetEventSlim stop)
    {
        context.Cancel = true;
        stop.Set();
    }
}
