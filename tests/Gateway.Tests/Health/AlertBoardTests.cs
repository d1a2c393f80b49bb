using Gateway.Protocol;
using Gateway.Server;
using Gateway.Server.Health;
using Gateway.Server.Health.Alerts;
using Gateway.Server.Health.Top;
using Gateway.Server.Metrics;
using Gateway.Server.Options;
using Xunit;

namespace Gateway.Tests.Health;

/// <summary>When an alert is raised and cleared, whom it names, and which of several comes first: by samples alone, a second apart.</summary>
public sealed class AlertBoardTests
{
    private readonly AlertBoard _board = new(new Culprits(e => e.Who is { } who ? $"~{who.Number}" : e.Name));
    private readonly AlertThresholds _thresholds = AlertThresholds.Default with { RaiseAfter = TimeSpan.FromSeconds(5), ClearAfter = TimeSpan.FromSeconds(30) };
    private int _second;

    [Fact]
    public void A_depth_that_does_not_last_is_no_alert_and_one_that_does_is_told_once()
    {
        for (var i = 0; i < 5; i++) Assert.Empty(Look(Inbox(900)));
        Assert.Empty(Look(Inbox(10)));
        for (var i = 0; i < 5; i++) Assert.Empty(Look(Inbox(900)));

        var raised = Assert.Single(Look(Inbox(900)));

        Assert.Equal(("QueueBacklog", "inbox", 3, 900.0, 800.0), (raised.Kind.Name, raised.Queue, raised.Reactor, raised.Value, raised.Threshold));
        Assert.Equal("queue inbox of reactor 3: 900 queued, nothing comes or goes, the oldest for 0 s", raised.Culprit);
        Assert.Empty(Look(Inbox(950)));
        Assert.Equal(950, Assert.Single(_board.Alerts).Value);
    }

    [Fact]
    public void It_is_cleared_when_it_has_been_below_four_fifths_for_long_enough_and_not_for_less()
    {
        Raise(Inbox(900));
        // Between four fifths and the threshold nothing changes, however long.
        for (var i = 0; i < 100; i++) Assert.Empty(Look(Inbox(700)));
        for (var i = 0; i < 30; i++) Assert.Empty(Look(Inbox(600)));
        Assert.Empty(Look(Inbox(650)));
        for (var i = 0; i < 30; i++) Assert.Empty(Look(Inbox(600)));

        var cleared = Assert.Single(Look(Inbox(600)));

        Assert.Equal((AlertState.Cleared, 600.0), (cleared.State, cleared.Value));
        Assert.Equal(cleared, Assert.Single(_board.Alerts));
        Assert.Equal(cleared.ClearedAt, Wall(_second - 1));
        Assert.Equal(AlertState.Active, Raise(Inbox(900)).State);
    }

    [Fact]
    public void An_age_is_long_enough_as_it_is()
    {
        Assert.Empty(Look(Inbox(1, ageSeconds: 4.9)));
        var raised = Assert.Single(Look(Inbox(1, ageSeconds: 5)));
        Assert.Equal("QueueStuck", raised.Kind.Name);
    }

    [Fact]
    public void A_queue_that_grows_never_drains_and_one_that_drains_too_slowly_is_told_too()
    {
        var grows = new HealthSample { At = default, WallClock = default, Queues = [Queue("inbox", 2_000, inRate: 100, outRate: 50)] };
        Assert.Equal(("QueueNotDraining", double.PositiveInfinity), (Raise(grows).Kind.Name, _board.Alerts[0].Value));

        _board.Evaluate(At(grows with { Queues = [] }), _thresholds);
        var slow = new AlertBoard(new Culprits(e => e.Name));
        var drains = grows with { Queues = [Queue("posts", 4_000, inRate: 90, outRate: 100)] };
        for (var i = 0; i < 5; i++) slow.Evaluate(At(drains), _thresholds);
        var raised = Assert.Single(slow.Evaluate(At(drains), _thresholds));
        Assert.Equal(("QueueNotDraining", 400.0), (raised.Kind.Name, raised.Value));
        Assert.Contains("7 min to drain", raised.Culprit, StringComparison.Ordinal);
    }

