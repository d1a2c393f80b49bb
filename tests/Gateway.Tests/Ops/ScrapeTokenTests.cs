using System.Net;
using System.Net.Http.Headers;
using Gateway.Server;
using Gateway.Tests.Ctl;
using Xunit;
using ExitCode = Gateway.Ctl.ExitCode;

namespace Gateway.Tests.Ops;

/// <summary>A node whose operator's port is not on loopback: who scrapes it has the token that gatewayctl prints, and with it may do nothing else.</summary>
public sealed class ScrapeTokenTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    private readonly TemporaryFolder _folder = new();
    private readonly HttpClient _http = new();

    public void Dispose()
    {
        _http.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Each_token_opens_its_scope_on_a_real_node_and_no_token_opens_nothing()
    {
        await using var node = await StartOnAllAddressesAsync();
        (string? Scope, HttpStatusCode Metrics, HttpStatusCode Status, HttpStatusCode Ledger, HttpStatusCode Dump)[] expected =
        [
            (null, HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized),
            ("scrape", HttpStatusCode.OK, HttpStatusCode.Forbidden, HttpStatusCode.Forbidden, HttpStatusCode.Forbidden),
            ("look", HttpStatusCode.OK, HttpStatusCode.OK, HttpStatusCode.Forbidden, HttpStatusCode.Forbidden),
            ("act", HttpStatusCode.OK, HttpStatusCode.OK, HttpStatusCode.OK, HttpStatusCode.OK),
        ];
        foreach (var one in expected)
        {
            var token = one.Scope switch { null => null, "act" => new NodeKeys(node.Secret).OperatorToken(), var scope => await TokenAsync(node, scope) };
            Assert.Equal(HttpStatusCode.OK, await AskAsync(node, HttpMethod.Get, "/livez", token));
            Assert.Equal(one, (one.Scope, await AskAsync(node, HttpMethod.Get, "/metrics", token), await AskAsync(node, HttpMethod.Get, "/status", token),
                await AskAsync(node, HttpMethod.Get, "/ops/ledger", token), await AskAsync(node, HttpMethod.Post, "/ops/dump", token)));
        }

        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(node, HttpMethod.Get, "/metrics", new string('0', 64)));
    }

    [Theory]
    [InlineData("status")]
    [InlineData("top", "--once")]
    [InlineData("dump", "--print")]
    public async Task Gatewayctl_looks_at_such_a_node_with_its_secret(params string[] command)
    {
        await using var node = await StartOnAllAddressesAsync();
        string[] arguments = [.. command, "--node", $"http://127.0.0.1:{node.Operator.Port}"];
        using var elsewhere = new TemporaryFolder();
        Assert.NotEqual(ExitCode.Ok, (await CtlRun.OfAsync(elsewhere, "", arguments)).ExitCode);

        var run = await CtlRun.OfAsync(elsewhere, "", [.. arguments, "--secret", Path.Combine(node.Data, "secret")]);

        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Errors));
    }

    [AlertingFact]
    public async Task Prometheus_scrapes_it_with_the_shipped_job_and_the_token_in_a_file_and_not_without()
    {
        await using var node = await StartOnAllAddressesAsync();
        await using var receiver = await NotificationReceiver.StartAsync();
        await using var stack = await AlertingStack.StartAsync(_folder.Path, receiver);
        var token = _folder.Write("scrape.token", await TokenAsync(node, "scrape") + "\n"); // with the end of line that a shell leaves there
        var (without, with) = ($"127.0.0.1:{node.Operator.Port}", $"localhost:{node.Operator.Port}");

        await stack.ScrapeAsync(without, with, token);

        await UntilAsync(async () => await stack.ScrapeErrorAsync(with) == "" && await stack.ScrapeErrorAsync(without) is { Length: > 0 });
        Assert.Equal("server returned HTTP status 401 Unauthorized", await stack.ScrapeErrorAsync(without));
        // Under the name that rules and dashboard look for.
        Assert.Equal(1, await stack.QueryAsync($"gateway_ready{{job=\"gateway\", instance=\"{with}\"}}"));
        Assert.Equal((1, 0), (await stack.QueryAsync($"up{{job=\"gateway\", instance=\"{with}\"}}"), await stack.QueryAsync($"up{{job=\"gateway\", instance=\"{without}\"}}")));
    }

    [Theory]
    [InlineData("token", "everything")]
    [InlineData("token")]
    public async Task A_scope_that_there_is_not_is_wrong_usage(params string[] arguments)
    {
        var run = await CtlRun.OfAsync(_folder, "", arguments);
        Assert.Equal((ExitCode.Usage, ""), (run.ExitCode, run.Output));
        Assert.NotEmpty(run.Errors);
    }

    [Fact]
    public async Task A_token_without_a_secret_to_derive_it_from_says_where_that_is()
    {
        var run = await CtlRun.OfAsync(_folder, "", "token", "scrape");
        Assert.Equal((ExitCode.Usage, ""), (run.ExitCode, run.Output));
        Assert.Contains("--secret names the file", run.Errors, StringComparison.Ordinal);
    }

    private async Task<NodeProcess> StartOnAllAddressesAsync()
    {
        var node = new NodeProcess(_folder.File("data"), "--reactors", "1", "--segment-size", "8MiB", "--log-memory", "8MiB", "--pin-reactors", "off")
        {
            Operator = new IPEndPoint(IPAddress.Any, 0),
        };
        await node.StartAsync();
        return node;
    }

    private async Task<string> TokenAsync(NodeProcess node, string scope)
    {
        var run = await CtlRun.OfAsync(_folder, "", "token", scope, "--secret", Path.Combine(node.Data, "secret"));
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Errors));
        return run.Output.TrimEnd('\n');
    }

    private async Task<HttpStatusCode> AskAsync(NodeProcess node, HttpMethod method, string path, string? token)
    {
        using var request = new HttpRequestMessage(method, $"http://127.0.0.1:{node.Operator.Port}{path}");
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await _http.SendAsync(request);
        return answer.StatusCode;
    }

    private static async Task UntilAsync(Func<Task<bool>> holds)
    {
        using var limit = new CancellationTokenSource(Deadline);
        while (!await holds()) await Task.Delay(100, limit.Token);
    }
}
