using System.Text.Json.Nodes;
using Gateway.Protocol;
using Gateway.Server;
using Gateway.Tests.Server;
using Gateway.Transport;
using Microsoft.Extensions.Logging;
using Xunit;
using ExitCode = Gateway.Ctl.ExitCode;

namespace Gateway.Tests.Ctl;

/// <summary>gatewayctl against the node's real operator interface over a scripted node: what it prints, and how it ends.</summary>
public sealed class OperatorCommandTests : IAsyncLifetime, IDisposable
{
    private static readonly Address Anna = new(AddressKind.User, 15550001);
    private readonly TemporaryFolder _folder = new();
    private OperatorFixture _api = null!;

    public async Task InitializeAsync()
    {
        _api = await OperatorFixture.StartAsync();
        Directory.CreateDirectory(_folder.File("data"));
        _folder.Write("data/secret", NodeSecret.Format(OperatorFixture.Secret));
    }

    public async Task DisposeAsync() => await _api.DisposeAsync();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Device_add_writes_a_key_that_its_owner_alone_can_read_and_prints_its_path()
    {
        var run = await RunAsync("device", "add", "15550001");

        Assert.Equal(new CtlRun(ExitCode.Ok, "15550001.key\n", ""), run);
        var file = _folder.File("15550001.key");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.True(KeyFile.TryParse(File.ReadAllText(file), out var key, out _));
        Assert.Equal((Anna, 0u), (key.Address, key.Epoch));
        Assert.Equal(KeyOf(Anna, 0), key.Key);
    }

    [Fact]
    public async Task A_key_made_after_a_revocation_has_the_new_epoch()
    {
        var revoked = await RunAsync("device", "revoke", "15550001:3");
        var added = await RunAsync("device", "add", "15550001:3", "-o", "json");

        Assert.Equal("15550001:3: keys before epoch 1 no longer log in; device add --force makes a new one\n", revoked.Output);
        Assert.Equal("""{"address":"15550001:3","epoch":1,"keyFile":"15550001-3.key"}""" + "\n", added.Output);
        Assert.True(KeyFile.TryParse(File.ReadAllText(_folder.File("15550001-3.key")), out var key, out _));
        Assert.Equal(KeyOf(new Address(AddressKind.User, 15550001, 3), 1), key.Key);
    }

    [Fact]
    public async Task An_existing_key_file_is_replaced_by_force_alone()
    {
        _folder.Write("15550001.key", "precious");

        var refused = await RunAsync("device", "add", "15550001");
        Assert.Equal(ExitCode.Local, refused.ExitCode);
        Assert.Contains("there is a key file already; --force replaces it", refused.Errors, StringComparison.Ordinal);
        Assert.Equal("precious", File.ReadAllText(_folder.File("15550001.key")));

        Assert.Equal(ExitCode.Ok, (await RunAsync("device", "add", "15550001", "--force")).ExitCode);
        Assert.StartsWith("gateway-key 1\n", File.ReadAllText(_folder.File("15550001.key")), StringComparison.Ordinal);
        Assert.Equal(["15550001.key", "data"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName).Order());
    }