    [Fact]
    public void A_queue_whose_limit_is_off_or_its_own_is_judged_by_that()
    {
        Assert.True(QueueLimits<TimeSpan>.TryParse("off,posts=2s", OptionKinds.TryParseDuration, out var ages, out _));
        var thresholds = _thresholds with { QueueAge = ages };
        var sample = new HealthSample { At = default, WallClock = default, Queues = [Queue("inbox", 1, age: 100), Queue("posts", 1, age: 3)] };
        Assert.Equal("posts", Assert.Single(_board.Evaluate(At(sample), thresholds)).Queue);
    }

    [Fact]
    public void A_slow_disk_is_told_first_and_what_waits_for_it_follows_from_it()
    {
        // Commits grow old within the second in which the disk has been slow for long enough; the inbox behind them a little later.
        var changes = new List<Alert>();
        for (var i = 0; i < 12; i++)
        {
            changes.AddRange(Look(new HealthSample
            {
                At = default, WallClock = default, Commit = TimeSpan.FromSeconds(1 + i), AppendRate = 1 << 20,
                Queues = [Queue("commits", 5000, age: 1 + i), Queue("inbox", 10, age: i)],
            }));
        }

        Assert.Equal(["CommitSlow", "QueueStuck", "QueueStuck"], changes.Select(a => a.Kind.Name));
        Assert.Equal("the disk: a commit takes 6 s, 5,000 records wait for it, 1 MiB/s are appended", changes[0].Culprit);
        Assert.Equal("commits", changes[1].Queue);
        Assert.Contains("it follows from CommitSlow: the disk", changes[1].Culprit, StringComparison.Ordinal);
    }

