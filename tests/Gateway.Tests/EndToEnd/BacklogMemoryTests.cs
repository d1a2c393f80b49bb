using System.Globalization;
using Gateway.Protocol;
using Xunit;
using Xunit.Abstractions;

namespace Gateway.Tests.EndToEnd;

/// <summary>
/// Promise 6, in bytes: what waits for a slow or absent device costs a node index entries, not buffers. A node's memory is everything resident or
/// swapped. One that was warmed up may still take another region of its heap, one to two megabytes; so what counts is the least of a few nodes.
/// </summary>
public sealed class BacklogMemoryTests : IDisposable
{
    private const int Nodes = 3;
    private const int WarmMessages = 100_000;
    private const long Allowance = 5_000_000;
    private const long BytesAMessage = 20;

    private static readonly Address Alice = new(AddressKind.User, 15550001);
    private static readonly Address Warm = new(AddressKind.User, 15550003);
    private static readonly Address Deaf = new(AddressKind.User, 15550002);

    private readonly TemporaryFolder _folder = new();
    private readonly ITestOutputHelper _output;

    public BacklogMemoryTests(ITestOutputHelper output) => _output = output;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [OneAndEightReactors]
    public Task A_mailbox_of_a_hundred_thousand_fills_and_drains_within_five_megabytes(int reactors) => GrowsByAtMost(Allowance, reactors, node =>
        LoadProcess.RunAsync(node, "offline", "--mailboxes", "1", "--senders", "1", "--messages", "100000", "--size", "200", "--first-address", "3000000"));

    [Theory]
    [OneAndEightReactors]
    public Task A_device_that_never_reads_costs_twenty_bytes_a_message_however_long_the_messages_are(int reactors)
    {
        // 256 MiB of them.
        const int Messages = 8192, BodyBytes = 32 * 1024, Burst = 32;
        return GrowsByAtMost(Allowance + Messages * BytesAMessage, reactors, node =>
        {
            using var deaf = new WireDevice(node.NativePort).LogIn(Deaf, node.KeyOf(Deaf), creditMessages: 1_000_000, creditBytes: 1 << 30);
            using var alice = new WireDevice(node.NativePort).LogIn(Alice, node.KeyOf(Alice));
            var body = new byte[BodyBytes];
            for (ulong number = 1; number <= Messages; number += Burst)
            {
                for (var i = 0UL; i < Burst; i++) alice.Send(Deaf, number + i, body, lowestOpen: number);
                for (var i = 0; i < Burst; i++) alice.Expect(FrameType.Accepted);
            }

            return Task.CompletedTask;
        });
    }

    /// <summary>The node's memory while something is done to it, at most, against before.</summary>
    private async Task GrowsByAtMost(long bytes, int reactors, Func<NodeProcess, Task> work)
    {
        var least = long.MaxValue;
        for (var i = 1; i <= Nodes && least > bytes; i++)
        {
            // A log memory of 8 MiB is in use to its last page after the warm-up.
            await using var node = new NodeProcess(
                _folder.File($"data{i}"), "--reactors", reactors.ToString(CultureInfo.InvariantCulture), "--log-memory", "8MiB", "--max-mailbox-bytes", "1GiB",
                "--max-mailbox-messages", "1000000", "--pin-reactors", "off");
            await node.StartAsync();
            await LoadProcess.RunAsync(node, "relay", "--pairs", "100", "--messages", $"{WarmMessages}", "--first-address", "9000000");
            await LoadProcess.RunAsync(node, "offline", "--mailboxes", "32", "--senders", "32", "--messages", $"{WarmMessages / 32}", "--size", "200", "--first-address", "8000000");
            using (var warm = new WireDevice(node.NativePort).LogIn(Warm, node.KeyOf(Warm)))
            {
                // Buffers for long messages are kept for reuse as well.
                for (ulong number = 1; number <= 32; number++) warm.Send(Warm, number, new byte[32 * 1024], lowestOpen: 1);
                for (var n = 0; n < 32; n++) Assert.NotNull(warm.Read());
            }

            var before = MemoryOf(node.Program.Id);
            var most = 0L;
            var working = Task.Run(() => work(node));
            while (!working.IsCompleted)
            {
                most = Math.Max(most, MemoryOf(node.Program.Id));
                await Task.WhenAny(working, Task.Delay(20));
            }

            await working;
            most = Math.Max(most, MemoryOf(node.Program.Id));
            _output.WriteLine($"{before >> 10} KiB before, {most >> 10} KiB at most: grown by {most - before} bytes, {bytes} allowed");
            least = Math.Min(least, most - before);
        }

        Assert.True(least <= bytes, $"the node grew by {least} bytes where {bytes} are allowed");
    }

    /// <summary>In bytes; proc(5), smaps_rollup.</summary>
    private static long MemoryOf(int pid)
    {
        var lines = File.ReadAllLines($"/proc/{pid}/smaps_rollup");
        return Kilobytes("Rss:") + Kilobytes("Swap:");

        long Kilobytes(string name) => 1024 * long.Parse(
            lines.First(l => l.StartsWith(name, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}
