using Gateway.Transport.Linux;

namespace Gateway.Transport;

/// <summary>Sizes, limits and times of a <see cref="ReactorGroup"/>. Everything is per reactor unless its name says node.</summary>
public sealed record ReactorGroupOptions
{
    /// <summary>Reactors, each a thread.</summary>
    public int Reactors { get; init; } = Environment.ProcessorCount;

    /// <summary>Binds reactor i to core i modulo the cores. A refusal by the kernel is ignored.</summary>
    public bool PinThreads { get; init; }

    /// <summary>Thread names are this and the reactor's index.</summary>
    public string ThreadName { get; init; } = "reactor";

    /// <summary>At this many connections accepting stops; clients wait in the listener's backlog until one closes. Moves still arrive.</summary>
    public int MaxConnections { get; init; } = 262_144;

    /// <summary>At this many connections not yet marked established, moves under way included, accepting stops.</summary>
    public int MaxHandshakes { get; init; } = 4096;

    /// <summary>Resolution of every timeout, and the longest pause between two turns.</summary>
    public int TickMs { get; init; } = 50;

    /// <summary>From accept to <see cref="Reactor.MarkEstablished"/>; also for an outbound connect. 0: none.</summary>
    public int HandshakeTimeoutMs { get; init; } = 10_000;

    /// <summary>How long the front byte of a partial frame is kept. 0: for ever.</summary>
    public int FrameTimeoutMs { get; init; } = 30_000;

    /// <summary>Without a byte received on an established connection. 0: for ever.</summary>
    public int IdleTimeoutMs { get; init; } = 600_000;

    /// <summary>Silence of an established connection of which the handler is told once, to ask whether the peer is there. 0: never.</summary>
    public int QuietTimeoutMs { get; init; }

    /// <summary>By how much less than <see cref="QuietTimeoutMs"/> it may be, for each silence by chance, so that connections that came at once are not asked at once.</summary>
    public int QuietSpreadMs { get; init; }

    /// <summary>Silence after which the kernel asks the peer (TCP keep-alive), three times a twelfth of it apart; from 1 s to 9 h. 0: never.</summary>
    public int KeepAliveMs { get; init; }

    /// <summary>
    /// How long what was sent may stay unacknowledged, or untransmitted because the peer takes nothing, until the kernel ends the connection
    /// (TCP_USER_TIMEOUT). 0: as long as the kernel retransmits, about a quarter of an hour.
    /// </summary>
    public int UserTimeoutMs { get; init; }

    /// <summary>How long a closing connection may take to hand over its output and to see the peer's end.</summary>
    public int LingerTimeoutMs { get; init; } = 2_000;

    /// <summary>Pause of accepting after the kernel ran out of descriptors or memory.</summary>
    public int AcceptBackoffMs { get; init; } = 200;

    /// <summary>Events taken by one wait.</summary>
    public int EventsPerWait { get; init; } = 512;

    /// <summary>Connections accepted in a turn, at most.</summary>
    public int AcceptsPerTurn { get; init; } = 128;

    /// <summary>Connections accepted in a second, at most; more wait in the listener's backlog. 0: any.</summary>
    public int AcceptsPerSecond { get; init; }

    /// <summary>After a turn that kept others waiting for longer than this, in microseconds, half as many are accepted in the next, down to a sixteenth.</summary>
    public int AcceptLagUs { get; init; } = 2_000;

    /// <summary>The receive buffer, and so the bytes one connection may receive in a turn.</summary>
    public int ReceiveBytesPerTurn { get; init; } = 64 * 1024;

    /// <summary>Timers fired or looked at in a turn.</summary>
    public int TimersPerTurn { get; init; } = 4096;

    /// <summary>A connection's turn buffer, once it was written to twice; larger ones are lent for larger hints.</summary>
    public int OutputBufferBytes { get; init; } = 4096;

    /// <summary>Connections written to before they are flushed ahead of the turn's end; no more have output that waits, either.</summary>
    public int OutputsPerTurn { get; init; } = 1024;

    /// <summary>The largest hint that <see cref="Reactor.GetSpan"/> takes.</summary>
    public int MaxSpanBytes { get; init; } = 2 << 20;

    /// <summary>Above this much unsent output a connection is not read until all of it is gone.</summary>
    public int MaxUnsentBytes { get; init; } = 1 << 20;

    /// <summary>A connection whose handler leaves more than this unconsumed is closed.</summary>
    public int MaxKeptInputBytes { get; init; } = 1 << 20;

