using Gateway.Tests.C10M;
using Xunit;

namespace Gateway.Tests.Ladder;

/// <summary>What every rung must do, in the load tool's own judgement.</summary>
internal static class RungAssert
{
    public static void RelaysAll(LoadTool tool, int port)
    {
        // Large bodies straddle reads, and in such a number exceed what a relay buffers for a reader: it then refuses for now and keeps the order.
        foreach (var (pairs, window, size, messages) in (ReadOnlySpan<(int, int, int, int)>)[(20, 16, 128, 5000), (3, 64, 60_000, 300)])
        {
            var run = tool.Run(
                port, CancellationToken.None,
                "relay", "--pairs", $"{pairs}", "--window", $"{window}", "--size", $"{size}", "--messages", $"{messages}");
            Assert.True(run.ExitCode == 0, run.ToString());
            Assert.Equal((messages, messages, messages), (run["accepted"], run["delivered"], run["double_checks"]));
            Assert.Equal((0, 2 * pairs), (run["strays"], run["alive"]));
        }
    }

    public static void EchoesAll(LoadTool tool, int port)
    {
        foreach (var (connections, window, size) in (ReadOnlySpan<(int, int, int)>)[(20, 4, 64), (2, 8, 200_000)])
        {
            var run = tool.Run(
                port, CancellationToken.None,
                "echo", "--connections", $"{connections}", "--window", $"{window}", "--size", $"{size}", "--time", "200ms");
            Assert.True(run.ExitCode == 0, run.ToString());
            Assert.True(run["sent"] >= connections * window, run.ToString());
            Assert.Equal(connections, run["alive"]);
        }
    }
}
