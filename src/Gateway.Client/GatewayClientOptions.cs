using System.Security.Cryptography;
using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>What <see cref="GatewayClient.SendAsync(Address, ReadOnlyMemory{byte}, SendOptions?, CancellationToken)"/> does while the outbox is full.</summary>
public enum OutboxFullMode
{
    /// <summary>Waits until a message was settled.</summary>
    Wait,
    /// <summary>Throws <see cref="OutboxFullException"/>.</summary>
    Throw,
}

/// <summary>Fills a span with unpredictable bytes: the nonce of a handshake.</summary>
public delegate void NonceSource(Span<byte> nonce);

/// <summary>Everything a <see cref="GatewayClient"/> is told: where to, who it is, what it keeps, and its limits. Read once, at construction.</summary>
public sealed class GatewayClientOptions
{
    public const int DefaultPort = 5240;

    /// <summary>Host name or IP address of the node.</summary>
    public required string Host { get; init; }

    /// <summary>TCP port of the node's native protocol.</summary>
    public int Port { get; init; } = DefaultPort;

    /// <summary>Who the device is and the key that proves it: read from a file or the environment, never from a command line.</summary>
    public required KeyFile Key { get; init; }

    /// <summary>Outbox, history and position. Disposed with the client unless <see cref="LeaveStoreOpen"/>.</summary>
    public required IMessageStore Store { get; init; }
    public bool LeaveStoreOpen { get; init; }

    // Receiving.

    /// <summary>Messages and receipts the node may have delivered and not yet seen acknowledged, 1 to 65,536. Also bounds the client's own queue.</summary>
    public int CreditMessages { get; init; } = 256;

    /// <summary>The same in bytes of bodies; one message may always exceed it.</summary>
    public int CreditBytes { get; init; } = 4 * 1024 * 1024;

    /// <summary>An acknowledgement is never more than this many messages behind what was processed.</summary>
    public int AcknowledgeEvery { get; init; } = 32;

