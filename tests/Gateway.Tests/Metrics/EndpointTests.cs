using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Gateway.Server;
using Gateway.Tests.Server;
using Xunit;

namespace Gateway.Tests.Metrics;

/// <summary>/metrics of a running node: what others' tools make of it, what METRICS.md says of it, and what the figures are.</summary>
public abstract partial class EndpointTests(LiveNode node)
{
    private const string OpenMetrics = "application/openmetrics-text;version=1.0.0";

    [PromtoolFact]
    public async Task Promtool_has_nothing_to_say()
    {
        var (text, type) = await node.ScrapeAsync("text/plain;version=0.0.4");
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", type);
        var (exitCode, said) = Promtool.Run(text, "check", "metrics");
        Assert.Equal((0, ""), (exitCode, said));
    }

    [PromtoolFact]
    public async Task Promtool_is_heard_when_something_is_wrong()
    {
        var (text, _) = await node.ScrapeAsync("text/plain");
        var (exitCode, said) = Promtool.Run(text + "# TYPE bad_total gauge\nbad_total 1\n", "check", "metrics");
        Assert.NotEqual(0, exitCode);
        Assert.Contains("bad_total", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_table_names_every_metric_with_its_type_labels_and_unit_and_no_other()
    {
        var open = await OpenAsync();
        var shown = open.Families.Select(RowOf).OrderBy(r => r.Name, StringComparer.Ordinal);
        var told = MetricsTable.Read();

        Assert.True(told.Count > 60, $"only {told.Count} rows were read");
        Assert.Equal(told.Count, told.Select(r => r.Name).Distinct().Count());
        // A unit that is not the name's end is told in the table alone.
        Assert.Equal(shown, told.Select(r => r with { Unit = EndsWithUnit(r) ? r.Unit : "" }).OrderBy(r => r.Name, StringComparer.Ordinal));
    }

    [Fact]
    public async Task The_figures_are_those_of_what_happened()
    {
        var open = await SettledAsync();
        Assert.Equal(LiveNode.Delivered + 1 + LiveNode.ForTheAbsent, open.Value("gateway_messages_accepted_total"));
        Assert.Equal(LiveNode.Delivered, open.Value("gateway_messages_delivered_total"));
        Assert.Equal(1, open.Value("gateway_messages_rejected_total", ("reason", $"{LiveNode.RejectReason}")));
        Assert.Equal(1, open.Sum("gateway_messages_rejected_total"));
        Assert.Equal(1, open.Value("gateway_messages_refused_total", ("reason", "unsupported_recipient")));
        Assert.Equal(1, open.Sum("gateway_messages_refused_total"));
        Assert.Equal(LiveNode.ForTheAbsent, open.Value("gateway_mailbox_pending_messages"));
        Assert.True(open.Value("gateway_mailbox_pending_bytes") > LiveNode.ForTheAbsent * 50);
        Assert.Equal(1, open.Value("gateway_mailboxes", ("pending_at_least", "10")));
        Assert.Equal(0, open.Value("gateway_mailboxes", ("pending_at_least", "100")));
        Assert.Equal(2, open.Value("gateway_sessions"));
        Assert.Equal(2, open.Value("gateway_logins_total"));
        Assert.Equal(3, open.Value("gateway_connections_accepted_total"));
        Assert.Equal(1, open.Value("gateway_authentications_failed_total"));
        Assert.Equal(1, open.Value("gateway_ready"));
        Assert.True(open.Value("gateway_commit_seconds_count") >= 2);
        Assert.True(open.Value("gateway_log_commits_total") >= open.Value("gateway_commit_seconds_count") - 1);
        Assert.Equal(node.Reactors, open.Samples("gateway_loop_lag_seconds_count").Select(s => s.Labels["reactor"]).Order());
        Assert.True(open.Value("process_open_fds") > 10);
        Assert.True(open.Value("process_resident_memory_bytes") > 10_000_000);
        Assert.InRange(open.Value("process_start_time_seconds"), 1_700_000_000, (DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds + 1);
    }

    [Fact]
    public async Task What_was_accepted_is_the_sum_of_what_became_of_it()
    {
        var open = await SettledAsync();
        Assert.Equal(
            open.Value("gateway_messages_accepted_total"),
            open.Value("gateway_messages_delivered_total") + open.Value("gateway_mailbox_pending_messages") + open.Sum("gateway_messages_rejected_total")
            + open.Value("gateway_messages_expired_total") + open.Value("gateway_messages_discarded_total") + open.Value("gateway_messages_lost_total"));
    }

    [Fact]
    public async Task Every_queue_is_there_for_every_reactor_and_what_went_in_went_out_or_is_in_it()
    {
        string[] names = ["cold_reads", "commits", "handshakes", "inbox", "mailbox_backlog", "posts", "receipts_owed", "send_leases"];
        var open = await SettledAsync();
        foreach (var reactor in node.Reactors)
        {
            Assert.Equal(names, open.Samples("gateway_queue_depth").Where(s => s.Labels["reactor"] == reactor).Select(s => s.Labels["queue"]).Order(StringComparer.Ordinal));
            foreach (var name in names)
            {
                (string, string)[] labels = [("queue", name), ("reactor", reactor)];
                var depth = open.Value("gateway_queue_depth", labels);
                Assert.Equal(open.Value("gateway_queue_in_total", labels), open.Value("gateway_queue_out_total", labels) + depth);
                Assert.True(open.Value("gateway_queue_high_mark", labels) >= depth);
                Assert.Equal(depth > 0, open.Value("gateway_queue_oldest_age_seconds", labels) > 0);
                if (name != "mailbox_backlog") Assert.True(open.Value("gateway_queue_capacity", labels) >= open.Value("gateway_queue_high_mark", labels));
            }
        }

        double In(string queue) => open.Samples("gateway_queue_in_total").Where(s => s.Labels["queue"] == queue).Sum(s => s.Value);
        // A device whose home is another reactor counts there again until its welcome.
        Assert.InRange(In("handshakes"), 3, 5);
        Assert.True(In("commits") >= LiveNode.Delivered * 2 + 1 + LiveNode.ForTheAbsent);
        // Bob's acknowledgements and his rejection, and Alice's of the receipts, which wait for nothing.
        Assert.Equal((LiveNode.Delivered + 1) * 2, In("receipts_owed"));
        Assert.True(In("mailbox_backlog") >= LiveNode.Delivered * 2 + 1 + LiveNode.ForTheAbsent);
    }

    [Fact]
    public async Task Status_shows_the_same_queues()
    {
        var open = await SettledAsync();
        var status = JsonNode.Parse(await node.StatusAsync())!;
        Assert.Equal(8 * node.Reactors.Count, status["queues"]!.AsArray().Count);
        foreach (var queue in status["queues"]!.AsArray())
        {
            var labels = new[] { ("queue", (string)queue!["name"]!), ("reactor", queue["reactor"]!.ToJsonString()) };
            Assert.Equal(open.Value("gateway_queue_depth", labels), (double)queue["depth"]!);
            Assert.Equal(open.Value("gateway_queue_in_total", labels), (double)queue["in"]!);
        }

        Assert.Equal(LiveNode.ForTheAbsent, (long)status["totals"]!["pendingMessages"]!);
    }

    [Fact]
    public async Task Without_metrics_there_is_no_endpoint_and_it_says_why()
    {
        await using var api = await OperatorFixture.StartAsync(GatewayOptions.Default with { Metrics = false });
        using var answer = await api.Anonymous.GetAsync("/metrics");
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Contains("--metrics off", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    private async Task<OpenMetricsText> OpenAsync()
    {
        var (text, type) = await node.ScrapeAsync(OpenMetrics);
        Assert.Equal("application/openmetrics-text; version=1.0.0; charset=utf-8", type);
        return OpenMetricsText.Parse(text);
    }

    /// <summary>Once the acknowledgements that were on their way have arrived.</summary>
    private async Task<OpenMetricsText> SettledAsync()
    {
        var deadline = DateTime.UtcNow.AddSeconds(60);
        while (true)
        {
            var open = await OpenAsync();
            var settled = open.Value("gateway_mailbox_pending_messages") == LiveNode.ForTheAbsent
                && open.Value("gateway_mailbox_pending_receipts") == 0
                && open.Samples("gateway_queue_depth").Where(s => s.Labels["queue"] is not "mailbox_backlog").All(s => s.Value == 0);
            if (settled) return open;
            Assert.True(DateTime.UtcNow < deadline, "the node does not come to rest");
            await Task.Delay(20);
        }
    }

    private static MetricRow RowOf(OpenMetricsText.Family family)
    {
        var name = family.Type switch { "counter" => family.Name + "_total", "info" => family.Name + "_info", _ => family.Name };
        Assert.NotEmpty(family.Samples);
        var labels = family.Samples.Select(s => string.Join(", ", s.Labels.Keys.Where(k => k != "le" || family.Type != "histogram"))).Distinct().Single();
        return new MetricRow(name, family.Type == "info" ? "gauge" : family.Type, labels, family.Unit);
    }

    private static bool EndsWithUnit(MetricRow row) => row.Unit.Length > 0 && TotalSuffix().Replace(row.Name, "").EndsWith("_" + row.Unit, StringComparison.Ordinal);

    [GeneratedRegex("_total$")]
    private static partial Regex TotalSuffix();
}

public sealed class EndpointTestsOnOneReactor(LiveNodeWithOneReactor node) : EndpointTests(node), IClassFixture<LiveNodeWithOneReactor>;

public sealed class EndpointTestsOnEightReactors(LiveNodeWithEightReactors node) : EndpointTests(node), IClassFixture<LiveNodeWithEightReactors>;
