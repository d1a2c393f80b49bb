using Gateway.Protocol;
using Gateway.Tests.Transport;
using Xunit;
using Xunit.Abstractions;

namespace Gateway.Tests.EndToEnd;

/// <summary>
/// Storms: many more devices come at once than the node takes up. All are let in in the end, at the rate; those inside go on meanwhile; nothing
/// that was accepted is lost. How long those inside wait is measured, not tested: perf-reports.
/// </summary>
public abstract class StormTests(ITestOutputHelper output, string io) : IDisposable
{
    private const int Devices = 1_000;
    private const int Storms = 2;

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
    public async Task All_come_back_at_the_rate_while_those_inside_go_on(int reactors)
    {
        await using var node = await NodeProcess.StartSmallAsync(_folder.File("data"), reactors, $"--io {io} --login-rate 800 --login-burst 80");
        using var alice = new WireDevice(node.NativePort).LogIn(Alice, node.KeyOf(Alice));
        using var bob = new WireDevice(node.NativePort).LogIn(Bob, node.KeyOf(Bob));
        using var stop = new CancellationTokenSource();
        var exchanging = Task.Factory.StartNew(() => Exchange(alice, bob, stop.Token), TaskCreationOptions.LongRunning);

        await LoadProcess.RunAsync(node, "storm", "--connections", $"{Devices}", "--times", $"{Storms}", "--first-address", "16000000");
        await stop.CancelAsync();
        var exchanged = await exchanging;

        Assert.NotEqual(0UL, exchanged);
        Assert.Equal(2 + Storms * Devices, await Sum(node, "logins"));
        var deferred = await Sum(node, "loginsDeferred");
        output.WriteLine($"{exchanged} messages meanwhile, {deferred} sent away");
        // At 800 a second a thousand at once cannot all be let in by a bucket of 80.
        Assert.InRange(deferred, 100, 20 * Storms * Devices);
        Assert.Equal(0, await Sum(node, "authenticationsFailed"));
        var ledger = await node.AskAsync("/ops/ledger");
        Assert.True(ledger.GetProperty("balanced").GetBoolean());
        Assert.Equal((long)exchanged, ledger.GetProperty("accepted").GetInt64());
        Assert.Equal((long)exchanged, ledger.GetProperty("delivered").GetInt64());
    }

    /// <summary>One message after the other, each up to its double check; returns how many.</summary>
    private static ulong Exchange(WireDevice from, WireDevice to, CancellationToken stop)
    {
        ulong number = 0;
        while (!stop.IsCancellationRequested)
        {
            from.Send(Bob, ++number, "hello"u8);
            from.Expect(FrameType.Accepted);
            Assert.True(DeliverFrame.TryParse(to.Expect(FrameType.Deliver), out var delivered, out _));
            to.Acknowledge(delivered.Sequence);
            Assert.True(ReceiptFrame.TryParse(from.Expect(FrameType.Receipt), out var receipt, out _));
            from.Acknowledge(receipt.Sequence);
        }

        return number;
    }

    private static async Task<long> Sum(NodeProcess node, string counter)
    {
        var counters = await node.AskAsync("/ops/counters");
        return counters.GetProperty("reactors").EnumerateArray().Sum(r => r.GetProperty(counter).GetInt64());
    }
}

public sealed class StormTestsOnEpoll(ITestOutputHelper output) : StormTests(output, "epoll");

public sealed class StormTestsOnUring(ITestOutputHelper output) : StormTests(output, "uring");
