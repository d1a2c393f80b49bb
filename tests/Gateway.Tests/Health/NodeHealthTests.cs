using Gateway.Server;
using Gateway.Server.Health;
using Gateway.Server.Health.Alerts;
using Gateway.Tests.Server;
using Xunit;

namespace Gateway.Tests.Health;

/// <summary>How the watch sees a node from tick to tick: by a scripted node and a stepped clock.</summary>
public sealed class NodeHealthTests : IAsyncLifetime, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CapturedLog _log = new();
    private readonly SteppedTime _time = new();
    private readonly FakeNode _node = new();
    private NodeHealth _health = null!;
    private long _commits;

    public Task InitializeAsync()
    {
        _health = new NodeHealth(_node, GatewayOptions.Default with { Data = _folder.Path }, OperatorFixture.Keys, _log.Factory(), _time);
        _health.Look();
        return Task.CompletedTask;
    }

    public async Task DisposeAsync() => await _health.DisposeAsync();

    public void Dispose()
    {
        _log.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(1000)]
    public void A_disk_is_slow_whether_its_commits_end_in_every_tick_in_every_third_or_never(int ticksACommit)
    {
        for (var tick = 0; tick < 12; tick++)
        {
            var ends = tick % ticksACommit == ticksACommit - 1;
            Tick(ends ? TimeSpan.FromSeconds(ticksACommit) : TimeSpan.Zero, uncommitted: 500);
        }

        var alert = Assert.Single(_health.Alerts);
        Assert.Equal(("CommitSlow", AlertState.Active), (alert.Kind.Name, alert.State));
    }

    [Fact]
    public void A_disk_that_is_slow_now_and_then_for_a_message_now_and_then_is_no_slow_disk()
    {
        for (var tick = 0; tick < 60; tick++) Tick(tick % 4 == 0 ? TimeSpan.FromSeconds(0.4) : TimeSpan.Zero, uncommitted: 0);
        Assert.Empty(_health.Alerts);
    }

    [Fact]
    public void New_thresholds_are_in_force_at_the_next_look()
    {
        Tick(TimeSpan.FromSeconds(0.2), 500);
        _health.Thresholds = _health.Thresholds with { Commit = TimeSpan.FromSeconds(0.1), RaiseAfter = TimeSpan.Zero };
        Tick(TimeSpan.FromSeconds(0.2), 500);
        Assert.Equal(0.1, Assert.Single(_health.Alerts).Threshold);
    }

    [Fact]
    public void A_node_that_has_stopped_is_not_the_end_of_its_watch()
    {
        _node.AnswerError = new NodeStoppedException("The node has stopped for good.");
        Assert.Throws<NodeStoppedException>(() => Tick(TimeSpan.Zero, 0));
        _node.AnswerError = null;
        Tick(TimeSpan.Zero, 0);
    }

    private void Tick(TimeSpan commit, long uncommitted)
    {
        _time.Advance(TimeSpan.FromSeconds(1));
        if (commit > TimeSpan.Zero) _commits++;
        _node.FakeInsight.LongestCommit = commit;
        _node.Counters = NodeCounters.None with { Log = new LogCounters { Commits = _commits, UncommittedBytes = uncommitted } };
        _health.Look();
    }
}
