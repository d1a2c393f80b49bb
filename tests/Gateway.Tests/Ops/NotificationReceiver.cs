using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Gateway.Tests.Ops;

/// <summary>Stands where somebody's pager would: takes Alertmanager's webhooks and keeps them. Any thread.</summary>
internal sealed class NotificationReceiver : IAsyncDisposable
{
    private readonly ConcurrentQueue<(string Path, JsonElement Body)> _notifications = new();
    private readonly WebApplication _web;

    private NotificationReceiver(WebApplication web) => _web = web;

    public string Address => _web.Urls.Single();

    public static async Task<NotificationReceiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var receiver = new NotificationReceiver(builder.Build());
        receiver._web.MapPost("/{**path}", async (HttpRequest request) =>
        {
            using var body = await JsonDocument.ParseAsync(request.Body);
            receiver._notifications.Enqueue((request.Path.Value!, body.RootElement.Clone()));
        });
        await receiver._web.StartAsync();
        return receiver;
    }

    /// <summary>Every alert of every notification so far, with where it went.</summary>
    public IReadOnlyList<(string Path, JsonElement Alert)> Alerts =>
        [.. _notifications.SelectMany(n => n.Body.GetProperty("alerts").EnumerateArray().Select(a => (n.Path, a)))];

    /// <summary>Whether an alert of this name came to this path in this state, firing or resolved, and whether the node told it or Prometheus.</summary>
    public bool Has(string path, string alert, string state, bool fromNode) => Alerts.Any(n =>
        n.Path == path && NameOf(n.Alert) == alert && n.Alert.GetProperty("status").GetString() == state && IsNodes(n.Alert) == fromNode);

    public static string NameOf(JsonElement alert) => alert.GetProperty("labels").GetProperty("alertname").GetString()!;

    /// <summary>Whether the node itself told it, or else Prometheus.</summary>
    public static bool IsNodes(JsonElement alert) => alert.GetProperty("labels").TryGetProperty("source", out var source) && source.GetString() == "node";

    public ValueTask DisposeAsync() => _web.DisposeAsync();
}
