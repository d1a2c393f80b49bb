using Gateway.Tests.Transport;
using Xunit;

namespace Gateway.Tests.C10M;

/// <summary>`C10M connect`, `offline` and `storm`.</summary>
public class ConnectionTests
{
    [Fact]
    public void Connections_stay_and_answer_at_the_end()
    {
        using var load = new LoadedRelay();
        var run = load.RunCleanly("connect", "--connections", "500", "--rate", "5000", "--hold", "200ms");

        Assert.Equal(500, run["connections"]);
        Assert.Equal(500, run["alive"]);
        Assert.Equal(500, run["logins"]);
        Assert.True(run["logins_per_second"] <= 5500, run.ToString());
        Assert.Equal(500, load.Relay.Ledger().Logins);
    }

    [Fact]
    public void Each_connection_sends_a_message_to_its_partner_and_gets_its_double_check()
    {
        using var load = new LoadedRelay();
        var run = load.RunCleanly("connect", "--connections", "600", "--exchange", "1", "--hold", "0s", "--threads", "2", "--server-pid", $"{Environment.ProcessId}");

        Assert.Equal(600, run["double_checks"]);
        Assert.Equal(600, run["alive"]);
        Assert.NotNull(run.Json["server_bytes_per_connection"]);
        Assert.NotNull(run.Json["server_cpu_us_per_message"]);
        load.AssertLedger(600);
    }

    [Fact]
    public void An_idle_connection_keeps_its_session_beyond_the_nodes_idle_timeout()
    {
        using var load = new LoadedRelay(idleTimeoutMs: 400);
        var run = load.RunCleanly("connect", "--connections", "3", "--hold", "1500ms");

        Assert.Equal(3, run["alive"]);
        Assert.True(load.Relay.Pings >= 3 * 3, $"{load.Relay.Pings} pings");
    }

    [Fact]
    public void Several_processes_share_the_devices_and_add_up()
    {
        using var load = new LoadedRelay();
        var run = load.RunCleanly("connect", "--connections", "90", "--exchange", "3", "--hold", "0s", "--processes", "3");

        Assert.Equal(3, run["processes"]);
        Assert.Equal(90, run["alive"]);
        Assert.Equal(270, run["double_checks"]);
        Assert.True(run.Json["latency_us"]!["max"]!.GetValue<long>() > 0);
        load.AssertLedger(270);
    }

    [Fact]
    public void A_load_process_that_cannot_start_says_why()
    {
        using var load = new LoadedRelay();
        File.WriteAllText(load.Tool.PathOf("secret"), "nonsense");
        var run = load.Run("connect", "--connections", "4", "--processes", "2");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("64 hex digits", run.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(100, 30, 7)]
    [InlineData(50, 20, 50)]
    [InlineData(1, 200, 9)]
    public void Mailboxes_fill_while_their_owners_are_away_and_drain_when_they_come(int mailboxes, int messages, int senders)
    {
        using var load = new LoadedRelay();
        var run = load.RunCleanly("offline", "--mailboxes", $"{mailboxes}", "--messages", $"{messages}", "--senders", $"{senders}", "--mix", "chat", "--threads", "2");

        var total = (long)mailboxes * messages;
        Assert.Equal(total, run["accepted"]);
        Assert.Equal(total, run["delivered"]);
        Assert.Equal(total, run["double_checks"]);
        Assert.True(run["fill_messages_per_second"] > 0);
        Assert.NotNull(run.Json["drain_latency_us"]);
        load.AssertLedger(total);
    }

    [Fact]
    public void A_storm_logs_everybody_in_again_and_again()
    {
        using var load = new LoadedRelay();
        var run = load.RunCleanly("storm", "--connections", "300", "--times", "3", "--ramp-rate", "3000");

        Assert.Equal(1200, run["logins"]);
        Assert.Equal(900, run["reconnects"]);
        Assert.Equal(300, run["alive"]);
        Assert.Equal([300, 300, 300], run.Json["rounds"]!.AsArray().Select(r => r!["logins"]!.GetValue<long>()));
        Assert.Equal(1200, load.Relay.Ledger().Logins);
    }

    [Fact]
    public async Task An_interrupted_run_reports_what_it_had()
    {
        using var load = new LoadedRelay();
        using var interrupt = new CancellationTokenSource();
        var running = Task.Run(() => load.Tool.Run(load.Relay.EndPoint.Port, interrupt.Token, "connect", "--connections", "50", "--hold", "1h"));
        Wait.Until(() => load.Relay.Ledger().Connections == 50, "all connections are there");
        await interrupt.CancelAsync();
        var run = await running;

        Assert.Equal(130, run.ExitCode);
        Assert.Equal(50, run["logins"]);
    }

    [Fact]
    public void The_report_shows_the_figures_and_needs_no_network()
    {
        using var load = new LoadedRelay();
        var run = load.RunCleanly("relay", "--pairs", "2", "--time", "2200ms", "--html", "report.html");

        var html = File.ReadAllText(load.Tool.PathOf("report.html"));
        Assert.Contains("everything adds up", html, StringComparison.Ordinal);
        Assert.Contains("<polyline", html, StringComparison.Ordinal);
        Assert.DoesNotContain("http", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", html, StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", html, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_field_of_the_result_is_explained_in_the_readme()
    {
        using var load = new LoadedRelay();
        var readme = File.ReadAllText(Repository.RepositoryRoot.File("tools", "C10M", "README.md"));
        string[][] commands =
        [
            ["connect", "--connections", "4", "--exchange", "1", "--hold", "0s"],
            ["offline", "--mailboxes", "2", "--messages", "2"],
            ["storm", "--connections", "4", "--times", "1", "--ramp-rate", "100"],
            ["phases", "--connections", "10", "--idle", "0s", "--chatting", "100%", "--chat-time", "100ms", "--warmup", "0s", "--storm", "5", "--drain"],
            ["churn", "--connections", "4", "--count", "4", "--server-pid", $"{Environment.ProcessId}"],
        ];
        foreach (var command in commands)
        {
            var json = load.Run(command).Json;
            var fields = json.Select(f => f.Key).Concat(json["phases"]?[0]!.AsObject().Select(f => f.Key) ?? []).Concat(json["server_samples"]?[0]!.AsObject().Select(f => f.Key) ?? []);
            foreach (var field in fields) Assert.Contains($"`{field}`", readme, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("relay", "--pairs", "0")]
    [InlineData("relay", "--size", "8")]
    [InlineData("relay", "--time", "soon")]
    [InlineData("relay", "--mix", "salad")]
    [InlineData("connect", "--connections", "5", "--exchange", "1")]
    [InlineData("connect", "--connections", "40000000")]
    [InlineData("connect", "--first-source", "::1")]
    [InlineData("connect", "--server-pid", "2147483646")]
    [InlineData("offline", "--mailboxes", "1M", "--messages", "1M")]
    [InlineData("storm", "--times", "-1")]
    [InlineData("churn", "--kind", "butter")]
    [InlineData("hurricane")]
    public void Wrong_usage_is_said_in_a_sentence(params string[] arguments)
    {
        using var tool = new LoadTool();
        var run = tool.Run(1, CancellationToken.None, arguments);
        Assert.Equal(2, run.ExitCode);
        Assert.StartsWith("C10M: ", run.Errors, StringComparison.Ordinal);
    }
}
