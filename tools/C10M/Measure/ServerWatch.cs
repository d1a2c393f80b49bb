namespace Gateway.Load.Measure;

/// <summary>The server at one moment of a run. Null: could not be read, or nobody said where.</summary>
/// <param name="Seconds">Since the first.</param>
/// <param name="MemoryBytes">Pss + SwapPss.</param>
/// <param name="ResidentBytes">Rss.</param>
/// <param name="Descriptors">Open files; io_uring's direct descriptors are none.</param>
/// <param name="Node">What it says of itself.</param>
internal sealed record ServerSample(double Seconds, long? MemoryBytes, long? ResidentBytes, long? Descriptors, NodeGauges? Node);

/// <summary>Looks at the server from time to time, for what it keeps over a long run. One thread.</summary>
internal sealed class ServerWatch(ServerProcess? process, OperatorGauges? gauges)
{
    /// <summary>A look at a large process costs milliseconds of it.</summary>
    private const long StepUs = 10_000_000;

    private readonly List<ServerSample> _samples = [];
    private long _startUs;
    private long _lastUs;

    public IReadOnlyList<ServerSample> Samples => _samples;

    /// <summary>What the node says of itself now; null when nobody said where, or it does not answer.</summary>
    public NodeGauges? AskNode() => gauges?.Read();

    /// <summary>Takes a sample when the last is old enough.</summary>
    public void Look(long nowUs)
    {
        if ((process is not null || gauges is not null) && (_lastUs == 0 || nowUs - _lastUs >= StepUs)) Take(nowUs);
    }

    public ServerSample Take(long nowUs)
    {
        if (_startUs == 0) _startUs = nowUs;
        _lastUs = nowUs;
        var sample = new ServerSample(Math.Round((nowUs - _startUs) / 1e6, 1), process?.MemoryBytes(), process?.ResidentBytes(), process?.Descriptors(), gauges?.Read());
        _samples.Add(sample);
        return sample;
    }
}
