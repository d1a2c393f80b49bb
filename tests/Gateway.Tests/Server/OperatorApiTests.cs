using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.Protocol;
using Gateway.Server;
using Gateway.Server.Hosting;
using Gateway.Server.Operator;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.Tests.Server;

/// <summary>The operator's HTTP interface: what is open, what needs the token, what each answers, and what none gives away.</summary>
public sealed class OperatorApiTests : IAsyncLifetime
{
    private static readonly Address Anna = new(AddressKind.User, 15550001);
    private OperatorFixture _api = null!;

    public async Task InitializeAsync() => _api = await OperatorFixture.StartAsync();

    public async Task DisposeAsync() => await _api.DisposeAsync();

    public static TheoryData<string, string> Protected => new()
    {
        { "GET", "/ops/connections" },
        { "POST", "/ops/connections/15550001/kick" },
        { "GET", "/ops/mailboxes/15550001" },
        { "GET", "/ops/ledger" },
        { "GET", "/ops/counters" },
        { "GET", "/ops/devices/15550001" },
        { "POST", "/ops/devices/15550001/revoke" },
        { "POST", "/ops/expiry/resume" },
        { "GET", "/ops/log-level" },
        { "PUT", "/ops/log-level" },
        { "GET", "/ops/nonsense" },
        { "GET", "/OPS/ledger" },
        { "GET", "/ops/../ops/ledger" },
        { "GET", "/%6Fps/ledger" },
    };

    [Fact]
    public void Every_body_is_read_and_written_by_generated_code()
    {
        // What is answered by reflection leaves thousands of objects for each full collection to mark.
        var bodies = typeof(OperatorJsonContext).Assembly.GetTypes()
            .Where(t => t.Namespace == typeof(OperatorJsonContext).Namespace && t.Name.EndsWith("Body", StringComparison.Ordinal)).ToList();
        Assert.True(bodies.Count >= 12, $"only {bodies.Count} bodies");
        Assert.All(bodies.Append(typeof(MailboxStatus)).Append(typeof(NodeCounters)), body => Assert.NotNull(OperatorJsonContext.Default.GetTypeInfo(body)));
    }

