namespace Gateway.Simulation;

/// <summary>A range of seeds, each run once, over a few threads. Runs share nothing, so the outcome does not depend on the threads.</summary>
public sealed class Sweep
{
    private readonly int _last;
    private readonly Lock _lock = new();
    private readonly List<int> _events = [];
    private readonly List<(int Seed, string Broken)> _failures = [];
    private readonly Action<int, string>? _onBroken;
    private int _next;
    private bool _stops;

    /// <param name="first">Seed.</param>
    /// <param name="seeds">How many from there on.</param>
    /// <param name="onBroken">Told of each seed that broke something, and what, as it does; one call at a time, from any of the threads.</param>
    public Sweep(int first, int seeds, Action<int, string>? onBroken = null)
    {
        _next = first;
        _last = first + seeds - 1;
        _onBroken = onBroken;
    }

    public Coverage Coverage { get; } = new();

    /// <summary>Runs that broke something, in order of seed.</summary>
    public IReadOnlyList<(int Seed, string Broken)> Failures => _failures;

    public int Done
    {
        get
        {
            lock (_lock) return _events.Count;
        }
    }

    public long Events { get; private set; }

    public long Messages { get; private set; }

    /// <summary>Double checks shown ahead of their commit, and those of them that a crash took.</summary>
    public long Ahead { get; private set; }
    public long LostAhead { get; private set; }

    public int MedianEvents { get; private set; }

    /// <summary>Runs all, or until as many have failed as may.</summary>
    public void Run(int threads, int maxFailures = int.MaxValue)
    {
        var workers = new Thread[threads];
        for (var i = 0; i < threads; i++)
        {
            workers[i] = new Thread(() => Work(maxFailures)) { Name = $"sweep {i}" };
            workers[i].Start();
        }

        foreach (var worker in workers) worker.Join();
        _events.Sort();
        _failures.Sort();
        if (_events.Count != 0) MedianEvents = _events[_events.Count / 2];
    }

    private void Work(int maxFailures)
    {
        while (true)
        {
            int seed;
            lock (_lock)
            {
                if (_stops || _next > _last) return;
                seed = _next++;
            }

            var verdict = Verdict.Of(RunPlan.Draw(seed));
            lock (_lock)
            {
                _events.Add(verdict.Run.Events);
                Events += verdict.Run.Events;
                Messages += verdict.Run.Messages;
                Ahead += verdict.Run.Judge.Ahead;
                LostAhead += verdict.Run.Judge.LostAhead;
                Coverage.Add(verdict.Run.Coverage);
                if (verdict.Broken is null) continue;
                _failures.Add((seed, verdict.Broken));
                _onBroken?.Invoke(seed, verdict.Broken);
                _stops |= _failures.Count >= maxFailures;
            }
        }
    }
}
