using Gateway.Benchmarks.Ladder;
using Gateway.Transport;

namespace Gateway.Benchmarks.Transport.Bars;

/// <summary>One of the echoes that are compared, and its bar.</summary>
/// <param name="Name">As the report calls it.</param>
/// <param name="Io">What ours drives the kernel with; null: the C rung.</param>
/// <param name="BusyGapMs">Of <see cref="ReactorGroupOptions"/>.</param>
/// <param name="Limit">The most of C's CPU an echo.</param>
/// <param name="What">For the reader.</param>
internal sealed record EchoRung(string Name, IoBackend? Io, int BusyGapMs, double Limit, string What)
{
    public static IReadOnlyList<EchoRung> All { get; } =
    [
        new("c-epoll", null, 0, 1, "C, one thread, edge-triggered epoll (`bench/ladder/echo.c`): the yardstick"),
        new("epoll", IoBackend.Epoll, 0, 1.05, "Gateway.Transport, one reactor, epoll"),
        new("uring-busy", IoBackend.Uring, 60_000, 1.08, "the same on io_uring, every connection busy: a multishot receive into provided buffers"),
        new("uring-quiet", IoBackend.Uring, 0, 1.15, "the same on io_uring, no connection ever busy: a one-shot poll, then a receive"),
    ];

    /// <summary>The ladder's program for it.</summary>
    public Rung Program => Rung.All.Single(r => r.Name == (Io is null ? Rung.EchoYardstick : "transport-echo"));
}

/// <summary>
/// One echo in one round: CPU of the server in µs an echo; of ours also the managed bytes that the reactor's thread allocated an echo, and the
/// collections of generation 0 in the server's process while it did so many echoes.
/// </summary>
internal sealed record EchoSample(
    int Round, string Rung, bool AddsUp, double EchoesPerSecond, double CpuUs, double AllocatedPerEcho, int Collections, double Echoes, double OtherCores);
