using System.Globalization;
using System.Text;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.EndToEnd;

/// <summary>A node whose log is compacted many times over under load, and killed meanwhile.</summary>
public sealed class CompactionTests : IDisposable
{
    private const int ForTheAbsent = 40;

    private static readonly Address Alice = new(AddressKind.User, 15550001);
    private static readonly Address Absent = new(AddressKind.User, 15550002);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [OneAndEightReactors]
    public async Task What_waits_for_the_absent_and_what_the_node_knows_of_a_sender_outlive_their_segments(int reactors)
    {
        await using var node = new NodeProcess(
            _folder.File("data"), "--reactors", $"{reactors}", "--segment-size", "1MiB", "--log-page", "128KiB", "--log-memory", "8MiB", "--pin-reactors", "off");
        await node.StartAsync();
        uint incarnation;
        using (var alice = new WireDevice(node.NativePort).LogIn(Alice, node.KeyOf(Alice)))
        {
            incarnation = alice.Incarnation;
            for (ulong number = 1; number <= ForTheAbsent; number++)
            {
                alice.Send(Absent, number, Encoding.UTF8.GetBytes($"message {number}"), lowestOpen: 1);
                alice.Expect(FrameType.Accepted);
            }
        }

        for (var round = 0; round < 3; round++)
        {
            await LoadProcess.RunAsync(node, "relay", "--pairs", "20", "--window", "16", "--messages", "40000", "--first-address", $"{9_000_000 + round * 1000}");
            await TruncatedReaches(node, 5);
            node.Kill();
            await node.Program.WaitForExitAsync(TimeSpan.FromSeconds(30));
            await node.StartAsync();
        }

        // A resend of what was accepted: the node still knows, though the messages' first places are long gone.
        using (var alice = new WireDevice(node.NativePort).LogIn(Alice, node.KeyOf(Alice), incarnation))
        {
            for (ulong number = 1; number <= ForTheAbsent; number++)
            {
                alice.Send(Absent, number, Encoding.UTF8.GetBytes($"message {number}"), lowestOpen: 1);
                alice.Expect(FrameType.Accepted);
            }
        }

        using (var absent = new WireDevice(node.NativePort).LogIn(Absent, node.KeyOf(Absent)))
        {
            Assert.Equal((uint)ForTheAbsent, absent.Pending);
            ulong previous = 0;
            for (var number = 1; number <= ForTheAbsent; number++)
            {
                Assert.True(DeliverFrame.TryParse(absent.Expect(FrameType.Deliver), out var delivered, out _));
                Assert.Equal($"message {number}", Encoding.UTF8.GetString(delivered.Body));
                Assert.True(delivered.Sequence > previous);
                previous = delivered.Sequence;
            }

            absent.Acknowledge(previous);
        }

        var deadline = DateTime.UtcNow.AddSeconds(60);
        while (true)
        {
            var ledger = await node.AskAsync("/ops/ledger");
            Assert.True(ledger.GetProperty("balanced").GetBoolean(), ledger.ToString());
            Assert.Equal(3 * 40_000 + ForTheAbsent, ledger.GetProperty("accepted").GetInt64());
            if (ledger.GetProperty("delivered").GetInt64() == 3 * 40_000 + ForTheAbsent) break;
            Assert.True(DateTime.UtcNow < deadline, string.Create(CultureInfo.InvariantCulture, $"not everything is delivered: {ledger}"));
            await Task.Delay(20);
        }
    }

    private static async Task TruncatedReaches(NodeProcess node, long segments)
    {
        var deadline = DateTime.UtcNow.AddSeconds(60);
        while (true)
        {
            var log = (await node.AskAsync("/ops/counters")).GetProperty("log");
            var settled = log.GetProperty("logBytes").GetInt64() <= 2 * log.GetProperty("liveBytes").GetInt64() + (2 << 20);
            if (settled && log.GetProperty("truncatedSegments").GetInt64() >= segments) return;
            Assert.True(DateTime.UtcNow < deadline, $"the log does not become short: {log}");
            await Task.Delay(50);
        }
    }
}
