using System.Globalization;
using System.Text.Json.Serialization;
using Gateway.Server.Health;
using Gateway.Server.Health.Flight;
using Gateway.Server.Health.Top;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace Gateway.Server.Operator;

/// <summary>Who is behind the node's figures, and what lately happened on it: devices by pseudonym, by address only for who may act.</summary>
internal sealed class InsightEndpoints(INode node, NodeHealth health, NodeKeys keys, TimeProvider time, ILogger<InsightEndpoints> log)
{
    private const int DefaultLimit = 20;
    private const int LargestLimit = 1000;
    private const int DefaultSeconds = 60;
    private const int LongestSeconds = 86_400;
    private const int MostEvents = 20_000;

    /// <summary>A reactor that does not answer in this time is left out.</summary>
    private static readonly TimeSpan SocketsLimit = TimeSpan.FromSeconds(2);

    /// <summary>Asks for addresses in place of pseudonyms.</summary>
    public static bool AsksForAddresses(HttpRequest request) =>
        request.Path.Equals("/ops/top", StringComparison.OrdinalIgnoreCase) && request.Query["names"].Any(n => string.Equals(n, "plain", StringComparison.Ordinal));

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/ops/top", TopAsync);
        routes.MapGet("/ops/flight", Flight);
        routes.MapPost("/ops/dump", Dump);
    }

    private async Task<IResult> TopAsync(string? kind, string? limit, string? names, CancellationToken cancel)
    {
        if (!TryNumber(limit, DefaultLimit, LargestLimit, out var count)) return Wrong($"limit: '{limit}' is not a number from 1 to {LargestLimit}");
        if (names is not (null or "pseudonym" or "plain")) return Wrong($"names: '{names}' is neither pseudonym nor plain");
        var (unit, list) = kind switch
        {
            "mailboxes" => ("entries", health.Top.Mailboxes(count)),
            "senders" => ("sends/s", health.Top.Senders(count)),
            "sockets" => ("bytes", await SocketsAsync(count, cancel)),
            _ => ("", TopList.Empty),
        };
        if (unit.Length == 0) return Wrong($"kind: '{kind}' is none of mailboxes, senders, sockets");
        return Results.Json(new TopListBody(kind!, [.. list.Entries.Select(e => TopListEntry.Of(e, names == "plain" ? e.ShownPlain() : e.ShownAs(keys)))], list.ErrorBound));
    }

    private async Task<TopList> SocketsAsync(int count, CancellationToken cancel)
    {
        using var limit = new CancellationTokenSource(SocketsLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        return await health.Top.SocketsAsync(count, either.Token);
    }

    private IResult Flight(string? seconds)
    {
        if (!TryNumber(seconds, DefaultSeconds, LongestSeconds, out var span)) return Wrong($"seconds: '{seconds}' is not a number from 1 to {LongestSeconds}");
        var text = new FlightText(keys);
        var events = FlightText.Gather(node.Insight.Flights, time.GetUtcNow() - TimeSpan.FromSeconds(span));
        return Results.Json(new FlightBody([.. events.TakeLast(MostEvents).Select(e => new FlightBodyEvent(
            DateTimeOffset.FromUnixTimeMilliseconds(e.Event.UnixMs), e.Ring.Name, FlightText.Words(e.Event.Kind), text.Subject(in e.Event), text.Describe(in e.Event)))]));
    }

    private IResult Dump()
    {
        var path = health.Dumps.Write(["asked for by an operator"]);
        log.LogInformation("An operator had the flight recorder written to {Path}", path);
        return Results.Json(new DumpBody(path));
    }

    private static bool TryNumber(string? text, int otherwise, int largest, out int number)
    {
        number = otherwise;
        return text is null || (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number >= 1 && number <= largest);
    }

    private static IResult Wrong(string detail) => Results.Problem(statusCode: StatusCodes.Status400BadRequest, title: "Bad request", detail: detail);
}

/// <summary>GET /ops/top.</summary>
internal sealed record TopListBody(string Kind, IReadOnlyList<TopListEntry> Entries, string ErrorBound);

/// <summary>A place in a top list, as shown: in an alert, where lists of different kinds may stand, with its kind.</summary>
internal sealed record TopListEntry(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] TopKind? Kind, string Who, double Value, double Error, string Unit, int Reactor, string Detail)
{
    public static TopListEntry Of(TopEntry entry, string who, bool withKind = false) =>
        new(withKind ? entry.Kind : null, who, entry.Value, entry.Error, entry.Unit, entry.Reactor, entry.Detail);
}

/// <summary>GET /ops/flight: oldest first.</summary>
internal sealed record FlightBody(IReadOnlyList<FlightBodyEvent> Events);

/// <summary>One event, of a device by pseudonym or of a connection by its id.</summary>
internal sealed record FlightBodyEvent(DateTimeOffset At, string Thread, string Kind, string? Who, string Text);

/// <summary>POST /ops/dump: the file's path on the node.</summary>
internal sealed record DumpBody(string Path);
