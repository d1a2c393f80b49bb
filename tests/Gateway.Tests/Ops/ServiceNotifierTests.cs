using System.Globalization;
using Gateway.Server;
using Gateway.Server.Hosting;
using Xunit;

namespace Gateway.Tests.Ops;

/// <summary>What a service manager hears of a node, over real datagram sockets: sd_notify(3).</summary>
public sealed class ServiceNotifierTests : IDisposable
{
    private const int Pid = 4711;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("path")]
    [InlineData("abstract")]
    public async Task Readiness_and_the_end_reach_the_named_socket(string kind)
    {
        using var manager = new ServiceManagerSocket(kind == "path" ? _folder.File("notify") : $"@gateway-test-{Guid.NewGuid():N}");
        using var notifier = ServiceNotifier.Of(Variables(("NOTIFY_SOCKET", manager.Name)), Pid, TimeProvider.System);

        notifier.Ready();
        notifier.Status("two\nlines");
        notifier.Stopping("draining");

        Assert.Equal("READY=1\nSTATUS=ready", await manager.NextAsync());
        Assert.Equal("STATUS=two lines", await manager.NextAsync());
        Assert.Equal("STOPPING=1\nSTATUS=draining", await manager.NextAsync());
    }

    [Theory]
    [InlineData("20000000", "4711", 10_000)]
    [InlineData("20000000", null, 10_000)]
    [InlineData("20000000", "4712", null)]
    [InlineData("0", "4711", null)]
    [InlineData("soon", "4711", null)]
    [InlineData("99999999999999999999", "4711", null)]
    [InlineData(null, "4711", null)]
    public void Signs_of_life_are_due_twice_in_the_managers_time_and_only_from_whom_it_watches(string? micros, string? pid, int? periodMs)
    {
        var variables = Variables(("NOTIFY_SOCKET", _folder.File("notify")));
        if (micros is not null) variables["WATCHDOG_USEC"] = micros;
        if (pid is not null) variables["WATCHDOG_PID"] = pid;
        using var notifier = ServiceNotifier.Of(variables, Pid, TimeProvider.System);
        Assert.Equal(periodMs, (int?)notifier.WatchdogPeriod?.TotalMilliseconds);
    }

    [Fact]
    public async Task A_node_that_hangs_gives_no_sign_of_life_and_one_that_goes_on_does_again()
    {
        using var manager = new ServiceManagerSocket(_folder.File("notify"));
        using var notifier = ServiceNotifier.Of(Variables(("NOTIFY_SOCKET", manager.Name), ("WATCHDOG_USEC", "2000")), Pid, TimeProvider.System);
        using var ended = new CancellationTokenSource();
        var alive = true;
        var asked = 0;
        var life = notifier.GiveSignsOfLifeAsync(
            () =>
            {
                Interlocked.Increment(ref asked);
                return Volatile.Read(ref alive);
            },
            ended.Token);
        Assert.Equal("WATCHDOG=1", await manager.NextAsync());

        Volatile.Write(ref alive, false);
        await AskedAgainAsync(2); // the one under way may still have found it alive
        manager.Waiting();
        await AskedAgainAsync(20);
        Assert.Empty(manager.Waiting());

        Volatile.Write(ref alive, true);
        Assert.Equal("WATCHDOG=1", await manager.NextAsync());
        await ended.CancelAsync();
        await life;

        async Task AskedAgainAsync(int times)
        {
            var until = Volatile.Read(ref asked) + times;
            while (Volatile.Read(ref asked) < until) await Task.Delay(2);
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("@")]
    [InlineData("relative/path")]
    [InlineData("vsock:2:1234")]
    [InlineData("/a/name/longer/than/what/the/kernel/takes/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    [InlineData("/nobody/listens/here")]
    public void Without_a_manager_that_can_be_reached_nothing_is_said_and_nothing_fails(string? name)
    {
        using var notifier = ServiceNotifier.Of(name is null ? Variables() : Variables(("NOTIFY_SOCKET", name)), Pid, TimeProvider.System);
        notifier.Ready();
        notifier.Stopping("draining");
        Assert.Null(notifier.WatchdogPeriod);
    }

    [Fact]
    public async Task The_program_is_ready_once_it_takes_connections_lives_and_stops_when_told()
    {
        using var manager = new ServiceManagerSocket(_folder.File("notify"));
        await using var node = ChildProgram.Start(
            "src/Gateway.Server", "gateway", _folder.Path,
            ["--data", _folder.File("data"), "--native-listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0", "--segment-size", "8MiB", "--log-memory", "8MiB", "--pin-reactors", "off"],
            [("NOTIFY_SOCKET", manager.Name), ("WATCHDOG_USEC", 200_000.ToString(CultureInfo.InvariantCulture))]);

        Assert.Equal("READY=1\nSTATUS=ready", await manager.NextAsync());
        Assert.Contains("gateway ready", node.Output + (await node.WaitForLineAsync(l => l == "gateway ready", TimeSpan.FromMinutes(1))), StringComparison.Ordinal);
        for (var sign = 0; sign < 3; sign++) Assert.Equal("WATCHDOG=1", await manager.NextAsync());

        node.Terminate();

        string told;
        while ((told = await manager.NextAsync()) == "WATCHDOG=1")
        {
        }

        Assert.Equal("STOPPING=1\nSTATUS=draining", told);
        Assert.Equal(ExitCode.Ok, await node.WaitForExitAsync());
    }

    private static Dictionary<string, string> Variables(params (string Name, string Value)[] variables) => variables.ToDictionary(v => v.Name, v => v.Value);
}
