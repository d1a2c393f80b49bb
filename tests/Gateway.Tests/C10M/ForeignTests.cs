using Xunit;

namespace Gateway.Tests.C10M;

/// <summary>`C10M relay --protocol`: what a foreign server does wrong is seen, and what it does right adds up.</summary>
public class ForeignTests
{
    [Theory]
    [InlineData("--pairs", "1", "--window", "1", "--messages", "200")]
    [InlineData("--pairs", "7", "--window", "16", "--messages", "5000", "--warmup-messages", "500")]
    [InlineData("--pairs", "3", "--window", "1024", "--messages", "9000", "--threads", "2")]
    [InlineData("--pairs", "4", "--window", "4", "--messages", "40", "--size", "60000")]
    [InlineData("--pairs", "5", "--window", "8", "--time", "300ms", "--mix", "chat")]
    [InlineData("--pairs", "5", "--window", "8", "--time", "300ms", "--rate", "2000", "--mix", "poisson")]
    public void A_right_server_adds_up(params string[] arguments)
    {
        using var tool = new LoadTool();
        using var broker = new FakeBroker(new BrokerFaults());
        var run = tool.Run(broker.Port, CancellationToken.None, ["relay", "--protocol", "mqtt", .. arguments]);

        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.True(run["sent"] > 0);
        Assert.Equal((run["sent"], run["sent"], run["sent"]), (run["accepted"], run["delivered"], run["double_checks"]));
        Assert.Equal("mqtt", run.Json["protocol"]!.GetValue<string>());
        Assert.True(run.Json["accept_latency_us"] is not null && run.Json["latency_us"] is not null, run.ToString());
    }

    [Fact]
    public void Connections_can_be_held_and_checked()
    {
        using var tool = new LoadTool();
        using var broker = new FakeBroker(new BrokerFaults());
        var run = tool.Run(broker.Port, CancellationToken.None, "connect", "--protocol", "mqtt", "--connections", "40", "--exchange", "3", "--hold", "0s");

        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal((40L, 40L, 120L), (run["connections"], run["alive"], run["double_checks"]));
    }

    public static TheoryData<string, string> Faults => new()
    {
        { "lose", "lost" },
        { "silent", "lost" },
        { "repeat", "duplicates" },
        { "hold back", "out_of_order" },
        { "corrupt", "corrupt_body" },
        { "misroute", "misrouted" },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void What_a_server_does_wrong_is_seen(string fault, string seenAs)
    {
        using var tool = new LoadTool();
        using var broker = new FakeBroker(fault switch
        {
            "lose" => new BrokerFaults { LoseEvery = 100 },
            "silent" => new BrokerFaults { FallsSilentEvery = 100 },
            "repeat" => new BrokerFaults { RepeatEvery = 100 },
            "hold back" => new BrokerFaults { HoldBackEvery = 100 },
            "corrupt" => new BrokerFaults { CorruptEvery = 100 },
            _ => new BrokerFaults { MisrouteEvery = 100 },
        });
        var run = tool.Run(broker.Port, CancellationToken.None, "relay", "--protocol", "mqtt", "--pairs", "2", "--window", "8", "--messages", "950", "--stall", "2s");

        Assert.True(run.ExitCode == 1, run.ToString());
        if (fault == "silent") Assert.True(run["sent"] > run["accepted"], run.ToString());
        else Assert.True((seenAs is "corrupt_body" or "misrouted" ? run.ErrorsOf(seenAs) : run[seenAs]) > 0, run.ToString());
    }

    [Fact]
    public void A_login_that_is_refused_is_an_error_that_says_why()
    {
        using var tool = new LoadTool();
        using var closed = new FakeBroker(new BrokerFaults { ConnectCode = 5 });
        var refused = tool.Run(closed.Port, CancellationToken.None, "connect", "--protocol", "mqtt", "--connections", "3", "--hold", "0s");
        Assert.True(refused.ExitCode == 1 && refused.ErrorsOf("mqtt_connect_refused_5") == 3, refused.ToString());

        using var mute = new FakeBroker(new BrokerFaults { Granted = 0x80 });
        var unsubscribed = tool.Run(mute.Port, CancellationToken.None, "connect", "--protocol", "mqtt", "--connections", "3", "--hold", "0s");
        Assert.True(unsubscribed.ExitCode == 1 && unsubscribed.ErrorsOf("mqtt_subscribe_refused") == 3, unsubscribed.ToString());

        // It speaks another language altogether: no XML begins with an MQTT packet, nor does a broker answer XML.
        using var relay = new FakeRelay(tool.Secret);
        var lost = tool.Run(relay, "connect", "--protocol", "xmpp", "--connections", "2", "--hold", "0s");
        Assert.True(lost.ExitCode == 1 && lost["connections"] == 0, lost.ToString());
    }

    [Fact]
    public void Coming_back_is_for_the_native_protocol_only()
    {
        using var tool = new LoadTool();
        var run = tool.Run(1, CancellationToken.None, "relay", "--protocol", "mqtt", "--reconnect");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("--reconnect", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_steady_relay_allocates_nothing_for_a_message()
    {
        using var tool = new LoadTool();
        using var broker = new FakeBroker(new BrokerFaults());
        var run = tool.Run(broker.Port, CancellationToken.None, "relay", "--protocol", "mqtt", "--pairs", "5", "--window", "16", "--messages", "30000", "--warmup-messages", "10000");

        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.True(run["load_allocated_bytes"] < 200_000, run.ToString());
    }
}
