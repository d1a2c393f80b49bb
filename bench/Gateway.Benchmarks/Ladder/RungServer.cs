using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Gateway.Benchmarks.Reports;
using Gateway.Protocol;

namespace Gateway.Benchmarks.Ladder;

/// <summary>A rung's program while it runs. Ends with this object: by SIGTERM, and by kill when that does not help.</summary>
internal sealed class RungServer : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(20);

    private readonly Process _process;
    private readonly StringBuilder _errors = new();
    private readonly string _folder;
    private readonly Channel<string> _said = Channel.CreateUnbounded<string>();
    private HttpClient? _operator;
    private Residents? _residents;

    private RungServer(Rung rung, Process process, string folder)
    {
        Rung = rung;
        _process = process;
        _folder = folder;
    }

    public Rung Rung { get; }

    public int Id => _process.Id;

    public int Port { get; private set; }

    /// <summary>The file with the secret that its devices' keys derive from.</summary>
    public string SecretPath => Path.Combine(_folder, "secret");

    /// <summary>Starts it with everything it keeps in <paramref name="folder"/>, which is made and goes with it; <paramref name="more"/> are further options of it.</summary>
    /// <exception cref="MeasuringException">It did not come up.</exception>
    public static async Task<RungServer> StartAsync(Rung rung, string folder, CancellationToken stop, params string[] more)
    {
        Directory.CreateDirectory(folder);
        var start = new ProcessStartInfo(ProgramOf(rung))
        {
            RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = rung.Kind == RungKind.Faulty, WorkingDirectory = folder,
        };
        foreach (var argument in (string[])[.. ArgumentsOf(rung, folder), .. more]) start.ArgumentList.Add(argument);
        var secret = Path.Combine(folder, "secret");
        if (rung.Kind is RungKind.C or RungKind.DotNet) File.WriteAllText(secret, NodeSecret.Format(RandomNumberGenerator.GetBytes(NodeSecret.SecretBytes)));
        var server = new RungServer(rung, new Process { StartInfo = start }, folder);
        try
        {
            server._process.Start();
            server._process.ErrorDataReceived += (_, e) =>
            {
                lock (server._errors) server._errors.AppendLine(e.Data);
            };
            server._process.BeginErrorReadLine();
            await server.AwaitReadyAsync(stop);
            if (rung.Idle > 0) server._residents = await Residents.MoveInAsync(server, rung.Idle, stop);
            return server;
        }
        catch (Exception e)
        {
            await server.DisposeAsync();
            if (e is System.ComponentModel.Win32Exception) throw new MeasuringException($"{rung.Name}: {start.FileName}: {e.Message}", e);
            throw;
        }
    }

    /// <summary>The node's commits so far. Null: the rung has none.</summary>
    public async Task<CommitCount?> CommitsAsync(CancellationToken stop)
    {
        if (_operator is null) return null;
        var log = (await AskAsync("/ops/counters", stop))["log"]!;
        return new CommitCount((long)log["commits"]!, (long)log["bytesAppended"]!, (long)log["syncMicros"]!);
    }

    /// <summary>What the reactor of one of ours has done so far. The rung must be the transport's.</summary>
    /// <exception cref="MeasuringException">It said nothing.</exception>
    public async Task<RungCount> CountAsync(CancellationToken stop)
    {
        using (var ask = Process.Start("kill", ["-USR1", _process.Id.ToString(CultureInfo.InvariantCulture)])) await ask.WaitForExitAsync(stop);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(StopLimit);
        try
        {
            return RungCount.Parse(await _said.Reader.ReadAsync(limit.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or ChannelClosedException && !stop.IsCancellationRequested)
        {
            throw new MeasuringException($"{Rung.Name} does not say what it has counted:\n{Errors}", e);
        }
    }

    /// <summary>A line to the program. The rung must be a faulty node.</summary>
    public async Task TellAsync(string line)
    {
        await _process.StandardInput.WriteLineAsync(line);
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>What a node's operator port answers. The rung must have one.</summary>
    public async Task<JsonNode> AskAsync(string path, CancellationToken stop) => JsonNode.Parse(await _operator!.GetStringAsync(new Uri(path, UriKind.Relative), stop))!;

    public async ValueTask DisposeAsync()
    {
        _operator?.Dispose();
        if (_residents is { } residents) await residents.DisposeAsync();
        try
        {
            if (!_process.HasExited)
            {
                using (var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)])) await kill.WaitForExitAsync();
                using var limit = new CancellationTokenSource(StopLimit);
                await _process.WaitForExitAsync(limit.Token);
            }
        }
        catch (OperationCanceledException)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }
        catch (InvalidOperationException)
        {
            // It never started.
        }

        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static string ProgramOf(Rung rung) => rung.Kind switch
    {
        RungKind.C => BenchPaths.CRung(rung.Program),
        RungKind.DotNet or RungKind.Faulty => BenchPaths.Rungs,
        _ => rung.NodeProgram ?? BenchPaths.Node,
    };

    private static string[] ArgumentsOf(Rung rung, string folder) => rung.Kind switch
    {
        RungKind.C => ["--port", "0", "--secret", Path.Combine(folder, "secret")],
        RungKind.DotNet => ["rung", rung.Program, "--port", "0", "--secret", Path.Combine(folder, "secret")],
        RungKind.Shipped or RungKind.Faulty =>
        [
            .. rung.Kind == RungKind.Faulty ? (string[])[Alerts.FaultyNode.Verb] : [], "--data", folder, "--native-listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0",
            "--reactors", rung.Program, "--log-level", "error", .. rung.Options,
        ],
        _ =>
        [
            "--data", folder, "--native-listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0", "--reactors", rung.Program, "--durability", "fsync",
            "--log-level", "warning", "--login-rate", "10000000", "--login-burst", "10000000", .. rung.Options,
        ],
    };

    private async Task AwaitReadyAsync(CancellationToken stop)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(StartLimit);
        var operatorPort = 0;
        try
        {
            while (await _process.StandardOutput.ReadLineAsync(limit.Token) is { } line)
            {
                if (line.StartsWith("listening ", StringComparison.Ordinal) || line.StartsWith("native ", StringComparison.Ordinal)) Port = LastNumberOf(line);
                if (line.StartsWith("operator ", StringComparison.Ordinal)) operatorPort = LastNumberOf(line);
                if (line != "gateway ready" && !line.StartsWith("listening ", StringComparison.Ordinal)) continue;
                if (operatorPort != 0) _operator = OperatorOf(operatorPort);
                _ = HearAsync();
                return;
            }
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new MeasuringException($"{Rung.Name} did not come up within {StartLimit.TotalSeconds:0} s:\n{Errors}");
        }

        await _process.WaitForExitAsync(stop);
        throw new MeasuringException($"{Rung.Name} ended with {_process.ExitCode} before it was ready:\n{Errors}");
    }

    private async Task HearAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync(CancellationToken.None) is { } line) _said.Writer.TryWrite(line);
        _said.Writer.Complete();
    }

    private string Errors
    {
        get
        {
            lock (_errors) return _errors.ToString();
        }
    }

    private static int LastNumberOf(string line) => int.Parse(line.AsSpan(line.AsSpan().LastIndexOfAny(' ', ':') + 1), CultureInfo.InvariantCulture);

    private HttpClient OperatorOf(int port)
    {
        var secret = Convert.FromHexString(File.ReadAllText(SecretPath).Trim());
        var client = new HttpClient { BaseAddress = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}")) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
            "Bearer", Convert.ToHexStringLower(HMACSHA256.HashData(secret, "gateway operator token v1"u8)));
        return client;
    }
}

/// <summary>Commits of a node's log since its start, the bytes they made durable, and the time in fdatasync, µs.</summary>
internal readonly record struct CommitCount(long Commits, long Bytes, long SyncMicros);
