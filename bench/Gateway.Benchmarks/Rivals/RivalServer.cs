using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Gateway.Benchmarks.Ladder;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Rivals;

/// <summary>A rival while it runs, on a port of its own with a folder of its own. Ends with this object: exactly the process it started.</summary>
internal sealed class RivalServer : IAsyncDisposable
{
    /// <summary>The first of the accounts that ejabberd gets.</summary>
    private const int FirstAddress = 1_000_000;

    private const int Attempts = 3;

    /// <summary>The log's tail in memory would otherwise grow, with the messages exchanged, into its 128 MiB: that is not what a connection costs.</summary>
    private static readonly string[] LeanGateway = ["--log-memory", "8MiB"];

    /// <summary>A variable of Erlang's: at 0 each process's every collection is a full one, which halves what a connection keeps and costs some CPU.</summary>
    private const string LeanErlang = "ERL_FULLSWEEP_AFTER";

    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(20);

    private readonly RungServer? _gateway;
    private readonly Process? _process;
    private readonly string _folder;
    private readonly int _port;

    private RivalServer(Rival rival, string folder, RungServer? gateway, Process? process, int port)
    {
        Rival = rival;
        _folder = folder;
        _gateway = gateway;
        _process = process;
        _port = port;
    }

    public Rival Rival { get; }

    public int Id => _gateway?.Id ?? _process!.Id;

    /// <summary>C10M's options that lead it here. mosquitto listens with a backlog of 100, and a connect beyond it waits a second: so few at a time.</summary>
    public IEnumerable<string> Target =>
    [
        "--protocol", Rival.Protocol, "--target", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{_gateway?.Port ?? _port}"),
        "--server-pid", Id.ToString(CultureInfo.InvariantCulture), "--logins-in-flight", "64",
        .. _gateway is null ? (string[])[] : ["--secret", _gateway.SecretPath],
    ];

    /// <summary>Starts it with everything it keeps in <paramref name="folder"/>, which is made and goes with it.</summary>
    /// <param name="rival">Which.</param>
    /// <param name="folder">Must not exist.</param>
    /// <param name="accounts">That it is to have, where accounts are needed.</param>
    /// <param name="lean">For measuring memory: see <see cref="LeanGateway"/> and <see cref="LeanErlang"/>.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="MeasuringException">It is not installed or did not come up.</exception>
    public static async Task<RivalServer> StartAsync(Rival rival, string folder, int accounts, bool lean, CancellationToken stop)
    {
        if (rival.IsGateway) return new RivalServer(rival, folder, await RungServer.StartAsync(rival.AsRung, folder, stop, lean ? LeanGateway : []), null, 0);
        for (var attempt = 1; ; attempt++)
        {
            // The port was free a moment ago; a server that finds it taken ends.
            var port = FreePort();
            Directory.CreateDirectory(folder);
            var start = new ProcessStartInfo(Path.Combine(BenchPaths.Root, "bench", "rivals", rival.Name, "start.sh")) { RedirectStandardOutput = true, RedirectStandardError = true };
            string[] arguments =
            [
                port.ToString(CultureInfo.InvariantCulture), folder,
                FirstAddress.ToString(CultureInfo.InvariantCulture), accounts.ToString(CultureInfo.InvariantCulture),
            ];
            foreach (var argument in rival.Protocol == "xmpp" ? arguments : arguments[..2]) start.ArgumentList.Add(argument);
            if (lean) start.Environment[LeanErlang] = "0";
            var server = new RivalServer(rival, folder, null, new Process { StartInfo = start }, port);
            var said = new StringBuilder();
            server._process!.ErrorDataReceived += (_, e) =>
            {
                lock (said) said.AppendLine(e.Data);
            };
            server._process.Start();
            server._process.BeginErrorReadLine();
            if (await server.IsReadyAsync(stop)) return server;
            await server.DisposeAsync();
            stop.ThrowIfCancellationRequested();
            if (attempt == Attempts) throw new MeasuringException($"{rival.Name} does not start; bench/rivals/install.sh installs it. It said:\n{said}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null)
        {
            await _gateway.DisposeAsync();
            return;
        }

        if (!_process!.HasExited)
        {
            using (var kill = Process.Start("kill", ["-TERM", Id.ToString(CultureInfo.InvariantCulture)])) await kill.WaitForExitAsync();
            using var limit = new CancellationTokenSource(StopLimit);
            try
            {
                await _process.WaitForExitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                _process.Kill();
                await _process.WaitForExitAsync();
            }
        }

        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task<bool> IsReadyAsync(CancellationToken stop)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(StartLimit);
        try
        {
            // Its accounts come after its port.
            while (Rival.Protocol == "xmpp" && await _process!.StandardOutput.ReadLineAsync(limit.Token) is var line && line != "ready")
            {
                if (line is null) return false;
            }

            while (!_process!.HasExited)
            {
                try
                {
                    using var probe = new TcpClient();
                    await probe.ConnectAsync(IPAddress.Loopback, _port, limit.Token);
                    _ = _process.StandardOutput.ReadToEndAsync(CancellationToken.None);
                    return true;
                }
                catch (SocketException)
                {
                    await Task.Delay(20, limit.Token);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The caller asks its token why.
        }

        return false;
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
