using System.Diagnostics.Metrics;
using Gateway.Protocol;
using Gateway.Server.Health;
using Gateway.Server.Metrics;
using Gateway.Transport;

namespace Gateway.Server;

/// <summary>
/// The running node as the host shell sees it: reactors, homes and the log behind one door. The shell starts it, drains it, watches it
/// fail and answers operators from it; it knows nothing else about it.
/// Every member may be called from any thread, and before, during and after each other: while the node is starting the questions answer
/// from what is there (zeros), and after a fail stop they throw <see cref="NodeStoppedException"/>. None of them blocks a reactor.
/// </summary>
public interface INode : IAsyncDisposable
{
    /// <summary>
    /// One line for a person per endpoint that listens, known once <see cref="StartAsync"/> returned, with the ports really bound:
    /// <c>native  tcp://127.0.0.1:5240</c>. The shell adds the operator's endpoint and prints them in order.
    /// </summary>
    IReadOnlyList<string> EndpointLines { get; }

    /// <summary>
    /// What drives the sockets (never <see cref="IoBackend.Auto"/>), and for how many connections its descriptors suffice; known once
    /// <see cref="StartAsync"/> returned.
    /// </summary>
    (IoBackend Io, long Connections) Backend { get; }

    /// <summary>Cheap; asked on every <c>/readyz</c>.</summary>
    NodeReadiness Readiness { get; }

    /// <summary>
    /// Opens the data folder, recovers, binds, and returns when the node is <see cref="NodeState.Ready"/>. Called once. Progress of a long
    /// recovery is logged by the node and shows in the reason of <see cref="Readiness"/>.
    /// </summary>
    /// <exception cref="NodeStartException">
    /// What an operator can mend: a port in use, a data folder that is locked, unwritable, of a newer version or corrupt. The message is
    /// a full sentence naming the option, path or endpoint; the program prints it and exits with 3.
    /// </exception>
    /// <exception cref="OperationCanceledException">A signal came first; whatever had been opened is closed by dispose.</exception>
    Task StartAsync(CancellationToken cancel);

    /// <summary>
    /// Leaves in order: <see cref="Readiness"/> says draining at once and accepting stops; every session is sent go-away with its reconnect
    /// hint (spread over <see cref="GatewayOptions.ReconnectSpread"/>); what is in flight is settled and answered; the rest is closed at
    /// <paramref name="limit"/>; what was appended is committed. Returns once that commit is durable, which may be after the limit.
    /// Calling it again returns the same task.
    /// </summary>
    /// <param name="limit">From the call; zero closes at once, still with go-away and commit.</param>
    /// <param name="cancel">Gives up waiting. What was answered stays durable in any case.</param>
    Task DrainAsync(TimeSpan limit, CancellationToken cancel);

    /// <summary>
    /// Completes, never faults, with the cause when the node stopped answering for good (a failed write or sync, no commit progress within
    /// <see cref="GatewayOptions.CommitProgressTimeout"/>, a broken invariant). The program then exits with 4, without a drain.
    /// </summary>
    Task<Exception> Failed { get; }

    /// <summary>
    /// The totals since the log began, over all homes, as a function of what is committed; pending is counted by walking the index. All
    /// homes are read at one common committed position, or each message is counted by exactly one home, so that the sum can balance.
    /// </summary>
    Task<NodeLedger> GetLedgerAsync(CancellationToken cancel);

    /// <summary>Authenticated sessions, at most <paramref name="limit"/> (1 to 10,000), in no order.</summary>
    Task<IReadOnlyList<ConnectionStatus>> ListConnectionsAsync(int limit, CancellationToken cancel);

    /// <summary>
    /// The first <paramref name="count"/> (1 to 1,000) of all connections, those before their login included. Walks over all of them, a slice a
    /// turn of each reactor; one such walk at a time, others wait for it.
    /// </summary>
    Task<ConnectionTop> TopConnectionsAsync(ConnectionRank by, int count, CancellationToken cancel);

    /// <summary>What the mailbox holds and who reads it. Every address has a mailbox: one never used is all zeros.</summary>
    Task<MailboxStatus> GetMailboxAsync(Address address, CancellationToken cancel);

    /// <summary>Closes the sessions of this device with <see cref="ErrorCode.Kicked"/>. Returns how many there were; it may come back at once.</summary>
    Task<int> KickAsync(Address address, CancellationToken cancel);

    /// <summary>The epoch that a device's key must be derived with now; 0 until the first revocation.</summary>
    Task<uint> GetKeyEpochAsync(Address address, CancellationToken cancel);

    /// <summary>
    /// Raises the device's key epoch by one and returns the new one once that is durable. Keys of older epochs no longer log in, and a
    /// session that used one is closed with <see cref="ErrorCode.KeyRevoked"/> before this returns.
    /// </summary>
    Task<uint> RevokeAsync(Address address, CancellationToken cancel);

    /// <summary>Why nothing expires, in a sentence without an address; null while expiry goes on. Cheap.</summary>
    string? ExpirySuspended { get; }

    /// <summary>An operator says that the clock is right: expiry goes on. False when it was not suspended.</summary>
    Task<bool> ResumeExpiryAsync(CancellationToken cancel);

    /// <summary>A snapshot of counters that the reactors publish; cheap, never waits, each value right by itself but not all of one instant.</summary>
    NodeCounters GetCounters();

    /// <summary>
    /// Every queue of every reactor, in order of reactor, then of the parts; empty when they are not measured
    /// (<see cref="GatewayOptions.Metrics"/>) and before the node runs. Cheap, and waits for nobody: it answers also while a reactor hangs.
    /// </summary>
    IReadOnlyList<QueueReading> GetQueues();

    /// <summary>The longest that a reactor has gone without beginning a turn; zero while none runs. As cheap as <see cref="GetQueues"/>.</summary>
    TimeSpan StalledFor { get; }

    /// <summary>The node's instruments, for whoever exports them; empty without <see cref="GatewayOptions.Metrics"/>. From construction to dispose.</summary>
    IReadOnlyList<Meter> Meters { get; }

    /// <summary>Who is behind the figures.</summary>
    INodeInsight Insight { get; }
}

public enum NodeState
{
    Starting = 0,
    Ready = 1,
    Draining = 2,
    Failed = 3,
}

/// <summary>Whether the node takes connections, and if not, why: a sentence without an address, since anybody may read it.</summary>
public readonly record struct NodeReadiness(NodeState State, string Reason)
{
    public static NodeReadiness Ready { get; } = new(NodeState.Ready, "");
    public static NodeReadiness Starting(string reason) => new(NodeState.Starting, reason);
    public static NodeReadiness Draining { get; } = new(NodeState.Draining, "the node is draining");
    public static NodeReadiness Failed(string reason) => new(NodeState.Failed, reason);
}

/// <summary>The node cannot start for a reason that an operator can mend. The message is complete: no stack trace adds to it.</summary>
public sealed class NodeStartException : Exception
{
    public NodeStartException(string message, Exception? cause = null)
        : base(message, cause)
    {
    }
}

/// <summary>The node has failed stop, or was disposed, and answers no more questions.</summary>
public sealed class NodeStoppedException : Exception
{
    public NodeStoppedException(string message, Exception? cause = null)
        : base(message, cause)
    {
    }
}
