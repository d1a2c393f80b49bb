using System.Net;
using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>
/// More sockets in one process than it may open files: both ends of every connection are direct descriptors of this process, the outbound
/// ones too. The limit bounds each table of direct descriptors, so it takes several rings.
/// </summary>
public class ManySocketsTestsOnUring
{
    private const int Connections = 28_600;
    // Of the 28,232 ports that the kernel gives to one source address.
    private const int PerSource = 9_500;
    private const int InFlight = 1_000;

    [OnBackendFact]
    public void Fifty_seven_thousand_sockets_live_in_one_process()
    {
        var options = new ReactorGroupOptions
        {
            Reactors = 1, TickMs = 10, Io = IoBackend.Uring, MaxConnections = Connections, HandshakeTimeoutMs = 0, IdleTimeoutMs = 0, MaxHandshakes = 1 << 20,
            // At least four rings at either end, wherever the limit is.
            SocketsPerRing = 9_000,
        };
        using var server = new TestGroup<EchoHandler>(options, r => new EchoHandler(r));
        using var clients = new TestGroup<DialingHandler>(options, r => new DialingHandler(r));
        var target = server.ListenOn(0);
        clients.On(0, (_, h) => h.Dial(target));
        Wait.Until(
            () => clients.Handlers[0].Open == Connections && server.SlotsInUse == Connections,
            () => $"{clients.Handlers[0].Open} open, {clients.Handlers[0].Failures} failed, {server.SlotsInUse} accepted");

        Assert.InRange(server.SlotsInUse + clients.SlotsInUse, 57_000, int.MaxValue);

        // Each of them works.
        clients.On(0, (_, h) => h.SayToAll());
        Wait.Until(() => clients.Handlers[0].Echoed == Connections, () => $"{clients.Handlers[0].Echoed} echoed");
        Assert.Equal(0, clients.Handlers[0].Failures);
        server.AwaitIdle();
        clients.AwaitIdle();

        clients.On(0, (_, h) => h.EndAll());
        clients.AwaitEmpty(Connections);
        server.AwaitEmpty(Connections);
    }

    /// <summary>Connects a bounded number at a time, from as many loopback addresses as there have to be.</summary>
    private sealed class DialingHandler(Reactor reactor) : TestHandler(reactor)
    {
        private readonly List<ConnectionId> _open = [];
        private IPEndPoint? _target;
        private int _dialed;

        public int Open;
        public int Echoed;
        public int Failures;

        public void Dial(IPEndPoint target)
        {
            _target = target;
            while (_dialed < InFlight) DialNext();
        }

        public override void OnConnected(ConnectionId c, int errno)
        {
            if (errno == 0)
            {
                Reactor.MarkEstablished(c);
                _open.Add(c);
                Volatile.Write(ref Open, Open + 1);
            }
            else
            {
                Volatile.Write(ref Failures, Failures + 1);
            }

            DialNext();
        }

        public void SayToAll()
        {
            foreach (var c in _open) Send(c, [1]);
        }

        public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
        {
            Volatile.Write(ref Echoed, Echoed + bytes.Length);
            return bytes.Length;
        }

        public void EndAll()
        {
            foreach (var c in _open) Reactor.Abort(c);
        }

        private void DialNext()
        {
            if (_dialed == Connections) return;
            var source = new IPAddress([127, 0, 7, (byte)(1 + _dialed / PerSource)]);
            _dialed++;
            Reactor.Connect(_target!, source);
        }
    }
}
