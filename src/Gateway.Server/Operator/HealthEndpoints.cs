using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Gateway.Server.Operator;

/// <summary>What anybody who reaches the operator's port may ask: is it alive, does it take connections, how is it. No device is named.</summary>
internal sealed class HealthEndpoints(INode node, GatewayOptions options, string version, TimeProvider time)
{
    private readonly long _startedAt = time.GetTimestamp();

    public void Map(IEndpointRouteBuilder routes)
    {
        // An answer at all is the proof: the thread pool and the web server run. What the node lacks shows in /readyz.
        routes.MapGet("/livez", () => Results.Text("alive\n"));
        routes.MapGet("/readyz", Ready);
        routes.MapGet("/status", Status);
    }

    private IResult Ready()
    {
        var readiness = node.Readiness;
        return readiness.State == NodeState.Ready
            ? Results.Text("ready\n")
            : Results.Problem(statusCode: StatusCodes.Status503ServiceUnavailable, title: "Not ready", detail: readiness.Reason);
    }

    private StatusBody Status()
    {
        var readiness = node.Readiness;
        var counters = node.GetCounters();
        return new StatusBody(
            readiness.State, readiness.State == NodeState.Ready, readiness.Reason.Length == 0 ? [] : [readiness.Reason], version,
            Math.Round(time.GetElapsedTime(_startedAt).TotalSeconds, 3), node.EndpointLines, DurabilityBody.Of(options.Durability),
            StatusTotals.Of(counters.Reactors), counters.Log);
    }
}
