using System.Text;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.EndToEnd;

/// <summary>A real node in a process of its own, and devices that speak raw frames: the life of a message from end to end.</summary>
public sealed class ExchangeTests : IDisposable
{
    private static readonly Address Alice = new(AddressKind.User, 15550001);
    private static readonly Address Bob = new(AddressKind.User, 15550002);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private NodeProcess Node(int reactors, params string[] options) =>
        new(_folder.File("data"), ["--reactors", $"{reactors}", .. options]);

    [Theory]
    [OneAndEightReactors]
    public async Task A_message_is_accepted_delivered_acknowledged_and_its_receipt_comes_back(int reactors)
    {
        await using var node = Node(reactors);
        await node.StartAsync();
        using var alice = new WireDevice(node.NativePort).LogIn(Alice, node.KeyOf(Alice));
        using var bob = new WireDevice(node.NativePort).LogIn(Bob, node.KeyOf(Bob));

        alice.Send(Bob, 1, "hello"u8);
        Assert.True(AcceptedFrame.TryParse(alice.Expect(FrameType.Accepted), out var accepted, out _));
        Assert.Equal(1UL, accepted.Number);

        Assert.True(DeliverFrame.TryParse(bob.Expect(FrameType.Deliver), out var delivered, out _));
        Assert.Equal("hello", Encoding.UTF8.GetString(delivered.Body));
        Assert.Equal(Alice, delivered.From);
        Assert.Equal(1UL, delivered.Number);
        Assert.Equal(alice.Incarnation, delivered.Incarnation);
        bob.Acknowledge(delivered.Sequence);

        Assert.True(ReceiptFrame.TryParse(alice.Expect(FrameType.Receipt), out var receipt, out _));
        Assert.Equal(ReceiptKind.Delivered, receipt.Kind);
        Assert.Equal(Bob, receipt.Peer);
        Assert.Equal(1, receipt.Count);
        Assert.Equal(1UL, receipt.Number(0));
        alice.Acknowledge(receipt.Sequence);

        await LedgerReaches(node, accepted: 1, delivered: 1, pending: 0);
        Assert.Equal(0, await node.StopAsync());
    }

    [Theory]
    [OneAndEightReactors]
    public async Task What_was_accepted_survives_kill_9_in_order_and_a_resend_is_recognised(int reactors)
    {
        await using var node = Node(reactors);
        await node.StartAsync();
        uint incarnation;
        using (var alice = new WireDevice(node.NativePort).LogIn(Alice, node.KeyOf(Alice)))
        {
            incarnation = alice.Incarnation;
            for (var n = 1UL; n <= 50; n++) alice.Send(Bob, n, Encoding.UTF8.GetBytes($"line {n}"), lowestOpen: 1);
            for (var n = 1; n <= 50; n++) alice.Expect(FrameType.Accepted);
        }

        node.Kill();
        await node.StartAsync();

        using (var alice = new WireDevice(node.NativePort).LogIn(Alice, node.KeyOf(Alice), incarnation))
        {
            alice.Send(Bob, 50, "line 50"u8, lowestOpen: 1); // accepted before the kill: answered, not stored again
            Assert.True(AcceptedFrame.TryParse(alice.Expect(FrameType.Accepted), out var accepted, out _));
            Assert.Equal(50UL, accepted.Number);
        }

        using var bob = new WireDevice(node.NativePort).LogIn(Bob, node.KeyOf(Bob));
        Assert.Equal(50u, bob.Pending);
        var previous = 0UL;
        for (var n = 1; n <= 50; n++)
        {
            Assert.True(DeliverFrame.TryParse(bob.Expect(FrameType.Deliver), out var delivered, out _));
            Assert.Equal($"line {n}", Encoding.UTF8.GetString(delivered.Body));
            Assert.Equal(previous, delivered.Previous);
            previous = delivered.Sequence;
        }

        bob.Acknowledge(previous);
        await LedgerReaches(node, accepted: 50, delivered: 50, pending: 0);
    }

