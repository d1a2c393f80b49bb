using Gateway.Tests.Transport;
using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.C10M;

/// <summary>`C10M echo`: what it sends must come back whole and in order.</summary>
public class EchoTests
{
    private static readonly ReactorGroupOptions Options = new() { Reactors = 1, TickMs = 5 };

    [Theory]
    [InlineData(1, 1, 16, 1)]
    [InlineData(30, 16, 128, 2)]
    [InlineData(3, 5, 100_000, 1)]
    public void Every_message_comes_back_and_is_counted(int connections, int window, int size, int threads)
    {
        using var tool = new LoadTool();
        using var echo = new TestGroup<EchoHandler>(Options, r => new EchoHandler(r));
        var run = Run(tool, echo.Listen().Port, connections, window, size, "--threads", $"{threads}", "--warmup", "50ms");

        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.True(run["measured_messages"] > 0, run.ToString());
        Assert.True(run["sent"] > connections * window, run.ToString());
        Assert.Equal((run["sent"], run["sent"]), (run["double_checks"], run["delivered"]));
        Assert.Equal((connections, connections), (run["connections"], run["alive"]));
        echo.AwaitEmpty(connections);
    }

    [Fact]
    public void The_histogram_counts_the_messages_that_the_percentiles_are_of()
    {
        using var tool = new LoadTool();
        using var echo = new TestGroup<EchoHandler>(Options, r => new EchoHandler(r));
        var run = Run(tool, echo.Listen().Port, 4, 2, 64);

        var histogram = run.Json["latency_histogram"]!;
        var upTo = histogram["up_to_us"]!.AsArray().Select(n => (long)n!).ToArray();
        var counts = histogram["counts"]!.AsArray().Select(n => (long)n!).ToArray();
        Assert.Equal(upTo.Length, counts.Length);
        Assert.Equal(upTo.Order(), upTo);
        // All were sent after the mark: there was no warm-up.
        Assert.Equal(run["double_checks"], counts.Sum());
        Assert.True(run.Json["latency_us"]!["max"]!.GetValue<long>() <= upTo[^1], run.ToString());
    }

    [Fact]
    public void A_changed_byte_is_an_error()
    {
        using var tool = new LoadTool();
        using var echo = new TestGroup<Spoiler>(Options, r => new Spoiler(r));
        var run = Run(tool, echo.Listen().Port, 3, 1, 64, "--stall", "1s");

        Assert.Equal(1, run.ExitCode);
        Assert.Equal(3, run.ErrorsOf("corrupt_body"));
    }

    [Fact]
    public void A_server_that_leaves_is_an_error()
    {
        using var tool = new LoadTool();
        using var echo = new TestGroup<Leaver>(Options, r => new Leaver(r));
        var run = Run(tool, echo.Listen().Port, 3, 1, 64, "--stall", "1s");

        Assert.Equal(1, run.ExitCode);
        Assert.Equal(3, run.Json["errors_by_kind"]!.AsObject().Where(e => e.Key.StartsWith("closed_", StringComparison.Ordinal)).Sum(e => (long)e.Value!));
    }

    private static LoadRun Run(LoadTool tool, int port, int connections, int window, int size, params string[] more) => tool.Run(
        port, CancellationToken.None,
        ["echo", "--connections", $"{connections}", "--window", $"{window}", "--size", $"{size}", "--time", "200ms", .. more]);

    /// <summary>Changes the last byte of what it sends back.</summary>
    private sealed class Spoiler(Reactor reactor) : TestHandler(reactor)
    {
        public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
        {
            var spoilt = bytes.ToArray();
            spoilt[^1] ^= 1;
            Send(c, spoilt);
            return bytes.Length;
        }
    }

    private sealed class Leaver(Reactor reactor) : TestHandler(reactor)
    {
        public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
        {
            Reactor.Close(c);
            return bytes.Length;
        }
    }
}
