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
    [InlineData("--drain-time 10", "gateway: --drain-time: '10' is not a duration: a number and one of us, ms, s, m, h, d, as in 30s\n")]
    [InlineData("check-config --reactors 0", "gateway: --reactors: '0' is too small: at least 1\n")]
    public async Task A_wrong_option_is_told_precisely_and_ends_with_2(string arguments, string expected)
    {
        await using var gateway = Gateway(arguments);

        Assert.Equal(2, await gateway.WaitForExitAsync());
        Assert.Equal(expected, gateway.Errors);
        Assert.Equal("", gateway.Output);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public async Task Help_starts_nothing_whatever_else_is_said()
    {
        await using var gateway = Gateway("--nonsense --help");

        Assert.Equal(0, await gateway.WaitForExitAsync());
        Assert.Equal(OptionText.Help().TrimEnd('\n'), gateway.Output.TrimEnd('\n'));
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public async Task Check_config_shows_each_value_with_its_source_and_starts_nothing()
    {
        _folder.Write("gateway.json", """{ "idle-timeout": "2m" }""");
        await using var gateway = Gateway("check-config --reactors 3", ("GATEWAY__DRAIN_TIME", "5s"));

        Assert.Equal(0, await gateway.WaitForExitAsync());
        Assert.Matches(@"(?m)^reactors +3 +--reactors$", gateway.Output);
        Assert.Matches(@"(?m)^drain-time +5s +GATEWAY__DRAIN_TIME$", gateway.Output);
        Assert.Matches(@"(?m)^idle-timeout +2m +gateway.json: idle-timeout$", gateway.Output);
        Assert.Matches(@"(?m)^frame-timeout +30s +default$", gateway.Output);
        Assert.EndsWith("the options are valid\n", gateway.Output, StringComparison.Ordinal);
        Assert.Equal(["gateway.json"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName));
    }

    [Theory]
    [OneAndEightReactors]
    public async Task Sigterm_drains_and_ends_with_0(int reactors)
    {
        await using var gateway = await NodeAsync(reactors);
        using var http = new HttpClient { BaseAddress = new Uri($"http://{gateway.Operator}") };
        Assert.Equal("ready\n", await http.GetStringAsync("/readyz"));
        Assert.EndsWith("\ngateway ready\n", gateway.Program.Output, StringComparison.Ordinal);

        gateway.Program.Terminate();

        Assert.Equal(0, await gateway.Program.WaitForExitAsync());
        Assert.Contains("Drained and committed", gateway.Program.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [OneAndEightReactors]
    public async Task A_second_sigterm_ends_at_once_while_a_device_lingers(int reactors)
    {
        await using var gateway = await NodeAsync(reactors, "--drain-time 10m");
        await using var anna = Client(gateway, Anna, linger: TimeSpan.FromHours(1));
        await anna.StartAsync();
        await anna.WaitForConnectionAsync();

        gateway.Program.Terminate();
        await gateway.Program.SeenAsync("draining for at most");
        gateway.Program.Terminate();

        Assert.Equal(143, await gateway.Program.WaitForExitAsync());
    }

    [Theory]
    [OneAndEightReactors]
    public async Task A_data_folder_in_use_and_a_port_in_use_end_with_3_and_say_which(int reactors)
    {
        await using var first = await NodeAsync(reactors);

        await using var sameData = Gateway("--native-listen 127.0.0.1:0 --operator-listen 127.0.0.1:0");
        Assert.Equal(3, await sameData.WaitForExitAsync());
        Assert.Contains("gateway: cannot start: ", sameData.Errors, StringComparison.Ordinal);
        Assert.Contains("data", sameData.Errors, StringComparison.Ordinal);

        await using var samePort = Gateway($"--data other --native-listen 127.0.0.1:0 --operator-listen {first.Operator}");
        Assert.Equal(3, await samePort.WaitForExitAsync());
        Assert.Contains($"gateway: cannot start: operator-listen: {first.Operator} cannot be bound", samePort.Errors, StringComparison.Ordinal);

        await using var sameNative = Gateway($"--data another --native-listen {first.Native} --operator-listen 127.0.0.1:0");
        Assert.Equal(3, await sameNative.WaitForExitAsync());
        Assert.Contains($"gateway: cannot start: native-listen: {first.Native} cannot be bound", sameNative.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [OneAndEightReactors("text", "json")]
    public async Task No_log_line_at_the_finest_level_holds_a_body_a_key_the_secret_or_an_address(int reactors, string format)
    {
        const string body = "the-body-of-a-message";
        await using var gateway = await NodeAsync(reactors, $"--log-level trace --log-format {format}");
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

        gateway.Program.Terminate();
        Assert.Equal(0, await gateway.Program.WaitForExitAsync());

        var log = gateway.Program.Errors;
        Assert.Contains(Keys().Pseudonym(Anna), log, StringComparison.Ordinal);
        foreach (var hidden in (string[])[body, "15550001", "15550002", SecretText(), Keys().OperatorToken(), Convert.ToHexStringLower(Key(Anna)), Convert.ToBase64String(Key(Anna))])
            Assert.DoesNotContain(hidden, log, StringComparison.OrdinalIgnoreCase);
        if (format == "json") Assert.All(log.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.NotNull(JsonNode.Parse(line)!["LogLevel"]));
    }

    [Theory]
    [OneAndEightReactors]
    public async Task The_log_level_of_the_running_program_changes(int reactors)
    {
        await using var gateway = await NodeAsync(reactors, "--log-level error");
        using var http = new HttpClient { BaseAddress = new Uri($"http://{gateway.Operator}") };
        http.DefaultRequestHeaders.Authorization = new("Bearer", Keys().OperatorToken());
        Assert.Equal("", gateway.Program.Errors);

        using var changed = await http.PutAsync("/ops/log-level", new StringContent("""{"level":"information"}""", null, "application/json"));

        Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
        await gateway.Program.SeenAsync("changed the log level from error to information");
    }

    private ChildProgram Gateway(string arguments, params (string Name, string Text)[] variables) => ChildProgram.Start(
        "src/Gateway.Server", "gateway", _folder.Path, arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), variables);

    private Task<NodeProcess> NodeAsync(int reactors, string options = "") => NodeProcess.StartSmallAsync(_folder.File("data"), reactors, options);

    private GatewayClient Client(NodeProcess gateway, Address device, TimeSpan? linger = null) => new(new GatewayClientOptions
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

    private global::Gateway.Server.NodeKeys Keys() => new(Convert.FromHexString(SecretText()));

    private string SecretText() => File.ReadAllText(_folder.File("data/secret")).Trim();
}
