using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>Where a <see cref="GatewayClient"/> stands.</summary>
public enum ClientState
{
    /// <summary>Not started.</summary>
    Created,
    /// <summary>Connecting or shaking hands.</summary>
    Connecting,
    /// <summary>Logged in.</summary>
    Connected,
    /// <summary>Waiting for the next attempt.</summary>
    Waiting,
    /// <summary>Ended for good: by <see cref="GatewayClient.StopAsync"/> or for the reason given.</summary>
    Stopped,
}

/// <summary>Why a session ended, an attempt failed or the client stopped.</summary>
public enum DisconnectReason
{
    None = 0,
    /// <summary>The application asked for it.</summary>
    Requested,
    /// <summary>No connection could be made.</summary>
    ConnectFailed,
    /// <summary>The connection broke or the node closed it without a word.</summary>
    ConnectionLost,
    /// <summary>Nothing was heard from the node for too long.</summary>
    DeadPeer,
    /// <summary>The node did not prove that it knows the device's key: it is not the node.</summary>
    NodeNotAuthentic,
    /// <summary>The node sent what the protocol forbids.</summary>
    ProtocolViolation,
    /// <summary>The node said why, see <see cref="ClientStateChange.Code"/>.</summary>
    NodeError,
    /// <summary>The node asked to go away and come back later.</summary>
    GoAway,
    /// <summary>The node no longer takes this incarnation: a fresh one is asked for.</summary>
    IncarnationFenced,
    /// <summary>The store failed; nothing more can be promised.</summary>
    StoreFailed,
    /// <summary>This library failed: see <see cref="ClientStateChange.Error"/>, and report it.</summary>
    Defect,
}

/// <summary>One change of state.</summary>
/// <param name="State">The new state.</param>
/// <param name="Reason">Why; <see cref="DisconnectReason.None"/> for connecting and connected.</param>
/// <param name="Code">The node's error code, if it gave one.</param>
/// <param name="Detail">A sentence for a person.</param>
/// <param name="RetryIn">With <see cref="ClientState.Waiting"/>: time until the next attempt.</param>
/// <param name="Error">The exception behind it, if there was one.</param>
public sealed record ClientStateChange(
    ClientState State, DisconnectReason Reason = DisconnectReason.None, ErrorCode Code = ErrorCode.None, string Detail = "", TimeSpan RetryIn = default, Exception? Error = null)
{
    public override string ToString() => $"{State}{(Reason == DisconnectReason.None ? "" : $", {Reason}")}{(Code == ErrorCode.None ? "" : $", {Code}")}{(Detail.Length == 0 ? "" : $": {Detail}")}";
}

/// <summary>The client has stopped. Messages that were open stay in the outbox and are sent by the next client that opens the store.</summary>
public sealed class ClientStoppedException : InvalidOperationException
{
    public ClientStoppedException(ClientStateChange change)
        : base($"The client has stopped ({change?.Reason}{(change is null || change.Code == ErrorCode.None ? "" : $", {change.Code}")}). {change?.Detail}".TrimEnd(), change?.Error)
    {
        Change = change!;
    }

    /// <summary>The last change of state: reason and code.</summary>
    public ClientStateChange Change { get; }
}

/// <summary>The outbox holds as many open messages as <see cref="GatewayClientOptions.MaxOutbox"/> allows.</summary>
public sealed class OutboxFullException(int limit) : InvalidOperationException($"The outbox holds {limit} open messages, its limit.")
{
    public int Limit { get; } = limit;
}

/// <summary>Where the application's own code threw.</summary>
public enum FaultSource
{
    /// <summary>The message or receipt handler: it is called again, see <see cref="GatewayClientOptions.HandlerRetryMin"/>.</summary>
    Handler,
    /// <summary>An event's subscriber: the exception has no other effect.</summary>
    Observer,
}

/// <summary>An exception out of the application's code.</summary>
/// <param name="Source">Where.</param>
/// <param name="Error">The exception.</param>
/// <param name="Sequence">The mailbox sequence in question, 0 when none.</param>
/// <param name="Attempt">How often the handler has seen it, from 1.</param>
public sealed record ClientFault(FaultSource Source, Exception Error, ulong Sequence = 0, int Attempt = 0);

/// <summary>Numbers to watch; a snapshot.</summary>
/// <param name="State">Where the client stands.</param>
/// <param name="OpenMessages">Messages in the outbox without an outcome.</param>
/// <param name="InFlight">Of these, sent in this session and not answered.</param>
/// <param name="QueuedDeliveries">Messages and receipts waiting for a handler.</param>
/// <param name="Position">Highest mailbox sequence processed and stored.</param>
/// <param name="Acknowledged">Highest mailbox sequence acknowledged in this session.</param>
/// <param name="Incarnation">0 before the first login.</param>
/// <param name="Sessions">Logins so far.</param>
public readonly record struct ClientStatus(
    ClientState State, int OpenMessages, int InFlight, int QueuedDeliveries, ulong Position, ulong Acknowledged, uint Incarnation, long Sessions);
