using System.CommandLine;
using System.Runtime.InteropServices;
using Gateway.Protocol;
using Gateway.Transport;

namespace Gateway.Benchmarks.Rungs;

/// <summary><c>rung NAME</c>: one of the ladder's .NET rungs as a program of its own. Says <c>listening PORT</c>; SIGTERM ends it.</summary>
internal static class RungCommand
{
    public static Command Create()
    {
        var port = new Option<int>("--port") { Description = "on loopback; 0 takes a free one" };
        var secret = new Option<string?>("--secret") { Description = "the node's secret, for the relays' handshake", HelpName = "FILE" };
        var io = new Option<IoBackend>("--io") { Description = "what the transport's rungs drive the kernel with: epoll or uring", DefaultValueFactory = _ => IoBackend.Epoll };
        var name = new Argument<string>("name").AcceptOnlyFromAmong("transport-echo", "transport-relay", "sockets-relay", "kestrel-relay");
        var command = new Command("rung", "Serve as one rung of the ladder.") { name, port, secret, io };
        command.SetAction(parse => Run(parse.GetValue(name)!, parse.GetValue(port), parse.GetValue(secret), parse.GetValue(io)));
        return command;
    }

    private static int Run(string name, int port, string? secretPath, IoBackend io)
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
        var (server, bound) = Serve(name, port, core, io);
        using (server)
        {
            Console.WriteLine($"listening {bound}");
            stop.Wait();
        }

        return 0;
    }

    private static (IDisposable Server, int Port) Serve(string name, int port, RelayCore core, IoBackend io)
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
                var rung = new TransportRung(port, io, reactor => name == "transport-echo" ? new EchoHandler(reactor) : new TransportRelayHandler(reactor, core));
                return (rung, rung.Port);
        }
    }

    private static void Stop(PosixSignalContext context, ManualResetEventSlim stop)
    {
        context.Cancel = true;
        stop.Set();
    }
}
