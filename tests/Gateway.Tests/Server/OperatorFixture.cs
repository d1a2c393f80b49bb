using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Gateway.Server;
using Gateway.Server.Health;
using Gateway.Server.Hosting;
using Gateway.Server.Operator;
using Microsoft.Extensions.Logging;

namespace Gateway.Tests.Server;

/// <summary>The operator's interface over a fake node, on a free port, with a client that has the token and one that has not.</summary>
internal sealed class OperatorFixture : IAsyncDisposable
{
    private readonly OperatorServer _server;
    private readonly ILoggerFactory _logs;
    private readonly TemporaryFolder _folder;

    private OperatorFixture(OperatorServer server, NodeHealth health, ILoggerFactory logs, TemporaryFolder folder)
    {
        Health = health;
        _folder = folder;
        _server = server;
        _logs = logs;
        Uri = new Uri($"http://127.0.0.1:{server.Endpoint.Port}");
        Anonymous = new HttpClient { BaseAddress = Uri };
        Operator = new HttpClient { BaseAddress = Uri };
        Operator.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Keys.OperatorToken());
    }

    public static byte[] Secret { get; } = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];
    public static NodeKeys Keys { get; } = new(Secret);

    /// <summary>Looks when a test says so: it is not started.</summary>
    public NodeHealth Health { get; }
    public required FakeNode Node { get; init; }
    public required CapturedLog Log { get; init; }
    public required LogLevelSwitch Level { get; init; }
    public Uri Uri { get; }
    public HttpClient Anonymous { get; }
    public HttpClient Operator { get; }

    public static async Task<OperatorFixture> StartAsync(GatewayOptions? options = null)
    {
        var node = new FakeNode { Readiness = NodeReadiness.Ready };
        var log = new CapturedLog();
        var level = new LogLevelSwitch(LogLevel.Information);
        var logs = log.Factory();
        var folder = new TemporaryFolder();
        var own = options ?? GatewayOptions.Default;
        // A test of a wider binding gives its address; the port is always a free one.
        own = own with { Data = folder.Path, OperatorListen = new IPEndPoint(own.OperatorListen.Address, 0) };
        var health = new NodeHealth(node, own, Keys, logs, TimeProvider.System);
        var server = await OperatorServer.StartAsync(node, health, own, Keys, level, logs, "1.2.3", TimeProvider.System);
        return new OperatorFixture(server, health, logs, folder) { Node = node, Log = log, Level = level };
    }

    public async Task<JsonNode> GetAsync(string path)
    {
        using var response = await Operator.GetAsync(path);
        response.EnsureSuccessStatusCode();
        return JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
    }

    public async ValueTask DisposeAsync()
    {
        Anonymous.Dispose();
        Operator.Dispose();
        await _server.DisposeAsync();
        await Health.DisposeAsync();
        _logs.Dispose();
        _folder.Dispose();
    }
}
