using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Gateway.Protocol;
using Gateway.Server;
using Gateway.Server.Health;
using Gateway.Server.Health.Flight;
using Gateway.Server.Metrics;
using Gateway.Tests.Server;
using Xunit;

namespace Gateway.Tests.Health;

/// <summary>Who may ask what of the operator's interface, and what top lists, flight recorder and alerts look like there.</summary>
public sealed class InsightApiTests
{
    private static readonly Address Alice = new(AddressKind.User, 15550001);

    [Theory]
    [InlineData("GET", "/livez", "none")]
    [InlineData("GET", "/readyz", "none")]
    [InlineData("GET", "/metrics", "scrape")]
    [InlineData("GET", "/status", "look")]
    [InlineData("GET", "/", "none")]
    [InlineData("GET", "/anything", "look")]
    [InlineData("GET", "/ops/top?kind=senders", "look")]
    [InlineData("GET", "/ops/top?kind=senders&names=plain", "act")]
    [InlineData("GET", "/ops/top?kind=senders&names=pseudonym&names=plain", "act")]
    [InlineData("GET", "/ops/flight", "look")]
    [InlineData("POST", "/ops/dump", "act")]
    [InlineData("GET", "/ops/connections", "act")]
    [InlineData("GET", "/ops/anything", "act")]
    public async Task Each_scope_opens_what_it_says_and_no_more(string method, string path, string needed)
    {
        string[] scopes = ["none", "scrape", "look", "act"];
        await using var near = await OperatorFixture.StartAsync();
        await using var far = await OperatorFixture.StartAsync(GatewayOptions.Default with { OperatorListen = new IPEndPoint(IPAddress.Any, 0) });
        foreach (var given in scopes)
        {
            var enough = Array.IndexOf(scopes, given) >= Array.IndexOf(scopes, needed);
            var refusal = given == "none" ? HttpStatusCode.Unauthorized : HttpStatusCode.Forbidden;
            Assert.Equal(enough ? null : refusal, await RefusalAsync(far, method, path, given));
            // Who is on the machine may look, and not act.
            Assert.Equal(enough || needed != "act" ? null : refusal, await RefusalAsync(near, method, path, given));
        }
    }

    [Fact]
    public void The_tokens_of_the_scopes_are_three()
    {
        string[] tokens = [OperatorFixture.Keys.ScrapeToken(), OperatorFixture.Keys.LookToken(), OperatorFixture.Keys.OperatorToken()];
        Assert.Equal(3, tokens.Distinct().Count());
        Assert.All(tokens, t => Assert.Matches("^[0-9a-f]{64}$", t));
    }

    [Fact]
    public async Task Top_mailboxes_are_in_order_by_pseudonym_with_what_may_be_missing()
    {
        await using var api = await OperatorFixture.StartAsync();
        api.Node.FakeInsight.Mailboxes.AddRange([new MailboxDepth(0, new Address(AddressKind.User, 2), 15), new MailboxDepth(1, Alice, 900)]);
        api.Node.FakeInsight.Missed = 12;

        var body = await api.Anonymous.GetStringAsync("/ops/top?kind=mailboxes&limit=1");

        Assert.DoesNotContain("15550001", body, StringComparison.Ordinal);
        Assert.Equal(
            $$"""{"kind":"mailboxes","entries":[{"who":"{{OperatorFixture.Keys.Pseudonym(Alice)}}","value":900,"error":0,"unit":"entries","reactor":1,"detail":""}],"errorBound":"depths are exact; a mailbox that is not listed holds at most 12 entries"}""",
            body);
        Assert.Equal("15550001", (string?)(await api.GetAsync("/ops/top?kind=mailboxes&names=plain"))["entries"]![0]!["who"]);
    }

    [Fact]
    public async Task Top_senders_are_shares_of_what_each_reactor_receives()
    {
        await using var api = await OperatorFixture.StartAsync();
        api.Node.FakeInsight.Senders.AddRange([new SenderReading(0, Alice, 0.5, 0.1, 0.02), new SenderReading(1, new Address(AddressKind.User, 2), 1, 0, 0)]);
        api.Node.Counters = Received(0, 0);
        api.Health.Look();
        await Task.Delay(20);
        api.Node.Counters = Received(1_000_000, 10);
        api.Health.Look();

        var entries = (await api.GetAsync("/ops/top?kind=senders&names=plain"))["entries"]!.AsArray();

        Assert.Equal(["15550001", "2"], entries.Select(e => (string?)e!["who"]));
        Assert.True((double)entries[0]!["value"]! > 1000 * (double)entries[1]!["value"]!);
        Assert.Equal((double)entries[0]!["value"]! / 5, (double)entries[0]!["error"]!, 1.0);
        Assert.Equal("50 % of the sends of its reactor", (string?)entries[0]!["detail"]);

        static NodeCounters Received(long first, long second) =>
            NodeCounters.None with { Reactors = [new ReactorCounters { Index = 0, MessagesIn = first }, new ReactorCounters { Index = 1, MessagesIn = second }] };
    }

