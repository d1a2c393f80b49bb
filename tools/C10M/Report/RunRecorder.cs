using Gateway.Load.Conduct;
using Gateway.Load.Measure;

namespace Gateway.Load.Report;

/// <summary>One moment of a run: totals at it, and what happened since the moment before.</summary>
internal sealed record Moment
{
    public required double Seconds { get; init; }
    public required string Phase { get; init; }
    public required long Open { get; init; }
    public required double LoginsPerSecond { get; init; }
    public required double MessagesPerSecond { get; init; }
    public required double AcceptedPerSecond { get; init; }
    public required long Accepted { get; init; }
    public required long DoubleChecks { get; init; }
    public required long Backlogged { get; init; }
    public required long Errors { get; init; }

    /// <summary>Of the double checks since the moment before; 0 when there were none.</summary>
    public required long P50Us { get; init; }
    public required long P99Us { get; init; }

    /// <summary>Cores in use; null without a server to watch.</summary>
    public required double? ServerCores { get; init; }
    public required long? ServerMemoryBytes { get; init; }
    public required double LoadCores { get; init; }
}

/// <summary>
/// Keeps a moment a second, at most <see cref="MostMoments"/>: then every second one is dropped and the step doubles. Passes each on to the
/// live view. One thread.
/// </summary>
internal sealed class RunRecorder(Action<Moment>? view) : IRunObserver
{
    private const int MostMoments = 1200;

    private readonly List<Moment> _moments = [];
    private readonly LoadSnapshot _last = new();
    private long _startUs;
    private long _lastUs;
    private long _stepUs = 1_000_000;
    private double? _lastServerCpu;

    public IReadOnlyList<Moment> Moments => _moments;

    public void OnSnapshot(string phase, long nowUs, LoadSnapshot snapshot, ServerProcess? server)
    {
        if (_startUs == 0)
        {
            _startUs = _lastUs = nowUs;
            _last.Add(snapshot);
            _lastServerCpu = server?.CpuSeconds();
            return;
        }

        if (nowUs - _lastUs < _stepUs) return;
        var seconds = (nowUs - _lastUs) / 1e6;
        var checks = snapshot.DoubleCheck.Since(_last.DoubleCheck);
        var serverCpu = server?.CpuSeconds();
        var moment = new Moment
        {
            Seconds = (nowUs - _startUs) / 1e6,
            Phase = phase,
            Open = snapshot[Counter.Open],
            LoginsPerSecond = (snapshot[Counter.Logins] - _last[Counter.Logins]) / seconds,
            MessagesPerSecond = (snapshot[Counter.DoubleChecks] - _last[Counter.DoubleChecks]) / seconds,
            AcceptedPerSecond = (snapshot[Counter.Accepted] - _last[Counter.Accepted]) / seconds,
            Accepted = snapshot[Counter.Accepted],
            DoubleChecks = snapshot[Counter.DoubleChecks],
            Backlogged = snapshot[Counter.Backlogged],
            Errors = snapshot[Counter.Errors],
            P50Us = checks.Quantile(0.5),
            P99Us = checks.Quantile(0.99),
            ServerCores = (serverCpu - _lastServerCpu) / seconds,
            ServerMemoryBytes = server?.MemoryBytes(),
            LoadCores = (snapshot.CpuSeconds - _last.CpuSeconds) / seconds,
        };
        _last.Clear();
        _last.Add(snapshot);
        _lastUs = nowUs;
        _lastServerCpu = serverCpu;
        _moments.Add(moment);
        view?.Invoke(moment);
        if (_moments.Count < MostMoments) return;
        for (var i = _moments.Count - 2; i >= 0; i -= 2) _moments.RemoveAt(i);
        _stepUs *= 2;
    }
}
