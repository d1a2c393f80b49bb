using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Gateway.Benchmarks.Reports;
using Gateway.Benchmarks.Rungs;
using Gateway.Transport;

namespace Gateway.Benchmarks.Transport.Bars;

/// <summary>How many moves, or messages, went from one reactor to the other in a round, and what one cost both reactors together.</summary>
internal sealed record ShuttleSample(int Round, string Name, double PerSecond, double CpuUs);

/// <summary>
/// Two reactors that hand connections, or one message, to each other without end. With one under way each reactor sleeps until the other is
/// done: it is the time of a hand-over and a wake. With many it is their cost.
/// </summary>
/// <param name="Io">What the reactors drive the kernel with.</param>
/// <param name="Connections">That are moved; 0: a notice goes to and fro instead.</param>
internal sealed record Shuttle(IoBackend Io, int Connections)
{
    public string Name => $"{(Connections == 0 ? "notice" : $"moves of {Connections}")}, {(Io == IoBackend.Epoll ? "epoll" : "io_uring")}";

    public static IEnumerable<Shuttle> All(bool hasUring, bool reversed)
    {
        IoBackend[] backends = hasUring ? [IoBackend.Epoll, IoBackend.Uring] : [IoBackend.Epoll];
        foreach (var connections in (int[])[0, 1, 256])
        {
            foreach (var io in reversed ? backends.Reverse() : backends) yield return new Shuttle(io, connections);
        }
    }

    /// <exception cref="MeasuringException">The reactors could not be set up.</exception>
    public ShuttleSample Measure(int round, TimeSpan time)
    {
        using var group = new ReactorGroup(
            new ReactorGroupOptions { Reactors = 2, Io = Io, HandshakeTimeoutMs = 0, IdleTimeoutMs = 0 },
            reactor => new Handler(reactor),
            e => Environment.FailFast("A reactor failed.", e),
            TimeProvider.System);
        group.Start();
        var errno = group.Listen(new IPEndPoint(IPAddress.Loopback, 0), 1024, out var bound);
        if (errno != 0) throw new MeasuringException($"listen: errno {errno}");
        var clients = new List<Socket>();
        try
        {
            for (var i = 0; i < Connections; i++)
            {
                clients.Add(new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
                clients[i].Connect(bound);
                // Its first byte sets a connection in motion.
                clients[i].Send([1]);
            }

            if (Connections == 0 && !group.Reactors[0].TryPost(_ => group.Reactors[0].TryNotify(1, [1]))) throw new MeasuringException("a reactor takes no work");
            Thread.Sleep(time / 4);
            var (count, cpu, begun) = (Count(group), CpuClock.OfProcess(Environment.ProcessId), Stopwatch.GetTimestamp());
            Thread.Sleep(time);
            var (counted, used, seconds) = (Count(group) - count, CpuClock.OfProcess(Environment.ProcessId) - cpu, Stopwatch.GetElapsedTime(begun).TotalSeconds);
            return new ShuttleSample(round, Name, counted / seconds, used * 1e6 / Math.Max(1, counted));
        }
        finally
        {
            foreach (var client in clients) client.Dispose();
        }
    }

    private long Count(ReactorGroup group) => Connections == 0 ? group.Reactors.Sum(r => Volatile.Read(ref Handler.Notices[r.Index * 16])) : group.Reactors.Sum(r => r.Counters.MovedIn);

    /// <summary>Sends back whatever comes. Owned by its reactor's thread.</summary>
    private sealed class Handler(Reactor reactor) : RungHandler(reactor)
    {
        /// <summary>Taken so far, a cache line or two apart for each reactor.</summary>
        public static readonly long[] Notices = new long[32];

        public override void OnAccepted(ConnectionId c) => Reactor.MarkEstablished(c);

        public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
        {
            Reactor.Move(c, 1 - Reactor.Index, default);
            return bytes.Length;
        }

        public override long OnReceived(ConnectionId c, in System.Buffers.ReadOnlySequence<byte> bytes) => bytes.Length;

        public override void OnMoved(ConnectionId c, int fromReactor, ReadOnlySpan<byte> context) => Reactor.Move(c, fromReactor, context);

        public override void OnNotice(int fromReactor, ReadOnlySpan<byte> message)
        {
            ref var notices = ref Notices[Reactor.Index * 16];
            Volatile.Write(ref notices, notices + 1);
            Reactor.TryNotify(fromReactor, message);
        }
    }
}
