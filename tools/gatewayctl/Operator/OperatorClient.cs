using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Protocol;

namespace Gateway.Ctl.Operator;

/// <summary>
/// The node's operator interface over HTTP. The secret never travels: a token derived from it does, and device keys are derived here.
/// Every failure is a <see cref="CtlException"/> with the exit code that says which kind it is.
/// </summary>
internal sealed class OperatorClient : IDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);
    private readonly HttpClient _http;
    private readonly Uri _node;

    /// <summary>What each token is derived with, as the node does (NodeKeys).</summary>
    public const string ActLabel = "gateway operator token v1";
    public const string LookLabel = "gateway look token v1";
    public const string ScrapeLabel = "gateway scrape token v1";

    /// <param name="node">The operator endpoint, as in http://127.0.0.1:5249.</param>
    /// <param name="secret">The node's secret; null asks only what is open to all.</param>
    /// <param name="label">Of the token: to act unless said.</param>
    public OperatorClient(Uri node, byte[]? secret, string label = ActLabel)
    {
        _node = node;
        _http = new HttpClient(new SocketsHttpHandler { UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(5) }) { BaseAddress = node, Timeout = Timeout };
        if (secret is not null) _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", TokenOf(secret, label));
    }

    /// <summary>How an address stands in a path: '/' inside it is escaped.</summary>
    public static string InPath(Address address) => Uri.EscapeDataString(address.ToString());

    public Task<JsonNode> GetAsync(string path, CancellationToken cancel) => SendAsync(HttpMethod.Get, path, null, cancel);

    public Task<JsonNode> PostAsync(string path, CancellationToken cancel) => SendAsync(HttpMethod.Post, path, null, cancel);

    public Task<JsonNode> PutAsync(string path, object body, CancellationToken cancel) => SendAsync(HttpMethod.Put, path, JsonContent.Create(body), cancel);

    /// <summary>The bearer token of who holds the secret.</summary>
    public static string TokenOf(byte[] secret, string label) => Convert.ToHexStringLower(HMACSHA256.HashData(secret, Encoding.ASCII.GetBytes(label)));

    private async Task<JsonNode> SendAsync(HttpMethod method, string path, HttpContent? body, CancellationToken cancel)
    {
        try
        {
            using var request = new HttpRequestMessage(method, path) { Content = body };
            using var response = await _http.SendAsync(request, cancel);
            var text = await response.Content.ReadAsStringAsync(cancel);
            if (response.IsSuccessStatusCode) return JsonNode.Parse(text) ?? throw new JsonException("null");
            throw Refusal(response.StatusCode, text);
        }
        catch (HttpRequestException e)
        {
            var why = e.InnerException is SocketException socket ? socket.Message : e.Message;
            throw new CtlException(ExitCode.Unreachable, $"the node cannot be reached at {_node.GetLeftPart(UriPartial.Authority)}: {why}", e);
        }
        catch (OperationCanceledException e) when (!cancel.IsCancellationRequested)
        {
            throw new CtlException(ExitCode.Unreachable, $"the node at {_node.GetLeftPart(UriPartial.Authority)} did not answer within {Timeout.TotalSeconds} s", e);
        }
        catch (JsonException e)
        {
            throw new CtlException(ExitCode.Unreachable, $"what answers at {_node.GetLeftPart(UriPartial.Authority)} is not a gateway's operator interface", e);
        }
    }

    private static CtlException Refusal(HttpStatusCode status, string body)
    {
        var detail = DetailOf(body);
        return status switch
        {
            HttpStatusCode.Unauthorized => new CtlException(ExitCode.Refused, "the node does not know this secret: is it the secret of this node's data folder?"),
            HttpStatusCode.NotFound => new CtlException(ExitCode.NotFound, detail ?? "not found"),
            _ => new CtlException(ExitCode.Refused, detail is null ? $"the node answered {(int)status} {status}" : $"the node said no: {detail}"),
        };
    }

    /// <summary>The detail of problem+json (RFC 9457), or its title.</summary>
    private static string? DetailOf(string body)
    {
        try
        {
            var problem = JsonNode.Parse(body) as JsonObject;
            return (string?)problem?["detail"] ?? (string?)problem?["title"];
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    public void Dispose() => _http.Dispose();
}
