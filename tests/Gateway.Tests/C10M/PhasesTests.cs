using Gateway.Tests.Transport;
using Xunit;

namespace Gateway.Tests.C10M;

/// <summary>`C10M phases` against the scripted relay.</summary>
public class PhasesTests
{
    private static readonly string[] Day =
    [
        "phases", "--connections", "600", "--rate", "3000", "--idle", "100ms", "--chatting", "10%", "--chat-rate", "600", "--chat-time", "1s",
        "--warmup", "100ms", "--storm", "250", "--drain",
    ];

    [Theory]
    [InlineData("1", "1")]
    [InlineData("2", "1")]
    [InlineData("1", "2")]
    public void Each_phase_tells_what_happened_in_it(string threads, string processes)
    {
        using var load = new LoadedRelay();
        var run = load.RunCleanly([.. Day, "--threads", threads, "--processes", processes, "--server-pid", $"{Environment.ProcessId}"]);

        var phases = run.Json["phases"]!.AsArray();
        Assert.Equal(["ramp", "idle", "chat", "storm", "drain"], phases.Select(p => (string)p!["name"]!));
        Assert.Equal([600, 600, 600, 600, 0], phases.Select(p => (int)p!["connections"]!));
        Assert.Equal([600, 0, 0, 250, 0], phases.Select(p => (int)p!["logins"]!));
        foreach (var nothing in (string[])["disconnects", "go_aways", "errors", "lost", "duplicates", "out_of_order"])
            Assert.All(phases, p => Assert.Equal(0, (int)p![nothing]!));
        var chat = phases[2]!;
        Assert.Equal(run["double_checks"], (long)chat["double_checks"]!);
        // What was meant to be sent from the start of the warm-up to the end: the planned 1.1 s, or longer where the conductor is woken late from its warm-up.
        Assert.InRange((long)chat["double_checks"]!, 600, Math.Max(720, 660 * (double)chat["seconds"]!));
        Assert.True((long)chat["latency_us"]!["p50"]! <= (long)chat["latency_us"]!["p999"]!);
        Assert.True((long)chat["worst_p99_us"]! >= (long)chat["latency_us"]!["p99"]! * 31 / 32, run.ToString());
        Assert.True((long)phases[3]!["login_us"]!["p99"]! > 0);
        Assert.All(phases.Take(4), p => Assert.NotNull(p!["server_bytes_per_connection"]));
        Assert.Equal(600, run["alive"]);
        load.AssertLedger(run["accepted"]);
        Assert.Equal(850, load.Relay.Ledger().Logins);
    }

    [Fact]
    public void Who_is_told_to_go_away_comes_back_when_he_was_told_to_and_nothing_is_lost()
    {
        using var load = new LoadedRelay(new RelayFaults { GoAwayEvery = 50 });
        var run = load.RunCleanly("phases", "--connections", "40", "--idle", "0s", "--chatting", "50%", "--chat-rate", "400", "--chat-time", "1s", "--warmup", "0s");

        var chat = run.Json["phases"]!.AsArray()[1]!;
        Assert.True((long)chat["go_aways"]! >= 4, run.ToString());
        Assert.Equal((long)chat["go_aways"]!, (long)chat["logins"]!);
        Assert.Equal(0, (long)chat["disconnects"]!);
        // A message that was on its way when its sender was sent away had to wait for as long.
        Assert.True((long)chat["latency_us"]!["max"]! >= 300_000, run.ToString());
    }

    [Fact]
    public void A_session_that_breaks_is_a_disconnect_and_an_error()
    {
        using var load = new LoadedRelay(new RelayFaults { ResetEvery = 200 });
        var run = load.Run("phases", "--connections", "40", "--idle", "0s", "--chatting", "100%", "--chat-rate", "400", "--chat-time", "1s", "--warmup", "0s", "--stall", "2s");

        Assert.Equal(1, run.ExitCode);
        Assert.True((long)run.Json["phases"]!.AsArray()[1]!["disconnects"]! >= 1, run.ToString());
    }

    [Fact]
    public void The_report_shows_the_phases()
    {
        using var load = new LoadedRelay();
        load.RunCleanly([.. Day, "--html", "report.html"]);

        var html = File.ReadAllText(load.Tool.PathOf("report.html"));
        foreach (var phase in (string[])["ramp", "idle", "chat", "storm", "drain"]) Assert.Contains($"<td>{phase}</td>", html, StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", html, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--storm", "601")]
    [InlineData("--chatting", "0%")]
    [InlineData("--operator", "127.0.0.1:1")]
    public void Wrong_usage_is_said_in_a_sentence(string option, string value)
    {
        using var load = new LoadedRelay();
        var run = load.Run("phases", "--connections", "600", option, value);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains(option, run.Errors, StringComparison.Ordinal);
    }
}

