using Gateway.Server;
using Gateway.Server.Health.Alerts;
using Gateway.Server.Hosting;
using Gateway.Server.Options;
using Gateway.Tests.Server;
using Xunit;

namespace Gateway.Tests.Health;

/// <summary>Thresholds as options, and SIGHUP: what changes at once, what waits for a restart, and what a wrong file does.</summary>
public sealed class ReloadTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CapturedLog _log = new();
    private readonly List<GatewayOptions> _applied = [];
    private readonly List<string> _live = [];

    public void Dispose()
    {
        _log.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Thresholds_stand_together_in_the_file_or_by_themselves_and_the_command_line_wins()
    {
        Write("""{ "alerts": { "commit": "100ms", "sender-rate": 500, "queue-age": "1s,posts=off" }, "alert-stall": "2s" }""");
        var alerts = Read("--alert-sender-rate", "700").Options!.Alerts;
        Assert.Equal((TimeSpan.FromMilliseconds(100), 700, TimeSpan.FromSeconds(2)), (alerts.Commit, alerts.SenderRate, alerts.Stall));
        Assert.Equal((TimeSpan.FromSeconds(1), null), (alerts.QueueAge.Of("inbox"), alerts.QueueAge.Of("posts")));
        Assert.Equal(TimeSpan.FromSeconds(15), AlertThresholds.Default.QueueAge.Of("handshakes"));
    }

    [Theory]
    [InlineData("""{ "alerts": { "comit": "1s" } }""", "gateway.json: alerts: comit: there is no such option; did you mean alert-commit?")]
    [InlineData("""{ "alerts": { "commit": "1s" }, "alert-commit": "2s" }""", "gateway.json: alert-commit: given twice")]
    [InlineData("""{ "alert-queue-age": "5s,outbox=1s" }""", "gateway.json: alert-queue-age: 'outbox' is no queue; there are inbox, posts, handshakes, send_leases, commits, receipts_owed, cold_reads, mailbox_backlog")]
    [InlineData("""{ "alert-queue-age": "inbox=1s" }""", "gateway.json: alert-queue-age: 'inbox=1s' is not a limit for all queues followed by those of single ones, as in off,inbox=5s")]
    [InlineData("""{ "alert-queue-depth": "101%" }""", "gateway.json: alert-queue-depth: '101%' is neither a number of entries nor a part of the capacity, as in 1000 or 80%")]
    [InlineData("""{ "alert-webhook": "alertmanager" }""", "gateway.json: alert-webhook: 'alertmanager' is not an address of HTTP, as in http://127.0.0.1:9093")]
    [InlineData("""{ "alert-instance": "node one" }""", "gateway.json: alert-instance: 'node one' is not a name of one word, as in gateway-1:5249")]
    public void What_is_wrong_with_a_threshold_is_said(string file, string error)
    {
        Write(file);
        Assert.Equal([error], Read().Errors);
    }

    [Fact]
    public void A_signal_changes_what_may_change_and_lists_what_waits_for_a_restart()
    {
        var reload = Start("""{ "alert-commit": "100ms", "drain-time": "5s" }""");
        Write("""{ "alert-commit": "300ms", "drain-time": "9s", "log-level": "debug" }""");

        reload.Reload();

        Assert.Equal(TimeSpan.FromMilliseconds(300), Assert.Single(_applied).Alerts.Commit);
        Assert.Equal(["log-level", "alert-commit"], _live);
        Assert.Contains("Information test: SIGHUP: alert-commit is 300ms from now on, 100ms before", _log.Text, StringComparison.Ordinal);
        Assert.Contains("Warning test: SIGHUP: drain-time stays 5s until a restart; 9s is asked for", _log.Text, StringComparison.Ordinal);

        // What has been applied is no change any more; what has not is told again.
        reload.Reload();
        Assert.Single(_log.Lines, l => l.Contains("alert-commit is", StringComparison.Ordinal));
        Assert.Equal(2, _log.Lines.Count(l => l.Contains("drain-time stays", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_wrong_file_changes_nothing_and_says_so()
    {
        var reload = Start("""{ "alert-commit": "100ms" }""");
        Write("""{ "alert-commit": "300ms", "alert-stall": "soon" }""");
        reload.Reload();
        Assert.Empty(_applied);
        Assert.Contains("Error test: SIGHUP: nothing was changed, the options are wrong: gateway.json: alert-stall: 'soon' is not a duration", _log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_says_the_same_is_told_as_no_change()
    {
        Start("""{ "alert-commit": "100ms" }""").Reload();
        Assert.Empty(_live);
        Assert.Contains("SIGHUP: no option has changed", _log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_takes_the_signal()
    {
        var file = _folder.Write("node.json", """{ "alert-commit": "100ms", "reactors": 1 }""");
        await using var node = new NodeProcess(_folder.File("data"), "--config", file, "--segment-size", "8MiB", "--log-memory", "8MiB");
        await node.StartAsync();
        File.WriteAllText(file, """{ "alert-commit": "300ms", "reactors": 2 }""");

        node.Program.Reload();

        await node.Program.SeenAsync("SIGHUP: alert-commit is 300ms from now on");
        await node.Program.SeenAsync("SIGHUP: reactors stays 1 until a restart; 2 is asked for");
        Assert.Equal(0, await node.StopAsync());
    }

    [Fact]
    public async Task The_queues_that_limits_may_name_are_those_that_a_node_has()
    {
        await using var bed = await FaultBed.StartAsync(reactors: 1);
        Assert.Equal(QueueNames.All.Order(StringComparer.Ordinal), bed.Node.GetQueues().Select(q => q.Name).Distinct().Order(StringComparer.Ordinal));
    }

    private OptionReload Start(string file)
    {
        Write(file);
        return new OptionReload(Read().Values, () => Read(), (options, live) =>
        {
            _applied.Add(options);
            _live.AddRange(live.Select(o => o.Name));
        }, _log.Factory().CreateLogger("test"));
    }

    private void Write(string file) => _folder.Write("gateway.json", file);

    private OptionResolution Read(params string[] arguments) => OptionResolution.Of(
        CommandLine.Parse(arguments), new Dictionary<string, string>(), _folder.Path, ProcessLimits.Read());
}
