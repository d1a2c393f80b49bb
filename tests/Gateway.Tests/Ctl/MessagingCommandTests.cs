using System.Text.Json.Nodes;
using Gateway.Ctl;
using Gateway.Tests.Server;
using Xunit;

namespace Gateway.Tests.Ctl;

/// <summary>send, tail, chat and replay against the built node, killed and started again.</summary>
public sealed class MessagingCommandTests : IAsyncLifetime, IDisposable
{
    private const string Anna = "15550001";
    private const string Bert = "15550002";
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);
    private readonly TemporaryFolder _folder = new();
    private GatewayProcess _gateway = null!;

    public async Task InitializeAsync()
    {
        _gateway = await GatewayProcess.ReadyAsync(_folder.Path);
        foreach (var device in (string[])[Anna, Bert])
            Assert.Equal(0, (await CtlRun.OfAsync(_folder, "", "device", "add", device, "--node", $"http://{_gateway.Operator}")).ExitCode);
    }

    public Task DisposeAsync()
    {
        _gateway.Dispose();
        return Task.CompletedTask;
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_message_is_sent_taken_and_known_as_delivered()
    {
        Assert.Equal("✓ Accepted, message 1\n", (await RunAsync("", "send", "--as", Anna, "--to", Bert, "hello", "there")).Output);
        Assert.Equal("15550001: hello there\n", (await RunAsync("", "tail", "--as", Bert, "--count", "1")).Output);
        Assert.Equal(1, (await LedgerAsync())["delivered"]!.GetValue<long>());

        await RunAsync("from the input", "send", "--as", Anna, "--to", Bert);
        var json = JsonNode.Parse((await RunAsync("", "tail", "--as", Bert, "--count", "1", "-o", "json")).Output)!;

        Assert.Equal("from the input", (string?)json["body"]);
        Assert.Equal(Anna, (string?)json["from"]);

        // The double checks wait in Anna's mailbox; her next chat shows them with her history.
        var chat = await RunAsync("and more\n", "chat", "--as", Anna, "--to", Bert);
        Assert.Equal(ExitCode.Ok, chat.ExitCode);
        Assert.Contains("me: hello there\n", chat.Output, StringComparison.Ordinal);
        Assert.Contains("✓  me: and more\n", chat.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_tail_takes_no_more_than_it_was_asked_for_and_ends_when_idle()
    {
        foreach (var text in (string[])["one", "two", "three"]) await RunAsync("", "send", "--as", Anna, "--to", Bert, text);

        Assert.Equal("15550001: one\n15550001: two\n", (await RunAsync("", "tail", "--as", Bert, "--count", "2")).Output);
        var rest = await RunAsync("", "tail", "--as", Bert, "--out", "rest.txt", "--idle", "500ms");

        Assert.Equal(ExitCode.Ok, rest.ExitCode);
        Assert.Equal("three\n", File.ReadAllText(_folder.File("rest.txt")));
    }

    [Fact]
    public async Task A_revoked_key_is_refused()
    {
        await CtlRun.OfAsync(_folder, "", "device", "revoke", Anna, "--node", $"http://{_gateway.Operator}");

        var run = await RunAsync("", "send", "--as", Anna, "--to", Bert, "hello");

        Assert.Equal(ExitCode.Refused, run.ExitCode);
        Assert.Contains("gatewayctl: the node said no (KeyRevoked)", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_of_another_device_is_wrong_usage()
    {
        var run = await RunAsync("", "send", "--as", Anna, "--to", Bert, "--key-file", "15550002.key", "hello");

        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.Equal("gatewayctl: the key is 15550002's, not 15550001's\n", run.Errors);
    }

    [Fact]
    public async Task A_message_for_a_node_that_is_down_waits_in_the_outbox_and_goes_with_the_next_command()
    {
        var native = _gateway.Native.ToString();
        _gateway.Process.Signal(GatewayProcess.Sigterm);
        await _gateway.Process.ExitAsync();

        var away = await RunAsync(native, "", ["send", "--as", Anna, "--to", Bert, "first", "--timeout", "300ms"]);
        Assert.Equal(ExitCode.Unreachable, away.ExitCode);
        Assert.Contains("stays in the outbox", away.Errors, StringComparison.Ordinal);

        _gateway.Dispose();
        _gateway = await GatewayProcess.ReadyAsync(_folder.Path, native: native);
        await RunAsync("", "send", "--as", Anna, "--to", Bert, "second");
        Assert.Equal("15550001: first\n15550001: second\n", (await RunAsync("", "tail", "--as", Bert, "--count", "2")).Output);
    }

    [Fact]
    public async Task A_replayed_file_arrives_whole_once_and_in_order_though_node_and_clients_are_killed()
    {
        const int lines = 5_000;
        _folder.Write("in.txt", string.Concat(Enumerable.Range(1, lines).Select(i => $"line {i} of the file\n")));
        var native = _gateway.Native.ToString();
        var length = new FileInfo(_folder.File("in.txt")).Length;

        var tail = Start("tail", "--as", Bert, "--out", "out.txt", "--count", $"{lines}");
        var replay = Start("replay", "in.txt", "--from", Anna, "--to", Bert, "-o", "json", "--quiet");
        try
        {
            for (var kill = 1; kill <= 6; kill++)
            {
                // Each kill comes in the midst of the flow: after so much, whenever that is.
                await ReachedAsync("out.txt", length * kill / 8, tail, replay);
                switch (kill % 3)
                {
                    case 0:
                        _gateway.Process.Signal(GatewayProcess.Sigkill);
                        await _gateway.Process.ExitAsync();
                        _gateway.Dispose();
                        _gateway = await GatewayProcess.ReadyAsync(_folder.Path, native: native);
                        break;
                    case 1:
                        tail.Dispose();
                        tail = Start("tail", "--as", Bert, "--out", "out.txt", "--count", $"{lines}");
                        break;
                    default:
                        replay.Dispose();
                        replay = Start("replay", "in.txt", "--from", Anna, "--to", Bert, "-o", "json", "--quiet");
                        break;
                }
            }

            Assert.Equal(0, await tail.ExitAsync());
            Assert.Equal(0, await replay.ExitAsync());
        }
        finally
        {
            tail.Dispose();
            replay.Dispose();
        }

        Assert.Equal(File.ReadAllText(_folder.File("in.txt")), File.ReadAllText(_folder.File("out.txt")));
        var result = JsonNode.Parse(replay.Output)!;
        Assert.Equal((lines, lines, 0), ((int)result["lines"]!, (int)result["delivered"]!, (int)result["failed"]!));
        var ledger = await LedgerAsync();
        Assert.Equal((lines, lines, 0), ((int)ledger["accepted"]!, (int)ledger["delivered"]!, (int)ledger["pending"]!));
        Assert.True((bool)ledger["balanced"]!);
    }

    private async Task ReachedAsync(string file, long bytes, params ChildProcess[] running)
    {
        using var limit = new CancellationTokenSource(Deadline);
        while (!File.Exists(_folder.File(file)) || new FileInfo(_folder.File(file)).Length < bytes)
        {
            Assert.False(limit.IsCancellationRequested, $"{file} has not reached {bytes} bytes.\n{string.Join('\n', running.Select(r => r.Errors))}");
            await Task.Delay(5, CancellationToken.None);
        }
    }

    private ChildProcess Start(params string[] arguments) => ChildProcess.Start(
        "tools/gatewayctl", "gatewayctl", _folder.Path, string.Join(' ', [.. arguments, "--state", "state", "--server", _gateway.Native.ToString()]));

    private Task<CtlRun> RunAsync(string input, params string[] arguments) => RunAsync(_gateway.Native.ToString(), input, arguments);

    private Task<CtlRun> RunAsync(string server, string input, string[] arguments) =>
        CtlRun.OfAsync(_folder, input, [.. arguments, "--state", "state", "--server", server]);

    private async Task<JsonNode> LedgerAsync() =>
        JsonNode.Parse((await CtlRun.OfAsync(_folder, "", "ledger", "-o", "json", "--node", $"http://{_gateway.Operator}")).Output)!;
}