/// <summary>`C10M phases` and `churn` with the real node, on either backend at both ends.</summary>
public abstract class ComingAndGoingTests(string io) : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly LoadTool _tool = new();

    public void Dispose()
    {
        _tool.Dispose();
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    [OnBackendTheory]
    [InlineData(1)]
    [InlineData(8)]
    public async Task A_day_of_a_node_adds_up(int reactors)
    {
        await using var node = await StartAsync(reactors);
        var run = await RunAsync(
            node, "phases", "--connections", "1000", "--rate", "4000", "--idle", "200ms", "--chatting", "5%", "--chat-rate", "500", "--chat-time", "1s", "--warmup", "100ms",
            "--storm", "400", "--drain");

        var phases = run.Json["phases"]!.AsArray();
        Assert.Equal([1000, 1000, 1000, 1000, 0], phases.Select(p => (int)p!["connections"]!));
        Assert.Equal([0, 0, 0, 0, 0], phases.Select(p => (int)p!["disconnects"]!));
        Assert.Equal(400, (int)phases[3]!["logins"]!);
        var ledger = await node.AskAsync("/ops/ledger");
        Assert.Equal(run["accepted"], ledger.GetProperty("accepted").GetInt64());
        Assert.True(ledger.GetProperty("balanced").GetBoolean());
    }

    [OnBackendTheory]
    [InlineData("close", 1)]
    [InlineData("abort", 1)]
    [InlineData("login", 1)]
    [InlineData("close", 8)]
    [InlineData("abort", 8)]
    [InlineData("login", 8)]
    public async Task A_node_keeps_nothing_of_connections_that_went(string kind, int reactors)
    {
        await using var node = await StartAsync(reactors);
        // The first round makes what later ones reuse; a pool or a table that leaked would go on growing.
        _ = await RunAsync(node, "churn", "--kind", kind, "--connections", "200", "--count", "400");
        var run = await RunAsync(node, "churn", "--kind", kind, "--connections", "200", "--count", "3000");

        Assert.Equal(3000, run["cycles"]);
        Assert.Equal(0, (long)run.Json["kernel_after"]!["close_wait"]!);
        AssertGone(run);
        Assert.InRange((long)run.Json["server_after"]!["descriptors"]!, 1, (long)run.Json["server_before"]!["descriptors"]! + 20);
    }

    [OnBackendTheory]
    [InlineData(1)]
    [InlineData(8)]
    public async Task Devices_that_leave_for_good_leave_a_window_and_no_mailbox(int reactors)
    {
        await using var node = await StartAsync(reactors);
        var run = await RunAsync(node, "churn", "--kind", "mailboxes", "--connections", "50", "--senders", "5", "--messages", "4", "--count", "200");

        Assert.Equal((200, 800, 800, 800), (run["cycles"], run["accepted"], run["delivered"], run["double_checks"]));
        AssertGone(run);
        Assert.Equal(0, (long)run.Json["server_after"]!["node"]!["mailboxes"]!);
        Assert.Equal(4 * 55, (long)run.Json["server_after"]!["node"]!["windows"]!);
        var ledger = await node.AskAsync("/ops/ledger");
        Assert.Equal((800, 800), (ledger.GetProperty("accepted").GetInt64(), ledger.GetProperty("delivered").GetInt64()));
    }

    private static void AssertGone(LoadRun run)
    {
        var node = run.Json["server_after"]!["node"]!;
        Assert.True(((long)node["connections"]!, (long)node["sessions"]!, (long)node["handshakes"]!) == (0, 0, 0), run.ToString());
    }

    private async Task<NodeProcess> StartAsync(int reactors)
    {
        var node = await NodeProcess.StartSmallAsync(_folder.File("data"), reactors, $"--io {io}");
        File.Copy(Path.Combine(node.Data, "secret"), _tool.PathOf("secret"), overwrite: true);
        return node;
    }

    private async Task<LoadRun> RunAsync(NodeProcess node, params string[] arguments)
    {
        var run = await Task.Run(() => _tool.Run(
            node.NativePort, CancellationToken.None, [.. arguments, "--io", io, "--server-pid", $"{node.Program.Id}", "--operator", $"{node.Operator}"]));
        Assert.True(run.ExitCode == 0, run.ToString());
        return run;
    }
}

public sealed class ComingAndGoingTestsOnEpoll() : ComingAndGoingTests("epoll");

public sealed class ComingAndGoingTestsOnUring() : ComingAndGoingTests("uring");
