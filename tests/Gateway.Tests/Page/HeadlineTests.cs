using System.Text.Json.Nodes;
using Gateway.Server;
using Gateway.Server.Metrics;
using Gateway.Tests.Server;
using Xunit;

namespace Gateway.Tests.Page;

/// <summary>What /status says first, and its queues of all reactors together, from which the page and gatewayctl top are drawn.</summary>
public sealed class HeadlineTests
{
    [Fact]
    public async Task A_node_whose_queues_are_empty_is_well()
    {
        await using var api = await OperatorFixture.StartAsync();
        api.Node.Queues = [Queue("inbox", 0, 0), Queue("inbox", 1, 0)];

        Assert.Equal(("well", "All is well", "next to nothing waits anywhere"), await HeadlineAsync(api));
    }

    [Fact]
    public async Task An_alert_comes_before_everything_but_a_node_that_is_not_ready()
    {
        await using var api = await OperatorFixture.StartAsync();
        api.Node.ExpirySuspended = "expiry is suspended: the clock said so";
        Assert.Equal(("watch", "Not all is as it should be", "expiry is suspended: the clock said so"), await HeadlineAsync(api));

        api.Node.Queues = [Queue("inbox", 3, 10) with { OldestAge = TimeSpan.FromSeconds(6) }];
        api.Health.Look();
        var (mood, title, why) = await HeadlineAsync(api);
        Assert.Equal(("trouble", "Problem: inbox of reactor 3"), (mood, title));
        Assert.StartsWith("queue inbox of reactor 3: 10 queued", why, StringComparison.Ordinal);

        api.Node.Readiness = NodeReadiness.Starting("recovering, 40 % read");
        Assert.Equal(("trouble", "The node is starting", "recovering, 40 % read"), await HeadlineAsync(api));
    }

    [Fact]
    public async Task A_queue_that_grows_is_told_before_it_is_an_alert_and_a_few_entries_are_not()
    {
        await using var api = await OperatorFixture.StartAsync();
        await GrowAsync(api, "inbox", 90);
        Assert.Equal("well", (await HeadlineAsync(api)).Mood);

        await GrowAsync(api, "inbox", 5_000);
        var (mood, title, why) = await HeadlineAsync(api);
        Assert.Equal(("watch", "inbox grows"), (mood, title));
        Assert.Contains("growing", why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_queues_of_one_name_are_added_up_and_their_oldest_entry_is_the_oldest_of_all()
    {
        await using var api = await OperatorFixture.StartAsync();
        api.Node.Queues =
        [
            new QueueReading("inbox", 0, 10, 100, 50, 1_000, 990, TimeSpan.FromSeconds(1)), new QueueReading("commits", 0, 7, 0, 9, 20, 13, TimeSpan.FromSeconds(2)),
            new QueueReading("inbox", 1, 30, 100, 40, 2_000, 1_970, TimeSpan.FromSeconds(4)),
        ];

        var inbox = (await NodeQueuesAsync(api)).Single(q => (string)q["name"]! == "inbox");

        Assert.Equal(
            (-1, 40L, 200L, 50L, 3_000L, 2_960L, 4.0),
            ((int)inbox["reactor"]!, (long)inbox["depth"]!, (long)inbox["capacity"]!, (long)inbox["highMark"]!, (long)inbox["in"]!, (long)inbox["out"]!, (double)inbox["oldestAgeSeconds"]!));
        Assert.Null(inbox["rates"]);
        api.Health.Look();
        Assert.NotNull((await NodeQueuesAsync(api)).Single(q => (string)q["name"]! == "inbox")["rates"]);
    }

    [Fact]
    public async Task The_worst_queue_comes_first_and_what_holds_next_to_nothing_last_by_name()
    {
        await using var api = await OperatorFixture.StartAsync();
        api.Health.Look();
        api.Node.Queues =
        [
            Queue("posts", 0, 0), Queue("handshakes", 0, 3), Queue("commits", 0, 0), Queue("mailbox_backlog", 0, 500),
            Queue("inbox", 0, 10) with { OldestAge = TimeSpan.FromSeconds(6) },
        ];
        api.Health.Look();
        await Task.Delay(20);
        api.Node.Queues = [.. api.Node.Queues.Select(q => q.Name switch
        {
            "handshakes" => q with { In = 1_000, Out = 997 },
            "mailbox_backlog" => q with { In = q.In + 10, Out = q.Out + 200, Depth = 310 },
            _ => q,
        })];
        api.Health.Look();

        var queues = await NodeQueuesAsync(api);

        Assert.Equal(
            [("inbox", "alert"), ("mailbox_backlog", "draining"), ("commits", "empty"), ("handshakes", "flowing"), ("posts", "empty")],
            queues.Select(q => ((string)q["name"]!, (string)q["standing"]!)));
    }

    [Fact]
    public async Task The_buffers_their_marks_and_the_mailboxes_by_tens_are_told()
    {
        await using var api = await OperatorFixture.StartAsync();
        api.Node.Counters = NodeCounters.None with
        {
            Reactors = [new ReactorCounters { BufferedBytes = 100 }, new ReactorCounters { Index = 1, BufferedBytes = 23 }],
            Mailboxes = MailboxCounters.None with { MailboxesHolding = [5, 4, 1, 0] },
        };

        var status = await api.GetAsync("/status");

        var buffers = status["buffers"]!;
        Assert.Equal((123L, GatewayOptions.Default.BufferSoft, GatewayOptions.Default.BufferHard), ((long)buffers["bytes"]!, (long)buffers["soft"]!, (long)buffers["hard"]!));
        Assert.Equal([5L, 4, 1, 0], status["mailboxesHolding"]!.AsArray().Select(n => (long)n!));
        Assert.Equal(0, (double)status["longestCommitSeconds"]!);
    }

    private static QueueReading Queue(string name, int reactor, long depth) => new(name, reactor, depth, 0, depth, depth, 0, TimeSpan.Zero);

    private static async Task GrowAsync(OperatorFixture api, string name, long to)
    {
        api.Node.Queues = [Queue(name, 0, to - 1)];
        api.Health.Look();
        await Task.Delay(20);
        api.Node.Queues = [Queue(name, 0, to)];
        api.Health.Look();
    }

    private static async Task<(string Mood, string Title, string Why)> HeadlineAsync(OperatorFixture api)
    {
        var headline = (await api.GetAsync("/status"))["headline"]!;
        return ((string)headline["mood"]!, (string)headline["title"]!, (string)headline["why"]!);
    }

    private static async Task<IReadOnlyList<JsonNode>> NodeQueuesAsync(OperatorFixture api) => [.. (await api.GetAsync("/status"))["nodeQueues"]!.AsArray().Select(q => q!)];
}
