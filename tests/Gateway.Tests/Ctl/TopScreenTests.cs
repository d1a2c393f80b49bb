using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Gateway.Ctl;
using Gateway.Ctl.Top;
using Gateway.Server.Metrics;
using Gateway.Tests.Server;
using Xunit;
using ExitCode = Gateway.Ctl.ExitCode;

namespace Gateway.Tests.Ctl;

/// <summary>gatewayctl top on a terminal: what it draws, how it follows keys, and what it does while the node is away.</summary>
public sealed partial class TopScreenTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task Each_frame_is_one_write_over_the_one_before_and_the_shells_screen_comes_back()
    {
        await using var top = await TopAsync(80, 24);
        await top.SeenAsync(f => f.Contains("All is well", StringComparison.Ordinal), 2);

        top.Press('q');
        await top.Ended;

        Assert.StartsWith("\e[?1049h\e[?25l", top.Writes.First(), StringComparison.Ordinal);
        Assert.Equal("\e[?25h\e[?1049l", top.Writes.Last());
        var frames = top.Writes.Skip(1).SkipLast(1).ToList();
        Assert.True(frames.Count >= 2);
        // Nothing is cleared before it is drawn: that is what flickers.
        Assert.All(frames, f => Assert.StartsWith("\e[?2026h\e[H", f, StringComparison.Ordinal));
        Assert.All(frames, f => Assert.DoesNotContain("\e[2J", f, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(80, 24, 8)]
    [InlineData(60, 10, 64)]
    [InlineData(200, 50, 8)]
    public async Task A_frame_never_is_wider_or_higher_than_the_terminal(int columns, int lines, int reactors)
    {
        await using var top = await TopAsync(columns, lines, reactors);
        top.Press('r');
        var frame = await top.SeenAsync(f => f.Contains("r all reactors", StringComparison.Ordinal));

        var rows = Plain(frame).Split("\r\n");
        Assert.True(rows.Length <= lines, $"{rows.Length} rows");
        Assert.All(rows, row => Assert.True(row.Length <= columns, $"{row.Length}: {row}"));
        Assert.Contains("gateway at node, ready", rows[0], StringComparison.Ordinal);
        Assert.StartsWith("q quit", rows[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keys_show_reactors_order_and_empty_queues_and_pause()
    {
        await using var top = await TopAsync(120, 40);
        var together = Plain(await top.SeenAsync(f => f.Contains("All is well", StringComparison.Ordinal)));
        Assert.Matches(@"\ninbox +· flowing +[▁▂▃▄▅▆▇█]+ +7 ", together.Replace("\r", "", StringComparison.Ordinal));
        Assert.Contains("posts", together, StringComparison.Ordinal);

        top.Press('r');
        await top.SeenAsync(f => f.Contains("inbox/0", StringComparison.Ordinal) && f.Contains("inbox/1", StringComparison.Ordinal));
        top.Press('e');
        await top.SeenAsync(f => !f.Contains("posts", StringComparison.Ordinal) && Plain(f).Contains(" empty", StringComparison.Ordinal));
        top.Press('s');
        await top.SeenAsync(f => f.Contains("s order: depth", StringComparison.Ordinal));
        top.Press('p');
        await top.SeenAsync(f => f.Contains("PAUSED", StringComparison.Ordinal));
        top.Press('p');
        await top.SeenAsync(f => !f.Contains("PAUSED", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_node_that_goes_away_is_told_with_what_was_last_known_and_waited_for()
    {
        await using var top = await TopAsync(120, 40);
        await top.SeenAsync(f => f.Contains("All is well", StringComparison.Ordinal));

        top.Failure = "the node cannot be reached at node: Connection refused";
        var away = await top.SeenAsync(f => f.Contains("no data since ", StringComparison.Ordinal));
        Assert.Contains("Connection refused", away, StringComparison.Ordinal);
        Assert.Contains("inbox", away, StringComparison.Ordinal);

        top.Failure = null;
        await top.SeenAsync(f => !f.Contains("no data", StringComparison.Ordinal) && f.Contains("All is well", StringComparison.Ordinal));
    }

    [Fact]
    public void A_graph_has_the_greatest_depth_of_each_part_of_the_minute_and_none_of_another_process()
    {
        var history = new DepthHistory();
        foreach (var (second, depth) in ((int, long)[])[(0, 5), (1, 80), (2, 40), (59, 10)]) history.Note(Status(100 + second, depth), TimeSpan.FromSeconds(second));
        var queue = new QueueRow("inbox", -1, 10, 0, 0, 0, null, "flowing", "");

        Assert.Equal([80, 80, 80, 80, 80, 10], history.Of(queue, 6, TimeSpan.FromSeconds(59)).Select(d => d ?? -1));
        Assert.Equal("█▅▁", Sparkline.Of([80, 44, 0]));
        Assert.Equal(" ▁▂", Sparkline.Of([null, 0, 2]));

        history.Note(Status(1, 3), TimeSpan.FromSeconds(60));
        Assert.Equal([-1, -1, 3], history.Of(queue, 3, TimeSpan.FromSeconds(60)).Select(d => d ?? -1));
    }

    private static JsonNode Status(double uptime, long depth) => JsonNode.Parse(
        $$"""{"uptimeSeconds":{{uptime}},"queues":[],"nodeQueues":[{"name":"inbox","reactor":-1,"depth":{{depth}},"rates":null,"oldestAgeSeconds":0,"drainSeconds":null,"standing":"flowing","text":""}]}""")!;

    private static async Task<Top> TopAsync(int columns, int lines, int reactors = 2)
    {
        await using var api = await OperatorFixture.StartAsync();
        api.Health.Look();
        api.Node.Queues = [.. Enumerable.Range(0, reactors).SelectMany(r => (QueueReading[])[Queue("inbox", r, r == 0 ? 7 : 0), Queue("posts", r, 0)])];
        api.Health.Look();
        await Task.Delay(20);
        api.Node.Queues = [.. api.Node.Queues.Select(q => q with { In = q.In + 10, Out = q.Out + 10 })];
        api.Health.Look();
        return new Top(await api.GetAsync("/status"), columns, lines);
    }

    private static QueueReading Queue(string name, int reactor, long depth) => new(name, reactor, depth, 0, depth, depth, 0, TimeSpan.Zero);

    private static string Plain(string frame) => EscapePattern().Replace(frame, "");

    [GeneratedRegex("\e\\[[?0-9;]*[A-Za-z]")]
    private static partial Regex EscapePattern();

    /// <summary>A screen that runs, with its writes as they came and keys as they are pressed.</summary>
    private sealed class Top : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly ConcurrentQueue<ConsoleKeyInfo> _keys = new();
        private readonly Written _written = new();
        private int _seen;

        public Top(JsonNode status, int columns, int lines)
        {
            var terminal = new TopTerminal(() => (columns, lines), () => _keys.TryDequeue(out var key) ? key : null, _written, WithColours: true);
            Task<JsonNode> Ask(CancellationToken cancel) => Failure is { } failure
                ? Task.FromException<JsonNode>(new CtlException(ExitCode.Unreachable, failure))
                : Task.FromResult(status);
            Ended = Task.Run(() => new TopScreen(Ask, "node", TimeSpan.FromMilliseconds(100), terminal, TimeProvider.System).RunAsync(_stop.Token));
        }

        public volatile string? Failure;

        public Task Ended { get; }
        public IReadOnlyCollection<string> Writes => _written.All;

        public void Press(char key) => _keys.Enqueue(new ConsoleKeyInfo(key, default, false, false, false));

        /// <summary>The first frame since the last that was seen of which this holds, or the so-manieth.</summary>
        public async Task<string> SeenAsync(Func<string, bool> holds, int times = 1)
        {
            var deadline = DateTime.UtcNow + Deadline;
            while (DateTime.UtcNow < deadline)
            {
                var writes = Writes.ToList();
                for (; _seen < writes.Count; _seen++)
                {
                    if (holds(writes[_seen]) && writes[_seen].Contains("\e[H", StringComparison.Ordinal) && --times == 0) return writes[_seen++];
                }

                if (Ended.IsFaulted) await Ended;
                await Task.Delay(10);
            }

            throw new TimeoutException($"Not seen; the last frame: {Writes.LastOrDefault()}");
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await Ended;
            _stop.Dispose();
        }
    }

    private sealed class Written : StringWriter
    {
        private readonly ConcurrentQueue<string> _all = new();

        public IReadOnlyCollection<string> All => _all;

        public override void Write(string? value) => _all.Enqueue(value ?? "");
    }
}
