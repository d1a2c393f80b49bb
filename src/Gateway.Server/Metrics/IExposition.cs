namespace Gateway.Server.Metrics;

/// <summary>The text formats that Prometheus scrapes.</summary>
internal enum ExpositionFormat
{
    /// <summary>Prometheus text format 0.0.4: https://github.com/prometheus/docs/blob/main/docs/instrumenting/exposition_formats.md.</summary>
    Prometheus,

    /// <summary>OpenMetrics 1.0: https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md.</summary>
    OpenMetrics,
}

/// <summary>
/// Shows the process's instruments to a scraper. The one seam between the node and whoever exports its meters: ours is
/// <see cref="MeterExposition"/>, and prometheus-net can stand in its place (README, "Metrics"). Any thread.
/// </summary>
internal interface IExposition : IDisposable
{
    Task WriteAsync(ExpositionFormat format, Stream body, CancellationToken cancel);
}
