using System.Globalization;

namespace Gateway.Load.Measure;

/// <summary>
/// What the kernel of this machine holds of sockets: proc(5), /proc/net/tcp, /proc/net/tcp6 and, for root, /proc/slabinfo. Null: could not be read.
/// </summary>
/// <param name="CloseWait">On the server's port, ended by their peers and not closed by the server: each that stays is leaked.</param>
/// <param name="AtServer">On the server's port: those, the open ones, and those that the server has yet to accept.</param>
/// <param name="TcpObjects">struct tcp_sock in use, of both ends and of the whole machine.</param>
/// <param name="InodeObjects">Inodes of sockets in use, likewise.</param>
internal sealed record KernelSockets(long? CloseWait, long? AtServer, long? TcpObjects, long? InodeObjects)
{
    // include/net/tcp_states.h, in hexadecimal.
    private const string Established = "01";
    private const string HalfOpen = "03";
    private const string ClosedByPeer = "08";

    public static KernelSockets Read(int port) => Read("/proc", port);

    public static KernelSockets Read(string proc, int port)
    {
        var slabs = Slabs(Path.Combine(proc, "slabinfo"));
        var states = StatesIn(Path.Combine(proc, "net/tcp"), port) is { } four
            ? four.Concat(StatesIn(Path.Combine(proc, "net/tcp6"), port) ?? []).ToList()
            : StatesIn(Path.Combine(proc, "net/tcp6"), port);
        return new KernelSockets(
            states?.LongCount(s => s == ClosedByPeer),
            states?.LongCount(s => s is Established or HalfOpen or ClosedByPeer),
            Sum(slabs?.GetValueOrDefault("TCP"), slabs?.GetValueOrDefault("TCPv6")),
            slabs?.GetValueOrDefault("sock_inode_cache"));
    }

    private static long? Sum(long? a, long? b) => a is null && b is null ? null : (a ?? 0) + (b ?? 0);

    /// <summary>The states of the sockets whose own port this is.</summary>
    private static List<string>? StatesIn(string path, int port)
    {
        // "  12: 0100007F:1478 0100007F:D1C6 08 ...": number, local and remote address, state.
        var ending = ":" + port.ToString("X4", CultureInfo.InvariantCulture);
        if (Lines(path) is not { } lines) return null;
        var states = new List<string>();
        foreach (var line in lines)
        {
            var fields = line.Split(' ', 5, StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length == 5 && fields[1].EndsWith(ending, StringComparison.Ordinal)) states.Add(fields[3]);
        }

        return states;
    }

    /// <summary>Objects in use by the slab's name: the first two fields of a line.</summary>
    private static Dictionary<string, long>? Slabs(string path)
    {
        if (Lines(path) is not { } lines) return null;
        var slabs = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var line in lines)
        {
            var fields = line.Split(' ', 3, StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length == 3 && long.TryParse(fields[1], NumberStyles.None, CultureInfo.InvariantCulture, out var objects)) slabs[fields[0]] = objects;
        }

        return slabs;
    }

    private static string[]? Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
