using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.C10M;

/// <summary>`C10M relay`: what it sends arrives once and in order, and its counts are the node's.</summary>
public class RelayTests
{
    [Fact]
    public void A_closed_loop_relay_sends_exactly_what_was_asked_and_its_counts_are_the_nodes()
    {
        using var load = new LoadedRelay();
        var run = load.RunCleanly("relay", "--pairs", "7", "--window", "16", "--messages", "20000", "--warmup-messages", "1000");

        Assert.Equal(21_000, run["sent"]);
        Assert.Equal(21_000, run["accepted"]);
        Assert.Equal(21_000, run["delivered"]);
        Assert.Equal(21_000, run["double_checks"]);
        Assert.InRange(run["measured_messages"], 1, 20_000);
        Assert.Equal(14, run["connections"]);
        Assert.Equal(14, run["alive"]);
        Assert.Equal(0, run["errors"]);
        load.AssertLedger(21_000);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(64, 1)]
    [InlineData(100, 1)]
    [InlineData(1024, 2)]
    public void Every_window_from_one_to_beyond_the_protocols_works(int window, int threads)
    {
        using var load = new LoadedRelay();
        var run = load.RunCleanly("relay", "--pairs", "3", "--window", $"{window}", "--messages", "3000", "--threads", $"{threads}");

        Assert.Equal(3_000, run["double_checks"]);
        load.AssertLedger(3_000);
    }

    [Fact]
    public void A_relay_by_time_ends_and_drains_and_adds_up()
    {
        using var load = new LoadedRelay();
        var run = load.RunCleanly("relay", "--pairs", "5", "--window", "8", "--time", "300ms", "--warmup", "100ms");

        Assert.True(run["double_checks"] > 0);
        Assert.Equal(run["sent"], run["double_checks"]);
        load.AssertLedger(run["sent"]);
    }

    [Theory]
    [InlineData("fixed")]
    [InlineData("poisson")]
    [InlineData("chat")]
    public void An_open_loop_sends_every_intended_message_and_no_more(string mix)
    {
        using var load = new LoadedRelay();
        var run = load.RunCleanly("relay", "--pairs", "10", "--rate", "4000", "--time", "500ms", "--mix", mix, "--seed", "42");

        // The times are drawn in advance: how many lie within half a second follows from the seed alone, but for where each sender begins.
        Assert.InRange(run["sent"], mix == "fixed" ? 1990 : 1400, mix == "fixed" ? 2010 : 2600);
        load.AssertLedger(run["sent"]);
    }

    [Fact]
    public void An_open_loop_sees_a_stall_as_latency_of_every_message_that_was_due_in_it()
    {
        using var load = new LoadedRelay(new RelayFaults { StallAt = 500, StallMs = 500 });
        var run = load.RunCleanly("relay", "--pairs", "4", "--window", "4", "--rate", "1000", "--time", "2s");

        // Of 2000 messages 500 were due while nothing moved, and half of them waited 250 ms or more.
        Assert.True(run.Json["latency_us"]!["p90"]!.GetValue<long>() >= 250_000, run.ToString());
        load.AssertLedger(run["sent"]);
    }

    [Fact]
    public void Large_bodies_straddle_reads_and_arrive_intact()
    {
        using var load = new LoadedRelay();
        load.RunCleanly("relay", "--pairs", "3", "--window", "8", "--messages", "500", "--size", "60000");

        load.AssertLedger(500);
    }

    [Fact]
    public void Messages_that_another_run_left_are_acknowledged_and_counted_apart()
    {
        using var load = new LoadedRelay();
        var sender = new Address(AddressKind.User, 1_000_000);
        var recipient = new Address(AddressKind.User, 1_000_001);
        for (var i = 0; i < 5; i++) load.Relay.Leave(recipient, sender, new byte[64]);
        var run = load.RunCleanly("relay", "--pairs", "1", "--messages", "100");

        // Five messages, and the receipts for them that reach a sender who did not send them.
        Assert.InRange(run["strays"], 6, 10);
        Assert.Equal(100, run["delivered"]);
        load.AssertLedger(105);
    }

    [Fact]
    public void A_steady_relay_allocates_nothing_for_a_message()
    {
        using var load = new LoadedRelay();
        var run = load.RunCleanly("relay", "--pairs", "20", "--window", "16", "--messages", "100000", "--warmup-messages", "20000");

        // Orders and buffers that the pools lend for the first time are all there is: it does not grow with the messages.
        Assert.True(run["load_allocated_bytes"] < 200_000, run.ToString());
    }
}
