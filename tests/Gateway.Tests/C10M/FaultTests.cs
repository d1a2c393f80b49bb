using Xunit;

namespace Gateway.Tests.C10M;

/// <summary>A node that breaks a promise is found out; one that does what it may is not accused.</summary>
public class FaultTests
{
    private static readonly string[] Relay = ["relay", "--pairs", "2", "--window", "16", "--messages", "2000", "--stall", "2s"];

    [Fact]
    public void A_lost_message_fails_the_run()
    {
        var run = Run(new RelayFaults { LoseEvery = 700 });
        Assert.Equal(1, run.ExitCode);
        Assert.True(run["lost"] > 0, run.ToString());
    }

    [Fact]
    public void A_message_stored_twice_is_a_duplicate()
    {
        var run = Run(new RelayFaults { StoreTwiceEvery = 100 });
        Assert.Equal(1, run.ExitCode);
        Assert.Equal(20, run["duplicates"]);
        Assert.Equal(2000, run["delivered"]);
    }

    [Fact]
    public void A_deliver_told_twice_without_the_flag_is_a_duplicate()
    {
        var run = Run(new RelayFaults { DeliverTwiceEvery = 100 });
        Assert.Equal(1, run.ExitCode);
        Assert.Equal(20, run["duplicates"]);
    }

    [Fact]
    public void A_deliver_told_again_with_the_flag_is_what_a_node_may_do()
    {
        var run = Run(new RelayFaults { DeliverTwiceEvery = 100, FlagsRedelivery = true });
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal(20, run["redelivered"]);
        Assert.Equal(2000, run["delivered"]);
    }

    [Fact]
    public void Two_messages_that_changed_places_are_out_of_order()
    {
        var run = Run(new RelayFaults { SwapEvery = 333 });
        Assert.Equal(1, run.ExitCode);
        Assert.True(run["out_of_order"] > 0, run.ToString());
        Assert.Equal(2000, run["delivered"]);
        Assert.Equal(0, run["duplicates"]);
    }

    [Fact]
    public void A_changed_byte_is_found()
    {
        var run = Run(new RelayFaults { CorruptEvery = 500 });
        Assert.Equal(1, run.ExitCode);
        Assert.Equal(4, run.ErrorsOf("corrupt_body"));
    }

    [Fact]
    public void What_is_refused_for_now_is_sent_again_and_arrives_in_order()
    {
        var run = Run(new RelayFaults { RefuseEvery = 150 }, adds: 2000);
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.True(run["refused_temporary"] >= 13, run.ToString());
        Assert.Equal(run["refused_temporary"], run["resent"]);
    }

    [Fact]
    public void What_is_refused_in_an_open_loop_is_sent_again_and_arrives_in_order()
    {
        var run = Run(
            new RelayFaults { RefuseEvery = 150 }, ["relay", "--pairs", "2", "--window", "16", "--rate", "2000", "--messages", "1000"], adds: 1000);
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.True(run["refused_temporary"] >= 6, run.ToString());
    }

    [Fact]
    public void What_is_refused_for_good_fails_the_run_and_does_not_hold_it_up()
    {
        var run = Run(new RelayFaults { RefuseForGoodEvery = 400 });
        Assert.Equal(1, run.ExitCode);
        Assert.Equal(5, run["refused_final"]);
        Assert.Equal(5, run.ErrorsOf("refused_unsupportedkind"));
        Assert.Equal(1995, run["double_checks"]);
        Assert.Equal(0, run.ErrorsOf("measure_stalled"));
    }

    [Fact]
    public void A_receipt_told_twice_counts_once()
    {
        var run = Run(new RelayFaults { RepeatReceiptEvery = 10 });
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.True(run["repeated_receipts"] > 0, run.ToString());
        Assert.Equal(2000, run["double_checks"]);
    }

    [Fact]
    public void A_broken_connection_is_an_error()
    {
        var run = Run(new RelayFaults { ResetEvery = 900 });
        Assert.Equal(1, run.ExitCode);
        Assert.True(run["errors"] > 0, run.ToString());
    }

    [Fact]
    public void A_broken_connection_comes_back_on_request_and_nothing_is_lost_or_sent_twice()
    {
        var run = Run(new RelayFaults { ResetEvery = 300 }, [.. Relay, "--reconnect"], adds: 2000);
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.True(run["reconnects"] >= 6, run.ToString());
        Assert.Equal(2000, run["accepted"]);
        Assert.Equal(2000, run["delivered"]);
    }

    [Fact]
    public void Both_ends_of_an_exchange_come_back()
    {
        var run = Run(
            new RelayFaults { ResetEvery = 170 }, ["connect", "--connections", "20", "--exchange", "50", "--hold", "0s", "--reconnect"], adds: 1000);
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.True(run["reconnects"] >= 5, run.ToString());
        Assert.Equal(20, run["alive"]);
    }

    [Fact]
    public void An_overloaded_node_is_asked_again()
    {
        var run = Run(new RelayFaults { OverloadEvery = 3 }, ["connect", "--connections", "60", "--hold", "0s"]);
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal(60, run["connections"]);
        Assert.True(run["login_retries"] >= 20, run.ToString());
    }

    [Fact]
    public void A_node_that_does_not_know_the_key_is_not_believed()
    {
        var run = Run(new RelayFaults { LiesAboutKey = true });
        Assert.Equal(1, run.ExitCode);
        Assert.Equal(4, run.ErrorsOf("node_proof_wrong"));
        Assert.Equal(4, run.ErrorsOf("not_logged_in"));
    }

    [Fact]
    public void A_node_that_falls_silent_ends_the_run()
    {
        var run = Run(new RelayFaults { FallsSilent = true }, ["relay", "--pairs", "2", "--messages", "100", "--stall", "500ms"]);
        Assert.Equal(1, run.ExitCode);
        Assert.Equal(1, run.ErrorsOf("measure_stalled"));
        Assert.Equal(0, run["double_checks"]);
    }

    [Fact]
    public void Nobody_listening_is_an_error_of_each_connection()
    {
        using var tool = new LoadTool();
        int port;
        using (var relay = new FakeRelay(tool.Secret)) port = relay.EndPoint.Port;
        var run = tool.Run(port, CancellationToken.None, "connect", "--connections", "5", "--hold", "0s");
        Assert.Equal(1, run.ExitCode);
        Assert.Equal(5, run.ErrorsOf("connect_errno_111"));
        Assert.Equal(5, run.ErrorsOf("not_logged_in"));
    }

    private static LoadRun Run(RelayFaults faults, string[]? arguments = null, long adds = -1)
    {
        using var load = new LoadedRelay(faults);
        var run = load.Run(arguments ?? Relay);
        if (adds >= 0) load.AssertLedger(adds);
        Assert.Empty(load.Relay.Fatal);
        return run;
    }
}
