using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Gateway.Protocol;
using Gateway.Tests.Transport;
using Xunit;
using Xunit.Abstractions;

namespace Gateway.Tests.EndToEnd;

/// <summary>P6 and P8 at the door and behind it: what connections may hold of a node's memory, and what it does when they hold too much.</summary>
public abstract class SheddingTests(ITestOutputHelper output, string io) : IDisposable
{
    private const int HoardedBytes = 60_000;

    private static readonly Address Alice = new(AddressKind.User, 15550001);
    private static readonly Address Bob = new(AddressKind.User, 15550002);

    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    [OnBackendTheory]
    [OneAndEightReactors]
    public async Task Above_the_hard_mark_a_new_connection_is_told_so_and_those_inside_go_on(int reactors)
    {
        await using var node = await NodeProcess.StartSmallAsync(
            _folder.File("data"), reactors, $"--io {io} --buffer-soft 1MiB --buffer-hard 2MiB --frame-timeout 1h --idle-timeout 1h");
        using var alice = new WireDevice(node.NativePort).LogIn(Alice, node.KeyOf(Alice));
        using var bob = new WireDevice(node.NativePort).LogIn(Bob, node.KeyOf(Bob));

        // Each leaves most of a frame behind and never sends the rest.
        var hoarders = new List<WireDevice>();
        var half = new byte[Wire.HeaderBytes + HoardedBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(half, (uint)FrameType.Send << 24 | (HoardedBytes + 1000));
        (FrameType Type, byte[] Payload)? refused = null;
        for (var i = 0; refused is null; i++)
        {
            Assert.True(i < 1_000, "nobody was ever refused");
            var device = new Address(AddressKind.User, 15560000 + (ulong)i);
            var hoarder = new WireDevice(node.NativePort);
            hoarders.Add(hoarder);
            try
            {
                hoarder.LogIn(device, node.KeyOf(device));
                hoarder.SendRaw(half);
            }
            catch (InvalidDataException)
            {
                // It was answered otherwise than with a challenge; the next one looks at what comes.
                refused = new WireDevice(node.NativePort).Read();
            }
        }

        Assert.Equal(FrameType.GoAway, refused.Value.Type);
        Assert.True(GoAwayFrame.TryParse(refused.Value.Payload, out var goAway, out _));
        Assert.Equal(ErrorCode.BuffersFull, goAway.Reason);
        Assert.NotEqual(0u, goAway.ReconnectAfterMs);
        using (var stranger = new WireDevice(node.NativePort))
        {
            stranger.Expect(FrameType.GoAway);
            Assert.True(ErrorFrame.TryParse(stranger.Expect(FrameType.Error), out var error, out _));
            Assert.Equal(ErrorCode.BuffersFull, error.Code);
            Assert.Null(stranger.Read());
        }

        for (var number = 1UL; number <= 100; number++)
        {
            alice.Send(Bob, number, "still here"u8);
            alice.Expect(FrameType.Accepted);
            Assert.True(DeliverFrame.TryParse(bob.Expect(FrameType.Deliver), out var delivered, out _));
            bob.Acknowledge(delivered.Sequence);
            Assert.True(ReceiptFrame.TryParse(alice.Expect(FrameType.Receipt), out var receipt, out _));
            alice.Acknowledge(receipt.Sequence);
        }

        Assert.True(await Sum(node, "connectionsShed") >= 2);
        output.WriteLine($"{hoarders.Count} hoarders, {await Sum(node, "bufferedBytes"):N0} B buffered");

        // They leave, and the door is open.
        foreach (var hoarder in hoarders) hoarder.Dispose();
        var late = new Address(AddressKind.User, 15570000);
        Wait.Until(() =>
        {
            try
            {
                using var device = new WireDevice(node.NativePort).LogIn(late, node.KeyOf(late));
                return true;
            }
            catch (InvalidDataException)
            {
                return false;
            }
        }, "a new device is let in");
    }

    /// <summary>
    /// The bound: the cursor writes no more while 64 KiB are unsent, so it may go beyond by one frame; the turn buffer is 4 KiB or, for a frame that
    /// is longer, the next size of segment, and what stands behind it lies in segments of 4 KiB.
    /// </summary>
    [OnBackendTheory]
    [OneAndEightReactors]
    public async Task A_peer_that_never_reads_holds_at_most_its_lease(int reactors)
    {
        const int bodyBytes = 3_900;
        const int messages = 1_024;
        const long bound = 64 * 1024 + DeliverFrame.FixedBytes + Wire.HeaderBytes + bodyBytes + 4 * 4096;
        await using var node = await NodeProcess.StartSmallAsync(
            _folder.File("data"), reactors, $"--io {io} --idle-timeout 1h --tcp-user-timeout 0ms --redeliver-after 1h");
        using var alice = new WireDevice(node.NativePort).LogIn(Alice, node.KeyOf(Alice));
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096, ReceiveTimeout = 20_000 };
        socket.Connect(IPAddress.Loopback, node.NativePort);
        using var deaf = new WireDevice(socket).LogIn(Bob, node.KeyOf(Bob), creditMessages: messages, creditBytes: 4 << 20);

        // Twice its credit: what the kernel's buffers take (2.5 MiB over loopback), what the node holds, and what stays in the mailbox.
        var body = new byte[bodyBytes];
        for (var number = 1UL; number <= 2 * messages; number++)
        {
            alice.Send(Bob, number, body);
            alice.Expect(FrameType.Accepted);
        }

        // The node holds something for it, so the kernel's buffers are full; and never more than the bound.
        Wait.Until(() => Sum(node, "bufferedBytes").Result > 64 * 1024 - bodyBytes, "the connection's lease is full");
        var held = await Sum(node, "bufferedBytes");
        output.WriteLine($"{held:N0} B held of {bound:N0}");
        Assert.InRange(held, 1, bound);
        Assert.Equal(2, await Sum(node, "sessions"));
        Assert.Equal(2 * messages, (await node.AskAsync("/ops/ledger")).GetProperty("pending").GetInt64());
    }

    private static async Task<long> Sum(NodeProcess node, string counter)
    {
        var counters = await node.AskAsync("/ops/counters");
        return counters.GetProperty("reactors").EnumerateArray().Sum(r => r.GetProperty(counter).GetInt64());
    }
}

public sealed class SheddingTestsOnEpoll(ITestOutputHelper output) : SheddingTests(output, "epoll");

public sealed class SheddingTestsOnUring(ITestOutputHelper output) : SheddingTests(output, "uring");
