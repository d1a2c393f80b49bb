using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Net.Http.Headers;

namespace Gateway.Server.Operator.Page;

/// <summary>
/// GET / and what belongs to it: the page by which an operator sees the node in a browser. It runs its own scripts alone, asks this port alone, and stands
/// in no frame. A browser asks again each time (<c>no-cache</c>) and is told with 304 that nothing changed, so that a newer node's page is never mixed with an older's.
/// </summary>
internal static class PageEndpoints
{
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static readonly string[] Methods = [HttpMethods.Get, HttpMethods.Head];

    public static void Map(IEndpointRouteBuilder routes)
    {
        foreach (var file in PageFiles.All) routes.MapMethods(file.Path, Methods, context => AnswerAsync(context, file));
        routes.MapMethods(RunbookSections.Path + "{alert}", Methods, async (HttpContext context, string alert) =>
        {
            if (RunbookSections.Of(alert) is { } section) await AnswerAsync(context, section);
            else await Results.Problem(statusCode: StatusCodes.Status404NotFound, title: "No such section", detail: "The runbook has no section of that name.").ExecuteAsync(context);
        });
    }

    private static async Task AnswerAsync(HttpContext context, PageFile file)
    {
        var response = context.Response;
        response.Headers.ETag = file.EntityTag;
        response.Headers.CacheControl = "no-cache";
        response.Headers.ContentSecurityPolicy = Policy;
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers["Referrer-Policy"] = "no-referrer";
        response.Headers["Cross-Origin-Resource-Policy"] = "same-origin";
        if (context.Request.GetTypedHeaders().IfNoneMatch.Any(t => t.Tag == "*" || t.Compare(EntityTagHeaderValue.Parse(file.EntityTag), useStrongComparison: false)))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        response.ContentType = file.ContentType;
        response.ContentLength = file.Bytes.Length;
        if (HttpMethods.IsGet(context.Request.Method)) await response.Body.WriteAsync(file.Bytes, context.RequestAborted);
    }
}
