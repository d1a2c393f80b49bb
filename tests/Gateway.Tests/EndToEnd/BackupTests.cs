using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Gateway.Client;
using Gateway.Ctl;
using Gateway.Protocol;
using Gateway.Tests.Ctl;
using Xunit;

namespace Gateway.Tests.EndToEnd;

/// <summary>
/// A node is backed up under load, goes on, and is lost. What its devices find when it was restored elsewhere: they are told, nothing that the
/// backup holds for them is missing, nothing comes twice, and everything goes on.
/// </summary>
public sealed class BackupTests : IDisposable
{
    private const int Before = 50;
    private const int Waiting = 30;
    private const int After = 25;

    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(1);
    private static readonly Address Alice = new(AddressKind.User, 15550001);
    private static readonly Address Bob = new(AddressKind.User, 15550002);
    private static readonly Address Absent = new(AddressKind.User, 15550003);
    private static readonly Address Newcomer = new(AddressKind.User, 15550004);

    private readonly TemporaryFolder _folder = new();
    private readonly ConcurrentQueue<ReceivedMessage> _bobs = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [OneAndEightReactors]
    public async Task Devices_of_a_restored_node_are_told_and_go_on_without_loss_of_what_the_backup_holds(int reactors)
    {
        string[] options = ["--reactors", $"{reactors}", "--segment-size", "1MiB", "--log-page", "128KiB", "--log-memory", "8MiB", "--pin-reactors", "off"];
        uint newcomers;
        List<ulong> lost;
        await using (var node = new NodeProcess(_folder.File("data"), options))
        {
            await node.StartAsync();
            await using var alice = await StartAsync(node, Alice);
            await using var bob = await StartAsync(node, Bob);
            await SendAsync(alice, Bob, "before", Before);
            await SendAsync(alice, Absent, "waits", Waiting);
            await ReceivedAsync(Before);

            await using (var load = LoadProcess.Start(node, "relay", "--pairs", "20", "--window", "16", "--messages", "60000", "--first-address", "9000000"))
            {
                // Again and again while segments come and go; the last one counts.
                for (var round = 0; round < 3; round++)
                {
                    if (Directory.Exists(_folder.File("backup"))) Directory.Delete(_folder.File("backup"), recursive: true);
                    var taken = await CtlRun.OfAsync(_folder, "", "backup", "--data", node.Data, "--to", "backup");
                    Assert.True(taken.ExitCode == ExitCode.Ok, taken.Errors);
                    Assert.Contains("A node was running", taken.Output, StringComparison.Ordinal);
                    if (round == 0) await LogReaches(node, segments: 3);
                }

                lost = [.. await SendAsync(alice, Absent, "lost", After), .. await SendAsync(alice, Bob, "after", After)];
                await ReceivedAsync(Before + After);
                using (var newcomer = new WireDevice(node.NativePort).LogIn(Newcomer, node.KeyOf(Newcomer)))
                {
                    newcomers = newcomer.Incarnation;
                    newcomer.Send(Absent, 1, "lost too"u8);
                    newcomer.Expect(FrameType.Accepted);
                }

                Assert.Equal(0, await load.WaitForExitAsync(TimeSpan.FromMinutes(4)));
            }

            node.Kill();
            await node.Program.WaitForExitAsync(TimeSpan.FromSeconds(30));
        }

        var restore = await CtlRun.OfAsync(_folder, "", "restore", "--from", "backup", "--data", "restored");
        Assert.True(restore.ExitCode == ExitCode.Ok, restore.Errors);
        await using var restored = new NodeProcess(_folder.File("restored"), options);
        await restored.StartAsync();
        Assert.Contains("the log was restored from a backup", restored.Program.Errors + restored.Program.Output, StringComparison.Ordinal);
        var highestLost = _bobs.Max(m => m.Sequence);

        // Both are told; what of hers the backup knows she can say of each message.
        var told = new ConcurrentDictionary<Address, TaskCompletionSource<NodeRestoration>>();
        await using var bobAgain = await StartAsync(restored, Bob, told);
        await using var aliceAgain = await StartAsync(restored, Alice, told);
        Assert.True((await told[Bob].Task.WaitAsync(Deadline)).After > 1);
        var hers = await told[Alice].Task.WaitAsync(Deadline);
        for (ulong number = 1; number <= Before + Waiting; number++) Assert.True(hers.Knows(hers.Incarnation, number));
        Assert.Equal(Before + Waiting + 1UL, lost.Min());
        foreach (var number in lost) Assert.False(hers.Knows(hers.Incarnation, number));

        // What was sent since goes nowhere twice, and new messages flow. Bob's position is above everything that the backup has.
        await SendAsync(aliceAgain, Bob, "new", After);
        await SendAsync(aliceAgain, Absent, "new", After);
        await ReceivedAsync(Before + After + After);
        Assert.Equal([.. Lines("before", Before), .. Lines("after", After), .. Lines("new", After)], _bobs.Select(m => Encoding.UTF8.GetString(m.Body.Span)));
        Assert.Equal(_bobs.Count, _bobs.Select(m => m.Sequence).Distinct().Count());
        Assert.All(_bobs.TakeLast(After), m => Assert.True(m.Sequence > highestLost));

        using (var absent = new WireDevice(restored.NativePort).LogIn(Absent, restored.KeyOf(Absent)))
        {
            var found = new List<string>();
            ulong previous = 0;
            while (found.Count < Waiting + After)
            {
                Assert.True(DeliverFrame.TryParse(absent.Expect(FrameType.Deliver), out var delivered, out _));
                Assert.True(delivered.Sequence > previous);
                previous = delivered.Sequence;
                found.Add(Encoding.UTF8.GetString(delivered.Body));
            }

            Assert.Equal([.. Lines("waits", Waiting), .. Lines("new", After)], found);
            absent.Acknowledge(previous);
        }

        // Its incarnation came after the backup: what was open in it is unknown, and a fresh one is higher.
        using (var newcomer = new WireDevice(restored.NativePort))
            Assert.Equal(ErrorCode.IncarnationFenced, Assert.Throws<WireErrorException>(() => newcomer.LogIn(Newcomer, restored.KeyOf(Newcomer), newcomers)).Code);
        using (var newcomer = new WireDevice(restored.NativePort).LogIn(Newcomer, restored.KeyOf(Newcomer)))
            Assert.True(newcomer.Incarnation > newcomers);
        Assert.True((await restored.AskAsync("/ops/ledger")).GetProperty("balanced").GetBoolean());
    }

