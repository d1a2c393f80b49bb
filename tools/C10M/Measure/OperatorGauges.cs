using System.Text.Json;
using System.Text.Json.Nodes;

namespace Gateway.Load.Measure;

/// <summary>What the node says of itself to anybody who reaches its operator port: GET /status. One thread; waits for the answer, ten seconds at most: a node that has just started answers its first question late on a busy machine.</summary>
internal sealed class OperatorGauges : IDisposable
{
    private readonly HttpClient _http;

    public OperatorGauges(Uri node) =>
        _http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = node, Timeout = TimeSpan.FromSeconds(10) };

    /// <summary>Null when the node does not answer, or not in this way.</summary>
    public NodeGauges? Read()
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/status");
            using var response = _http.Send(request);
            response.EnsureSuccessStatusCode();
            var status = JsonNode.Parse(response.Content.ReadAsStream())!;
            var totals = status["totals"]!;
            long handshakes = 0;
            foreach (var queue in status["queues"]!.AsArray())
            {
                if ((string?)queue!["name"] == "handshakes") handshakes += (long)queue["depth"]!;
            }

            return new NodeGauges(
                (long)totals["connections"]!, (long)totals["sessions"]!, handshakes, (long)totals["mailboxes"]!, (long)totals["windows"]!,
                (double?)status["collector"]?["lastFullPauseMs"]);
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException or JsonException or NullReferenceException or InvalidOperationException or IOException)
        {
            return null;
        }
    }

    public void Dispose() => _http.Dispose();
}

/// <summary>Of the node now. Mailboxes are those that hold something; windows are kept for every device seen within 60 days.</summary>
internal sealed record NodeGauges(long Connections, long Sessions, long Handshakes, long Mailboxes, long Windows, double? LastFullPauseMs);
