using Gateway.Protocol;
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
        Assert.InRange(run["measured_messages"], 1, 20_000);
        Assert.Equal(14, run["connections"]);
        Assert.Equal(14, run["alive"]);
        Assert.Equal(0, run["errors"]);
        AssertLedger(relay, 21_000);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(64, 1)]
    [InlineData(100, 1)]
    [InlineData(1024, 2)]
    public void Every_window_from_one_to_beyond_the_protocols_works(int window, int threads)
    {
        using var tool = new LoadTool();
        using var relay = new FakeRelay(tool.Secret);
        var run = tool.Run(relay, "relay", "--pairs", "3", "--window", $"{window}", "--messages", "3000", "--threads", $"{threads}");

        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal(3_000, run["double_checks"]);
        AssertLedger(relay, 3_000);
    }

    [Fact]
    public void A_relay_by_time_ends_and_drains_and_adds_up()
    {
        using var tool = new LoadTool();
        using var relay = new FakeRelay(tool.Secret);
        var run = tool.Run(relay, "relay", "--pairs", "5", "--window", "8", "--time", "300ms", "--warmup", "100ms");

        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.True(run["double_checks"] > 0);
        Assert.Equal(run["sent"], run["double_checks"]);
        AssertLedger(relay, run["sent"]);
    }

    [Theory]
    [InlineData("fixed")]
    [InlineData("poisson")]
    [InlineData("chat")]
    public void An_open_loop_sends_every_intended_message_and_no_more(string mix)
    {
        using var tool = new LoadTool();
        using var relay = new FakeRelay(tool.Secret);
        var run = tool.Run(relay, "relay", "--pairs", "10", "--rate", "4000", "--time", "500ms", "--mix", mix, "--seed", "42");

        Assert.True(run.ExitCode == 0, run.ToString());
        // The times are drawn in advance: how many lie within half a second follows from the seed alone, but for where each sender begins.
        Assert.InRange(run["sent"], mix == "fixed" ? 1990 : 1400, mix == "fixed" ? 2010 : 2600);
        AssertLedger(relay, run["sent"]);
    }

    [Fact]
    public void An_open_loop_sees_a_stall_as_latency_of_every_message_that_was_due_in_it()
    {
        using var tool = new LoadTool();
        using var relay = new FakeRelay(tool.Secret, new RelayFaults { StallAt = 500, StallMs = 500 });
        var run = tool.Run(relay, "relay", "--pairs", "4", "--window", "4", "--rate", "1000", "--time", "2s");

        Assert.True(run.ExitCode == 0, run.ToString());
        // Of 2000 messages 500 were due while nothing moved, and half of them waited 250 ms or more.
        Assert.True(run.Json["latency_us"]!["p90"]!.GetValue<long>() >= 250_000, run.ToString());
        AssertLedger(relay, run["sent"]);
    }

    [Fact]
    public void Large_bodies_straddle_reads_and_arrive_intact()
    {
        using var tool = new LoadTool();
        using var relay = new FakeRelay(tool.Secret);
        var run = tool.Run(relay, "relay", "--pairs", "3", "--window", "8", "--messages", "500", "--size", "60000");

        Assert.True(run.ExitCode == 0, run.ToString());
        AssertLedger(relay, 500);
    }

    [Fact]
    public void Messages_that_another_run_left_are_acknowledged_and_counted_apart()
    {
        using var tool = new LoadTool();
        using var relay = new FakeRelay(tool.Secret);
        var sender = new Address(AddressKind.User, 1_000_000);
        var recipient = new Address(AddressKind.User, 1_000_001);
        for (var i = 0; i < 5; i++) relay.Leave(recipient, sender, new byte[64]);
        var run = tool.Run(relay, "relay", "--pairs", "1", "--messages", "100");

        Assert.True(run.ExitCode == 0, run.ToString());
        // Five messages, and the receipts for them that reach a sender who did not send them.
        Assert.InRange(run["strays"], 6, 10);
        Assert.Equal(100, run["delivered"]);
        AssertLedger(relay, 105);
    }

    [Fact]
    public void A_steady_relay_allocates_nothing_for_a_message()
    {
        using var tool = new LoadTool();
        using var relay = new FakeRelay(tool.Secret);
        var run = tool.Run(relay, "relay", "--pairs", "20", "--window", "16", "--messages", "100000", "--warmup-messages", "20000");

        Assert.True(run.ExitCode == 0, run.ToString());
        // Orders and buffers that the pools lend for the first time are all there is: it does not grow with the messages.
        Assert.True(run["load_allocated_bytes"] < 200_000, run.ToString());
    }

    internal static void AssertLedger(FakeRelay relay, long messages)
    {
        var ledger = relay.Ledger();
        Assert.Equal((messages, messages, 0, 0), (ledger.Accepted, ledger.Delivered, ledger.Pending, ledger.ReceiptsPending));
        Assert.Empty(relay.Fatal);
    }
}
