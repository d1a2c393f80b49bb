using System.Security.Cryptography;
using System.Text;
using Gateway.Server.Operator.Page;
using Microsoft.AspNetCore.Http;

namespace Gateway.Server.Operator;

/// <summary>What a request may do; each includes those before it.</summary>
internal enum OperatorScope
{
    None = 0,
    /// <summary>Read the metrics.</summary>
    Scrape = 1,
    /// <summary>Look at everything, devices by pseudonym.</summary>
    Look = 2,
    /// <summary>See addresses and change things.</summary>
    Act = 3,
}

/// <summary>
/// Lets a request pass when it carries <c>Authorization: Bearer</c> and a token derived from the node's secret whose scope is enough (RFC 6750 section
/// 2.1). Where the interface is bound to loopback, who is on the machine may scrape and look without one. Any thread.
/// </summary>
/// <param name="keys">Of the tokens.</param>
/// <param name="onLoopback">The interface is bound there.</param>
internal sealed class OperatorAuthorization(NodeKeys keys, bool onLoopback)
{
    private const string Scheme = "Bearer ";

    private readonly (OperatorScope Scope, byte[] Token)[] _tokens =
    [
        (OperatorScope.Scrape, Encoding.ASCII.GetBytes(keys.ScrapeToken())),
        (OperatorScope.Look, Encoding.ASCII.GetBytes(keys.LookToken())),
        (OperatorScope.Act, Encoding.ASCII.GetBytes(keys.OperatorToken())),
    ];

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var needed = Needed(context.Request);
        if (needed == OperatorScope.None || (onLoopback && needed < OperatorScope.Act))
        {
            await next(context);
            return;
        }

        var granted = Granted(context.Request);
        if (granted >= needed)
        {
            await next(context);
            return;
        }

        if (granted > OperatorScope.None)
        {
            await Results.Problem(
                statusCode: StatusCodes.Status403Forbidden, title: "Token of too small a scope",
                detail: $"This takes the token to {Word(needed)}; the one given is to {Word(granted)}.").ExecuteAsync(context);
            return;
        }

        context.Response.Headers.WWWAuthenticate = "Bearer";
        await Results.Problem(
            statusCode: StatusCodes.Status401Unauthorized, title: "Operator token needed",
            detail: "Requests under /ops carry 'Authorization: Bearer TOKEN'; gatewayctl derives the token from the node's secret.").ExecuteAsync(context);
    }

    /// <summary>What is not known here takes the most under /ops, and looking elsewhere. The page's files are the same on every node: what they show they ask for.</summary>
    internal static OperatorScope Needed(HttpRequest request)
    {
        var path = request.Path;
        if (Is("/livez") || Is("/readyz") || PageFiles.Holds(path)) return OperatorScope.None;
        if (Is("/metrics")) return OperatorScope.Scrape;
        if (!path.StartsWithSegments("/ops", StringComparison.OrdinalIgnoreCase)) return OperatorScope.Look;
        var looks = HttpMethods.IsGet(request.Method) && (Is("/ops/flight") || Is("/ops/top")) && !InsightEndpoints.AsksForAddresses(request);
        return looks ? OperatorScope.Look : OperatorScope.Act;

        bool Is(string one) => path.Equals(one, StringComparison.OrdinalIgnoreCase);
    }

    private OperatorScope Granted(HttpRequest request)
    {
        // Two headers would make two readers see different ones.
        if (request.Headers.Authorization is not [{ } value] || !value.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)) return OperatorScope.None;
        var given = Encoding.UTF8.GetBytes(value[Scheme.Length..].Trim());
        var granted = OperatorScope.None;
        foreach (var (scope, token) in _tokens)
        {
            if (CryptographicOperations.FixedTimeEquals(token, given)) granted = scope;
        }

        return granted;
    }

    private static string Word(OperatorScope scope) => scope.ToString().ToLowerInvariant();
}
