using Gateway.Protocol;
using Gateway.Server;
using Gateway.Tests.EndToEnd;
using Gateway.Tests.Repository;
using Xunit;
using Xunit.Abstractions;

namespace Gateway.Tests.Ops;

/// <summary>
/// The whole way of an alert, of the node's own and of Prometheus': a node under load, a consumer that stops, a real Prometheus, a real Alertmanager, and whom
/// it tells.
/// </summary>
public sealed class BacklogAlertTests(ITestOutputHelper output) : IDisposable
{
    private const string Alert = "MailboxBacklog";
    private const int Backlog = 10_000;
    private const int Burst = 50;

    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(3);
    private static readonly Address Producer = new(AddressKind.User, 15550001);
    private static readonly Address Consumer = new(AddressKind.Service, 7);
    private static readonly Address Passenger = new(AddressKind.User, 15550002);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [AlertingFact]
    public async Task A_consumer_that_stops_before_ten_thousand_messages_is_told_and_its_return_ends_the_alert()
    {
        await using var receiver = await NotificationReceiver.StartAsync();
        await using var stack = await AlertingStack.StartAsync(_folder.Path, receiver);
        await using var node = await NodeProcess.StartSmallAsync(
            _folder.File("data"), reactors: 2,
            $"--alert-webhook {stack.Alertmanager} --alert-webhook-interval 1s --alert-mailbox-depth {Backlog} --alert-after 1s --alert-clear-after 1s");
        await stack.ScrapeAsync($"{node.Operator}");
        await using var load = LoadProcess.Start(node, "relay", "--pairs", "4", "--rate", "100", "--time", "30m", "--threads", "1");

        // It reads, and then stops.
        using (var consumer = new WireDevice(node.NativePort).LogIn(Consumer, node.KeyOf(Consumer)))
        using (var producer = new WireDevice(node.NativePort).LogIn(Producer, node.KeyOf(Producer)))
        {
            Send(producer, first: 1, count: Burst);
            Take(consumer, Burst);
            await UntilAsync("the node is scraped", async () => await stack.QueryAsync("""max(gateway_mailboxes{pending_at_least="10000"})""") == 0);
            Assert.Null(await stack.StateInPrometheusAsync(Alert));
            Assert.Empty(await stack.InAlertmanagerAsync(Alert));
            consumer.Dispose();
            for (var sent = Burst; sent < Backlog + Burst; sent += Burst) Send(producer, first: sent + 1, count: Burst);
        }

        await UntilAsync("it fires in Prometheus", async () => await stack.StateInPrometheusAsync(Alert) == "firing");
        await UntilAsync("both are in Alertmanager", async () => (await stack.InAlertmanagerAsync(Alert)).Count == 2);
        await UntilAsync("somebody is told", () => Task.FromResult(receiver.Has("/on-duty", Alert, "firing", fromNode: true)));
        var alerts = await stack.InAlertmanagerAsync(Alert);
        foreach (var alert in alerts)
        {
            Assert.Equal($"{node.Operator}", alert.GetProperty("labels").GetProperty("instance").GetString());
            Assert.Equal("warning", alert.GetProperty("labels").GetProperty("severity").GetString());
            Assert.Equal("tools/ops/RUNBOOK.md#mailboxbacklog", alert.GetProperty("annotations").GetProperty("runbook_url").GetString());
        }

        // The node's own names who it is; Prometheus' knows that there is one, and is held back for it.
        var (own, rules) = (alerts.Single(NotificationReceiver.IsNodes), alerts.Single(a => !NotificationReceiver.IsNodes(a)));
        var pseudonym = new NodeKeys(node.Secret).Pseudonym(Consumer);
        Assert.Contains($"{pseudonym} alone holds 10", own.GetProperty("annotations").GetProperty("culprit").GetString(), StringComparison.Ordinal);
        Assert.Equal($"http://{node.Operator}/status", own.GetProperty("generatorURL").GetString());
        Assert.Equal("gateway", rules.GetProperty("labels").GetProperty("job").GetString());
        Assert.Equal($"{node.Operator}: mailboxes that hold 10,000 entries or more: 1", rules.GetProperty("annotations").GetProperty("summary").GetString());
        Assert.Equal("suppressed", rules.GetProperty("status").GetProperty("state").GetString());
        Assert.Contains(own.GetProperty("fingerprint").GetString(), rules.GetProperty("status").GetProperty("inhibitedBy").EnumerateArray().Select(f => f.GetString()));
        Assert.Equal("active", own.GetProperty("status").GetProperty("state").GetString());

        await EveryExpressionHasDataAsync(stack, node);

        using (var consumer = new WireDevice(node.NativePort).LogIn(Consumer, node.KeyOf(Consumer)))
        {
            Assert.Equal(Backlog, (int)consumer.Pending);
            Take(consumer, Backlog);
            await UntilAsync("it is over in Prometheus", async () => await stack.StateInPrometheusAsync(Alert) is null);
        }

        await UntilAsync("both are over in Alertmanager", async () => (await stack.InAlertmanagerAsync(Alert)).Count == 0);
        await UntilAsync("somebody is told that it is over", () => Task.FromResult(receiver.Has("/on-duty", Alert, "resolved", fromNode: true)));
        Assert.False(load.HasExited, load.Errors);
    }

