using Gateway.Messaging;
using Gateway.Transport;

namespace Gateway.Server.Health.Flight;

/// <summary>
/// Writes one reactor's flight ring. A storm must not push out what came before it: of each kind a few events are noted one by one in a period, the rest
/// as one number at its end. What homes and the transport count anyway is noted by its growth, once a period. The reactor's thread; allocates nothing.
/// </summary>
internal sealed class FlightRecorder(FlightRing ring)
{
    public const int PeriodMs = 250;
    public const int OneByOne = 8;

    /// <summary>A turn that keeps others waiting for so long is worth a line.</summary>
    public const long SlowTurnUs = 20_000;

    private const int Kinds = (int)FlightKind.More + 1;

    private readonly int[] _inPeriod = new int[Kinds];
    private long _periodEndMs;
    private long _wallOffsetMs;
    private Reactor? _reactor;
    private long _parked;
    private long _refusedTemporary;
    private long _refusedFinal;
    private long _paused;

    /// <summary>Once a turn, before anything of it is noted by its growth.</summary>
    /// <param name="reactor">Whose turn.</param>
    /// <param name="unixMs">The wall clock's time.</param>
    /// <param name="home">Its home's counters.</param>
    public void OnTurn(Reactor reactor, long unixMs, HomeCounters home)
    {
        var nowMs = reactor.NowMs;
        _wallOffsetMs = unixMs - nowMs;
        _reactor = reactor;
        if (reactor.LagUs >= SlowTurnUs) Note(FlightKind.SlowTurn, 0, reactor.LagUs);
        if (nowMs < _periodEndMs) return;
        _periodEndMs = nowMs + PeriodMs;
        for (var kind = 0; kind < Kinds; kind++)
        {
            if (_inPeriod[kind] > OneByOne) Write(FlightKind.More, 0, _inPeriod[kind] - OneByOne, kind);
            _inPeriod[kind] = 0;
        }

        NoteGrowth(reactor.Counters.PausedByBudget, home);
    }

    /// <summary>Something happened to a connection or device.</summary>
    public void Note(FlightKind kind, ulong subject, long a = 0, int b = 0)
    {
        if (++_inPeriod[(int)kind] <= OneByOne) Write(kind, subject, a, b);
    }

    private void NoteGrowth(long paused, HomeCounters home)
    {
        if (home.Parked != _parked) Write(FlightKind.FramesParked, 0, home.Parked - _parked, 0);
        var (temporary, final) = (home.RefusedTemporary - _refusedTemporary, home.RefusedFinal - _refusedFinal);
        if (temporary + final > 0) Write(FlightKind.SendsRefused, 0, temporary, (int)Math.Min(final, int.MaxValue));
        if (paused != _paused) Write(paused > _paused ? FlightKind.BudgetPaused : FlightKind.BudgetResumed, 0, paused, 0);
        (_parked, _refusedTemporary, _refusedFinal, _paused) = (home.Parked, home.RefusedTemporary, home.RefusedFinal, paused);
    }

    /// <summary>Before its first turn a reactor has no clock to tell; nothing happens to it then.</summary>
    private void Write(FlightKind kind, ulong subject, long a, int b)
    {
        if (_reactor is { } reactor) ring.Write(new FlightEvent(reactor.NowMs + _wallOffsetMs, subject, a, b, kind));
    }
}

/// <summary>The commit thread's: commits that took long, and the longest since anybody asked. Written by that thread; the longest is taken by any.</summary>
internal sealed class CommitRecorder(FlightRing ring, TimeProvider time)
{
    private static readonly TimeSpan Slow = TimeSpan.FromMilliseconds(50);

    private long _longestTicks;

    public void Note(TimeSpan took)
    {
        var longest = Volatile.Read(ref _longestTicks);
        // The taker may put 0 in between; then this commit stands for itself.
        while (took.Ticks > longest && Interlocked.CompareExchange(ref _longestTicks, took.Ticks, longest) is var found && found != longest) longest = found;
        if (took >= Slow) ring.Write(new FlightEvent(time.GetUtcNow().ToUnixTimeMilliseconds(), 0, (long)took.TotalMicroseconds, 0, FlightKind.SlowCommit));
    }

    /// <summary>The longest since the last call.</summary>
    public TimeSpan TakeLongest() => TimeSpan.FromTicks(Interlocked.Exchange(ref _longestTicks, 0));
}