    [Fact]
    public async Task Top_sockets_have_their_device_or_their_connection()
    {
        await using var api = await OperatorFixture.StartAsync();
        api.Node.FakeInsight.Sockets.AddRange(
            [new SocketReading(0, 17, 3, null, 0, 70_000, TimeSpan.FromSeconds(2)), new SocketReading(1, 4, 1, Alice, 65_536, 0, TimeSpan.FromSeconds(12))]);

        var entries = (await api.GetAsync("/ops/top?kind=sockets"))["entries"]!.AsArray();

        Assert.Equal(
            [("connection 17.3", 70_000, "of an unfinished frame for 2 s"), (OperatorFixture.Keys.Pseudonym(Alice), 65_536, "unread for 12 s")],
            entries.Select(e => ((string)e!["who"]!, (int)e["value"]!, (string)e["detail"]!)));
    }

    [Theory]
    [InlineData("/ops/top", "kind: '' is none of mailboxes, senders, sockets")]
    [InlineData("/ops/top?kind=users", "kind: 'users' is none of mailboxes, senders, sockets")]
    [InlineData("/ops/top?kind=senders&limit=0", "limit: '0' is not a number from 1 to 1000")]
    [InlineData("/ops/top?kind=senders&names=real", "names: 'real' is neither pseudonym nor plain")]
    [InlineData("/ops/flight?seconds=x", "seconds: 'x' is not a number from 1 to 86400")]
    public async Task What_is_wrong_with_a_question_is_said(string path, string detail)
    {
        await using var api = await OperatorFixture.StartAsync();
        using var answer = await api.Operator.GetAsync(path);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal(detail, (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["detail"]);
    }

    [Fact]
    public async Task The_flight_recorder_is_read_newest_last_and_dumped_when_asked()
    {
        await using var api = await OperatorFixture.StartAsync();
        var ring = new FlightRing("reactor 0", 8);
        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        ring.Write(new FlightEvent(now - 100_000, Alice.Value, 0, 0, FlightKind.LoggedIn));
        ring.Write(new FlightEvent(now - 1_000, Alice.Value, 0, 0, FlightKind.TakenOver));
        ring.Write(new FlightEvent(now, 0, 25_000, 0, FlightKind.SlowTurn));
        api.Node.FakeInsight.Flights = [ring];

        var events = (await api.GetAsync("/ops/flight?seconds=60"))["events"]!.AsArray();
        using var dumped = await api.Operator.PostAsync("/ops/dump", null);
        var path = (string)JsonNode.Parse(await dumped.Content.ReadAsStringAsync())!["path"]!;

        Assert.Equal(["taken-over", "slow-turn"], events.Select(e => (string?)e!["kind"]));
        Assert.Equal(OperatorFixture.Keys.Pseudonym(Alice), (string?)events[0]!["who"]);
        Assert.Equal("a turn took 25 ms", (string?)events[1]!["text"]);
        var text = await File.ReadAllTextAsync(path);
        Assert.Contains("asked for by an operator", text, StringComparison.Ordinal);
        Assert.Equal(3, text.Split('\n').Count(l => l.Contains("reactor 0", StringComparison.Ordinal)));
        Assert.DoesNotContain("15550001", text + events.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_alert_is_in_the_status_the_reasons_the_metric_and_the_log_and_on_its_queue()
    {
        await using var api = await OperatorFixture.StartAsync();
        api.Node.Queues = [new QueueReading("inbox", 3, 10, 100, 10, 10, 0, TimeSpan.FromSeconds(6))];
        Assert.Contains("gateway_alert_active{alert=\"QueueStuck\",queue=\"inbox\"} 0", await api.Anonymous.GetStringAsync("/metrics"), StringComparison.Ordinal);

        api.Health.Look();

        var status = await api.GetAsync("/status");
        var alert = status["alerts"]!.AsArray().Single()!;
        Assert.Equal(("QueueStuck", "active", "inbox", 3), ((string)alert["name"]!, (string)alert["state"]!, (string)alert["queue"]!, (int)alert["reactor"]!));
        Assert.Equal((6.0, 5.0, "age"), ((double)alert["value"]!, (double)alert["threshold"]!, (string)alert["measure"]!));
        Assert.Equal("tools/ops/RUNBOOK.md#queuestuck", (string?)alert["runbook"]);
        Assert.NotEmpty(alert["causes"]!.AsArray());
        Assert.Equal("QueueStuck", (string?)status["queues"]![0]!["alert"]);
        var culprit = (string)alert["culprit"]!;
        Assert.StartsWith("queue inbox of reactor 3: 10 queued", culprit, StringComparison.Ordinal);
        Assert.Contains(status["reasons"]!.AsArray(), r => (string?)r == $"QueueStuck: {culprit}");
        Assert.Contains($"Warning gateway.health: alert QueueStuck{{inbox}} raised: {culprit}", api.Log.Text, StringComparison.Ordinal);
        Assert.Contains("gateway_alert_active{alert=\"QueueStuck\",queue=\"inbox\"} 1", await api.Anonymous.GetStringAsync("/metrics"), StringComparison.Ordinal);
        using var live = await api.Anonymous.GetAsync("/livez");
        Assert.Equal(HttpStatusCode.OK, live.StatusCode);
    }

    private static async Task<HttpStatusCode?> RefusalAsync(OperatorFixture api, string method, string path, string scope)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        var token = scope switch
        {
            "scrape" => OperatorFixture.Keys.ScrapeToken(),
            "look" => OperatorFixture.Keys.LookToken(),
            "act" => OperatorFixture.Keys.OperatorToken(),
            _ => null,
        };
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await api.Anonymous.SendAsync(request);
        return answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden ? answer.StatusCode : null;
    }
}
