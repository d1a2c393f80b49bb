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

    /// <summary>Whether an alert of this name came to this path in this state: firing or resolved.</summary>
    public bool Has(string path, string alert, string state) => _notifications.Any(n => n.Path == path && n.Body.GetProperty("alerts").EnumerateArray()
        .Any(a => a.GetProperty("labels").GetProperty("alertname").GetString() == alert && a.GetProperty("status").GetString() == state));

    public ValueTask DisposeAsync() => _web.DisposeAsync();
}
