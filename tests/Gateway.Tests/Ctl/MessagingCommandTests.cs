using System.Text.Json.Nodes;
using Gateway.Ctl;
using Xunit;

namespace Gateway.Tests.Ctl;

/// <summary>send, tail, chat and replay against the built node, killed and started again.</summary>
#pragma warning disable CA1001 // xUnit calls DisposeAsync.
public sealed class MessagingCommandTests : IAsyncLifetime
#pragma warning restore CA1001
{
    private const string Anna = "15550001";
    private const string Bert = "15550002";
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);
    private readonly TemporaryFolder _folder = new();
    private NodeProcess? _node;

    private NodeProcess Node => _node ?? throw new InvalidOperationException("The node is not started.");

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        if (_node is not null) await _node.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [OneAndEightReactors]
    public async Task A_message_is_sent_taken_and_known_as_delivered(int reactors)
    {
        await StartAsync(reactors);
        Assert.Equal("✓ Accepted, message 1\n", (await RunAsync("", "send", "--as", Anna, "--to", Bert, "hello", "there")).Output);
        Assert.Equal("15550001: hello there\n", (await RunAsync("", "tail", "--as", Bert, "--count", "1")).Output);
        await LedgerReachesAsync(delivered: 1, pending: 0);

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

    [Theory]
    [OneAndEightReactors]
    public async Task A_tail_takes_no_more_than_it_was_asked_for_and_ends_when_idle(int reactors)
    {
        await StartAsync(reactors);
        foreach (var text in (string[])["one", "two", "three"]) await RunAsync("", "send", "--as", Anna, "--to", Bert, text);

        Assert.Equal("15550001: one\n15550001: two\n", (await RunAsync("", "tail", "--as", Bert, "--count", "2")).Output);
        var rest = await RunAsync("", "tail", "--as", Bert, "--out", "rest.txt", "--idle", "500ms");

        Assert.Equal(ExitCode.Ok, rest.ExitCode);
        Assert.Equal("three\n", File.ReadAllText(_folder.File("rest.txt")));
    }

    [Theory]
    [OneAndEightReactors]
    public async Task A_tail_whose_file_is_complete_still_tells_the_node_so(int reactors)
    {
        await StartAsync(reactors);
        foreach (var text in (string[])["one", "two"]) await RunAsync("", "send", "--as", Anna, "--to", Bert, text);
        Assert.Equal(0, await Node.StopAsync());
        foreach (var file in Directory.GetFiles(Node.Data)) File.Copy(file, _folder.File(Path.GetFileName(file)));
        await Node.StartAsync();
        Assert.Equal(ExitCode.Ok, (await RunAsync("", "tail", "--as", Bert, "--out", "out.txt", "--count", "2")).ExitCode);

        // As if the node had been killed before it heard the acknowledgements: its data as they were before them.
        Assert.Equal(0, await Node.StopAsync());
        foreach (var file in Directory.GetFiles(Node.Data)) File.Copy(_folder.File(Path.GetFileName(file)), file, overwrite: true);
        await Node.StartAsync();
        Assert.Equal(2, (await LedgerAsync())["pending"]!.GetValue<long>());

        Assert.Equal(ExitCode.Ok, (await RunAsync("", "tail", "--as", Bert, "--out", "out.txt", "--count", "2")).ExitCode);
        await LedgerReachesAsync(delivered: 2, pending: 0);
        Assert.Equal("one\ntwo\n", File.ReadAllText(_folder.File("out.txt")));
    }

    [Theory]
    [OneAndEightReactors]
    public async Task A_revoked_key_is_refused(int reactors)
    {
        await StartAsync(reactors);
        await CtlRun.OfAsync(_folder, "", "device", "revoke", Anna, "--node", $"http://{Node.Operator}");

        var run = await RunAsync("", "send", "--as", Anna, "--to", Bert, "hello");

        Assert.Equal(ExitCode.Refused, run.ExitCode);
        Assert.Contains("gatewayctl: the node said no (KeyRevoked)", run.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [OneAndEightReactors]
    public async Task A_key_of_another_device_is_wrong_usage(int reactors)
    {
        await StartAsync(reactors);
        var run = await RunAsync("", "send", "--as", Anna, "--to", Bert, "--key-file", "15550002.key", "hello");

        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.Equal("gatewayctl: the key is 15550002's, not 15550001's\n", run.Errors);
    }

    [Theory]
    [OneAndEightReactors]
    public async Task A_message_for_a_node_that_is_down_waits_in_the_outbox_and_goes_with_the_next_command(int reactors)
    {
        await StartAsync(reactors);
        Assert.Equal(0, await Node.StopAsync());

        var away = await RunAsync("", "send", "--as", Anna, "--to", Bert, "first", "--timeout", "300ms");
        Assert.Equal(ExitCode.Unreachable, away.ExitCode);
        Assert.Contains("stays in the outbox", away.Errors, StringComparison.Ordinal);

        await Node.StartAsync();
        await RunAsync("", "send", "--as", Anna, "--to", Bert, "second");
        Assert.Equal("15550001: first\n15550001: second\n", (await RunAsync("", "tail", "--as", Bert, "--count", "2")).Output);
    }

    [Theory]
    [OneAndEightReactors]
    public async Task A_replayed_file_arrives_whole_once_and_in_order_though_node_and_clients_are_killed(int reactors)
    {
        await StartAsync(reactors);
        const int lines = 5_000;
        _folder.Write("in.txt", string.Concat(Enumerable.Range(1, lines).Select(i => $"line {i} of the file\n")));
        var length = new FileInfo(_folder.File("in.txt")).Length;

        var tail = Start("tail", "--as", Bert, "--out", "out.txt", "--count", $"{lines}");
        var replay = Start("replay", "in.txt", "--from", Anna, "--to", Bert, "-o", "json");
        try
        {
            for (var kill = 1; kill <= 6; kill++)
            {
                // Each kill comes in the midst of the flow: after so much, whenever that is.
                await ReachedAsync("out.txt", length * kill / 8, tail, replay);
                switch (kill % 3)
                {
                    case 0:
                        Node.Kill();
                        await Node.StartAsync();
                        break;
                    case 1:
                        await tail.DisposeAsync();
                        tail = Start("tail", "--as", Bert, "--out", "out.txt", "--count", $"{lines}");
                        break;
                    default:
                        await replay.DisposeAsync();
                        replay = Start("replay", "in.txt", "--from", Anna, "--to", Bert, "-o", "json");
                        break;
                }
            }

            await EndsAsync(tail);

            // The node may have been killed behind the last acknowledgement and before it was durable: somebody has to speak for Bert once more.
            Assert.Equal(0, (await RunAsync("", "tail", "--as", Bert, "--out", "out.txt", "--count", $"{lines}")).ExitCode);
            await EndsAsync(replay);
        }
        finally
        {
            await tail.DisposeAsync();
            await replay.DisposeAsync();
        }

        Assert.Equal(File.ReadAllText(_folder.File("in.txt")), File.ReadAllText(_folder.File("out.txt")));
        var result = JsonNode.Parse(replay.Output)!;
        Assert.Equal((lines, lines, 0), ((int)result["lines"]!, (int)result["delivered"]!, (int)result["failed"]!));
        await LedgerReachesAsync(delivered: lines, pending: 0);
        var ledger = await LedgerAsync();
        Assert.Equal(lines, (int)ledger["accepted"]!);
        Assert.True((bool)ledger["balanced"]!);
    }

    private async Task StartAsync(int reactors)
    {
        _node = await NodeProcess.StartSmallAsync(_folder.File("data"), reactors);
        foreach (var device in (string[])[Anna, Bert])
            Assert.Equal(0, (await CtlRun.OfAsync(_folder, "", "device", "add", device, "--node", $"http://{Node.Operator}")).ExitCode);
    }

    /// <summary>The program ends well; if not, what the node has to say about it.</summary>
    private async Task EndsAsync(ChildProgram program)
    {
        try
        {
            Assert.Equal(0, await program.WaitForExitAsync());
        }
        catch (TimeoutException e)
        {
            var mailboxes = $"{await Node.AskAsync($"/ops/mailboxes/{Anna}")}\n{await Node.AskAsync($"/ops/mailboxes/{Bert}")}";
            Assert.Fail($"{e.Message}\n{await Node.AskAsync("/ops/ledger")}\n{mailboxes}\n{await Node.AskAsync("/ops/counters")}");
        }
    }

    private async Task ReachedAsync(string file, long bytes, params ChildProgram[] running)
    {
        using var limit = new CancellationTokenSource(Deadline);
        while (!File.Exists(_folder.File(file)) || new FileInfo(_folder.File(file)).Length < bytes)
        {
            Assert.False(limit.IsCancellationRequested, $"{file} has not reached {bytes} bytes.\n{string.Join('\n', running.Select(r => r.Errors))}");
            await Task.Delay(5, CancellationToken.None);
        }
    }

    private ChildProgram Start(params string[] arguments) =>
        ChildProgram.Start("tools/gatewayctl", "gatewayctl", _folder.Path, [.. arguments, "--state", "state", "--server", $"{Node.Native}"]);

    private Task<CtlRun> RunAsync(string input, params string[] arguments) =>
        CtlRun.OfAsync(_folder, input, [.. arguments, "--state", "state", "--server", $"{Node.Native}"]);

    /// <summary>What the last acknowledgements began is committed a moment later.</summary>
    private async Task LedgerReachesAsync(long delivered, long pending)
    {
        using var limit = new CancellationTokenSource(Deadline);
        JsonNode ledger;
        while ((ledger = await LedgerAsync())["delivered"]!.GetValue<long>() != delivered || ledger["pending"]!.GetValue<long>() != pending)
        {
            Assert.False(limit.IsCancellationRequested, ledger.ToJsonString());
            await Task.Delay(20, CancellationToken.None);
        }
    }

    private async Task<JsonNode> LedgerAsync() =>
        JsonNode.Parse((await CtlRun.OfAsync(_folder, "", "ledger", "-o", "json", "--node", $"http://{Node.Operator}")).Output)!;
}
