using System.Globalization;

namespace Gateway.Benchmarks.Ladder;

internal enum RungKind
{
    /// <summary>A C program of bench/ladder.</summary>
    C,
    /// <summary>A verb of this program.</summary>
    DotNet,
    /// <summary>The node itself, with room for any load's logins.</summary>
    Gateway,
    /// <summary>The node as it is shipped: everything not said has its default.</summary>
    Shipped,
    /// <summary>The same hosted by this program, so that its files and reactors can be held up.</summary>
    Faulty,
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

    /// <summary>More than any load has.</summary>
    private const int MostBusy = 10_000;

    public static IReadOnlyList<Rung> All { get; } =
    [
        new(EchoYardstick, RungKind.C, "echo", 1, "C, one thread, epoll: every byte back"),
        new("transport-echo", RungKind.DotNet, "transport-echo", 1, "Gateway.Transport, one reactor: every byte back"),
        new(RelayYardstick, RungKind.C, "relay", 1, "C, one thread, epoll: the gateway's frames, nothing durable"),
        new("transport-relay", RungKind.DotNet, "transport-relay", 1, "the same in C# on Gateway.Transport, one reactor, nothing durable"),
        new("gateway-1", RungKind.Gateway, "1", 1, "the gateway, `--reactors 1 --durability fsync`: the reactor, and the log's commit thread beside it"),
        new("gateway-2", RungKind.Gateway, "2", 2, "the gateway, `--reactors 2 --durability fsync`"),
        new("gateway-1-uring", RungKind.Gateway, "1", 1, "`gateway-1` with `--io uring`") { Options = ["--io", "uring"] },
        new("gateway-2-uring", RungKind.Gateway, "2", 2, "`gateway-2` with `--io uring`") { Options = ["--io", "uring"] },
        new("sockets-relay", RungKind.DotNet, "sockets-relay", 0, "the same relay with System.Net.Sockets and System.IO.Pipelines, on the thread pool"),
        new("kestrel-relay", RungKind.DotNet, "kestrel-relay", 0, "the same relay as a Kestrel connection handler"),
    ];

    /// <summary>Of the program, beside what its kind is always given.</summary>
    public string[] Options { get; init; } = [];

    /// <summary>A node of another build. Null: of this one.</summary>
    public string? NodeProgram { get; init; }

    /// <summary>Authenticated connections that are there all the time and do nothing.</summary>
    public int Idle { get; init; }

    /// <summary>The name of the rung that this one is with idle connections. Null: it has none.</summary>
    public string? WithoutIdle { get; init; }

    /// <summary>The same with so many idle connections, and room for them and for a load.</summary>
    public Rung WithIdle(int connections) => this with
    {
        Name = $"{Name}-idle",
        What = string.Create(CultureInfo.InvariantCulture, $"`{Name}` with {connections:N0} idle connections"),
        Options = [.. Options, "--max-connections", (connections + MostBusy).ToString(CultureInfo.InvariantCulture)],
        Idle = connections,
        WithoutIdle = Name,
    };

    public bool IsEcho => Name.EndsWith("-echo", StringComparison.Ordinal);

    public bool Bears(Load load) => load.IsEcho == IsEcho;
}
