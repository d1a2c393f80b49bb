using System.Buffers;

namespace Gateway.Transport;

/// <summary>
/// What a reactor tells its host. Every call comes on the reactor's own thread, never from within another call to the same handler,
/// and never from within a verb of <see cref="Reactor"/>. A handler must not block. An exception out of any of these is a fault of
/// ours: the reactor stops and hands it to the group's <c>onFatal</c>.
/// </summary>
public interface IReactorHandler
{
    /// <summary>A listener accepted a connection. It counts against <see cref="ReactorGroupOptions.MaxHandshakes"/> until it is marked established.</summary>
    void OnAccepted(ConnectionId c);

    /// <summary>The outcome of <see cref="Reactor.Connect"/>: 0, or the errno. After an error the id is gone and no <see cref="OnClosed"/> follows.</summary>
    void OnConnected(ConnectionId c, int errno);

    /// <summary>
    /// Bytes arrived and nothing was kept before them. Returns how many were consumed (0 to the length); the rest is kept and presented
    /// again with what follows. The span is valid during the call only.
    /// </summary>
    int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes);

    /// <summary>The same where a remainder had been kept: the remainder, then the new bytes. Also called with the remainder alone after a resume or a move.</summary>
    long OnReceived(ConnectionId c, in ReadOnlySequence<byte> bytes);

    /// <summary>Unsent output fell to zero after having been above zero at a flush.</summary>
    void OnDrained(ConnectionId c);

    /// <summary>
    /// A deadline passed. Handshake, Frame and Idle start again if the connection is left open; Quiet comes again after the next byte; Application
    /// is cleared before the call.
    /// </summary>
    void OnTimeout(ConnectionId c, TimeoutKind kind);

    /// <summary>A connection arrived from another reactor (or from this one). Its tag is 0; its unread bytes follow by <c>OnReceived</c>.</summary>
    /// <param name="c">Its id here.</param>
    /// <param name="fromReactor">The index of the reactor that moved it.</param>
    /// <param name="context">What the mover gave, at most <see cref="Reactor.MaxMoveContextBytes"/>; valid during the call only.</param>
    void OnMoved(ConnectionId c, int fromReactor, ReadOnlySpan<byte> context);

    /// <summary>Exactly once for each accepted, connected or moved-in id, except one that moved away. The id is refused by every verb from here on.</summary>
    void OnClosed(ConnectionId c, ulong tag, CloseReason reason, int errno);

    /// <summary>A request of another reactor: head and body as one span, valid during the call only. Exactly one <see cref="Reactor.Reply"/> is owed for it, now or later.</summary>
    void OnRequest(int fromReactor, ReadOnlySpan<byte> message);

    /// <summary>A reply to an earlier request. Valid during the call only.</summary>
    void OnReply(int fromReactor, ReadOnlySpan<byte> message);

    /// <summary>A notice. Valid during the call only.</summary>
    void OnNotice(int fromReactor, ReadOnlySpan<byte> message);

    /// <summary>A <see cref="Reactor.TryRequest"/> to that reactor had failed and one of the same size may succeed now. Once per spell of refusals.</summary>
    void OnRequestCredit(int toReactor);

    /// <summary>Once a turn, after its events and before output is flushed; at least once every <see cref="ReactorGroupOptions.TickMs"/>.</summary>
    void OnTurn(long nowMs);

    /// <summary>
    /// Nothing is ready: the reactor will sleep next. For work that is better done for several turns at once. It must use none of the
    /// reactor's verbs, whose effects wait for the end of a turn.
    /// </summary>
    void OnIdle()
    {
    }
}