    [Theory]
    [OneAndEightReactors]
    public async Task What_nobody_fetches_in_its_time_goes_and_its_sender_hears_of_it(int reactors)
    {
        await using var node = Node(reactors);
        await node.StartAsync();
        using (var alice = new WireDevice(node.NativePort).LogIn(Alice, node.KeyOf(Alice)))
        {
            alice.Send(Bob, 1, "gone in a second"u8, expirySeconds: 1);
            alice.Send(Bob, 2, "here for long"u8, lowestOpen: 1);
            alice.Expect(FrameType.Accepted);
            alice.Expect(FrameType.Accepted);
            Assert.True(ReceiptFrame.TryParse(alice.Expect(FrameType.Receipt), out var receipt, out _));
            Assert.Equal((ReceiptKind.Expired, Bob, 1, 1UL), (receipt.Kind, receipt.Peer, receipt.Count, receipt.Number(0)));
            alice.Acknowledge(receipt.Sequence);
            await LedgerReaches(node, accepted: 2, delivered: 0, pending: 1, expired: 1);
        }

        node.Kill();
        await node.StartAsync();
        using var bob = new WireDevice(node.NativePort).LogIn(Bob, node.KeyOf(Bob));
        Assert.True(DeliverFrame.TryParse(bob.Expect(FrameType.Deliver), out var delivered, out _));
        Assert.Equal("here for long", Encoding.UTF8.GetString(delivered.Body));
        bob.Acknowledge(delivered.Sequence);
        await LedgerReaches(node, accepted: 2, delivered: 1, pending: 0, expired: 1);
    }

    [Theory]
    [OneAndEightReactors]
    public async Task A_second_login_takes_over_and_the_first_is_told(int reactors)
    {
        await using var node = Node(reactors);
        await node.StartAsync();
        using var first = new WireDevice(node.NativePort).LogIn(Alice, node.KeyOf(Alice));
        using var second = new WireDevice(node.NativePort).LogIn(Alice, node.KeyOf(Alice), first.Incarnation);

        Assert.True(ErrorFrame.TryParse(first.Expect(FrameType.Error), out var error, out _));
        Assert.Equal(ErrorCode.TakenOver, error.Code);
        Assert.Null(first.Read());
        second.Send(Bob, 1, "still here"u8);
        second.Expect(FrameType.Accepted);
    }

    [Theory]
    [OneAndEightReactors]
    public async Task SIGTERM_says_go_away_and_exits_0_with_everything_committed(int reactors)
    {
        await using var node = Node(reactors, "--drain-time", "1s");
        await node.StartAsync();
        using var alice = new WireDevice(node.NativePort).LogIn(Alice, node.KeyOf(Alice));
        alice.Send(Bob, 1, "before the end"u8);
        alice.Expect(FrameType.Accepted);

        var stopping = node.StopAsync();
        Assert.True(GoAwayFrame.TryParse(alice.Expect(FrameType.GoAway), out var goAway, out _));
        Assert.Equal(ErrorCode.ShuttingDown, goAway.Reason);
        Assert.Equal(0, await stopping);

        await node.StartAsync();
        await LedgerReaches(node, accepted: 1, delivered: 0, pending: 1);
    }

    [Theory]
    [OneAndEightReactors]
    public async Task A_revoked_key_closes_its_session_and_stays_revoked_after_kill_9(int reactors)
    {
        await using var node = Node(reactors);
        await node.StartAsync();
        using var alice = new WireDevice(node.NativePort).LogIn(Alice, node.KeyOf(Alice));

        var answer = await node.PostAsync("/ops/devices/15550001/revoke");
        Assert.Equal(1u, answer.GetProperty("epoch").GetUInt32());
        Assert.True(ErrorFrame.TryParse(alice.Expect(FrameType.Error), out var error, out _));
        Assert.Equal(ErrorCode.KeyRevoked, error.Code);

        node.Kill();
        await node.StartAsync();
        using var again = new WireDevice(node.NativePort);
        var refused = Assert.Throws<WireErrorException>(() => again.LogIn(Alice, node.KeyOf(Alice)));
        Assert.Equal(ErrorCode.KeyRevoked, refused.Code);
        using var renewed = new WireDevice(node.NativePort).LogIn(Alice, node.KeyOf(Alice, epoch: 1), keyEpoch: 1);
    }

    private static async Task LedgerReaches(NodeProcess node, long accepted, long delivered, long pending, long expired = 0)
    {
        var deadline = DateTime.UtcNow.AddSeconds(20);
        while (true)
        {
            var ledger = await node.AskAsync("/ops/ledger");
            var actual = (Term("accepted"), Term("delivered"), Term("pending"), Term("expired"));
            if (actual == (accepted, delivered, pending, expired) && ledger.GetProperty("balanced").GetBoolean()) return;
            Assert.True(DateTime.UtcNow < deadline, $"expected {(accepted, delivered, pending, expired)}, the ledger stays {ledger}");
            await Task.Delay(20);

            long Term(string name) => ledger.GetProperty(name).GetInt64();
        }
    }
}
