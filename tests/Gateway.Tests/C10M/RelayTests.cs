using Xunit;

namespace Gateway.Tests.C10M;

/// <summary>`C10M relay`: what it sends arrives once and in order, and its counts are the node's.</summary>
public class RelayTests
{
    [Fact]
    public void A_closed_loop_relay_sends_exactly_what_was_asked_and_its_counts_are_the_nodes()
    {
        using var tool = new LoadTool();
        using var relay = new FakeRelay(tool.Secret);
        var run = tool.Run(relay, "relay", "--pairs", "7", "--window", "16", "--messages", "20000", "--warmup-messages", "1000");

        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal(21_000, run["sent"]);
        Assert.Equal(21_000, run["accepted"]);
        Assert.Equal(21_000, run["delivered"]);
        Assert.Equal(21_000, run["double_checks"]);
        Assert.Equal(14, run["connections"]);
        Assert.Equal(14, run["alive"]);
        Assert.Equal(0, run["errors"]);
        var ledger = relay.Ledger();
        Assert.Equal((21_000, 21_000, 0, 0), (ledger.Accepted, ledger.Delivered, ledger.Pending, ledger.ReceiptsPending));
        Assert.Empty(relay.Fatal);
    }
}
