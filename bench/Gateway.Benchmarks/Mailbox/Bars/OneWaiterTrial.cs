using Gateway.Mailbox;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>One waiter: each message is sent when the one before it is durable.</summary>
internal sealed class OneWaiterTrial : Trial
{
    private readonly List<IDisposable> _owned = [];
    private MailboxSettings _settings = null!;
    private RawFile _raw = null!;
    private PairLoad _store = null!;
    private StockLog _stock = null!;
    private StockLog _fast = null!;

    public override string Name => "one-waiter";

    public override string What =>
        "Each message is sent when the one before is durable. **Raw**: pwrite of the record's 276 bytes and fdatasync by the waiting thread itself, into a file written before. " +
        "**Store**: append, the commit thread's write and fdatasync, back to the owner. **Stock**: `FasterLog` with its own device, commit manager and settings, " +
        "`EnqueueAndWaitForCommitAsync`, a loop that commits as soon as somebody waits; with `FastCommitMode` beside it, which is not its default.";

    public override void Prepare(string folder, MailboxSettings settings)
    {
        _settings = settings;
        _owned.Add(_raw = new RawFile(Path.Combine(folder, "raw")));
        var store = new LogUnderTest(
            l => new MailboxLogOptions { Folder = Path.Combine(folder, "store"), NewLogIdentity = LogUnderTest.Identity, MemoryBytes = settings.LogMemoryBytes, OnCommitted = l.OnCommitted },
            TimeProvider.System);
        _owned.Add(store);
        _store = new PairLoad(store, mailboxes: 1000, Acknowledging.Nothing);
        _store.WarmUp(settings.LogMemoryBytes);
        _owned.Add(_stock = new StockLog(Path.Combine(folder, "stock"), fastCommit: false));
        _owned.Add(_fast = new StockLog(Path.Combine(folder, "fast"), fastCommit: true));
    }

    public override void Measure(int round, Readings into, CancellationToken stop)
    {
        double raw = 0, store = 0, stock = 0, fast = 0;
        TakeTurns(
            round,
            () => raw = Turn(limit => _raw.Run(long.MaxValue, limit)),
            () => store = Turn(limit => _store.Run(1, long.MaxValue, limit).PerSecond),
            () => stock = Turn(limit => _stock.Run(1, long.MaxValue, limit)),
            () => fast = Turn(limit => _fast.Run(1, long.MaxValue, limit)));
        _store.AcknowledgeAll();
        into.Add("raw_commits_per_s", raw);
        into.Add("store_commits_per_s", store);
        into.Add("stock_commits_per_s", stock);
        into.Add("stock_fast_commits_per_s", fast);
        into.Add("store_by_raw", store / raw);
        into.Add("store_by_stock", store / stock);
        into.Add("store_by_stock_fast", store / fast);

        double Turn(Func<TimeSpan, double> run)
        {
            run(_settings.Rounds.Warmup);
            return run(_settings.Rounds.Time);
        }
    }

    public override void Dispose()
    {
        foreach (var owned in _owned) owned.Dispose();
        base.Dispose();
    }
}