    /// <summary>The shipped script says so of rules and dashboard, and does not say so of a dashboard with a metric that there is not.</summary>
    private async Task EveryExpressionHasDataAsync(AlertingStack stack, NodeProcess node)
    {
        var rules = RuleFiles.Rules.Sum(f => File.ReadLines(f).Count(l => l.StartsWith("      - alert: ", StringComparison.Ordinal) || l.StartsWith("      - record: ", StringComparison.Ordinal)));
        Assert.True(rules > 30);
        Assert.Equal(rules, await stack.CountRulesAsync());
        var said = "";
        await UntilAsync("every expression has data", async () =>
        {
            // Shares of those who come are numbers only while somebody does.
            new WireDevice(node.NativePort).LogIn(Passenger, node.KeyOf(Passenger)).Dispose();
            (var exit, said) = await CheckAsync(stack);
            return exit == 0;
        }, () => said);
        output.WriteLine(said);
        Assert.StartsWith($"{rules} rules and ", said, StringComparison.Ordinal);

        var dashboard = await File.ReadAllTextAsync(RepositoryRoot.File("tools", "ops", "grafana", "gateway.json"));
        var wrong = _folder.Write("wrong.json", dashboard.Replace("gateway_sessions{", "gateway_session{", StringComparison.Ordinal));
        var (broken, names) = await CheckAsync(stack, "--dashboard", wrong);
        Assert.Equal(1, broken);
        Assert.Contains("""wrong.json: Sessions: no data: sum by ( instance ) ( gateway_session {job="gateway", instance=~".+"} )""", names, StringComparison.Ordinal);
    }

    private static async Task<(int ExitCode, string Said)> CheckAsync(AlertingStack stack, params string[] options) => await Task.Run(() => DebianPackage.Run(
        "python3", "", [RepositoryRoot.File("tools", "ops", "check-expressions.py"), "--prometheus", $"{stack.Prometheus}", .. options]));

    private static void Send(WireDevice producer, int first, int count)
    {
        for (var number = first; number < first + count; number++) producer.Send(Consumer, (ulong)number, "are you there?"u8, lowestOpen: (ulong)first);
        for (var answers = 0; answers < count;)
        {
            var (type, _) = producer.Read() ?? throw new EndOfStreamException();
            if (type == FrameType.Accepted) answers++;
            else Assert.Equal(FrameType.Receipt, type);
        }
    }

    /// <summary>Takes so many messages, each once, and acknowledges them.</summary>
    private static void Take(WireDevice consumer, int count)
    {
        for (var taken = 1; taken <= count; taken++)
        {
            Assert.True(DeliverFrame.TryParse(consumer.Expect(FrameType.Deliver), out var delivered, out _));
            if (taken % Burst == 0) consumer.Acknowledge(delivered.Sequence);
        }
    }

    private static async Task UntilAsync(string what, Func<Task<bool>> holds, Func<string>? why = null)
    {
        var deadline = DateTime.UtcNow + Deadline;
        while (!await holds())
        {
            Assert.True(DateTime.UtcNow < deadline, $"Not within {Deadline}: {what}. {why?.Invoke()}");
            await Task.Delay(200);
        }
    }
}
