namespace Gateway.Benchmarks.Ladder;

internal enum RungKind
{
    /// <summary>A C program of bench/ladder.</summary>
    C,
    /// <summary>A verb of this program.</summary>
    DotNet,
    /// <summary>The node itself.</summary>
    Gateway,
}

/// <summary>One server program of the ladder.</summary>
/// <param name="Name">As <c>--only</c> takes it.</param>
/// <param name="Kind">How it is started.</param>
/// <param name="Program">The C program, the verb, or the node's number of reactors.</param>
/// <param name="Threads">That do its work; 0: as many as the thread pool likes.</param>
/// <param name="What">For the reader of a report.</param>
internal sealed record Rung(string Name, RungKind Kind, string Program, int Threads, string What)
{
    /// <summary>What echoes and relays are compared with.</summary>
    public const string EchoYardstick = "c-echo";
    public const string RelayYardstick = "c-relay";

    public static IReadOnlyList<Rung> All { get; } =
    [
        new(EchoYardstick, RungKind.C, "echo", 1, "C, one thread, epoll: every byte back"),
        new("transport-echo", RungKind.DotNet, "transport-echo", 1, "Gateway.Transport, one reactor: every byte back"),
        new(RelayYardstick, RungKind.C, "relay", 1, "C, one thread, epoll: the gateway's frames, nothing durable"),
        new("transport-relay", RungKind.DotNet, "transport-relay", 1, "the same in C# on Gateway.Transport, one reactor, nothing durable"),
        new("gateway-1", RungKind.Gateway, "1", 1, "the gateway, `--reactors 1 --durability fsync`: the reactor, and the log's commit thread beside it"),
        new("gateway-2", RungKind.Gateway, "2", 2, "the gateway, `--reactors 2 --durability fsync`"),
        new("sockets-relay", RungKind.DotNet, "sockets-relay", 0, "the same relay with System.Net.Sockets and System.IO.Pipelines, on the thread pool"),
        new("kestrel-relay", RungKind.DotNet, "kestrel-relay", 0, "the same relay as a Kestrel connection handler"),
    ];

    public bool IsEcho => Name.EndsWith("-echo", StringComparison.Ordinal);

    public bool Bears(Load load) => load.IsEcho == IsEcho;
}
