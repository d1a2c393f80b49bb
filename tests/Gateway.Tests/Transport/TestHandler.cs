using System.Buffers;
using System.Collections.Concurrent;
using Gateway.Transport;

namespace Gateway.Tests.Transport;

/// <summary>One end of a connection as a test sees it.</summary>
internal sealed record Closed(ConnectionId Id, ulong Tag, CloseReason Reason, int Errno);

/// <summary>Records what it is told and otherwise does nothing; a test overrides what it cares about.</summary>
internal class TestHandler(Reactor reactor) : IReactorHandler
{
    public Reactor Reactor { get; } = reactor;

    public ConcurrentQueue<ConnectionId> Accepted { get; } = new();

    public ConcurrentQueue<(ConnectionId Id, int Errno)> Connected { get; } = new();

    public ConcurrentQueue<Closed> Closings { get; } = new();

    public ConcurrentQueue<(ConnectionId Id, TimeoutKind Kind)> Timeouts { get; } = new();

    public ConcurrentQueue<ConnectionId> Drains { get; } = new();

    public virtual void OnAccepted(ConnectionId c) => Accepted.Enqueue(c);

    public virtual void OnConnected(ConnectionId c, int errno) => Connected.Enqueue((c, errno));

    public virtual int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes) => bytes.Length;

    public virtual long OnReceived(ConnectionId c, in ReadOnlySequence<byte> bytes)
    {
        long consumed = 0;
        foreach (var segment in bytes)
        {
            var n = OnReceived(c, segment.Span);
            consumed += n;
            if (n != segment.Length) break;
        }

        return consumed;
    }

    public virtual void OnDrained(ConnectionId c) => Drains.Enqueue(c);

    public virtual void OnTimeout(ConnectionId c, TimeoutKind kind) => Timeouts.Enqueue((c, kind));

    public virtual void OnMoved(ConnectionId c, int fromReactor, ReadOnlySpan<byte> context)
    {
    }

    public virtual void OnClosed(ConnectionId c, ulong tag, CloseReason reason, int errno) => Closings.Enqueue(new Closed(c, tag, reason, errno));

    public virtual void OnRequest(int fromReactor, ReadOnlySpan<byte> message)
    {
    }

    public virtual void OnReply(int fromReactor, ReadOnlySpan<byte> message)
    {
    }

    public virtual void OnNotice(int fromReactor, ReadOnlySpan<byte> message)
    {
    }

    public virtual void OnRequestCredit(int toReactor)
    {
    }

    public virtual void OnTurn(long nowMs)
    {
    }

    protected void Send(ConnectionId c, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var span = Reactor.GetSpan(c, 1);
            var n = Math.Min(span.Length, bytes.Length);
            bytes[..n].CopyTo(span);
            Reactor.Advance(c, n);
            bytes = bytes[n..];
        }
    }
}

/// <summary>Sends every byte back.</summary>
internal sealed class EchoHandler(Reactor reactor) : TestHandler(reactor)
{
    public override void OnAccepted(ConnectionId c)
    {
        base.OnAccepted(c);
        Reactor.MarkEstablished(c);
    }

    public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
    {
        Send(c, bytes);
        return bytes.Length;
    }
}

/// <summary>Cuts [length u16 big-endian | payload] frames and sends each back whole; a partial frame is left to the reactor.</summary>
internal sealed class FramedEchoHandler(Reactor reactor) : TestHandler(reactor)
{
    public override void OnAccepted(ConnectionId c)
    {
        base.OnAccepted(c);
        Reactor.MarkEstablished(c);
    }

    public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
    {
        var consumed = 0;
        while (Cut(bytes[consumed..]) is var size and > 0)
        {
            Send(c, bytes.Slice(consumed, size));
            consumed += size;
        }

        return consumed;
    }

    public override long OnReceived(ConnectionId c, in ReadOnlySequence<byte> bytes)
    {
        // Small enough for tests to flatten; the count consumed is what matters.
        return OnReceived(c, bytes.ToArray());
    }

    private static int Cut(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 2) return 0;
        var size = 2 + (bytes[0] << 8 | bytes[1]);
        return bytes.Length < size ? 0 : size;
    }
}
