using System.Net;
using System.Net.Sockets;
using Gateway.Server.Health;
using Gateway.Server.Hosting;
using Gateway.Server.Metrics;
using Gateway.Server.Operator.Page;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Gateway.Server.Operator;

/// <summary>
/// The operator's HTTP interface on its own endpoint. It lives longer than the node's readiness on both sides: it answers while the node
/// recovers and while it drains.
/// </summary>
internal sealed class OperatorServer : IAsyncDisposable
{
    private const int MaxBodyBytes = 4096;
    private const int MaxConnections = 256;

    private readonly WebApplication _application;
    private readonly IReadOnlyList<IDisposable> _owned;

    private OperatorServer(WebApplication application, IReadOnlyList<IDisposable> owned, IPEndPoint endpoint)
    {
        _application = application;
        _owned = owned;
        Endpoint = endpoint;
    }

    /// <summary>As bound: never port 0.</summary>
    public IPEndPoint Endpoint { get; }

    public string EndpointLine => $"operator  http://{Endpoint}";

    /// <exception cref="NodeStartException">The endpoint cannot be bound.</exception>
    public static async Task<OperatorServer> StartAsync(
        INode node, NodeHealth health, GatewayOptions options, NodeKeys keys, LogLevelSwitch level, ILoggerFactory logs, string version, TimeProvider time)
    {
        // The empty builder reads no appsettings.json, no ASPNETCORE_ variable and no argument: only our options say where this listens.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(options.OperatorListen);
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MaxBodyBytes;
            kestrel.Limits.MaxConcurrentConnections = MaxConnections;
        });
        builder.Services.AddSingleton(logs);
        builder.Services.AddSingleton(typeof(ILogger<>), typeof(Logger<>));
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddRouting();
        builder.Services.AddProblemDetails();
        builder.Services.ConfigureHttpJsonOptions(json => OperatorJson.Configure(json.SerializerOptions));

        var application = builder.Build();
        application.UseExceptionHandler(new ExceptionHandlerOptions { StatusCodeSelector = StatusOf, SuppressDiagnosticsCallback = c => StatusOf(c.Exception) < 500 });
        application.UseStatusCodePages();
        var authorization = new OperatorAuthorization(keys, IPAddress.IsLoopback(options.OperatorListen.Address));
        application.Use(next => context => authorization.InvokeAsync(context, next));
        application.UseRouting();
        List<IDisposable> owned = [];
        new MetricsEndpoint(options.Metrics ? Exposition(node, health, owned) : null).Map(application);
        new HealthEndpoints(node, health, keys, options, version, time).Map(application);
        new InsightEndpoints(node, health, keys, time, logs.CreateLogger<InsightEndpoints>()).Map(application);
        new OperatorEndpoints(node, keys, level, logs.CreateLogger<OperatorEndpoints>()).Map(application);
        PageEndpoints.Map(application);

        try
        {
            await application.StartAsync();
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            await application.DisposeAsync();
            owned.ForEach(o => o.Dispose());
            throw new NodeStartException($"operator-listen: {options.OperatorListen} cannot be bound: {(e.InnerException ?? e).Message}", e);
        }

        var bound = application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        return new OperatorServer(application, owned, new IPEndPoint(options.OperatorListen.Address, new Uri(bound).Port));
    }

    public async ValueTask DisposeAsync()
    {
        // Requests in progress get a moment; the node behind them is gone soon.
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        try
        {
            await _application.StopAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            // A request that does not end is cut off.
        }

        await _application.DisposeAsync();
        foreach (var owned in _owned) owned.Dispose();
    }

    /// <summary>The one line to change for another exporter of the same meters.</summary>
    private static MeterExposition Exposition(INode node, NodeHealth health, List<IDisposable> owned)
    {
        var process = new ProcessMeters();
        var exposition = new MeterExposition([.. node.Meters, health.Meter, .. process.All]);
        owned.AddRange([exposition, process]);
        return exposition;
    }

    private static int StatusOf(Exception exception) => exception switch
    {
        BadHttpRequestException bad => bad.StatusCode,
        NodeStoppedException => StatusCodes.Status503ServiceUnavailable,
        _ => StatusCodes.Status500InternalServerError,
    };

    /// <summary>The host's own lifetime would take the signals and stop HTTP first; here the node's shell decides.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
