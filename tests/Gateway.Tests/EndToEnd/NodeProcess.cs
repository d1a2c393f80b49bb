using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using Gateway.Protocol;

namespace Gateway.Tests.EndToEnd;

/// <summary>A real node in a child process, on ports of its own and a data folder that outlives kills.</summary>
internal sealed partial class NodeProcess : IAsyncDisposable
{
    private readonly string[] _options;
    private ChildProgram? _program;
    private HttpClient? _operator;

    public NodeProcess(string data, params string[] options)
    {
        Data = data;
        _options = options;
    }

    public string Data { get; }
    public int NativePort { get; private set; }
    public int OperatorPort { get; private set; }
    public ChildProgram Program => _program ?? throw new InvalidOperationException("The node is not started.");
    public byte[] Secret => Convert.FromHexString(File.ReadAllText(Path.Combine(Data, "secret")).Trim());

    /// <summary>Starts the node and waits until it says ready. After a first start the ports stay what they were.</summary>
    public async Task StartAsync()
    {
        _program = ChildProgram.Start("src/Gateway.Server", "gateway", Path.GetTempPath(),
        [
            "--data", Data,
            "--native-listen", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{NativePort}"),
            "--operator-listen", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{OperatorPort}"),
            .. _options,
        ]);
        await _program.WaitForLineAsync(line => line == "gateway ready", TimeSpan.FromMinutes(2));
        NativePort = PortOf("native");
        OperatorPort = PortOf("operator");
        _operator?.Dispose();
        _operator = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{OperatorPort}") };
        var token = Convert.ToHexStringLower(HMACSHA256.HashData(Secret, "gateway operator token v1"u8));
        _operator.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    public void Kill() => Program.Kill();

    /// <summary>SIGTERM, and the exit code that follows.</summary>
    public async Task<int> StopAsync()
    {
        Program.Terminate();
        return await Program.WaitForExitAsync(TimeSpan.FromSeconds(60));
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

    private int PortOf(string endpoint)
    {
        var match = PortPattern().Match(Program.Output.Split('\n').First(line => line.StartsWith(endpoint, StringComparison.Ordinal)));
        return int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
    }

    public async ValueTask DisposeAsync()
    {
        _operator?.Dispose();
        if (_program is not null) await _program.DisposeAsync();
    }

    [GeneratedRegex(@":(\d+)\s*$")]
    private static partial Regex PortPattern();
}
