using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using Gateway.Protocol;

namespace Gateway.Tests.Programs;

/// <summary>A real node in a child process, on ports of its own and a data folder that outlives kills.</summary>
internal sealed partial class NodeProcess : IAsyncDisposable
{
    /// <summary>For a node that holds little: small segments, since a test's folder is on a disk shared with others.</summary>
    private static readonly string[] Small = ["--segment-size", "8MiB", "--log-memory", "8MiB", "--pin-reactors", "off"];

    private readonly string[] _options;
    private ChildProgram? _program;
    private HttpClient? _operator;

    public NodeProcess(string data, params string[] options)
    {
        Data = data;
        _options = options;
    }

    public string Data { get; }
    /// <summary>Where devices find it; set before the start, it listens there.</summary>
    public IPEndPoint Native { get; set; } = new(IPAddress.Loopback, 0);
    /// <summary>The operator's port; likewise.</summary>
    public IPEndPoint Operator { get; set; } = new(IPAddress.Loopback, 0);
    public int NativePort => Native.Port;
    public ChildProgram Program => _program ?? throw new InvalidOperationException("The node is not started.");
    public byte[] Secret => Convert.FromHexString(File.ReadAllText(Path.Combine(Data, "secret")).Trim());

    /// <summary>A started node that is to hold little.</summary>
    /// <param name="data">Its data folder.</param>
    /// <param name="reactors">See <see cref="OneAndEightReactorsAttribute"/>.</param>
    /// <param name="options">Further ones, split at blanks.</param>
    /// <param name="operatorHost">Where the operator's port is bound.</param>
    public static async Task<NodeProcess> StartSmallAsync(string data, int reactors, string options = "", string operatorHost = "127.0.0.1")
    {
        var node = new NodeProcess(data, ["--reactors", reactors.ToString(CultureInfo.InvariantCulture), .. Small, .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)])
        {
            Operator = new IPEndPoint(IPAddress.Parse(operatorHost), 0),
        };
        try
        {
            await node.StartAsync();
            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the node and waits until it says ready. After a first start the ports stay what they were.</summary>
    public async Task StartAsync()
    {
        if (_program is not null) await _program.DisposeAsync();
        _program = ChildProgram.Start("src/Gateway.Server", "gateway", Path.GetTempPath(),
            ["--data", Data, "--native-listen", $"{Native}", "--operator-listen", $"{Operator}", .. _options]);
        await _program.WaitForLineAsync(line => line == "gateway ready", TimeSpan.FromMinutes(2));
        Native = EndpointOf("native");
        Operator = EndpointOf("operator");
        _operator?.Dispose();
        _operator = new HttpClient { BaseAddress = new Uri($"http://{Operator}") };
        var token = Convert.ToHexStringLower(HMACSHA256.HashData(Secret, "gateway operator token v1"u8));
        _operator.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    public void Kill() => Program.Kill();

    /// <summary>SIGTERM, and the exit code that follows.</summary>
    public async Task<int> StopAsync()
    {
        Program.Terminate();
        return await Program.WaitForExitAsync(TimeSpan.FromMinutes(1));
    }

    public async Task<JsonElement> AskAsync(string path) => await AnswerAsync(path, await _operator!.GetAsync(new Uri(path, UriKind.Relative)));

    public async Task<JsonElement> PostAsync(string path) => await AnswerAsync(path, await _operator!.PostAsync(new Uri(path, UriKind.Relative), null));

    private static async Task<JsonElement> AnswerAsync(string path, HttpResponseMessage message)
    {
        using var answer = message;
        var text = await answer.Content.ReadAsStringAsync();
        if (!answer.IsSuccessStatusCode) throw new InvalidOperationException($"{path}: {(int)answer.StatusCode} {text}");
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }

    public byte[] KeyOf(Address device, uint epoch = 0)
    {
        var key = new byte[DeviceKey.KeyBytes];
        DeviceKey.Derive(Secret, device, epoch, key);
        return key;
    }

    /// <summary>Writes the device's key file, as <c>gatewayctl device add</c> would, and returns its path.</summary>
    public string WriteKeyFile(string folder, Address device)
    {
        var path = Path.Combine(folder, $"{device.Number}.key");
        File.WriteAllText(path, $"gateway-key 1\naddress {device}\nepoch 0\nkey {Convert.ToHexStringLower(KeyOf(device))}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return path;
    }

    private IPEndPoint EndpointOf(string name) =>
        IPEndPoint.Parse(EndpointPattern().Match(Program.Output.Split('\n').First(line => line.StartsWith(name, StringComparison.Ordinal))).Value);

    public async ValueTask DisposeAsync()
    {
        _operator?.Dispose();
        if (_program is not null) await _program.DisposeAsync();
    }

    [GeneratedRegex(@"[0-9.]+:\d+")]
    private static partial Regex EndpointPattern();
}
