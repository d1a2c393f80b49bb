using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.Client;
using Gateway.Protocol;
using Gateway.Server.Options;
using Xunit;

namespace Gateway.Tests.Server;

/// <summary>The built program as a child process: what it prints, how it ends, and what never reaches its log.</summary>
public sealed class ProgramTests : IDisposable
{
    private static readonly Address Anna = new(AddressKind.User, 15550001);
    private static readonly Address Bert = new(AddressKind.User, 15550002);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("--nonsense 1", "gateway: --nonsense: there is no such option; gateway --help lists all\n")]
    [InlineData("--drain-time 10", "gateway: --drain-time: '10' is not a duration: a number and one of ms, s, m, h, d, as in 30s\n")]
    [InlineData("check-config --reactors 0", "gateway: --reactors: '0' is too small: at least 1\n")]
    public async Task A_wrong_option_is_told_precisely_and_ends_with_2(string arguments, string expected)
    {
        using var gateway = GatewayProcess.Start(_folder.Path, arguments);

        Assert.Equal(2, await gateway.ExitAsync());
        Assert.Equal(expected, gateway.Errors);
        Assert.Equal("", gateway.Output);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public async Task Help_starts_nothing_whatever_else_is_said()
    {
        using var gateway = GatewayProcess.Start(_folder.Path, "--nonsense --help");

        Assert.Equal(0, await gateway.ExitAsync());
        Assert.Equal(OptionText.Help().TrimEnd('\n'), gateway.Output.TrimEnd('\n'));
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public async Task Check_config_shows_each_value_with_its_source_and_starts_nothing()
    {
        _folder.Write("gateway.json", """{ "idle-timeout": "2m" }""");
        using var gateway = GatewayProcess.Start(_folder.Path, "check-config --reactors 3", ("GATEWAY__DRAIN_TIME", "5s"));

        Assert.Equal(0, await gateway.ExitAsync());
        Assert.Matches(@"(?m)^reactors +3 +--reactors$", gateway.Output);
        Assert.Matches(@"(?m)^drain-time +5s +GATEWAY__DRAIN_TIME$", gateway.Output);
        Assert.Matches(@"(?m)^idle-timeout +2m +gateway.json: idle-timeout$", gateway.Output);
        Assert.Matches(@"(?m)^frame-timeout +30s +default$", gateway.Output);
        Assert.EndsWith("the options are valid\n", gateway.Output, StringComparison.Ordinal);
        Assert.Equal(["gateway.json"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Sigterm_drains_and_ends_with_0()
    {
        using var gateway = await GatewayProcess.ReadyAsync(_folder.Path);
        using var http = new HttpClient { BaseAddress = new Uri($"http://{gateway.Operator}") };
        Assert.Equal("ready\n", await http.GetStringAsync("/readyz"));
        Assert.EndsWith("\ngateway ready\n", gateway.Process.Output, StringComparison.Ordinal);

        gateway.Process.Signal(GatewayProcess.Sigterm);

        Assert.Equal(0, await gateway.Process.ExitAsync());
        Assert.Contains("Drained and committed", gateway.Process.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_sigterm_ends_at_once_while_a_device_lingers()
    {
        using var gateway = await GatewayProcess.ReadyAsync(_folder.Path, "--drain-time 10m");
        await using var anna = Client(gateway, Anna, linger: TimeSpan.FromHours(1));
        await anna.StartAsync();
        await anna.WaitForConnectionAsync();

        gateway.Process.Signal(GatewayProcess.Sigterm);
        await gateway.Process.SeenAsync("draining for at most");
        gateway.Process.Signal(GatewayProcess.Sigterm);

        Assert.Equal(143, await gateway.Process.ExitAsync());
    }

    [Fact]
    public async Task A_data_folder_in_use_and_a_port_in_use_end_with_3_and_say_which()
    {
        using var first = await GatewayProcess.ReadyAsync(_folder.Path);

        using var sameData = GatewayProcess.Start(_folder.Path, "--native-listen 127.0.0.1:0 --operator-listen 127.0.0.1:0");
        Assert.Equal(3, await sameData.ExitAsync());
        Assert.Contains("gateway: cannot start: ", sameData.Errors, StringComparison.Ordinal);
        Assert.Contains("data", sameData.Errors, StringComparison.Ordinal);

        using var samePort = GatewayProcess.Start(_folder.Path, $"--data other --native-listen 127.0.0.1:0 --operator-listen {first.Operator}");
        Assert.Equal(3, await samePort.ExitAsync());
        Assert.Contains($"gateway: cannot start: operator-listen: {first.Operator} cannot be bound", samePort.Errors, StringComparison.Ordinal);

        using var sameNative = GatewayProcess.Start(_folder.Path, $"--data another --native-listen {first.Native} --operator-listen 127.0.0.1:0");
        Assert.Equal(3, await sameNative.ExitAsync());
        Assert.Contains($"gateway: cannot start: native-listen: {first.Native} cannot be bound", sameNative.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("text")]
    [InlineData("json")]
    public async Task No_log_line_at_the_finest_level_holds_a_body_a_key_the_secret_or_an_address(string format)
    {
        const string body = "the-body-of-a-message";
        using var gateway = await GatewayProcess.ReadyAsync(_folder.Path, $"--log-level trace --log-format {format}");
        using var http = new HttpClient { BaseAddress = new Uri($"http://{gateway.Operator}") };
        http.DefaultRequestHeaders.Authorization = new("Bearer", Keys().OperatorToken());
        await using (var bert = Client(gateway, Bert))
        await using (var anna = Client(gateway, Anna))
        {
            var received = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            bert.MessageReceived = (message, _) =>
            {
                received.TrySetResult(Encoding.UTF8.GetString(message.Body.Span));
                return ValueTask.CompletedTask;
            };
            await anna.StartAsync();
            await bert.StartAsync();
            await anna.SendAsync(Bert, Encoding.UTF8.GetBytes(body));
            Assert.Equal(body, await received.Task.WaitAsync(TimeSpan.FromSeconds(30)));
            Assert.Contains("15550001", await http.GetStringAsync("/ops/connections"), StringComparison.Ordinal);
            (await http.PostAsync("/ops/devices/15550001/revoke", null)).EnsureSuccessStatusCode();
        }

        gateway.Process.Signal(GatewayProcess.Sigterm);
        Assert.Equal(0, await gateway.Process.ExitAsync());

        var log = gateway.Process.Errors;
        Assert.Contains(Keys().Pseudonym(Anna), log, StringComparison.Ordinal);
        foreach (var hidden in (string[])[body, "15550001", "15550002", SecretText(), Keys().OperatorToken(), Convert.ToHexStringLower(Key(Anna)), Convert.ToBase64String(Key(Anna))])
            Assert.DoesNotContain(hidden, log, StringComparison.OrdinalIgnoreCase);
        if (format == "json") Assert.All(log.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.NotNull(JsonNode.Parse(line)!["LogLevel"]));
    }

    [Fact]
    public async Task The_log_level_of_the_running_program_changes()
    {
        using var gateway = await GatewayProcess.ReadyAsync(_folder.Path, "--log-level error");
        using var http = new HttpClient { BaseAddress = new Uri($"http://{gateway.Operator}") };
        http.DefaultRequestHeaders.Authorization = new("Bearer", Keys().OperatorToken());
        Assert.Equal("", gateway.Process.Errors);

        using var changed = await http.PutAsync("/ops/log-level", new StringContent("""{"level":"information"}""", null, "application/json"));

        Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
        await gateway.Process.SeenAsync("changed the log level from error to information");
    }

    private GatewayClient Client(GatewayProcess gateway, Address device, TimeSpan? linger = null) => new(new GatewayClientOptions
    {
        Host = gateway.Native.Address.ToString(),
        Port = gateway.Native.Port,
        Key = new KeyFile(device, 0, Key(device)),
        Store = new MemoryMessageStore(),
        GoAwayLinger = linger ?? TimeSpan.FromSeconds(5),
    });

    private byte[] Key(Address device)
    {
        var key = new byte[DeviceKey.KeyBytes];
        Keys().DeriveDeviceKey(device, 0, key);
        return key;
    }

    private Gateway.Server.NodeKeys Keys() => new(Convert.FromHexString(SecretText()));

    private string SecretText() => File.ReadAllText(_folder.File("data/secret")).Trim();
}
