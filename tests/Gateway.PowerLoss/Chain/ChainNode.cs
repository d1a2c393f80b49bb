using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Gateway.PowerLoss.Chain;

/// <summary>The real node on one data folder, through all its kills on the same ports. One caller at a time.</summary>
internal sealed partial class ChainNode(string data, string[] options) : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(2);

    private readonly HttpClient _operator = new() { Timeout = TimeSpan.FromSeconds(30) };
    private BuiltProgram? _program;
    private string _operatorEndpoint = "127.0.0.1:0";

    public string Endpoint { get; private set; } = "127.0.0.1:0";
    public string SecretPath => Path.Combine(data, "secret");

    /// <summary>From the last complete start's beginning to its end.</summary>
    public TimeSpan LastStart { get; private set; }

    /// <summary>The node's process.</summary>
    public BuiltProgram Program => _program ?? throw new InvalidOperationException("The node is not started.");

    public async Task BeginStartAsync()
    {
        if (_program is not null) await _program.DisposeAsync();
        _program = BuiltProgram.Start(
            "src/Gateway.Server", "gateway", ["--data", data, "--native-listen", Endpoint, "--operator-listen", _operatorEndpoint, "--pin-reactors", "off", .. options]);
    }

    /// <summary>Ready, or not within two minutes, or ended before it was: an exception with all it said.</summary>
    public async Task StartAsync()
    {
        var clock = Stopwatch.StartNew();
        await BeginStartAsync();
        while (!IsReady)
        {
            if (Program.HasExited || clock.Elapsed > StartLimit) throw new ChainBrokenException($"The node did not start:\n{Program.Said}");
            await Task.Delay(5);
        }

        LastStart = clock.Elapsed;
        (Endpoint, _operatorEndpoint) = (EndpointOf("native"), EndpointOf("operator"));
        var secret = Convert.FromHexString((await File.ReadAllTextAsync(SecretPath)).Trim());
        var token = Convert.ToHexStringLower(HMACSHA256.HashData(secret, "gateway operator token v1"u8));
        _operator.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    /// <summary>Whether it said so already.</summary>
    public bool IsReady => Program.Said.Contains("gateway ready", StringComparison.Ordinal);

    public void Kill() => Program.Kill();

    public async Task<ChainCounters> CountAsync()
    {
        var answer = await AskAsync("/ops/counters");
        var messages = answer.GetProperty("mailboxes").GetProperty("messages");
        return new ChainCounters(
            answer.GetProperty("reactors").EnumerateArray().Sum(r => r.GetProperty("sessions").GetInt64()),
            messages.GetProperty("accepted").GetInt64(), messages.GetProperty("delivered").GetInt64());
    }

    /// <summary>By walking the index.</summary>
    public async Task<JsonElement> LedgerAsync() => await AskAsync("/ops/ledger");

    public async ValueTask DisposeAsync()
    {
        _operator.Dispose();
        if (_program is not null) await _program.DisposeAsync();
    }

    private async Task<JsonElement> AskAsync(string path)
    {
        using var answer = await _operator.GetAsync(new Uri($"http://{_operatorEndpoint}{path}"));
        using var document = JsonDocument.Parse(await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync());
        return document.RootElement.Clone();
    }

    private string EndpointOf(string name) =>
        IPEndPoint.Parse(EndpointPattern().Match(Program.Said.Split('\n').First(line => line.StartsWith(name, StringComparison.Ordinal))).Value).ToString();

    [GeneratedRegex(@"[0-9.]+:\d+")]
    private static partial Regex EndpointPattern();
}

/// <summary>Sessions now, messages since the log was made.</summary>
internal readonly record struct ChainCounters(long Sessions, long Accepted, long Delivered)
{
    public long Progress => Accepted + Delivered;
}

/// <summary>A message was lost, seen twice or out of order, or the node did not come back.</summary>
internal sealed class ChainBrokenException(string message) : Exception(message);
