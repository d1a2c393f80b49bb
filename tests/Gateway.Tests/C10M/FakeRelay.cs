using System.Collections.Concurrent;
using System.Net;
using Gateway.Protocol;
using Gateway.Transport;

namespace Gateway.Tests.C10M;

/// <summary>What a <see cref="FakeRelay"/> does wrong on purpose: every n-th time, 0 never.</summary>
internal sealed record RelayFaults
{
    /// <summary>A message is accepted and never delivered.</summary>
    public int LoseEvery { get; init; }
    /// <summary>A message is stored twice, under two sequences.</summary>
    public int StoreTwiceEvery { get; init; }
    /// <summary>A deliver frame is written twice, with or without the flag that says so.</summary>
    public int DeliverTwiceEvery { get; init; }
    public bool FlagsRedelivery { get; init; }
    /// <summary>A message changes places with the one before it to the same mailbox, when both are pending.</summary>
    public int SwapEvery { get; init; }
    /// <summary>A byte of a body is changed.</summary>
    public int CorruptEvery { get; init; }
    /// <summary>A send is refused for now, with this hint, and the sender's later ones until it comes again (rule 7).</summary>
    public int RefuseEvery { get; init; }
    public uint RetryAfterMs { get; init; } = 20;
    /// <summary>A send is refused for good.</summary>
    public int RefuseForGoodEvery { get; init; }
    /// <summary>A receipt is told twice, under two sequences.</summary>
    public int RepeatReceiptEvery { get; init; }
    /// <summary>The connection is reset instead of answering a send; nothing accepted is lost by it.</summary>
    public int ResetEvery { get; init; }
    /// <summary>The sender is told to go away for <see cref="GoAwayMs"/> instead of being answered; nothing accepted is lost by it.</summary>
    public int GoAwayEvery { get; init; }
    public uint GoAwayMs { get; init; } = 300;
    /// <summary>A login is answered with Overloaded.</summary>
    public int OverloadEvery { get; init; }
    /// <summary>The welcome's proof is made with another key.</summary>
    public bool LiesAboutKey { get; init; }
    /// <summary>Once this many messages were accepted nothing at all moves for <see cref="StallMs"/>.</summary>
    public long StallAt { get; init; }
    public int StallMs { get; init; }
    /// <summary>Nothing is answered after the welcome.</summary>
    public bool FallsSilent { get; init; }
}

/// <summary>
/// A node that keeps its promises while nothing goes wrong: real handshake, windows, mailboxes in memory, accepted before delivered,
/// receipts through the sender's mailbox, nothing durable. One reactor, so every mailbox is at home on it. Serves as the load tool's
/// opposite in tests and as the ladder's rung "relay without durability".
/// </summary>
internal sealed class FakeRelay : IDisposable
{
    private readonly ReactorGroup _group;
    private readonly ConcurrentQueue<Exception> _fatal = new();
    private volatile FakeRelayHandler? _handler;

    public FakeRelay(byte[] secret, RelayFaults? faults = null, uint idleTimeoutMs = 300_000, int maxBodyBytes = Wire.DefaultMaxBodyBytes)
    {
        var options = new ReactorGroupOptions
        {
            Reactors = 1,
            TickMs = 5,
            ThreadName = "fake relay",
            MaxHandshakes = 8192,
            MaxUnsentBytes = 8 << 20,
            IdleTimeoutMs = (int)idleTimeoutMs,
        };
        _group = new ReactorGroup(
            options,
            reactor => _handler = new FakeRelayHandler(reactor, secret, faults ?? new RelayFaults(), idleTimeoutMs, maxBodyBytes),
            _fatal.Enqueue,
            TimeProvider.System);
        _group.Start();
        var errno = _group.Listen(new IPEndPoint(IPAddress.Loopback, 0), 4096, out var bound);
        if (errno != 0) throw new IOException($"listen: errno {errno}");
        EndPoint = bound;
    }

    public IPEndPoint EndPoint { get; }

    public IReadOnlyCollection<Exception> Fatal => _fatal;

    /// <summary>Pings that came.</summary>
    public long Pings => _handler?.Pings ?? 0;

    /// <summary>The relay's own count, taken on its thread.</summary>
    public RelayLedger Ledger()
    {
        var done = new TaskCompletionSource<RelayLedger>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!_group.Reactors[0].TryPost(h => done.SetResult(((FakeRelayHandler)h).Ledger()))) throw new InvalidOperationException("the relay has ended");
        return done.Task.WaitAsync(TimeSpan.FromSeconds(60)).GetAwaiter().GetResult();
    }

    /// <summary>Puts a message of somebody else into a mailbox, as an earlier run may have left it.</summary>
    public void Leave(Address mailbox, Address sender, byte[] body)
    {
        if (!_group.Reactors[0].TryPost(h => ((FakeRelayHandler)h).Leave(mailbox, sender, body))) throw new InvalidOperationException("the relay has ended");
        _ = Ledger();
    }

    public void Dispose() => _group.Dispose();
}

/// <summary>Messages: accepted = delivered + pending, unless a fault lost some.</summary>
internal readonly record struct RelayLedger(long Accepted, long Delivered, long Pending, long ReceiptsPending, long Logins, long Connections);
