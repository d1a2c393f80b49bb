using System.Globalization;
using Gateway.Transport.Backend.Uring;
using Gateway.Transport.Connections;
using Gateway.Transport.Linux;

namespace Gateway.Transport.Backend;

/// <summary>What a group's reactors drive the kernel with, and why, for the log.</summary>
/// <param name="Factory">Makes one reactor's backend.</param>
/// <param name="Reason">One line.</param>
/// <param name="Io">Never <see cref="IoBackend.Auto"/>.</param>
/// <param name="Connections">For how many connections of all reactors together its descriptors suffice, whatever the options and memory allow.</param>
internal sealed record BackendChoice(Func<ConnectionTable, IReactorBackend> Factory, string Reason, IoBackend Io, long Connections)
{
    // Descriptors that a process needs besides its connections.
    private const int ReservedFiles = 512;

    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="NotSupportedException">io_uring is asked for and not to be had.</exception>
    public static BackendChoice Of(ReactorGroupOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var files = Syscalls.OpenFilesLimit();
        var connections = (long)options.MaxConnections * options.Reactors;
        var fits = connections + ReservedFiles <= files;
        var room = string.Create(CultureInfo.InvariantCulture, $"{connections} connections and {files} open files");
        switch (options.Io)
        {
            case IoBackend.Epoll: return Epoll(options, files, "as asked");
            case IoBackend.Auto when fits: return Epoll(options, files, $"enough for {room}");
        }

        if (UringProbe.WhyNot() is not { } why) return Uring(options, files);
        if (options.Io == IoBackend.Uring) throw new NotSupportedException($"io_uring is not to be had: {why}.");
        return Epoll(options, files, $"{room} would want io_uring, but {why}");
    }

    private static BackendChoice Epoll(ReactorGroupOptions options, long files, string why) =>
        new(table => new EpollBackend(table, options), $"epoll: {why}", IoBackend.Epoll, Math.Max(0, files - ReservedFiles));

    private static BackendChoice Uring(ReactorGroupOptions options, long files)
    {
        var perRing = UringProbe.SocketsPerRing(options);
        var rings = (options.MaxConnections + perRing - 1) / perRing;
        var reason = string.Create(
            CultureInfo.InvariantCulture,
            $"io_uring: up to {rings} {(rings == 1 ? "ring" : "rings")} of {perRing} connections a reactor (epoll would hold at most {Math.Max(0, files - ReservedFiles)} in all)");
        var tables = options.Reactors * (long)DirectSocket.MaxRings * Math.Min(files, IoUring.MaxDirectDescriptors);
        return new BackendChoice(table => new UringBackend(table, options), reason, IoBackend.Uring, tables);
    }
}