    [Fact]
    public async Task A_key_file_that_cannot_be_written_is_named()
    {
        var run = await RunAsync("device", "add", "15550001", "--key-file", "nowhere/anna.key");

        Assert.Equal(ExitCode.Local, run.ExitCode);
        Assert.Contains("nowhere/anna.key: the key file cannot be written: ", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_key_no_secret_and_no_token_is_ever_printed()
    {
        var all = "";
        foreach (var command in (string[][])[["device", "add", "15550001"], ["device", "revoke", "15550001"], ["status"], ["connections"], ["ledger"], ["mailbox", "15550001"]])
        {
            foreach (var format in (string[])["text", "json"])
            {
                var run = await RunAsync([.. command, "-o", format]);
                all += run.Output + run.Errors;
            }
        }

        foreach (var hidden in (string[])[Convert.ToHexStringLower(KeyOf(Anna, 0)), Convert.ToHexStringLower(OperatorFixture.Secret), OperatorFixture.Keys.OperatorToken()])
            Assert.DoesNotContain(hidden, all, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task The_ledger_is_a_table_for_a_person_and_the_nodes_own_json_for_a_script()
    {
        _api.Node.Ledger = new NodeLedger(new LedgerTotals(1_234_567, 1_234_560, 7, 0, 0, 0, 0), new LedgerTotals(5, 4, 0, 0, 0, 0, 0));

        var text = await RunAsync("ledger");
        var json = await RunAsync("ledger", "-o", "json");

        Assert.Matches(@"accepted +1,234,567 +5 *\n", text.Output);
        Assert.Matches(@"balanced +yes +NO *\n", text.Output);
        var ledger = JsonNode.Parse(json.Output)!;
        Assert.Equal(1_234_567, (long)ledger["accepted"]!);
        Assert.True((bool)ledger["balanced"]!);
        foreach (var term in (string[])["delivered", "pending", "rejected", "expired", "discarded", "lost"]) Assert.NotNull(ledger[term]);
    }

    [Fact]
    public async Task The_first_connections_by_a_rank_are_shown_under_pseudonyms_unless_addresses_are_asked_for()
    {
        _api.Node.Listed.Add(new ListedConnection
        {
            Reactor = 1,
            Connection = new ConnectionId(7, 3),
            Device = Anna,
            Remote = "127.0.0.1:40000",
            LoggedInAt = DateTimeOffset.UnixEpoch,
            PendingEntries = 1234,
            PendingBytes = 99,
            Unacknowledged = 12,
            UnsentBytes = 4096,
            KeptBytes = 10,
            Silent = TimeSpan.FromSeconds(2.5),
            Pauses = ReadingPauses.Application | ReadingPauses.Budget,
            Closing = false,
        });
        var pseudonym = OperatorFixture.Keys.Pseudonym(Anna);

        var hidden = await RunAsync("connections", "--top", "queue");
        var shown = await RunAsync("connections", "--top", "bytes", "--limit", "5", "--addresses");
        var json = JsonNode.Parse((await RunAsync("connections", "--top", "age", "-o", "json")).Output)!;

        Assert.Matches($@"{pseudonym} +127\.0\.0\.1:40000 +1 +7\.3 +1970-01-01 00:00:00 +1,234 +12 +4,096 +10 +2\.5 +inbox, buffers", hidden.Output);
        Assert.DoesNotContain("15550001", hidden.Output, StringComparison.Ordinal);
        Assert.Contains("15550001", shown.Output, StringComparison.Ordinal);
        Assert.Equal(("age", pseudonym, 1L), ((string?)json["by"], (string?)json["connections"]![0]!["device"], (long)json["walked"]!));
        Assert.Equal(["top Queue 20", "top Bytes 5", "top Age 20"], _api.Node.Calls);
        Assert.Equal(ExitCode.Usage, (await RunAsync("connections", "--top", "weight")).ExitCode);
        Assert.Equal(ExitCode.Refused, (await RunAsync("connections", "--top", "age", "--limit", "1001")).ExitCode);
    }

    [Fact]
    public async Task A_forced_collection_tells_the_heap_before_and_after_and_the_runtimes_own_pause()
    {
        var collections = GC.CollectionCount(GC.MaxGeneration);
        var text = await RunAsync("gc");
        var json = JsonNode.Parse((await RunAsync("gc", "-o", "json")).Output)!;

        Assert.True(GC.CollectionCount(GC.MaxGeneration) >= collections + 2);
        Assert.Matches(@"^heap [0-9.]+ MiB before, [0-9.]+ MiB after; paused [0-9.]+ ms(, compacted)?\n$", text.Output);
        Assert.True((double)json["pauseMs"]! > 0);
        Assert.True((long)json["heapBeforeBytes"]! > 0 && (long)json["heapAfterBytes"]! > 0);
        var collector = (await _api.GetAsync("/status"))["collector"]!;
        Assert.True((double)collector["lastFullPauseMs"]! > 0);
        Assert.True((long)collector["collections"]![2]! >= collections + 2);
    }

    [Fact]
    public async Task Several_collections_are_forced_by_one_process_and_told_each()
    {
        var several = await RunAsync("gc", "--times", "3", "--every", "10ms");
        Assert.Equal(3, several.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Count(l => l.Contains("paused", StringComparison.Ordinal)));
        Assert.Equal(ExitCode.Usage, (await RunAsync("gc", "--times", "0")).ExitCode);
        Assert.Equal(ExitCode.Usage, (await RunAsync("gc", "--every", "soon")).ExitCode);
    }

    [Fact]
    public async Task Connections_and_mailboxes_are_shown_with_addresses()
    {
        var session = new ConnectionStatus(Anna, "127.0.0.1:40000", 1, DateTimeOffset.UnixEpoch, 3, 0, 12, 4096);
        _api.Node.Connections.Add(session);

        var connections = await RunAsync("connections");
        var mailbox = await RunAsync("mailbox", "15550001");
        var json = JsonNode.Parse((await RunAsync("mailbox", "15550001", "--output", "json")).Output)!;

        Assert.Matches(@"15550001 +127\.0\.0\.1:40000 +1 +1970-01-01 00:00:00 +12 +4,096", connections.Output);
        Assert.Contains("1 of 1", connections.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('\e', connections.Output);
        Assert.Matches(@"pendingEntries +7", mailbox.Output);
        Assert.Matches(@"session +127\.0\.0\.1:40000, 12 unacknowledged", mailbox.Output);
        Assert.Equal(19, (long)json["lastSequence"]!);
    }

    [Fact]
    public async Task Kicking_nobody_is_not_found()
    {
        _api.Node.Connections.Add(new ConnectionStatus(Anna, "127.0.0.1:40000", 1, DateTimeOffset.UnixEpoch, 3, 0, 0, 0));

        Assert.Equal(new CtlRun(ExitCode.Ok, "15550001: 1 closed\n", ""), await RunAsync("kick", "15550001"));
        Assert.Equal(new CtlRun(ExitCode.NotFound, "", "gatewayctl: 15550001 has no session\n"), await RunAsync("kick", "15550001"));
        Assert.Equal(
            new CtlRun(ExitCode.NotFound, "", """{"error":"15550001 has no session","exitCode":4}""" + "\n"), await RunAsync("kick", "15550001", "-o", "json"));
    }

    [Fact]
    public async Task Expiry_is_resumed_and_says_when_it_was_not_suspended()
    {
        _api.Node.ExpirySuspended = "expiry is suspended";
        Assert.Equal(new CtlRun(ExitCode.Ok, "expiry goes on\n", ""), await RunAsync("expiry", "resume"));
        Assert.Equal(new CtlRun(ExitCode.Ok, "expiry was not suspended\n", ""), await RunAsync("expiry", "resume"));
    }

    [Fact]
    public async Task The_log_level_is_shown_and_changed()
    {
        Assert.Equal("information\n", (await RunAsync("log-level")).Output);
        Assert.Equal("debug\n", (await RunAsync("log-level", "debug")).Output);
        Assert.Equal(LogLevel.Debug, _api.Level.Level);

        var wrong = await RunAsync("log-level", "loud");
        Assert.Equal(ExitCode.Refused, wrong.ExitCode);
        Assert.Equal("gatewayctl: the node said no: level: 'loud' is none of trace, debug, information, warning, error, critical\n", wrong.Errors);
    }

    [Fact]
    public async Task Status_needs_no_secret()
    {
        File.Delete(_folder.File("data/secret"));

        var run = await RunAsync("status");

        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Matches(@"state +ready", run.Output);
        Assert.Matches(@"durability +fsync: accepted means synced", run.Output);
    }

    [Fact]
    public async Task Another_nodes_secret_is_refused()
    {
        _folder.Write("data/secret", NodeSecret.Format(new byte[32]));

        var run = await RunAsync("ledger");

        Assert.Equal(ExitCode.Refused, run.ExitCode);
        Assert.Contains("the node does not know this secret", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_and_a_broken_secret_are_wrong_usage_and_named()
    {
        var missing = await RunAsync("ledger", "--secret", "elsewhere");
        Assert.Equal(ExitCode.Usage, missing.ExitCode);
        Assert.Contains("elsewhere: the node's secret cannot be read: there is no such file", missing.Errors, StringComparison.Ordinal);

        _folder.Write("data/secret", "0123456789abcdef");
        var broken = await RunAsync("ledger");
        Assert.Equal(ExitCode.Usage, broken.ExitCode);
        Assert.DoesNotContain("0123456789abcdef", broken.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_that_is_down_is_unreachable()
    {
        // A port that was free a moment ago: nobody listens there.
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        var port = ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();

        var run = await CtlRun.OfAsync(_folder, "", "device", "add", "15550001", "--node", $"http://127.0.0.1:{port}");

        Assert.Equal(ExitCode.Unreachable, run.ExitCode);
        Assert.Equal($"gatewayctl: the node cannot be reached at http://127.0.0.1:{port}: Connection refused\n", run.Errors);
        Assert.False(File.Exists(_folder.File("15550001.key")));
    }

    [Fact]
    public async Task A_node_that_has_stopped_says_no()
    {
        _api.Node.AnswerError = new NodeStoppedException("fail stop");

        Assert.Equal(ExitCode.Refused, (await RunAsync("ledger")).ExitCode);
    }

    [Theory]
    [InlineData("mailbox zero", "'zero': an address is a number from 1 to")]
    [InlineData("mailbox", "Required argument missing for command: 'mailbox'")]
    [InlineData("ledger -o yaml", "--output: 'yaml' is none of text, json")]
    [InlineData("ledger --node nowhere", "--node: 'nowhere' is not an endpoint, as in http://127.0.0.1:5249")]
    [InlineData("nonsense", "nonsense")]
    [InlineData("tail --as 15550001 --idle soon", "--idle: 'soon' is not a duration")]
    [InlineData("tail --as 15550001 --count 0", "--count: at least 1")]
    [InlineData("send --as 15550001 hi", "Option '--to' is required")]
    [InlineData("send --as 15550001 --to 15550002 --server 127.0.0.1 hi", "--server: '127.0.0.1' is not a host and a port")]
    [InlineData("send --as 15550001 --to 15550002 --until read hi", "--until: 'read' is none of queued, accepted, delivered")]
    [InlineData("replay none.txt --from 15550001 --to 15550002", "15550001.key: the key file cannot be read: there is no such file; gatewayctl device add makes one")]
    public async Task Wrong_usage_is_named_and_ends_with_2(string arguments, string expected)
    {
        foreach (var format in (string[])["text", "json"])
        {
            string[] given = arguments.Contains("-o ", StringComparison.Ordinal) ? arguments.Split(' ') : [.. arguments.Split(' '), "-o", format];
            var run = await CtlRun.OfAsync(_folder, "", given);

            Assert.Equal(ExitCode.Usage, run.ExitCode);
            Assert.Contains(expected, run.Errors, StringComparison.Ordinal);
            Assert.Equal("", run.Output);
        }
    }

    [Fact]
    public async Task Help_lists_commands_and_exit_codes()
    {
        var run = await CtlRun.OfAsync(_folder, "", "--help");

        Assert.Equal(ExitCode.Ok, run.ExitCode);
        foreach (var command in (string[])["device", "chat", "send", "tail", "replay", "status", "connections", "mailbox", "ledger", "kick", "expiry", "gc", "log-level", "log"])
            Assert.Matches($@"(?m)^ +{command} ", run.Output);
        foreach (var code in (string[])["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "7 ", "70 ", "130 "]) Assert.Matches($@"(?m)^ +{code}", run.Output);
    }

    private Task<CtlRun> RunAsync(params string[] arguments) => CtlRun.OfAsync(_folder, "", [.. arguments, "--node", _api.Uri.ToString()]);

    private static byte[] KeyOf(Address device, uint epoch)
    {
        var key = new byte[DeviceKey.KeyBytes];
        DeviceKey.Derive(OperatorFixture.Secret, device, epoch, key);
        return key;
    }
}
