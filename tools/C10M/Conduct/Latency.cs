using Gateway.Load.Measure;

namespace Gateway.Load.Conduct;

/// <summary>Percentiles, µs; as a histogram has them, never too low.</summary>
internal sealed record Latency(long P50, long P90, long P99, long P999, long Max, long Count)
{
    /// <summary>Null when it holds nothing.</summary>
    public static Latency? Of(Histogram histogram) => histogram.Count() is var count and > 0
        ? new Latency(histogram.Quantile(0.5), histogram.Quantile(0.9), histogram.Quantile(0.99), histogram.Quantile(0.999), histogram.Max, count)
        : null;
}