    private async Task<GatewayClient> StartAsync(NodeProcess node, Address device, ConcurrentDictionary<Address, TaskCompletionSource<NodeRestoration>>? told = null)
    {
        Assert.True(KeyFile.TryParse(File.ReadAllText(node.WriteKeyFile(_folder.Path, device)), out var key, out var error), error);
        var client = new GatewayClient(new GatewayClientOptions
        {
            Host = "127.0.0.1",
            Port = node.NativePort,
            Key = key,
            Store = new SqliteMessageStore(_folder.File($"{device.Number}.db")),
        });
        client.MessageReceived = (message, _) =>
        {
            _bobs.Enqueue(message);
            return ValueTask.CompletedTask;
        };
        if (told is not null)
        {
            var mine = told.GetOrAdd(device, _ => new TaskCompletionSource<NodeRestoration>(TaskCreationOptions.RunContinuationsAsynchronously));
            client.NodeRestored += r => mine.TrySetResult(r);
        }

        await client.StartAsync();
        return client;
    }

    /// <summary>Sends lines and waits until all are accepted; returns their numbers.</summary>
    private static async Task<List<ulong>> SendAsync(GatewayClient from, Address to, string what, int count)
    {
        var sent = new List<OutboxMessage>();
        foreach (var line in Lines(what, count)) sent.Add(await from.SendAsync(to, Encoding.UTF8.GetBytes(line)));
        foreach (var message in sent) Assert.Equal(MessageState.Accepted, (await message.Accepted.WaitAsync(Deadline)).State);
        return [.. (await from.ReadHistoryAsync(to, max: count)).Select(h => h.Number)];
    }

    private static IEnumerable<string> Lines(string what, int count) => Enumerable.Range(1, count).Select(i => string.Create(CultureInfo.InvariantCulture, $"{what} {i}"));

    private Task ReceivedAsync(int count) => HoldsAsync(() => Task.FromResult(_bobs.Count >= count), () => $"{_bobs.Count} of {count} messages came");

    private static Task LogReaches(NodeProcess node, long segments) => HoldsAsync(
        async () => (await node.AskAsync("/ops/counters")).GetProperty("log").GetProperty("truncatedSegments").GetInt64() >= segments, () => "the log is not compacted");

    private static async Task HoldsAsync(Func<Task<bool>> holds, Func<string> otherwise)
    {
        var deadline = DateTime.UtcNow + Deadline;
        while (!await holds())
        {
            Assert.True(DateTime.UtcNow < deadline, otherwise());
            await Task.Delay(20);
        }
    }
}
