using System.Text.Json;
using Gateway.Server.Health.Alerts;
using Gateway.Tests.Repository;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Tests.Ops;

/// <summary>The Alertmanager example: by Alertmanager's own tool, and by an Alertmanager that is told the same thing by a node and by Prometheus.</summary>
public sealed class AlertmanagerTests : IAsyncLifetime, IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);
    private static readonly string Config = RepositoryRoot.File("tools", "ops", "alertmanager", "alertmanager.yml");

    private readonly TemporaryFolder _folder = new();
    private AlertThresholds _thresholds = AlertThresholds.Default;
    private AlertWebhook _webhook = null!;

    public Task InitializeAsync()
    {
        _webhook = new AlertWebhook(
            AlertWebhook.DefaultHandler(), () => _thresholds, new AlertIdentity("", "http://a:5249/status", _ => ""), TimeProvider.System, NullLogger.Instance);
        return Task.CompletedTask;
    }

    public async Task DisposeAsync() => await _webhook.DisposeAsync();

    public void Dispose() => _folder.Dispose();

    [AlertingFact]
    public void Amtool_finds_nothing_wrong_with_it()
    {
        var (exit, said) = DebianPackage.Run(AlertingPackages.Amtool, "", "check-config", Config);
        Assert.True(exit == 0, said);
        Assert.Contains("SUCCESS", said, StringComparison.Ordinal);
    }

    [AlertingFact]
    public void Every_alert_finds_somebody_and_a_critical_one_wakes_him()
    {
        foreach (var alert in RuleFiles.Alerts()) Finds(alert.Field("severity"), $"alertname={alert.Name}", "instance=a:5249", "job=gateway");
        foreach (var kind in AlertKinds.All) Finds(kind.Severity, $"alertname={kind.Name}", "instance=a:5249", "source=node");

        static void Finds(string severity, params string[] labels)
        {
            var (exit, said) = DebianPackage.Run(AlertingPackages.Amtool, "", ["config", "routes", "test", $"--config.file={Config}", $"severity={severity}", .. labels]);
            // Behind the receiver amtool may warn that this machine has a configuration of its own.
            Assert.Equal((0, severity == "critical" ? "wake-somebody" : "on-duty"), (exit, said.Split('\n')[0]));
        }
    }

    [Fact]
    public void A_nodes_own_alert_is_as_bad_as_the_rule_of_the_same_name()
    {
        var rules = RuleFiles.Alerts().ToDictionary(r => r.Name, r => r.Field("severity"));
        foreach (var kind in AlertKinds.All) Assert.Equal((kind.Name, rules[kind.Name]), (kind.Name, kind.Severity));
    }

    [AlertingFact]
    public async Task What_a_node_and_prometheus_both_tell_is_told_once_and_by_prometheus_when_the_node_no_longer_does()
    {
        await using var receiver = await NotificationReceiver.StartAsync();
        await using var stack = await AlertingStack.StartAsync(_folder.Path, receiver);
        var now = DateTimeOffset.UtcNow;

        // Each kind on a node of its own, since some hold back others there.
        await stack.PostAsync(Joined([.. AlertKinds.All.SelectMany(k => new[] { OwnAlert(k, now, null), RuleAlert(k, now) })]));
        await UntilAsync(() => AlertKinds.All.All(k => receiver.Has(PathOf(k), k.Name, "firing", fromNode: true)));
        Assert.All(receiver.Alerts, n => Assert.True(NotificationReceiver.IsNodes(n.Alert), $"told twice: {n.Alert}"));

        await stack.PostAsync(Joined([.. AlertKinds.All.Select(k => OwnAlert(k, now, DateTimeOffset.UtcNow))]));
        await UntilAsync(() => AlertKinds.All.All(k => receiver.Has(PathOf(k), k.Name, "firing", fromNode: false)));
    }

    [AlertingFact]
    public async Task An_alert_of_another_node_or_of_another_name_is_held_back_by_none()
    {
        await using var receiver = await NotificationReceiver.StartAsync();
        await using var stack = await AlertingStack.StartAsync(_folder.Path, receiver);
        var (backlog, commit) = (AlertKinds.All.Single(k => k.Name == "MailboxBacklog"), AlertKinds.All.Single(k => k.Name == "CommitSlow"));
        var now = DateTimeOffset.UtcNow;

        await stack.PostAsync(Joined([OwnAlert(backlog, now, null, "a:5249"), RuleAlert(backlog, now, "b:5249"), RuleAlert(commit, now, "a:5249")]));

        await UntilAsync(() => receiver.Has("/on-duty", backlog.Name, "firing", fromNode: true)
            && receiver.Has("/on-duty", backlog.Name, "firing", fromNode: false) && receiver.Has("/on-duty", commit.Name, "firing", fromNode: false));
    }

    private static string PathOf(AlertKind kind) => kind.Severity == "critical" ? "/wake-somebody" : "/on-duty";

    /// <summary>As the node posts it.</summary>
    private JsonElement OwnAlert(AlertKind kind, DateTimeOffset now, DateTimeOffset? clearedAt, string? instance = null)
    {
        _thresholds = _thresholds with { Instance = instance ?? $"{kind.Name}:5249" };
        var alert = new Alert(
            kind, clearedAt is null ? AlertState.Active : AlertState.Cleared, kind.Queue ?? "commits", 1, now, clearedAt, 2, 1, "somebody", []);
        var body = clearedAt is null ? _webhook.BodyOf([alert], [], now, TimeSpan.FromMinutes(5)) : _webhook.BodyOf([], [alert], now, TimeSpan.FromMinutes(5));
        using var document = JsonDocument.Parse(body);
        return document.RootElement[0].Clone();
    }

    /// <summary>As Prometheus posts that of the rule of the same name.</summary>
    private static JsonElement RuleAlert(AlertKind kind, DateTimeOffset now, string? instance = null) => JsonSerializer.SerializeToElement(new
    {
        labels = new { alertname = kind.Name, instance = instance ?? $"{kind.Name}:5249", job = "gateway", severity = RuleFiles.Alerts().Single(r => r.Name == kind.Name).Field("severity") },
        annotations = new { summary = "a rule" },
        startsAt = now,
        endsAt = now + TimeSpan.FromHours(1),
    });

    private static byte[] Joined(params JsonElement[] alerts) => JsonSerializer.SerializeToUtf8Bytes(alerts);

    private static async Task UntilAsync(Func<bool> holds)
    {
        using var limit = new CancellationTokenSource(Deadline);
        while (!holds()) await Task.Delay(50, limit.Token);
    }
}
