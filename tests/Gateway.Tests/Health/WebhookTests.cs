using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using Gateway.Protocol;
using Gateway.Server.Health.Alerts;
using Gateway.Server.Health.Top;
using Gateway.Tests.Server;
using Xunit;

namespace Gateway.Tests.Health;

/// <summary>What is posted to Alertmanager, when again, and what a receiver that fails does to the node: nothing.</summary>
public sealed class WebhookTests : IAsyncLifetime, IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly Receiver _receiver = new();
    private readonly CapturedLog _log = new();
    private readonly AlertKind _kind = AlertKinds.All.First(k => k.Name == "MailboxBacklog");
    private AlertThresholds _thresholds = AlertThresholds.Default with { Webhook = "http://alertmanager:9093/", WebhookInterval = TimeSpan.FromSeconds(1) };
    private AlertWebhook _webhook = null!;

    public Task InitializeAsync()
    {
        _webhook = new AlertWebhook(
            _receiver, () => _thresholds, new AlertIdentity("node:5249", "http://node:5249/status", e => OperatorFixture.Keys.Pseudonym(e.Who!.Value)), TimeProvider.System,
            _log.Factory().CreateLogger("test"));
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        _receiver.Gate.TrySetResult();
        await _webhook.DisposeAsync();
    }

    public void Dispose()
    {
        _receiver.Dispose();
        _log.Dispose();
    }

    [Fact]
    public void The_body_is_that_of_alertmanagers_api()
    {
        var active = Active();
        var cleared = active with { Queue = "inbox", Reactor = -1, State = AlertState.Cleared, ClearedAt = At(90) };

        var body = JsonNode.Parse(_webhook.BodyOf([active], [cleared], At(60), TimeSpan.FromSeconds(30)))!.AsArray();

        Assert.Equal("""{"alertname":"MailboxBacklog","instance":"node:5249","severity":"warning","source":"node","queue":"mailbox_backlog","reactor":"2"}""", body[0]!["labels"]!.ToJsonString());
        Assert.Equal("""{"alertname":"MailboxBacklog","instance":"node:5249","severity":"warning","source":"node","queue":"inbox"}""", body[1]!["labels"]!.ToJsonString());
        var notes = body[0]!["annotations"]!;
        Assert.Equal("MailboxBacklog: a mailbox holds much", (string?)notes["summary"]);
        Assert.Equal($"{OperatorFixture.Keys.Pseudonym(new Address(AddressKind.User, 77))} 900 entries", (string?)notes["top"]);
        Assert.Equal("30000 entries, threshold 20000", (string?)notes["value"]);
        Assert.Equal("tools/ops/RUNBOOK.md#mailboxbacklog", (string?)notes["runbook_url"]);
        Assert.Contains("does not acknowledge", (string?)notes["causes"], StringComparison.Ordinal);
        Assert.Equal("http://node:5249/status", (string?)body[0]!["generatorURL"]);
        Assert.Equal(At(0), (DateTimeOffset)body[0]!["startsAt"]!);
        // Four intervals from now, so that it ends by itself when nobody posts it again; and when it ended.
        Assert.Equal((At(180), At(90)), ((DateTimeOffset)body[0]!["endsAt"]!, (DateTimeOffset)body[1]!["endsAt"]!));
    }

    [Theory]
    [InlineData("10.1.2.3:5249", "", "10.1.2.3:5249")]
    [InlineData("[fe80::1]:5249", "", "[fe80::1]:5249")]
    [InlineData("10.1.2.3:5249", "gateway-1.example:5249", "gateway-1.example:5249")]
    [InlineData("0.0.0.0:5249", "gateway-1", "gateway-1")]
    [InlineData("0.0.0.0:5249", "", "MACHINE:5249")]
    [InlineData("[::]:5249", "", "MACHINE:5249")]
    public void An_instance_is_the_operators_endpoint_unless_that_means_nothing_elsewhere_or_another_was_given(string endpoint, string given, string instance)
    {
        _webhook.Identity = AlertIdentity.At(IPEndPoint.Parse(endpoint), _webhook.Identity.Show);
        _thresholds = _thresholds with { Instance = given };
        var labels = JsonNode.Parse(_webhook.BodyOf([Active()], [], At(60), TimeSpan.FromSeconds(30)))![0]!["labels"]!;
        Assert.Equal(instance.Replace("MACHINE", Environment.MachineName, StringComparison.Ordinal), (string?)labels["instance"]);
    }

    [Fact]
    public async Task An_active_alert_is_posted_again_every_interval_and_a_cleared_one_until_it_was_taken_once()
    {
        _webhook.Start();
        await _receiver.UntilAsync(p => p.Count >= 1);
        Assert.Equal("[]", _receiver.Posts[0].Body);
        Assert.Equal("http://alertmanager:9093/api/v2/alerts", _receiver.Posts[0].Address);

        var active = Active();
        _webhook.Tell([active], [active]);
        await _receiver.UntilAsync(p => p.Count(b => b.Body.Contains("MailboxBacklog", StringComparison.Ordinal)) >= 3);

        var cleared = active with { State = AlertState.Cleared, ClearedAt = At(90) };
        _webhook.Tell([cleared], [cleared]);
        await _receiver.UntilAsync(p => p[^1].Body == "[]");
        Assert.Single(_receiver.Posts, p => p.Body.Contains("20:01:30", StringComparison.Ordinal));
        Assert.Equal(TimeSpan.Zero, _webhook.Failing.For);
    }

    [Fact]
    public async Task What_is_not_taken_is_tried_again_and_an_alert_cleared_meanwhile_is_not_forgotten()
    {
        _receiver.Answer = HttpStatusCode.ServiceUnavailable;
        var active = Active();
        var cleared = active with { State = AlertState.Cleared, ClearedAt = At(90) };
        _webhook.Start();
        await _receiver.UntilAsync(p => p.Count >= 2);
        _webhook.Tell([active], [active]);
        _webhook.Tell([cleared], [cleared]);
        Assert.Equal("http://alertmanager:9093 answered 503", _webhook.Failing.Error);

        var before = _receiver.Posts.Count;
        _receiver.Answer = HttpStatusCode.OK;
        await _receiver.UntilAsync(p => p.Skip(before).Any(b => b.Body.Contains("20:01:30", StringComparison.Ordinal)));
        await UntilAsync(() => _webhook.Failing.For == TimeSpan.Zero);
        Assert.Single(_log.Lines, l => l.Contains("did not take an alert", StringComparison.Ordinal));
        Assert.Contains("The webhook takes alerts again", _log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_alert_raised_again_before_its_end_was_told_never_ended()
    {
        _receiver.Answer = HttpStatusCode.ServiceUnavailable;
        var active = Active();
        var cleared = active with { State = AlertState.Cleared, ClearedAt = At(90) };
        _webhook.Tell([active], [active]);
        _webhook.Tell([cleared], [cleared]);
        _webhook.Tell([active, cleared], [active]);
        _receiver.Answer = HttpStatusCode.OK;
        _webhook.Start();
        await _receiver.UntilAsync(p => p.Count >= 1);
        Assert.Single(JsonNode.Parse(_receiver.Posts[0].Body)!.AsArray());
        Assert.DoesNotContain("20:01:30", _receiver.Posts[0].Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_receiver_that_never_answers_holds_up_nobody_and_what_waits_for_it_is_bounded()
    {
        _receiver.Hangs = true;
        _webhook.Start();
        await _receiver.UntilAsync(p => p.Count >= 1);
        for (var i = 0; i < 10 * AlertWebhook.MaxCleared; i++)
        {
            var cleared = Active() with { Reactor = i, State = AlertState.Cleared, ClearedAt = At(90) };
            _webhook.Tell([cleared], [cleared]);
        }

        await UntilAsync(() => _webhook.Failing.Error == "http://alertmanager:9093 did not answer within 5 s");
        _receiver.Hangs = false;
        await _receiver.UntilAsync(p => p.Count >= 2);
        Assert.Equal(AlertWebhook.MaxCleared, JsonNode.Parse(_receiver.Posts[1].Body)!.AsArray().Count);
        Assert.Contains("cleared alerts were never told to the webhook", _log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_an_address_nothing_is_posted_and_one_given_later_is_taken_up()
    {
        _thresholds = _thresholds with { Webhook = "", WebhookInterval = TimeSpan.FromHours(1) };
        _webhook.Start();
        _webhook.Tell([Active()], [Active()]);
        Assert.Empty(_receiver.Posts);
        _thresholds = _thresholds with { Webhook = "https://other/base/api/v2/alerts" };
        _webhook.Wake();
        await _receiver.UntilAsync(p => p.Count >= 1);
        Assert.Equal("https://other/base/api/v2/alerts", _receiver.Posts[0].Address);
    }

    private Alert Active() => new(
        _kind, AlertState.Active, "mailbox_backlog", 2, At(0), null, 30_000, 20_000, "a mailbox holds much",
        [new TopEntry(TopKind.Mailbox, new Address(AddressKind.User, 77), "", 900, 0, "entries", 2, "")]);

    private static DateTimeOffset At(int second) => new DateTimeOffset(2026, 11, 22, 20, 0, 0, TimeSpan.Zero).AddSeconds(second);

    private static async Task UntilAsync(Func<bool> holds)
    {
        using var limit = new CancellationTokenSource(Deadline);
        while (!holds()) await Task.Delay(10, limit.Token);
    }

    /// <summary>Alertmanager's place: keeps what is posted and answers as it is told.</summary>
    private sealed class Receiver : HttpMessageHandler
    {
        private readonly ConcurrentQueue<(string Address, string Body)> _posts = new();

        public HttpStatusCode Answer { get; set; } = HttpStatusCode.OK;
        public bool Hangs { get; set; }
        public TaskCompletionSource Gate { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public IReadOnlyList<(string Address, string Body)> Posts => [.. _posts];

        public Task UntilAsync(Func<IReadOnlyList<(string Address, string Body)>, bool> holds) => WebhookTests.UntilAsync(() => holds(Posts));

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Assert.Equal((HttpMethod.Post, "application/json"), (request.Method, request.Content!.Headers.ContentType!.MediaType));
            var answer = Answer;
            _posts.Enqueue((request.RequestUri!.ToString(), await request.Content.ReadAsStringAsync(cancellationToken)));
            if (Hangs) await Gate.Task.WaitAsync(cancellationToken);
            return new HttpResponseMessage(answer);
        }
    }
}
