using System.Globalization;
using Gateway.Transport;

namespace Gateway.Server.Hosting;

/// <summary>One thing that bounds how many connections a node can hold.</summary>
/// <param name="Name">As an operator knows it.</param>
/// <param name="Connections">How many it allows.</param>
/// <param name="Why">What that follows from.</param>
/// <param name="Remedy">What raises it.</param>
internal sealed record ConnectionLimit(string Name, long Connections, string Why, string Remedy);

/// <summary>
/// How many connections this node can hold here, what limits it, and what to do about the tightest: told when it starts, since otherwise it is found out
/// at night. Idle connections; what messages under way need comes from what is left.
/// </summary>
internal sealed class ConnectionRoom
{
    /// <summary>The kernel's for one socket of this end, as measured with either backend: tools/ops/SIZING.md.</summary>
    internal const int KernelBytesEach = 4400;

    /// <summary>The node's own.</summary>
    internal const int UserBytesEach = 200;

    private readonly GatewayOptions _options;

    private ConnectionRoom(GatewayOptions options, IReadOnlyList<ConnectionLimit> limits)
    {
        _options = options;
        Limits = limits;
        Tightest = limits.MinBy(l => l.Connections)!;
    }

    /// <summary>In the order in which they are told; of two alike the first is the cause.</summary>
    public IReadOnlyList<ConnectionLimit> Limits { get; }

    public ConnectionLimit Tightest { get; }

    /// <param name="options">The node's.</param>
    /// <param name="backend">What drives its sockets, and for how many its descriptors suffice.</param>
    /// <param name="machine">What there is now.</param>
    public static ConnectionRoom Of(GatewayOptions options, (IoBackend Io, long Connections) backend, MachineFacts machine)
    {
        var descriptors = backend.Io == IoBackend.Uring
            ? new ConnectionLimit(
                "io_uring's tables", backend.Connections, $"rings of {Text(machine.OpenFiles)} direct descriptors (ulimit -n), {Text(options.Reactors)} {(options.Reactors == 1 ? "reactor" : "reactors")}", "LimitNOFILE")
            : new ConnectionLimit(
                "open files", backend.Connections, $"{Text(machine.OpenFiles)} for this process (ulimit -n; fs.nr_open allows {Text(machine.MostOpenFiles)}), some kept for the rest",
                "LimitNOFILE of its service, or --io uring with --max-connections");
        var left = machine.FileMax == long.MaxValue ? long.MaxValue : Math.Max(0, machine.FileMax - machine.FilesInUse);
        var memory = machine.AvailableBytes == long.MaxValue
            ? long.MaxValue
            : Math.Max(0, machine.AvailableBytes - options.LogMemory) / (KernelBytesEach + UserBytesEach);
        return new ConnectionRoom(options,
        [
            descriptors,
            new ConnectionLimit("fs.file-max", left, $"{Text(machine.FileMax)} open files on this machine, {Text(machine.FilesInUse)} in use", "sysctl fs.file-max"),
            new ConnectionLimit(
                "memory", memory,
                $"{Text(machine.AvailableBytes >> 20)} MiB left {(machine.MemoryOfGroup ? "to its control group" : "on this machine")}, {KernelBytesEach} B of the kernel's and {UserBytesEach} B of the node's each",
                machine.MemoryOfGroup ? "MemoryMax of its service" : "more memory"),
            new ConnectionLimit("max-connections", options.MaxConnections, "as set", "--max-connections"),
        ]);
    }

    public IEnumerable<string> Lines
    {
        get
        {
            yield return $"room for {Text(Tightest.Connections)} connections; what limits it is {Tightest.Name}";
            foreach (var limit in Limits)
                yield return string.Create(CultureInfo.InvariantCulture, $"  {limit.Name,-18} {Text(limit.Connections),13}  {limit.Why}");
            yield return $"  more of them: {Tightest.Remedy}{(Tightest.Name == "max-connections" ? "" : $"; tools/ops/tune.sh --check --io {(_options.Io == IoBackend.Epoll ? "epoll" : "uring")} says what else")}";
        }
    }

    private static string Text(long number) => number == long.MaxValue ? "any" : number.ToString("N0", CultureInfo.InvariantCulture);
}