    /// <summary>Buffer memory kept for reuse.</summary>
    public long RetainedBufferBytes { get; init; } = 16 << 20;

    /// <summary>Pipes kept for reuse.</summary>
    public int RetainedLeases { get; init; } = 1024;

    /// <summary>What a burst took and nobody has needed for this long, or up to twice as long, is given back.</summary>
    public int KeepUnusedMs { get; init; } = 10_000;

    /// <summary>Above this much buffer memory a reactor stops reading from the connections that hold the most of it.</summary>
    public long ReactorSoftBufferBytes { get; init; } = 128 << 20;

    /// <summary>Above this much it reads from none that adds to it, and <see cref="Reactor.IsOverHardMark"/> tells its handler to refuse new ones.</summary>
    public long ReactorHardBufferBytes { get; init; } = 256 << 20;

    /// <summary>The same for all reactors together.</summary>
    public long NodeSoftBufferBytes { get; init; } = 512 << 20;

    /// <summary>The same for all reactors together.</summary>
    public long NodeHardBufferBytes { get; init; } = 1024L << 20;

    /// <summary>Connections resumed each tick although the budget is spent, so that partial frames get finished.</summary>
    public int BudgetResumesPerTick { get; init; } = 16;

    /// <summary>Requests to one other reactor that may be without a reply.</summary>
    public int ReplySlots { get; init; } = 1024;

    /// <summary>The largest reply.</summary>
    public int ReplySlotBytes { get; init; } = 128;

    /// <summary>Requests under way from one reactor to another, in bytes; rounded up to a power of two. A request may take up to half.</summary>
    public int RequestLaneBytes { get; init; } = 512 * 1024;

    /// <summary>The same for notices.</summary>
    public int NoticeLaneBytes { get; init; } = 64 * 1024;

    /// <summary>Moves under way from one reactor to another; more wait at their source.</summary>
    public int MoveLaneSlots { get; init; } = 256;

    /// <summary>Posted work waiting.</summary>
    public int PostSlots { get; init; } = 1024;

    /// <summary>Keeps what <see cref="Reactor.ReadQueues"/> tells; off, it tells nothing and costs nothing.</summary>
    public bool MeasureQueues { get; init; } = true;

    /// <summary>What the kernel is driven with; <see cref="ReactorGroup.Backend"/> says what was chosen and why.</summary>
    public IoBackend Io { get; init; } = IoBackend.Epoll;

    /// <summary>With io_uring, connections a ring, of which a reactor makes as many as it needs; 0: as many as the kernel allows.</summary>
    public int SocketsPerRing { get; init; }

    /// <summary>With io_uring, buffers of a ring's busy connections, a power of two.</summary>
    public int BusyBuffers { get; init; } = 1024;

    /// <summary>With io_uring, the size of such a buffer; who sends more at a time does not count as busy but as bulky.</summary>
    public int BusyBufferBytes { get; init; } = 4096;

    /// <summary>With io_uring, a connection counts as busy while no more than this passes between its receives; 0: none ever does.</summary>
    public int BusyGapMs { get; init; } = 200;

    /// <summary>For about how long output that may wait for other output of its connection does at most; 0: not at all. See <see cref="Reactor.AdvanceWithNext"/>.</summary>
    public int OutputWaitMs { get; init; }

    /// <summary>It waits only while a reactor is at work for this share of its time, tick by tick; 0: always.</summary>
    public int OutputWaitLoadPercent { get; init; } = 25;

    /// <summary>The errno that takes an accept's place, 0: none. For tests that need accepting to fail.</summary>
    internal Func<int>? AcceptFault { get; init; }

    internal PeerTimeouts PeerTimeouts => new(KeepAliveMs, UserTimeoutMs);

