using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Gateway.Tests.Repository;
using Gateway.Tests.Transport;
using Xunit;

namespace Gateway.Tests.C10M;

/// <summary>The load's foreign drivers against the real servers, as bench/rivals starts them.</summary>
public class RivalsTests
{
    [RivalFact("mosquitto")]
    public Task Mosquitto_passes_every_message_on_and_everything_adds_up() => RelayAndConnect("mosquitto", "mqtt");

    [RivalFact("ejabberdctl")]
    public Task Ejabberd_passes_every_message_on_and_everything_adds_up() => RelayAndConnect("ejabberd", "xmpp", "1000000", "40");

    private static async Task RelayAndConnect(string rival, string protocol, params string[] arguments)
    {
        using var tool = new LoadTool();
        using var folder = new TemporaryFolder();
        await using var server = await RivalProcess.StartAsync(rival, folder.File(""), arguments);
        string[][] commands =
        [
            ["relay", "--pairs", "10", "--window", "16", "--size", "128", "--messages", "4000", "--warmup-messages", "1000"],
            ["relay", "--pairs", "3", "--window", "2", "--messages", "30", "--size", "50000"],
            ["relay", "--pairs", "10", "--window", "16", "--time", "300ms", "--mix", "chat"],
            ["connect", "--connections", "40", "--exchange", "2", "--hold", "0s"],
        ];
        foreach (var command in commands)
        {
            var run = await Task.Run(() => tool.Run(
                server.Port, CancellationToken.None, [.. command, "--protocol", protocol, "--server-pid", server.Id.ToString(CultureInfo.InvariantCulture)]));
            Assert.True(run.ExitCode == 0, run.ToString());
            Assert.True(run["sent"] > 0);
            Assert.Equal((run["sent"], run["sent"]), (run["delivered"], run["double_checks"]));
            Assert.Equal(run["connections"], run["alive"]);
            Assert.Equal(protocol == "mqtt", run.Json["accept_latency_us"] is not null);
        }

        if (protocol != "xmpp") return;
        var stranger = await Task.Run(() => tool.Run(
            server.Port, CancellationToken.None, "connect", "--connections", "2", "--hold", "0s", "--protocol", protocol, "--first-address", "7"));
        Assert.True(stranger.ExitCode == 1 && stranger.ErrorsOf("xmpp_login_refused_not_authorized") == 2, stranger.ToString());
    }
}

/// <summary>A server of bench/rivals in a child process, on a port of its own. Ends with its test.</summary>
internal sealed class RivalProcess : IAsyncDisposable
{
    private readonly Process _process;

    private RivalProcess(Process process, int port)
    {
        _process = process;
        Port = port;
    }

    public int Id => _process.Id;

    public int Port { get; }

    public static async Task<RivalProcess> StartAsync(string rival, string folder, params string[] arguments)
    {
        await InstallUnderCiAsync();
        // The port was free a moment ago; the server ends when somebody was quicker.
        for (var attempt = 1; ; attempt++)
        {
            var port = FreePort();
            var start = new ProcessStartInfo(RepositoryRoot.File("bench", "rivals", rival, "start.sh"), [port.ToString(CultureInfo.InvariantCulture), folder, .. arguments])
            {
                RedirectStandardOutput = true,
            };
            var server = new RivalProcess(Process.Start(start)!, port);
            if (await server.IsReadyAsync(says: rival == "ejabberd")) return server;
            await server.DisposeAsync();
            Assert.True(attempt < 3, $"{rival} does not start");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private async Task<bool> IsReadyAsync(bool says)
    {
        var deadline = DateTime.UtcNow + Wait.Deadline;
        while (says && await _process.StandardOutput.ReadLineAsync() is var line && line != "ready")
        {
            if (line is null || DateTime.UtcNow > deadline) return false;
        }

        while (!_process.HasExited && DateTime.UtcNow < deadline)
        {
            try
            {
                using var probe = new TcpClient();
                await probe.ConnectAsync(IPAddress.Loopback, Port);
                return true;
            }
            catch (SocketException)
            {
                await Task.Delay(20);
            }
        }

        return false;
    }

    private static async Task InstallUnderCiAsync()
    {
        if (Environment.GetEnvironmentVariable("CI") != "true") return;
        using var install = Process.Start(RepositoryRoot.File("bench", "rivals", "install.sh"));
        await install.WaitForExitAsync();
        Assert.Equal(0, install.ExitCode);
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}

/// <summary>A test that needs a Debian package's server; without it it is skipped with that reason, under CI it is installed or the test fails.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class RivalFactAttribute : FactAttribute
{
    public RivalFactAttribute(params string[] programs)
    {
        var missing = Array.Find(programs, p => !File.Exists($"/usr/sbin/{p}"));
        if (missing is not null && Environment.GetEnvironmentVariable("CI") != "true") Skip = $"{missing} is not installed; bench/rivals/install.sh installs it";
    }
}
