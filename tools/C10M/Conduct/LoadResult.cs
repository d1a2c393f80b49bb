using Gateway.Load.Measure;

namespace Gateway.Load.Conduct;

/// <summary>What a run came to. Null: it does not apply to the command, or could not be measured.</summary>
internal sealed class LoadResult
{
    public required string Command { get; init; }
    public required LoadSettings Settings { get; init; }

    /// <summary>The counts of the whole run.</summary>
    public LoadSnapshot Totals { get; set; } = new();
    public SortedDictionary<string, long> Errors { get; } = new(StringComparer.Ordinal);

    /// <summary>Sessions open at once, at the end of the logins (storm: of the last round).</summary>
    public long Connections { get; set; }
    public double? LoginsPerSecond { get; set; }
    public double? MessagesPerSecond { get; set; }
    public double? MeasuredSeconds { get; set; }
    public long MeasuredMessages { get; set; }

    /// <summary>CPU time of the load's own processes within the measured interval.</summary>
    public double? LoadCpuSeconds { get; set; }

    /// <summary>Managed bytes that the load's reactors allocated within the measured interval.</summary>
    public long? LoadAllocatedBytes { get; set; }
    public double? ServerCpuSeconds { get; set; }
    public long? ServerMemoryBeforeBytes { get; set; }
    public long? ServerMemoryBytes { get; set; }

    /// <summary>Sessions that answered a ping at the end.</summary>
    public long? Alive { get; set; }

    /// <summary>Of a run in phases.</summary>
    public List<PhaseResult> Phases { get; } = [];

    /// <summary>The server from time to time; empty when nobody said where it is, and in short runs.</summary>
    public IReadOnlyList<ServerSample> ServerSamples { get; set; } = [];

    /// <summary>Further figures of one command, by their JSON name.</summary>
    public SortedDictionary<string, object?> Extra { get; } = new(StringComparer.Ordinal);

    public bool Interrupted { get; set; }

    public double? ServerCpuUsPerMessage => ServerCpuSeconds is { } s && MeasuredMessages > 0 ? s * 1e6 / MeasuredMessages : null;

    public double? ServerBytesPerConnection =>
        ServerMemoryBytes is { } after && ServerMemoryBeforeBytes is { } before && Connections > 0 ? (double)(after - before) / Connections : null;

    public long ErrorCount => Errors.Values.Sum();

    /// <summary>Accepted messages whose double check never came.</summary>
    public long Lost => Math.Max(0, Totals[Counter.Accepted] - Totals[Counter.DoubleChecks]);

    /// <summary>Nothing lost, nothing twice, nothing out of order, no error.</summary>
    public bool AddsUp =>
        ErrorCount == 0
        && Lost == 0
        && Totals[Counter.Duplicates] == 0
        && Totals[Counter.OutOfOrder] == 0
        && Totals[Counter.Sent] == Totals[Counter.Accepted]
        && Totals[Counter.Delivered] == Totals[Counter.Accepted];

    public int ExitCode => Interrupted ? Load.ExitCode.Interrupted : AddsUp ? Load.ExitCode.Ok : Load.ExitCode.Failed;
}
