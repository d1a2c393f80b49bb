using System.Globalization;
using System.Text.Json.Nodes;
using Gateway.Benchmarks.Ladder;

namespace Gateway.Benchmarks.Alerts;

/// <summary>An alert as a node's /status tells it. Immutable.</summary>
/// <param name="Kind">Its name.</param>
/// <param name="Queue">Empty without one.</param>
/// <param name="IsActive">Otherwise it was cleared.</param>
/// <param name="Since">When the node raised it.</param>
/// <param name="ClearedAt">Null while it is active.</param>
/// <param name="Culprit">The sentence.</param>
internal sealed record SeenAlert(string Kind, string Queue, bool IsActive, DateTimeOffset Since, DateTimeOffset? ClearedAt, string Culprit)
{
    /// <summary>As in the node's log.</summary>
    public string Name => Queue.Length == 0 ? Kind : $"{Kind}{{{Queue}}}";
}

/// <summary>Follows a node's alerts from outside. Stateless.</summary>
internal static class AlertWatch
{
    private static readonly TimeSpan Every = TimeSpan.FromMilliseconds(200);

    /// <summary>Every alert the node shows, in the order in which they were raised; of one instant, what is nearest the cause first.</summary>
    public static async Task<IReadOnlyList<SeenAlert>> LookAsync(RungServer node, CancellationToken stop)
    {
        var alerts = (await node.AskAsync("/status", stop))["alerts"]!.AsArray();
        // The node tells of active ones nearest the cause first, and a stable sort keeps that.
        return [.. alerts.Select(a => Read(a!)).OrderBy(a => a.Since)];
    }

    /// <summary>Looks until something is so, or the limit has passed; returns what was seen last.</summary>
    public static async Task<IReadOnlyList<SeenAlert>> LookUntilAsync(RungServer node, Func<IReadOnlyList<SeenAlert>, bool> isSo, TimeSpan limit, CancellationToken stop)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var seen = await LookAsync(node, stop);
            if (isSo(seen) || TimeProvider.System.GetElapsedTime(began) >= limit) return seen;
            await Task.Delay(Every, stop);
        }
    }

    private static SeenAlert Read(JsonNode a) => new(
        (string)a["name"]!, (string)a["queue"]!, (string)a["state"]! == "active", TimeOf(a["since"])!.Value, TimeOf(a["clearedAt"]), (string)a["culprit"]!);

    private static DateTimeOffset? TimeOf(JsonNode? node) => node is null ? null : DateTimeOffset.Parse((string)node!, CultureInfo.InvariantCulture);
}