    /// <summary>An acknowledgement is never later than this after a message was processed.</summary>
    public TimeSpan AcknowledgeWithin { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// The highest sequence whose effect the application has stored itself; asked once, at start. Give it when the handler's effect lives
    /// outside the store and must happen exactly once: see <see cref="GatewayClient.MessageReceived"/>. Null: the store's position is the only one.
    /// </summary>
    public Func<CancellationToken, ValueTask<ulong>>? ResumePosition { get; init; }

    /// <summary>Pause before a handler that threw sees the message again; doubles up to <see cref="HandlerRetryMax"/>.</summary>
    public TimeSpan HandlerRetryMin { get; init; } = TimeSpan.FromSeconds(1);
    public TimeSpan HandlerRetryMax { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>After this many attempts a message is rejected with <see cref="PoisonReason"/>; 0: never, it is tried until it succeeds.</summary>
    public int MaxHandlerAttempts { get; init; }
    public ushort PoisonReason { get; init; }

    // Sending.

    /// <summary>Messages that may wait for their outcome in the outbox.</summary>
    public int MaxOutbox { get; init; } = 100_000;
    public OutboxFullMode WhenOutboxFull { get; init; } = OutboxFullMode.Wait;

    /// <summary>Longest body <c>SendAsync</c> takes; the node's own limit, told at login, holds besides.</summary>
    public int MaxBodyBytes { get; init; } = Wire.DefaultMaxBodyBytes;

    /// <summary>How many <see cref="OutboxMessage.Delivered"/> tasks may be waited for at once.</summary>
    public int MaxDeliveryWaits { get; init; } = 100_000;

    // The connection.

    /// <summary>False: the first lost connection or failed attempt stops the client. For tools that run once.</summary>
    public bool Reconnect { get; init; } = true;
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Silence, either way, after which a ping is sent. Null: a little less than half of the idle timeout that the node announces, 5 minutes if it has none; of that a random part the first time.</summary>
    public TimeSpan? PingInterval { get; init; }

    /// <summary>Further silence after which the node is taken for dead and the connection for lost.</summary>
    public TimeSpan PingTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Back-off: the n-th attempt in a row, from 0, waits a random time between 0 and min × 2^n, at most max.</summary>
    public TimeSpan ReconnectMin { get; init; } = TimeSpan.FromMilliseconds(500);
    public TimeSpan ReconnectMax { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>A session that lived this long ends a row of failures.</summary>
    public TimeSpan StableAfter { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>After an end that a reconnect does not mend (a defect of either side, an operator's kick) the pause is this to twice this.</summary>
    public TimeSpan SlowReconnect { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a session may go on after the node asked to go away, so that what is in flight is answered.</summary>
    public TimeSpan GoAwayLinger { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long <see cref="GatewayClient.StopAsync"/> waits for the last acknowledgement to leave.</summary>
    public TimeSpan StopLinger { get; init; } = TimeSpan.FromSeconds(1);

    // The outside world.

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Jitter of back-off and retries; the client guards it with a lock.</summary>
    public Random Random { get; init; } = Random.Shared;
    public NonceSource NonceSource { get; init; } = RandomNumberGenerator.Fill;

    /// <exception cref="ArgumentException">Names the option that is out of range.</exception>
    internal void Validate()
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(Host);
        ArgumentNullException.ThrowIfNull(Key);
        ArgumentNullException.ThrowIfNull(Store);
        Require(Port is > 0 and <= ushort.MaxValue, nameof(Port), "1 to 65,535");
        Require(CreditMessages is > 0 and <= 65_536, nameof(CreditMessages), "1 to 65,536");
        Require(CreditBytes > 0, nameof(CreditBytes), "at least 1");
        Require(AcknowledgeEvery > 0, nameof(AcknowledgeEvery), "at least 1");
        Require(AcknowledgeWithin >= TimeSpan.Zero, nameof(AcknowledgeWithin), "not negative");
        Require(HandlerRetryMin > TimeSpan.Zero && HandlerRetryMax >= HandlerRetryMin, nameof(HandlerRetryMin), "positive and at most HandlerRetryMax");
        Require(MaxHandlerAttempts >= 0, nameof(MaxHandlerAttempts), "not negative");
        Require(MaxOutbox > 0, nameof(MaxOutbox), "at least 1");
        Require(MaxBodyBytes is > 0 and <= Wire.MaxBodyBytesCeiling, nameof(MaxBodyBytes), $"1 to {Wire.MaxBodyBytesCeiling}");
        Require(MaxDeliveryWaits > 0, nameof(MaxDeliveryWaits), "at least 1");
        Require(ConnectTimeout > TimeSpan.Zero, nameof(ConnectTimeout), "positive");
        Require(HandshakeTimeout > TimeSpan.Zero, nameof(HandshakeTimeout), "positive");
        Require(PingInterval is null || PingInterval > TimeSpan.Zero, nameof(PingInterval), "positive");
        Require(PingTimeout > TimeSpan.Zero, nameof(PingTimeout), "positive");
        Require(StableAfter >= TimeSpan.Zero, nameof(StableAfter), "not negative");
        Require(SlowReconnect > TimeSpan.Zero, nameof(SlowReconnect), "positive");
        Require(GoAwayLinger >= TimeSpan.Zero, nameof(GoAwayLinger), "not negative");
        Require(StopLinger >= TimeSpan.Zero, nameof(StopLinger), "not negative");
        Require(ReconnectMin > TimeSpan.Zero && ReconnectMax >= ReconnectMin, nameof(ReconnectMin), "positive and at most ReconnectMax");
    }

    private static void Require(bool holds, string option, string range)
    {
        if (!holds) throw new ArgumentException($"{option} must be {range}.", option);
    }
}

/// <summary>What one message asks for beyond its recipient and body.</summary>
public sealed class SendOptions
{
    /// <summary>Time after which the node may drop the message undelivered, in whole seconds, at most about 136 years. Null: the node's default.</summary>
    public TimeSpan? Expiry { get; init; }
}