    /// <exception cref="ArgumentException">An option is out of its range or contradicts another; the message names it and the range.</exception>
    public void Validate()
    {
        Range(Reactors, 1, 256, nameof(Reactors));
        Range(MaxConnections, 1, 1 << 24, nameof(MaxConnections));
        Range(MaxHandshakes, 1, 1 << 24, nameof(MaxHandshakes));
        Range(TickMs, 1, 1000, nameof(TickMs));
        Range(HandshakeTimeoutMs, 0, int.MaxValue / 2, nameof(HandshakeTimeoutMs));
        Range(FrameTimeoutMs, 0, int.MaxValue / 2, nameof(FrameTimeoutMs));
        Range(IdleTimeoutMs, 0, int.MaxValue / 2, nameof(IdleTimeoutMs));
        Range(QuietTimeoutMs, 0, int.MaxValue / 2, nameof(QuietTimeoutMs));
        Range(QuietSpreadMs, 0, int.MaxValue / 2, nameof(QuietSpreadMs));
        if (KeepAliveMs != 0) Range(KeepAliveMs, 1000, 32_767_000, nameof(KeepAliveMs));
        Range(UserTimeoutMs, 0, int.MaxValue / 2, nameof(UserTimeoutMs));
        Range(LingerTimeoutMs, 1, 3_600_000, nameof(LingerTimeoutMs));
        Range(AcceptBackoffMs, 1, 60_000, nameof(AcceptBackoffMs));
        Range(EventsPerWait, 1, 65_536, nameof(EventsPerWait));
        Range(AcceptsPerTurn, 1, 65_536, nameof(AcceptsPerTurn));
        Range(AcceptsPerSecond, 0, int.MaxValue, nameof(AcceptsPerSecond));
        Range(AcceptLagUs, 1, 60_000_000, nameof(AcceptLagUs));
        Range(ReceiveBytesPerTurn, 1, 16 << 20, nameof(ReceiveBytesPerTurn));
        Range(TimersPerTurn, 1, 1 << 20, nameof(TimersPerTurn));
        Range(OutputBufferBytes, 64, 1 << 20, nameof(OutputBufferBytes));
        Range(OutputsPerTurn, 1, 1 << 20, nameof(OutputsPerTurn));
        Range(OutputWaitMs, 0, 3_600_000, nameof(OutputWaitMs));
        Range(OutputWaitLoadPercent, 0, 100, nameof(OutputWaitLoadPercent));
        Range(MaxSpanBytes, OutputBufferBytes, 1 << 26, nameof(MaxSpanBytes));
        Range(MaxUnsentBytes, 1, 1 << 30, nameof(MaxUnsentBytes));
        Range(MaxKeptInputBytes, 1, 1 << 30, nameof(MaxKeptInputBytes));
        Range(RetainedBufferBytes, 0, long.MaxValue, nameof(RetainedBufferBytes));
        Range(KeepUnusedMs, 1, 3_600_000, nameof(KeepUnusedMs));
        Range(RetainedLeases, 1, 1 << 20, nameof(RetainedLeases));
        Range(ReactorSoftBufferBytes, 1, long.MaxValue, nameof(ReactorSoftBufferBytes));
        Range(ReactorHardBufferBytes, ReactorSoftBufferBytes, long.MaxValue, nameof(ReactorHardBufferBytes));
        Range(NodeSoftBufferBytes, 1, long.MaxValue, nameof(NodeSoftBufferBytes));
        Range(NodeHardBufferBytes, NodeSoftBufferBytes, long.MaxValue, nameof(NodeHardBufferBytes));
        Range(BudgetResumesPerTick, 1, 1 << 20, nameof(BudgetResumesPerTick));
        Range(ReplySlots, 1, 1 << 20, nameof(ReplySlots));
        Range(ReplySlotBytes, 1, 4096, nameof(ReplySlotBytes));
        Range(RequestLaneBytes, 4096, 1 << 28, nameof(RequestLaneBytes));
        Range(NoticeLaneBytes, 4096, 1 << 28, nameof(NoticeLaneBytes));
        Range(MoveLaneSlots, 1, 1 << 20, nameof(MoveLaneSlots));
        Range(PostSlots, 1, 1 << 20, nameof(PostSlots));
        Range(SocketsPerRing, 0, 1 << 20, nameof(SocketsPerRing));
        Range(BusyBuffers, 1, 1 << 15, nameof(BusyBuffers));
        if (!int.IsPow2(BusyBuffers)) throw new ArgumentException($"{nameof(BusyBuffers)} is {BusyBuffers}; it must be a power of two.");
        Range(BusyBufferBytes, 256, 1 << 20, nameof(BusyBufferBytes));
        Range(BusyGapMs, 0, 60_000, nameof(BusyGapMs));
        if (string.IsNullOrWhiteSpace(ThreadName)) throw new ArgumentException($"{nameof(ThreadName)} is empty.");
    }

    private static void Range(long value, long low, long high, string name)
    {
        if (value < low || value > high) throw new ArgumentException($"{name} is {value}; it must be from {low} to {high}.");
    }
}
