using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Gateway.Server.Operator;

/// <summary>
/// Lets a request under <c>/ops</c> pass when it carries <c>Authorization: Bearer</c> and the token derived from the node's secret
/// (RFC 6750 section 2.1). Any thread.
/// </summary>
internal sealed class OperatorAuthorization(NodeKeys keys)
{
    private const string Scheme = "Bearer ";
    private readonly byte[] _token = Encoding.ASCII.GetBytes(keys.OperatorToken());

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (!context.Request.Path.StartsWithSegments("/ops", StringComparison.OrdinalIgnoreCase) || IsOperator(context.Request))
        {
            await next(context);
            return;
        }

        context.Response.Headers.WWWAuthenticate = "Bearer";
        await Results.Problem(
            statusCode: StatusCodes.Status401Unauthorized, title: "Operator token needed",
            detail: "Requests under /ops carry 'Authorization: Bearer TOKEN'; gatewayctl derives the token from the node's secret.").ExecuteAsync(context);
    }

    private bool IsOperator(HttpRequest request)
    {
        // Two headers would make two readers see different ones.
        if (request.Headers.Authorization is not [{ } value] || !value.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)) return false;
        return CryptographicOperations.FixedTimeEquals(_token, Encoding.UTF8.GetBytes(value[Scheme.Length..].Trim()));
    }
}
