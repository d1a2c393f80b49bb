using Gateway.Load.Devices;
using Gateway.Load.Measure;

namespace Gateway.Load.Conduct;

/// <summary>
/// Takes a run through its phases: gives an order, waits until what it asked for is true, looks at the node's process meanwhile. One
/// thread. Every wait ends: when done, when nothing has moved for <see cref="StallLimit"/>, at its own limit, or when interrupted.
/// </summary>
internal sealed class Conductor
{
    private const int PollMs = 10;

    /// <summary>Other processes answer with text, which costs them more.</summary>
    private const int RemotePollMs = 40;

    private readonly IReadOnlyList<IShard> _shards;
    private readonly IRunObserver _observer;
    private readonly CancellationToken _interrupt;
    private readonly int _fleets;
    private readonly LoadSnapshot _look = new();
    private long _orders;
    private string _phase = "start";

    public Conductor(IReadOnlyList<IShard> shards, TimeProvider time, ServerProcess? server, IRunObserver observer, TimeSpan stallLimit, CancellationToken interrupt)
    {
        _shards = shards;
        _observer = observer;
        _interrupt = interrupt;
        _fleets = shards.Sum(s => s.Fleets);
        Time = new MonotonicTime(time);
        Server = server;
        StallLimit = stallLimit;
    }

    public MonotonicTime Time { get; }

    public ServerProcess? Server { get; }

    /// <summary>What has been seen of the server from time to time.</summary>
    public ServerWatch Watch { get; init; } = new(null, null);

    public TimeSpan StallLimit { get; }

    /// <summary>What went wrong in the conducting itself, beside what the fleets counted.</summary>
    public ErrorTally Errors { get; } = new();

    public bool IsInterrupted => _interrupt.IsCancellationRequested;

    public void Give(Order order)
    {
        foreach (var shard in _shards) shard.Give(order);
        _orders += _fleets;
    }

    public LoadSnapshot Look()
    {
        var snapshot = new LoadSnapshot();
        foreach (var shard in _shards) shard.CopyTo(snapshot);
        return snapshot;
    }

    /// <summary>The same into memory that the next look uses again: garbage would cost the load its own collections.</summary>
    private LoadSnapshot Glance()
    {
        _look.Clear();
        foreach (var shard in _shards) shard.CopyTo(_look);
        return _look;
    }

    /// <summary>
    /// Waits until all orders are taken and <paramref name="done"/> says so. Returns whether it did; when it did not and nobody interrupted,
    /// that is counted as an error of the phase's name.
    /// </summary>
    /// <param name="phase">What goes on, for the view and for errors.</param>
    /// <param name="done">Asked about every 10 ms.</param>
    /// <param name="limit">The longest wait; null: as long as something moves.</param>
    /// <param name="mayRest">True while standing still is no stall.</param>
    public bool WaitUntil(string phase, Func<LoadSnapshot, bool> done, TimeSpan? limit = null, Func<LoadSnapshot, bool>? mayRest = null)
    {
        _phase = phase;
        var startedAt = Time.NowUs();
        var movedAt = startedAt;
        long moved = -1;
        while (true)
        {
            var snapshot = Glance();
            var now = Time.NowUs();
            _observer.OnSnapshot(_phase, now, snapshot, Server);
            Watch.Look(now);
            if (snapshot[Counter.OrdersTaken] == _orders && done(snapshot)) return true;
            if (IsInterrupted) return false;
            if (limit is { } longest && now - startedAt >= longest.TotalMicroseconds) return Fail($"{phase}_not_done_in_time");
            var movement = MovementOf(snapshot);
            if (movement != moved || mayRest?.Invoke(snapshot) == true)
            {
                moved = movement;
                movedAt = now;
            }

            if (now - movedAt >= StallLimit.TotalMicroseconds) return Fail($"{phase}_stalled");
            Thread.Sleep(_shards.Count > 1 ? RemotePollMs : PollMs);
        }
    }

    /// <summary>Lets time pass, watching. False when interrupted.</summary>
    public bool Rest(string phase, TimeSpan time)
    {
        var until = Time.NowUs() + (long)time.TotalMicroseconds;
        return WaitUntil(phase, _ => Time.NowUs() >= until, mayRest: _ => true);
    }

    private bool Fail(string error)
    {
        Errors.Add(error);
        return false;
    }

    private static long MovementOf(LoadSnapshot s) =>
        s[Counter.OrdersTaken] + s[Counter.Logins] + s[Counter.LoginRetries] + s[Counter.Sent] + s[Counter.Resent] + s[Counter.Accepted]
        + s[Counter.DoubleChecks] + s[Counter.Delivered] + s[Counter.Strays] + s[Counter.Pongs] + s[Counter.Visits] - s[Counter.Attached] + s[Counter.Errors];
}

/// <summary>Told of every look at the load, on the conductor's thread. The snapshot is valid during the call only.</summary>
internal interface IRunObserver
{
    void OnSnapshot(string phase, long nowUs, LoadSnapshot snapshot, ServerProcess? server);
}
