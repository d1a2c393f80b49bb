using Gateway.Load.Measure;

namespace Gateway.Load.Conduct;

/// <summary>What one phase of a run came to. Null: it does not apply to the phase, or could not be measured. README.md says what each field means.</summary>
internal sealed record PhaseResult
{
    public required string Name { get; init; }
    public required double Seconds { get; init; }
    public required long Connections { get; init; }
    public required long Disconnects { get; init; }
    public required long GoAways { get; init; }
    public required long Errors { get; init; }
    public required long Logins { get; init; }
    public double? LoginsPerSecond { get; init; }
    public Latency? LoginUs { get; init; }
    public required long Accepted { get; init; }
    public required long DoubleChecks { get; init; }
    public required long Lost { get; init; }
    public required long Duplicates { get; init; }
    public required long OutOfOrder { get; init; }
    public Latency? LatencyUs { get; init; }
    public long? WorstP99Us { get; init; }
    public IReadOnlyList<long>? P99EachFiveSecondsUs { get; init; }
    public double? ServerCpuSeconds { get; init; }
    public double? LoadCpuSeconds { get; init; }
    public long? ServerMemoryBytes { get; init; }
    public double? ServerBytesPerConnection { get; init; }
}

/// <summary>Takes the difference between the beginning of a phase and its end. For the conductor's thread.</summary>
internal sealed class PhaseMark
{
    private readonly Conductor _conductor;
    private readonly string _name;
    private readonly long _startedUs;
    private readonly LoadSnapshot _before;
    private readonly long _conductErrors;
    private readonly double? _serverCpu;

    public PhaseMark(Conductor conductor, string name)
    {
        _conductor = conductor;
        _name = name;
        _before = conductor.Look();
        _conductErrors = conductor.Errors.Copy().Values.Sum();
        _serverCpu = conductor.Server?.CpuSeconds();
        _startedUs = conductor.Time.NowUs();
    }

    /// <param name="memoryBefore">Of the server, before the first connection.</param>
    /// <param name="windows">Of a phase in which messages are timed.</param>
    public PhaseResult End(long? memoryBefore, WorstWindow? windows = null)
    {
        var seconds = (_conductor.Time.NowUs() - _startedUs) / 1e6;
        var after = _conductor.Look();
        var open = after[Counter.Open];
        var memory = _conductor.Server?.MemoryBytes();
        var logins = Since(Counter.Logins);
        return new PhaseResult
        {
            Name = _name,
            Seconds = Math.Round(seconds, 3),
            Connections = open,
            Disconnects = Since(Counter.Disconnects),
            GoAways = Since(Counter.GoAways),
            Errors = Since(Counter.Errors) + _conductor.Errors.Copy().Values.Sum() - _conductErrors,
            Logins = logins,
            LoginsPerSecond = logins == 0 ? null : Math.Round(logins / (Math.Max(after[Counter.LastLoginAt] - _startedUs, 1) / 1e6), 1),
            LoginUs = Latency.Of(after.Login.Since(_before.Login)),
            Accepted = Since(Counter.Accepted),
            DoubleChecks = Since(Counter.DoubleChecks),
            Lost = Math.Max(0, after[Counter.Accepted] - after[Counter.DoubleChecks]),
            Duplicates = Since(Counter.Duplicates),
            OutOfOrder = Since(Counter.OutOfOrder),
            LatencyUs = Latency.Of(after.DoubleCheck.Since(_before.DoubleCheck)),
            WorstP99Us = windows?.WorstP99Us,
            P99EachFiveSecondsUs = windows?.P99Us,
            ServerCpuSeconds = _conductor.Server?.CpuSeconds() is { } cpu && _serverCpu is { } before ? Math.Round(cpu - before, 2) : null,
            LoadCpuSeconds = Math.Round(after.CpuSeconds - _before.CpuSeconds, 2),
            ServerMemoryBytes = memory,
            ServerBytesPerConnection = open > 0 && memory is { } now && memoryBefore is { } then ? Math.Round((double)(now - then) / open, 1) : null,
        };

        long Since(Counter counter) => after[counter] - _before[counter];
    }
}
