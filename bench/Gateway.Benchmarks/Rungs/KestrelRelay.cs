using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Gateway.Benchmarks.Rungs;

/// <summary>The relay as a connection handler of Kestrel, with Kestrel's defaults but for the limits on connections.</summary>
internal sealed class KestrelRelay : IDisposable
{
    private readonly WebApplication _application;

    public KestrelRelay(RelayCore core, int port)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(core);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxConcurrentConnections = null;
            kestrel.Listen(IPAddress.Loopback, port, listen => listen.UseConnectionHandler<RelayConnectionHandler>());
        });
        _application = builder.Build();
        _application.StartAsync().GetAwaiter().GetResult();
        var addresses = _application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        Port = new Uri(addresses.Single()).Port;
    }

    public int Port { get; }

    public void Dispose() => ((IDisposable)_application).Dispose();
}

internal sealed class RelayConnectionHandler(RelayCore core) : ConnectionHandler
{
    public override Task OnConnectedAsync(ConnectionContext connection) =>
        new PipePeer(core, connection.Transport.Input, connection.Transport.Output, connection.Abort).RunAsync();
}
