namespace Gateway.Benchmarks.Ladder;

/// <summary>One measurement: a rung under a load in a round. Times in microseconds unless a name says otherwise.</summary>
internal sealed record Sample
{
    public required int Round { get; init; }
    public required string Rung { get; init; }
    public required string Load { get; init; }

    /// <summary>The load end found everything in order. What follows means nothing otherwise.</summary>
    public required bool AddsUp { get; init; }

    /// <summary>What the load end counted as errors and what it refused, for a person; empty when there was nothing.</summary>
    public string Faults { get; init; } = "";

    public double MessagesPerSecond { get; init; }
    public double MeasuredSeconds { get; init; }
    public double ServerCpuUsPerMessage { get; init; }

    /// <summary>Cores that the server kept busy.</summary>
    public double ServerCores { get; init; }

    /// <summary>Cores that the load end kept busy, by its number of threads: 1 is all it has.</summary>
    public double LoadBusy { get; init; }

    /// <summary>Cores that neither of the two kept busy, and cores' worth that the hypervisor gave to others.</summary>
    public double OtherCores { get; init; }
    public double StolenCores { get; init; }

    public long P50 { get; init; }
    public long P90 { get; init; }
    public long P99 { get; init; }
    public long P999 { get; init; }
    public long Max { get; init; }

    /// <summary>Messages by latency: <c>Counts[i]</c> took up to <c>UpTo[i]</c>.</summary>
    public IReadOnlyList<long> UpTo { get; init; } = [];
    public IReadOnlyList<long> Counts { get; init; } = [];

    /// <summary>Of a node: commits a second, the mean bytes of one and its mean time in fdatasync.</summary>
    public double? CommitsPerSecond { get; init; }
    public double? BytesPerCommit { get; init; }
    public double? SyncMean { get; init; }

    /// <summary>Of fdatasync after a write of as many bytes, tried by the ladder right after: median and 99th percentile.</summary>
    public double? ProbeMedian { get; init; }
    public double? ProbeP99 { get; init; }
}