    [Fact]
    public void What_could_be_explained_waits_until_the_explanation_is_raised_or_gone()
    {
        // The age is over at once; the disk becomes slow a second before that and is then not slow any more.
        var stuck = new HealthSample { At = default, WallClock = default, Queues = [Queue("inbox", 10, age: 60)] };
        Assert.Empty(Look(stuck with { Commit = TimeSpan.FromSeconds(2), Queues = [] }));
        Assert.Empty(Look(stuck with { Commit = TimeSpan.FromSeconds(2) }));
        var raised = Assert.Single(Look(stuck));
        Assert.Equal("QueueStuck", raised.Kind.Name);
        Assert.DoesNotContain("follows", raised.Culprit, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stalled_reactor_is_named_at_once_with_what_waits_for_it()
    {
        var raised = Assert.Single(Look(new HealthSample
        {
            At = default, WallClock = default,
            Counters = new NodeCounters([new ReactorCounters { Index = 0 }, new ReactorCounters { Index = 1, SinceTurn = TimeSpan.FromSeconds(4), Sessions = 500 }], default, 0),
            Queues = [Queue("inbox", 120, reactor: 1, age: 3.9)],
        }));
        Assert.Equal(("ReactorStalled", 1), (raised.Kind.Name, raised.Reactor));
        Assert.Equal("reactor 1 has not begun a turn for 4 s; its inbox: 120 queued, the oldest for 3.9 s; 500 devices are at home there", raised.Culprit);
    }

    [Fact]
    public void A_flood_names_its_sender_and_what_it_sends_against_all_others()
    {
        var raised = Raise(new HealthSample { At = default, WallClock = default, SendRate = 14_000, Senders = [Sender(15550001, 12_000), Sender(15550002, 100)] });
        Assert.Equal("SenderFlood", raised.Kind.Name);
        Assert.Equal("sender ~15550001 of reactor 0 sends 12 k/s of the 14 k/s that arrive at the node", raised.Culprit);
        Assert.Equal(["~15550001", "~15550002"], raised.Top.Select(t => $"~{t.Who!.Value.Number}"));
    }

    [Fact]
    public void A_rate_that_may_be_an_error_of_the_sketch_is_no_flood()
    {
        var sample = new HealthSample { At = default, WallClock = default, SendRate = 70_000, Senders = [Sender(1, 1_050) with { Error = 100 }] };
        for (var i = 0; i < 20; i++) Assert.Empty(Look(sample));
    }

    [Fact]
    public void One_hot_mailbox_is_an_alert_long_before_the_whole_backlog_is()
    {
        var raised = Raise(new HealthSample
        {
            At = default, WallClock = default,
            Queues = [Queue("mailbox_backlog", 31_000, inRate: 1_200, outRate: 0.5)],
            Mailboxes = [new TopEntry(TopKind.Mailbox, new Address(AddressKind.User, 77), "", 30_000, 0, "entries", 0, "")],
        });
        Assert.Equal(("MailboxBacklog", 30_000.0, 20_000.0), (raised.Kind.Name, raised.Value, raised.Threshold));
        Assert.Contains("31 k queued, 1,200/s in, 0.5/s out", raised.Culprit, StringComparison.Ordinal);
        Assert.EndsWith("~77 alone holds 30 k", raised.Culprit, StringComparison.Ordinal);
    }

    [Fact]
    public void A_backlog_that_drains_is_told_with_what_comes_in_as_well()
    {
        var raised = Raise(new HealthSample
        {
            At = default, WallClock = default,
            Queues = [Queue("mailbox_backlog", 2_000_000, inRate: 100, outRate: 1_200)],
        });
        Assert.EndsWith("100/s in against 1,200/s out", raised.Culprit, StringComparison.Ordinal);
    }

    [Fact]
    public void Memory_near_its_mark_names_the_sockets_it_waits_for()
    {
        var raised = Raise(new HealthSample
        {
            At = default, WallClock = default, BufferHard = 1 << 30,
            Counters = new NodeCounters([new ReactorCounters { BufferedBytes = 950L << 20 }], default, 0),
            Queues = [Queue("send_leases", 5_000)],
            Sockets = [new TopEntry(TopKind.Socket, new Address(AddressKind.User, 5), "", 256 << 10, 0, "bytes", 0, "unread for 12 s")],
        });
        Assert.Equal("MemoryHigh", raised.Kind.Name);
        Assert.Equal("buffers hold 950 MiB of at most 1 GiB; most of it waits for ~5 (256 KiB unread for 12 s)", raised.Culprit);
    }

    [Fact]
    public void Every_explanation_is_an_alert_nearer_the_cause()
    {
        var names = AlertKinds.All.Select(k => k.Name).ToList();
        Assert.Equal(names.Count, names.Distinct().Count());
        foreach (var kind in AlertKinds.All)
        {
            Assert.NotEmpty(kind.Causes);
            Assert.All(kind.ExplainedBy, by => Assert.InRange(names.IndexOf(by), 0, names.IndexOf(kind.Name) - 1));
        }
    }

    private Alert Raise(HealthSample sample)
    {
        for (var i = 0; i < 5; i++) Assert.DoesNotContain(Look(sample), a => a.State == AlertState.Active);
        return Look(sample)[0];
    }

    private IReadOnlyList<Alert> Look(HealthSample sample) => _board.Evaluate(At(sample), _thresholds);

    private HealthSample At(HealthSample sample) => sample with { At = TimeSpan.FromSeconds(_second), WallClock = Wall(_second++) };

    private static DateTimeOffset Wall(int second) => DateTimeOffset.UnixEpoch.AddSeconds(second);

    private static HealthSample Inbox(long depth, double ageSeconds = 0) =>
        new() { At = default, WallClock = default, Queues = [Queue("inbox", depth, reactor: 3, age: ageSeconds, capacity: 1000)] };

    private static TopEntry Sender(ulong number, double rate) => new(TopKind.Sender, new Address(AddressKind.User, number), "", rate, 0, "sends/s", 0, "");

    private static QueueHealth Queue(string name, long depth, int reactor = 0, double inRate = 0, double outRate = 0, double age = 0, long capacity = 0) => new(
        new QueueReading(name, reactor, depth, capacity, depth, 0, 0, TimeSpan.FromSeconds(age)), new QueueRates(inRate, inRate, inRate, outRate, outRate, outRate));
}