    [Theory]
    [MemberData(nameof(Protected))]
    public async Task Without_the_token_nothing_under_ops_answers_or_happens(string method, string path)
    {
        string?[] headers =
        [
            null, "Bearer", "Bearer ", "Bearer 00", $"Basic {OperatorFixture.Keys.OperatorToken()}", OperatorFixture.Keys.OperatorToken(),
            $"Bearer {OperatorFixture.Keys.OperatorToken()}0", $"Bearer {OperatorFixture.Keys.OperatorToken()[1..]}",
            $"Bearer {OperatorFixture.Keys.OperatorToken().ToUpperInvariant()}",
        ];
        foreach (var header in headers)
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), path);
            if (header is not null) request.Headers.TryAddWithoutValidation("Authorization", header);
            using var response = await _api.Anonymous.SendAsync(request);

            Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
            Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
            Assert.Equal("Bearer", response.Headers.WwwAuthenticate.ToString());
        }

        Assert.Empty(_api.Node.Calls);
    }

    [Fact]
    public async Task A_suspended_expiry_is_a_reason_in_status_until_an_operator_resumes_it()
    {
        _api.Node.ExpirySuspended = "expiry is suspended: the clock said so";
        Assert.Equal([_api.Node.ExpirySuspended], (await _api.GetAsync("/status"))["reasons"]!.AsArray().Select(r => (string?)r));

        foreach (var resumed in (bool[])[true, false])
        {
            using var answer = await _api.Operator.PostAsync("/ops/expiry/resume", null);
            Assert.Equal(resumed, (bool?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["resumed"]);
            Assert.Empty((await _api.GetAsync("/status"))["reasons"]!.AsArray());
        }
    }

    [Fact]
    public async Task Two_tokens_in_one_request_are_none()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/ops/ledger");
        request.Headers.TryAddWithoutValidation("Authorization", ["Bearer 00", $"Bearer {OperatorFixture.Keys.OperatorToken()}"]);
        using var response = await _api.Anonymous.SendAsync(request);

        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
    }

    [Fact]
    public async Task A_ready_node_says_so()
    {
        Assert.Equal("ready\n", await _api.Anonymous.GetStringAsync("/readyz"));
        Assert.Equal("alive\n", await _api.Anonymous.GetStringAsync("/livez"));
    }

    public static TheoryData<NodeState, string> Unready => new()
    {
        { NodeState.Starting, "recovering, 40 % read" },
        { NodeState.Draining, "the node is draining" },
        { NodeState.Failed, "the disk said no" },
    };

    [Theory]
    [MemberData(nameof(Unready))]
    public async Task A_node_that_is_not_ready_says_why_and_is_alive(NodeState state, string reason)
    {
        _api.Node.Readiness = new NodeReadiness(state, reason);

        using var ready = await _api.Anonymous.GetAsync("/readyz");
        var problem = JsonNode.Parse(await ready.Content.ReadAsStringAsync())!;
        using var alive = await _api.Anonymous.GetAsync("/livez");
        var status = await _api.GetAsync("/status");

        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        Assert.Equal(reason, (string?)problem["detail"]);
        Assert.Equal(HttpStatusCode.OK, alive.StatusCode);
        Assert.False((bool)status["ready"]!);
        Assert.Equal([reason], status["reasons"]!.AsArray().Select(r => (string?)r));
    }

    [Fact]
    public async Task Status_tells_version_durability_endpoints_and_totals_and_names_no_device()
    {
        _api.Node.Connections.Add(Session(Anna));
        _api.Node.Counters = new NodeCounters(
            [new ReactorCounters { Sessions = 2, MessagesIn = 5 }, new ReactorCounters { Index = 1, Sessions = 3, MessagesIn = 7 }], new LogCounters { Commits = 9 }, 1);

        var text = await _api.Anonymous.GetStringAsync("/status");
        var status = JsonNode.Parse(text)!;

        Assert.Equal("ready", (string?)status["state"]);
        Assert.Equal("1.2.3", (string?)status["version"]);
        Assert.True((double)status["uptimeSeconds"]! >= 0);
        Assert.Equal("fsync", (string?)status["durability"]!["mode"]);
        Assert.Equal(["native  tcp://127.0.0.1:5240"], status["endpoints"]!.AsArray().Select(e => (string?)e));
        Assert.Equal(5, (long)status["totals"]!["sessions"]!);
        Assert.Equal(12, (long)status["totals"]!["messagesIn"]!);
        Assert.Equal(9, (long)status["log"]!["commits"]!);
        Assert.DoesNotContain("15550001", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Status_says_what_the_weaker_durability_gives_up()
    {
        await using var api = await OperatorFixture.StartAsync(GatewayOptions.Default with { Durability = Durability.Os });

        var durability = (await api.GetAsync("/status"))["durability"]!;

        Assert.Equal("os", (string?)durability["mode"]);
        Assert.Contains("a loss of power takes back", (string?)durability["meaning"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_ledger_has_the_messages_terms_and_the_receipts_apart()
    {
        _api.Node.Ledger = new NodeLedger(new LedgerTotals(28, 1, 2, 3, 4, 5, 13), new LedgerTotals(10, 9, 0, 0, 0, 0, 0));

        var ledger = await _api.GetAsync("/ops/ledger");

        Assert.Equal(
            """{"accepted":28,"delivered":1,"pending":2,"rejected":3,"expired":4,"discarded":5,"lost":13,"balanced":true,"receipts":"""
            + """{"accepted":10,"delivered":9,"pending":0,"rejected":0,"expired":0,"discarded":0,"lost":0,"balanced":false}}""",
            ledger.ToJsonString());
    }

    [Fact]
    public async Task Connections_show_addresses_up_to_the_limit_and_count_all()
    {
        for (var i = 0; i < 5; i++) _api.Node.Connections.Add(Session(new Address(AddressKind.User, 15550001, i)));
        _api.Node.Counters = new NodeCounters([new ReactorCounters { Sessions = 5 }], default, 0);

        var answer = await _api.GetAsync("/ops/connections?limit=3");

        Assert.Equal(["15550001", "15550001:1", "15550001:2"], answer["connections"]!.AsArray().Select(c => (string?)c!["address"]));
        Assert.Equal(5, (long)answer["total"]!);
        Assert.Equal("127.0.0.1:40000", (string?)answer["connections"]![0]!["remote"]);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("10001")]
    [InlineData("many")]
    [InlineData("")]
    public async Task A_wrong_limit_is_named(string limit)
    {
        var problem = await ProblemAsync(HttpMethod.Get, $"/ops/connections?limit={limit}", HttpStatusCode.BadRequest);

        Assert.Equal($"limit: '{limit}' is not a number from 1 to 10000", problem);
    }

    [Theory]
    [InlineData("15550001", "15550001")]
    [InlineData("15550001:3", "15550001:3")]
    [InlineData("service%2F7:2", "service/7:2")]
    [InlineData("group%2F42", "group/42")]
    public async Task A_mailbox_is_asked_for_by_any_form_of_address(string path, string address)
    {
        var mailbox = await _api.GetAsync($"/ops/mailboxes/{path}");

        Assert.Equal(address, (string?)mailbox["address"]);
        Assert.Equal(7, (long)mailbox["pendingEntries"]!);
        Assert.Equal(19, (long)mailbox["lastSequence"]!);
        Assert.Null(mailbox["session"]);
    }

    [Theory]
    [InlineData("GET", "/ops/mailboxes/zero", "'zero': an address is a number")]
    [InlineData("GET", "/ops/devices/0", "'0': an address is a number")]
    [InlineData("GET", "/ops/devices/group%2F42", "group/42 is a group; only a user's or service's device has a key")]
    [InlineData("POST", "/ops/devices/group%2F42/revoke", "group/42 is a group; only a user's or service's device has a key")]
    [InlineData("POST", "/ops/connections/15550001:9999/kick", "'15550001:9999': the device after ':' is a number from 0 to 1023")]
    public async Task A_wrong_address_is_named(string method, string path, string expected)
    {
        Assert.StartsWith(expected, await ProblemAsync(new HttpMethod(method), path, HttpStatusCode.BadRequest), StringComparison.Ordinal);
        Assert.Empty(_api.Node.Calls);
    }

    [Fact]
    public async Task Revoking_raises_the_epoch_and_the_log_shows_a_pseudonym_alone()
    {
        Assert.Equal(0, (long)(await _api.GetAsync("/ops/devices/15550001"))["epoch"]!);
        using var revoked = await _api.Operator.PostAsync("/ops/devices/15550001/revoke", null);

        Assert.Equal("""{"address":"15550001","epoch":1}""", await revoked.Content.ReadAsStringAsync());
        Assert.Equal(1, (long)(await _api.GetAsync("/ops/devices/15550001"))["epoch"]!);
        Assert.Contains(_api.Log.Lines, l => l.Contains($"revoked the keys of {OperatorFixture.Keys.Pseudonym(Anna)}", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Kicking_closes_sessions_and_nobody_there_is_not_found()
    {
        _api.Node.Connections.Add(Session(Anna));
        using var kicked = await _api.Operator.PostAsync("/ops/connections/15550001/kick", null);

        Assert.Equal("""{"address":"15550001","closed":1}""", await kicked.Content.ReadAsStringAsync());
        Assert.Equal("15550001 has no session", await ProblemAsync(HttpMethod.Post, "/ops/connections/15550001/kick", HttpStatusCode.NotFound));
    }

    [Fact]
    public async Task The_log_level_changes_at_run_time()
    {
        Assert.Equal("information", (string?)(await _api.GetAsync("/ops/log-level"))["level"]);

        using var changed = await _api.Operator.PutAsJsonAsync("/ops/log-level", new { level = "debug" });

        Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
        Assert.Equal(LogLevel.Debug, _api.Level.Level);
        Assert.Equal("debug", (string?)(await _api.GetAsync("/ops/log-level"))["level"]);
    }

    [Theory]
    [InlineData("""{"level":"loud"}""", "level: 'loud' is none of trace, debug, information, warning, error, critical")]
    [InlineData("""{"level":null}""", "the body is an object, as in {\"level\":\"debug\"}")]
    [InlineData("{}", "the body is an object, as in {\"level\":\"debug\"}")]
    public async Task A_wrong_log_level_is_named_and_changes_nothing(string body, string expected)
    {
        using var response = await _api.Operator.PutAsync("/ops/log-level", new StringContent(body, null, "application/json"));

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal(expected, (string?)JsonNode.Parse(await response.Content.ReadAsStringAsync())!["detail"]);
        Assert.Equal(LogLevel.Information, _api.Level.Level);
    }

    [Theory]
    [InlineData("not json", "application/json", HttpStatusCode.BadRequest)]
    [InlineData("level=debug", "application/x-www-form-urlencoded", HttpStatusCode.UnsupportedMediaType)]
    public async Task A_body_that_is_no_json_is_a_problem_and_not_an_accident(string body, string type, HttpStatusCode expected)
    {
        using var response = await _api.Operator.PutAsync("/ops/log-level", new StringContent(body, null, type));

        Assert.Equal(expected, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
    }

    [Fact]
    public async Task A_body_beyond_the_limit_is_refused()
    {
        using var response = await _api.Operator.PutAsync("/ops/log-level", new StringContent(new string(' ', 5000) + "{}", null, "application/json"));

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
    }

    [Theory]
    [InlineData("/nonsense", HttpStatusCode.NotFound)]
    [InlineData("/ops/nonsense", HttpStatusCode.NotFound)]
    [InlineData("/ops/devices/15550001/revoke", HttpStatusCode.MethodNotAllowed)]
    public async Task What_does_not_exist_is_a_problem_in_json(string path, HttpStatusCode expected) => await ProblemAsync(HttpMethod.Get, path, expected);

    [Fact]
    public async Task A_node_that_has_stopped_is_unavailable_and_not_an_error_of_the_server()
    {
        _api.Node.AnswerError = new NodeStoppedException("the node has failed stop");

        await ProblemAsync(HttpMethod.Get, "/ops/ledger", HttpStatusCode.ServiceUnavailable);
        await ProblemAsync(HttpMethod.Get, "/ops/counters", HttpStatusCode.ServiceUnavailable);
    }

    [Fact]
    public async Task An_error_in_the_node_is_a_problem_without_its_inside()
    {
        _api.Node.AnswerError = new InvalidOperationException("inside");
        using var response = await _api.Operator.GetAsync("/ops/ledger");

        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        Assert.DoesNotContain("inside", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Counters_come_reactor_by_reactor()
    {
        _api.Node.Counters = new NodeCounters([new ReactorCounters { AllocatedBytes = 64, LeasesInUse = 2 }], default, 4096);

        var counters = await _api.GetAsync("/ops/counters");

        Assert.Equal(64, (long)counters["reactors"]![0]!["allocatedBytes"]!);
        Assert.Equal(2, (long)counters["reactors"]![0]!["leasesInUse"]!);
        Assert.Equal(4096, (long)counters["totalAllocatedBytes"]!);
    }

    [Fact]
    public async Task No_log_line_holds_a_token_a_secret_a_key_or_an_address()
    {
        var key = new byte[DeviceKey.KeyBytes];
        OperatorFixture.Keys.DeriveDeviceKey(Anna, 0, key);
        _api.Node.Connections.Add(Session(Anna));
        foreach (var path in (string[])["/status", "/ops/connections", "/ops/mailboxes/15550001", "/ops/devices/15550001"]) await _api.GetAsync(path);
        foreach (var path in (string[])["/ops/devices/15550001/revoke", "/ops/connections/15550001/kick"]) (await _api.Operator.PostAsync(path, null)).Dispose();

        // The web server's own lines never reach the program's log (LogLevelTests).
        var ours = string.Join('\n', _api.Log.Lines.Where(l => l.Contains(" Gateway.", StringComparison.Ordinal)));

        Assert.Contains("kicked", ours, StringComparison.Ordinal);
        Assert.DoesNotContain("15550001", ours, StringComparison.Ordinal);
        foreach (var hidden in (string[])[OperatorFixture.Keys.OperatorToken(), Convert.ToHexStringLower(OperatorFixture.Secret), Convert.ToHexStringLower(key)])
            Assert.DoesNotContain(hidden, _api.Log.Text, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_port_in_use_is_a_start_error_that_names_option_and_endpoint()
    {
        var taken = new IPEndPoint(IPAddress.Loopback, _api.Uri.Port);
        using var logs = new CapturedLog().Factory();

        var error = await Assert.ThrowsAsync<NodeStartException>(() => OperatorServer.StartAsync(
            _api.Node, _api.Health, GatewayOptions.Default with { OperatorListen = taken }, OperatorFixture.Keys, new LogLevelSwitch(LogLevel.Information), logs, "1", TimeProvider.System));

        Assert.Equal($"operator-listen: {taken} cannot be bound: address already in use", error.Message, ignoreCase: true);
    }

    [Fact]
    public async Task A_request_that_never_ends_does_not_keep_the_server()
    {
        var api = await OperatorFixture.StartAsync();
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, api.Uri.Port);
        var head = $"PUT /ops/log-level HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OperatorFixture.Keys.OperatorToken()}\r\n"
            + "Content-Type: application/json\r\nContent-Length: 20\r\nExpect: 100-continue\r\n\r\n";
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(head));
        // The interim answer says that the request is being read.
        await client.GetStream().ReadExactlyAsync(new byte["HTTP/1.1 100 Continue".Length]);

        await api.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30));
    }

    private async Task<string> ProblemAsync(HttpMethod method, string path, HttpStatusCode expected)
    {
        using var request = new HttpRequestMessage(method, path);
        using var response = await _api.Operator.SendAsync(request);
        Assert.Equal(expected, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        return (string?)JsonNode.Parse(await response.Content.ReadAsStringAsync())!["detail"] ?? "";
    }

    private static ConnectionStatus Session(Address address) =>
        new(address, "127.0.0.1:40000", 1, DateTimeOffset.UnixEpoch, 3, 0, 12, 4096);
}
