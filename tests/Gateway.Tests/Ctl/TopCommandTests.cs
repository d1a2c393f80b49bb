using System.Net;
using System.Text.Json.Nodes;
using Gateway.Protocol;
using Gateway.Server;
using Gateway.Server.Health;
using Gateway.Server.Health.Flight;
using Gateway.Server.Metrics;
using Gateway.Tests.Server;
using Xunit;
using ExitCode = Gateway.Ctl.ExitCode;

namespace Gateway.Tests.Ctl;

/// <summary>gatewayctl top, dump and token against the node's real operator interface over a scripted node.</summary>
public sealed class TopCommandTests : IAsyncLifetime, IDisposable
{
    private static readonly Address Anna = new(AddressKind.User, 15550001);
    private readonly TemporaryFolder _folder = new();
    private OperatorFixture _api = null!;

    public async Task InitializeAsync() => _api = await OperatorFixture.StartAsync();

    public async Task DisposeAsync() => await _api.DisposeAsync();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Top_once_prints_the_problem_first_and_then_the_queues_the_worst_first()
    {
        _api.Node.Queues =
        [
            new QueueReading("commits", 0, 0, 0, 0, 5, 5, TimeSpan.Zero), new QueueReading("inbox", 3, 1_234, 4_096, 2_000, 9_999, 8_765, TimeSpan.FromSeconds(6)),
        ];
        _api.Health.Look();

        var run = await RunAsync("top", "--once");

        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Errors));
        var lines = run.Output.TrimEnd('\n').Split('\n');
        Assert.Equal("▲ Problem: inbox of reactor 3", lines[0]);
        Assert.StartsWith("  queue inbox of reactor 3: 1,234 queued", lines[1], StringComparison.Ordinal);
        Assert.Contains(lines, l => l.StartsWith("  ▲ QueueStuck inbox/3 for ", StringComparison.Ordinal) && l.EndsWith(" s: 6 s, limit 5 s", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("    usually: what empties the queue stands still; ", StringComparison.Ordinal));
        var rows = lines.SkipWhile(l => !l.StartsWith("queue ", StringComparison.Ordinal)).Skip(1).ToList();
        Assert.Matches(@"^inbox +▲ alert +1,234 +0 +0 +6 s +never +1,234 queued", rows[0]);
        Assert.Matches(@"^commits +○ empty +0 ", rows[1]);
        Assert.DoesNotContain('\e', run.Output);
        Assert.All(lines, l => Assert.True(l.Length <= 160, l));
    }

    [Fact]
    public async Task Top_as_json_is_the_nodes_own_answer()
    {
        var json = JsonNode.Parse((await RunAsync("top", "-o", "json")).Output)!;
        var status = await _api.GetAsync("/status");
        Assert.Equal(status.AsObject().Select(p => p.Key), json.AsObject().Select(p => p.Key));
    }

    [Fact]
    public async Task The_top_lists_hide_addresses_unless_who_has_the_secret_asks()
    {
        _api.Node.FakeInsight.Mailboxes.AddRange([new MailboxDepth(1, Anna, 12_345), new MailboxDepth(0, new Address(AddressKind.User, 2), 15)]);

        var hidden = await RunAsync("top", "mailboxes", "--limit", "1");
        var denied = await RunAsync("top", "mailboxes", "--names", "plain");
        WriteSecret();
        var plain = await RunAsync("top", "mailboxes", "--names", "plain");

        Assert.Matches($@"{OperatorFixture.Keys.Pseudonym(Anna)} +12 k entries +1 ", hidden.Output);
        Assert.DoesNotContain("15550001", hidden.Output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Usage, denied.ExitCode);
        Assert.Contains("15550001", plain.Output, StringComparison.Ordinal);
        foreach (var kind in (string[])["senders", "sockets"]) Assert.Equal(ExitCode.Ok, (await RunAsync("top", kind)).ExitCode);
    }

    [Theory]
    [InlineData("top", "--interval", "1ms")]
    [InlineData("top", "mailboxes", "--names", "real")]
    [InlineData("token", "operator")]
    public async Task What_cannot_be_understood_is_wrong_usage(params string[] arguments)
    {
        var run = await RunAsync(arguments);
        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.Contains(arguments[^1], run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Away_from_loopback_top_looks_with_the_token_for_that_and_dump_needs_the_secret()
    {
        await using var far = await OperatorFixture.StartAsync(GatewayOptions.Default with { OperatorListen = new IPEndPoint(IPAddress.Any, 0) });
        Assert.Equal(ExitCode.Refused, (await RunAtAsync(far, "top", "--once")).ExitCode);
        WriteSecret();
        Assert.Equal(ExitCode.Ok, (await RunAtAsync(far, "top", "--once")).ExitCode);
        Assert.Equal(ExitCode.Ok, (await RunAtAsync(far, "dump", "--print")).ExitCode);
        var dump = await RunAtAsync(far, "dump");
        Assert.Equal(ExitCode.Ok, dump.ExitCode);
        Assert.Contains("asked for by an operator", await File.ReadAllTextAsync(dump.Output.Trim()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Dump_prints_what_happened_oldest_first_and_readably()
    {
        var ring = new FlightRing("reactor 0", 8);
        var now = DateTimeOffset.UtcNow;
        ring.Write(new FlightEvent(now.AddSeconds(-100).ToUnixTimeMilliseconds(), 0, 20_000, 0, FlightKind.SlowTurn));
        ring.Write(new FlightEvent(now.AddSeconds(-2).ToUnixTimeMilliseconds(), Anna.Value, 0, 0, FlightKind.LoggedIn));
        ring.Write(new FlightEvent(now.AddSeconds(-1).ToUnixTimeMilliseconds(), 0, 25_000, 0, FlightKind.SlowTurn));
        Assert.Equal("nothing worth a line happened in the last 60 s\n", (await RunAsync("dump", "--print")).Output);
        _api.Node.FakeInsight.Flights = [ring];

        var minute = await RunAsync("dump", "--print");
        var longer = await RunAsync("dump", "--print", "--seconds", "600");

        Assert.Equal(
            $"{now.AddSeconds(-2):HH:mm:ss.fff} reactor 0  {OperatorFixture.Keys.Pseudonym(Anna)} logged in\n{now.AddSeconds(-1):HH:mm:ss.fff} reactor 0  a turn took 25 ms\n", minute.Output);
        Assert.Equal(3, longer.Output.TrimEnd('\n').Split('\n').Length);
    }

    [Fact]
    public async Task A_token_printed_is_the_nodes_own_for_that_scope()
    {
        WriteSecret();
        Assert.Equal(OperatorFixture.Keys.LookToken() + "\n", (await RunAsync("token", "look")).Output);
        Assert.Equal(OperatorFixture.Keys.ScrapeToken() + "\n", (await RunAsync("token", "scrape")).Output);
    }

    private void WriteSecret()
    {
        Directory.CreateDirectory(_folder.File("data"));
        _folder.Write("data/secret", NodeSecret.Format(OperatorFixture.Secret));
    }

    private Task<CtlRun> RunAsync(params string[] arguments) => RunAtAsync(_api, arguments);

    private Task<CtlRun> RunAtAsync(OperatorFixture api, params string[] arguments) =>
        CtlRun.OfAsync(_folder, "", [.. arguments, "--node", api.Uri.ToString()]);
}
