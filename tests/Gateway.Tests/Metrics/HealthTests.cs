using System.Net;
using System.Text.Json.Nodes;
using Gateway.Server;
using Gateway.Server.Metrics;
using Gateway.Tests.Server;
using Xunit;

namespace Gateway.Tests.Metrics;

/// <summary>What the three health endpoints say of a node in trouble, and what none of them takes for trouble.</summary>
public sealed class HealthTests : IAsyncLifetime
{
    private OperatorFixture _api = null!;

    public async Task InitializeAsync() => _api = await OperatorFixture.StartAsync();

    public async Task DisposeAsync() => await _api.DisposeAsync();

    [Fact]
    public async Task Only_a_deadlock_ends_liveness()
    {
        _api.Node.StalledFor = TimeSpan.FromSeconds(29);
        _api.Node.Readiness = NodeReadiness.Failed("the disk said no");
        _api.Node.Counters = NodeCounters.None with { Log = new LogCounters { DiskFull = true } };
        _api.Node.Queues = [Queue(depth: 100)];
        Assert.Equal(HttpStatusCode.OK, (await AskAsync("/livez")).Code);

        _api.Node.StalledFor = TimeSpan.FromSeconds(31);
        var (code, body) = await AskAsync("/livez");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, code);
        Assert.Equal("a reactor has not begun a turn for 31 s", (string?)JsonNode.Parse(body)!["detail"]);
    }

    [Fact]
    public async Task Status_gives_each_thing_that_is_wrong_as_a_reason_and_readiness_stays_what_it_is()
    {
        _api.Node.StalledFor = TimeSpan.FromSeconds(40);
        _api.Node.Counters = new NodeCounters([new ReactorCounters { PausedByBudget = 2 }, new ReactorCounters { PausedByBudget = 5 }], new LogCounters { DiskFull = true }, 0);
        _api.Node.Queues = [Queue(depth: 89), Queue(depth: 90), Queue(depth: 1_000_000) with { Capacity = 0 }];

        var status = JsonNode.Parse((await AskAsync("/status")).Body)!;

        Assert.True((bool)status["ready"]!);
        Assert.Equal(
            [
                "a reactor has not begun a turn for 40 s",
                "the disk has no room for another segment of the log: messages are refused until it has",
                "7 connections are not read because buffers are over their budget",
                "queue commits of reactor 3 holds 90 of 100, the oldest for 1.2 s",
            ],
            status["reasons"]!.AsArray().Select(r => (string?)r));
        Assert.Equal(HttpStatusCode.OK, (await AskAsync("/readyz")).Code);
    }

    [Fact]
    public async Task Status_shows_the_queues_readings()
    {
        _api.Node.Queues = [Queue(depth: 4)];

        var queue = JsonNode.Parse((await AskAsync("/status")).Body)!["queues"]!.AsArray().Single()!;

        Assert.Equal(
            """{"name":"commits","reactor":3,"depth":4,"capacity":100,"highMark":95,"in":14,"out":10,"oldestAgeSeconds":1.235,"rates":null,"drainSeconds":null,"growing":false,"alert":null,"standing":"resting","text":"4 queued, nothing comes or goes, the oldest for 1.2 s"}""",
            queue.ToJsonString());
    }

    private static QueueReading Queue(long depth) => new("commits", 3, depth, 100, 95, 10 + depth, 10, TimeSpan.FromSeconds(1.2346));

    private async Task<(HttpStatusCode Code, string Body)> AskAsync(string path)
    {
        using var answer = await _api.Anonymous.GetAsync(path);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }
}
