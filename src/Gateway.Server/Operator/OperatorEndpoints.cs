using Gateway.Protocol;
using Gateway.Server.Hosting;
using Gateway.Server.Options;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace Gateway.Server.Operator;

/// <summary>
/// What an operator with the token may ask and do, under <c>/ops</c>. Addresses are shown here, but in top lists only when asked for, and in the
/// log only as pseudonyms. In a path an address is written as text, with '/' as %2F: <c>/ops/mailboxes/15550001:3</c>, <c>/ops/mailboxes/group%2F42</c>.
/// </summary>
internal sealed class OperatorEndpoints(INode node, NodeKeys keys, LogLevelSwitch level, ILogger<OperatorEndpoints> log)
{
    private const int DefaultLimit = 100;
    private const int LargestLimit = 10_000;
    private const int DefaultTop = 20;
    private const int LargestTop = 1_000;

    public void Map(IEndpointRouteBuilder routes)
    {
        var ops = routes.MapGroup("/ops");
        ops.MapGet("/connections", ConnectionsAsync);
        ops.MapGet("/connections/top", TopAsync);
        ops.MapPost("/connections/{address}/kick", KickAsync);
        ops.MapGet("/mailboxes/{address}", MailboxAsync);
        ops.MapGet("/ledger", async (CancellationToken cancel) => LedgerBody.Of(await node.GetLedgerAsync(cancel)));
        ops.MapGet("/counters", () => node.GetCounters());
        ops.MapGet("/devices/{address}", EpochAsync);
        ops.MapPost("/devices/{address}/revoke", RevokeAsync);
        ops.MapPost("/expiry/resume", ResumeExpiryAsync);
        ops.MapPost("/gc", CollectAsync);
        ops.MapGet("/log-level", () => new LogLevelBody(LogLevels.Format(level.Level)));
        ops.MapPut("/log-level", SetLogLevel);
    }

    private async Task<IResult> ConnectionsAsync(string? limit, CancellationToken cancel)
    {
        var count = DefaultLimit;
        if (limit is not null && (!int.TryParse(limit, out count) || count is < 1 or > LargestLimit))
            return Wrong($"limit: '{limit}' is not a number from 1 to {LargestLimit}");
        var connections = await node.ListConnectionsAsync(count, cancel);
        return Results.Json(new ConnectionsBody(connections, Math.Max(connections.Count, node.GetCounters().Reactors.Sum(r => r.Sessions))));
    }

    private async Task<IResult> TopAsync(string? by, string? count, bool? addresses, CancellationToken cancel)
    {
        if (by is null || by.Length == 0 || char.IsAsciiDigit(by[0]) || !Enum.TryParse<ConnectionRank>(by, ignoreCase: true, out var rank))
            return Wrong($"by: '{by}' is none of queue, bytes, age");
        var most = DefaultTop;
        if (count is not null && (!int.TryParse(count, out most) || most is < 1 or > LargestTop))
            return Wrong($"count: '{count}' is not a number from 1 to {LargestTop}");
        var top = await node.TopConnectionsAsync(rank, most, cancel);
        return Results.Json(TopBody.Of(rank, top, device => addresses == true ? device.ToString() : keys.Pseudonym(device)));
    }

    private async Task<IResult> CollectAsync(CancellationToken cancel)
    {
        var done = await CollectionBody.CollectAsync(cancel);
        log.LogInformation("An operator forced a collection: it stopped all threads for {Pause} ms", done.PauseMs);
        return Results.Json(done);
    }

    private async Task<IResult> MailboxAsync(string address, CancellationToken cancel) =>
        TryAddress(address, out var parsed, out var wrong) ? Results.Json(await node.GetMailboxAsync(parsed, cancel)) : wrong;

    private async Task<IResult> KickAsync(string address, CancellationToken cancel)
    {
        if (!TryAddress(address, out var parsed, out var wrong)) return wrong;
        var closed = await node.KickAsync(parsed, cancel);
        log.LogInformation("An operator kicked {Device}: {Sessions} sessions closed", keys.Pseudonym(parsed), closed);
        return closed > 0
            ? Results.Json(new KickBody(parsed, closed))
            : Results.Problem(statusCode: StatusCodes.Status404NotFound, title: "Not connected", detail: $"{parsed} has no session");
    }

    private async Task<IResult> EpochAsync(string address, CancellationToken cancel) =>
        TryDevice(address, out var parsed, out var wrong) ? Results.Json(new DeviceBody(parsed, await node.GetKeyEpochAsync(parsed, cancel))) : wrong;

    private async Task<IResult> RevokeAsync(string address, CancellationToken cancel)
    {
        if (!TryDevice(address, out var parsed, out var wrong)) return wrong;
        var epoch = await node.RevokeAsync(parsed, cancel);
        log.LogInformation("An operator revoked the keys of {Device}: the epoch is {Epoch}", keys.Pseudonym(parsed), epoch);
        return Results.Json(new DeviceBody(parsed, epoch));
    }

    private async Task<IResult> ResumeExpiryAsync(CancellationToken cancel)
    {
        var resumed = await node.ResumeExpiryAsync(cancel);
        if (resumed) log.LogInformation("An operator resumed expiry");
        return Results.Json(new ResumeBody(resumed));
    }

    private IResult SetLogLevel(LogLevelBody body)
    {
        if (body.Level is null) return Wrong("""the body is an object, as in {"level":"debug"}""");
        if (!LogLevels.TryParse(body.Level, out var wanted, out var error)) return Wrong($"level: {error}");
        var before = level.Level;

        // Once on each side of the change, so that the line is there whichever way it goes.
        if (wanted > before) log.LogInformation("An operator changed the log level from {Before} to {After}", LogLevels.Format(before), body.Level);
        level.Level = wanted;
        if (wanted <= before) log.LogInformation("An operator changed the log level from {Before} to {After}", LogLevels.Format(before), body.Level);
        return Results.Json(new LogLevelBody(body.Level));
    }

    private static bool TryDevice(string text, out Address address, out IResult wrong)
    {
        if (!TryAddress(text, out address, out wrong)) return false;
        if (address.Kind != AddressKind.Group) return true;
        wrong = Wrong($"{address} is a group; only a user's or service's device has a key");
        return false;
    }

    private static bool TryAddress(string text, out Address address, out IResult wrong)
    {
        // The router leaves %2F as it is, so that a '/' inside a segment stays inside.
        var ok = Address.TryParse(Uri.UnescapeDataString(text), out address, out var error);
        wrong = ok ? Results.Empty : Wrong(error!);
        return ok;
    }

    private static IResult Wrong(string detail) => Results.Problem(statusCode: StatusCodes.Status400BadRequest, title: "Bad request", detail: detail);
}
