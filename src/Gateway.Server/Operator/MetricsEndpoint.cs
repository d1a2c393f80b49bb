using Gateway.Server.Metrics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Net.Http.Headers;

namespace Gateway.Server.Operator;

/// <summary>
/// GET /metrics: what Prometheus scrapes, in the format that its Accept prefers; Prometheus text when that names none of ours, as every exporter
/// does. Open to anybody who reaches the operator's port: it names no device. Without instruments (<c>--metrics off</c>) it is not there.
/// </summary>
internal sealed class MetricsEndpoint(IExposition? exposition)
{
    private const string PrometheusType = "text/plain; version=0.0.4; charset=utf-8";
    private const string OpenMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    public void Map(IEndpointRouteBuilder routes) => routes.MapGet("/metrics", AnswerAsync);

    private async Task AnswerAsync(HttpContext context)
    {
        if (exposition is null)
        {
            await Results.Problem(
                statusCode: StatusCodes.Status404NotFound, title: "No metrics", detail: "the node was started with --metrics off").ExecuteAsync(context);
            return;
        }

        var format = Preferred(context.Request.GetTypedHeaders().Accept);
        context.Response.ContentType = format == ExpositionFormat.OpenMetrics ? OpenMetricsType : PrometheusType;
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.Vary = "Accept";
        await exposition.WriteAsync(format, context.Response.Body, context.RequestAborted);
    }

    /// <summary>RFC 9110 section 12.5.1, for two types: the one with the greater weight, and of two alike OpenMetrics, which was asked for by name.</summary>
    internal static ExpositionFormat Preferred(IList<MediaTypeHeaderValue> accept)
    {
        double openMetrics = 0, prometheus = 0;
        foreach (var range in accept)
        {
            var weight = range.Quality ?? 1;
            if (range.MediaType.Equals("application/openmetrics-text", StringComparison.OrdinalIgnoreCase))
            {
                if (VersionOf(range) is "" or "1.0.0") openMetrics = Math.Max(openMetrics, weight);
            }
            else if (range.MediaType.Equals("text/plain", StringComparison.OrdinalIgnoreCase) || range.MatchesAllTypes
                || (range.MatchesAllSubTypes && range.Type.Equals("text", StringComparison.OrdinalIgnoreCase)))
            {
                prometheus = Math.Max(prometheus, weight);
            }
        }

        return openMetrics > 0 && openMetrics >= prometheus ? ExpositionFormat.OpenMetrics : ExpositionFormat.Prometheus;
    }

    private static string VersionOf(MediaTypeHeaderValue range) =>
        range.Parameters.FirstOrDefault(p => p.Name.Equals("version", StringComparison.OrdinalIgnoreCase))?.Value.Value?.Trim('"') ?? "";
}
