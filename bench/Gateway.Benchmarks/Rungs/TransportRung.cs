using System.Buffers;
using System.Net;
using Gateway.Transport;

namespace Gateway.Benchmarks.Rungs;

/// <summary>One reactor of the transport with a handler on it, as the gateway configures its own.</summary>
internal sealed class TransportRung : IDisposable
{
    private readonly ReactorGroup _group;

    public TransportRung(int port, IoBackend io, Func<Reactor, IReactorHandler> handler, int busyGapMs = 200)
    {
        var options = new ReactorGroupOptions { BusyGapMs = busyGapMs, Reactors = 1, PinThreads = true, Io = io, MaxHandshakes = 16_384, MaxUnsentBytes = 256 * 1024 };
        _group = new ReactorGroup(options, handler, e => Environment.FailFast("A reactor failed.", e), TimeProvider.System);
        _group.Start();
        var errno = _group.Listen(new IPEndPoint(IPAddress.Loopback, port), 4096, out var bound);
        if (errno != 0) throw new IOException($"listen: errno {errno}");
        Port = bound.Port;
    }

    public int Port { get; }

    public ReactorCounters Counters => _group.Reactors[0].Counters;

    public void Dispose() => _group.Dispose();
}

/// <summary>A handler that only has connections and bytes. Owned by its reactor's thread.</summary>
internal abstract class RungHandler(Reactor reactor) : IReactorHandler
{
    protected Reactor Reactor { get; } = reactor;

    public abstract void OnAccepted(ConnectionId c);

    public abstract int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes);

    public abstract long OnReceived(ConnectionId c, in ReadOnlySequence<byte> bytes);

    public virtual void OnClosed(ConnectionId c, ulong tag, CloseReason reason, int errno)
    {
    }

    public void OnTimeout(ConnectionId c, TimeoutKind kind) => Reactor.Abort(c);

    public void OnConnected(ConnectionId c, int errno)
    {
    }

    public void OnDrained(ConnectionId c)
    {
    }

    public virtual void OnMoved(ConnectionId c, int fromReactor, ReadOnlySpan<byte> context)
    {
    }

    public void OnRequest(int fromReactor, ReadOnlySpan<byte> message)
    {
    }

    public void OnReply(int fromReactor, ReadOnlySpan<byte> message)
    {
    }

    public virtual void OnNotice(int fromReactor, ReadOnlySpan<byte> message)
    {
    }

    public void OnRequestCredit(int toReactor)
    {
    }

    public void OnTurn(long nowMs)
    {
    }
}

/// <summary>Every byte back.</summary>
internal sealed class EchoHandler(Reactor reactor) : RungHandler(reactor)
{
    public override void OnAccepted(ConnectionId c) => Reactor.MarkEstablished(c);

    public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Reactor.GetSpan(c, bytes.Length));
        Reactor.Advance(c, bytes.Length);
        return bytes.Length;
    }

    public override long OnReceived(ConnectionId c, in ReadOnlySequence<byte> bytes)
    {
        foreach (var segment in bytes) _ = OnReceived(c, segment.Span);
        return bytes.Length;
    }
}

/// <summary>
/// The relay on the transport: everything is on the reactor's thread, so no gate is ever waited for, and what a turn writes is flushed at
/// its end by the reactor.
/// </summary>
internal sealed class TransportRelayHandler(Reactor reactor, RelayCore core) : RungHandler(reactor)
{
    private TransportPeer?[] _peers = new TransportPeer?[1024];

    public override void OnAccepted(ConnectionId c)
    {
        if (c.Slot >= (uint)_peers.Length) Array.Resize(ref _peers, (int)Math.Max(c.Slot + 1, 2 * (uint)_peers.Length));
        _peers[c.Slot] = new TransportPeer(Reactor, c);
    }

    public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
    {
        var rest = bytes;
        EndUnless(core.OnBytes(_peers[c.Slot]!, ref rest), c);
        return bytes.Length - rest.Length;
    }

    public override long OnReceived(ConnectionId c, in ReadOnlySequence<byte> bytes)
    {
        var rest = bytes;
        EndUnless(core.OnBytes(_peers[c.Slot]!, ref rest), c);
        return bytes.Length - rest.Length;
    }

    public override void OnClosed(ConnectionId c, ulong tag, CloseReason reason, int errno)
    {
        if (_peers[c.Slot] is { } peer) RelayCore.OnClosed(peer);
        _peers[c.Slot] = null;
    }

    private void EndUnless(bool mayStay, ConnectionId c)
    {
        var peer = _peers[c.Slot]!;
        if (!mayStay) Reactor.Abort(c);
        else if (peer.Phase == RelayPhase.Established && !peer.IsMarked) peer.Mark();
    }

    private sealed class TransportPeer(Reactor reactor, ConnectionId connection) : RelayPeer
    {
        public override bool IsFull => reactor.UnsentBytes(connection) > RelayCore.MaxUnsentBytes;

        public bool IsMarked { get; private set; }

        public void Mark()
        {
            IsMarked = true;
            reactor.MarkEstablished(connection);
        }

        public override Span<byte> GetSpan(int sizeHint) => reactor.GetSpan(connection, sizeHint);

        public override void Advance(int bytes, RelayPeer by) => reactor.Advance(connection, bytes);

        public override void Drop() => reactor.Abort(connection);
    }
}
