using Gateway.Mailbox;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>A thousand messages on their way against a thousand waiters.</summary>
internal sealed class WaitersTrial : Trial
{
    private const int Waiters = 1000;
    private const int Messages = 400_000;

    private readonly List<IDisposable> _owned = [];
    private MailboxSettings _settings = null!;
    private PairLoad _store = null!;
    private StockLog _stock = null!;

    public override string Name => "waiters";

    public override string What =>
        "**Store**: 1000 messages to 1000 mailboxes wait for their commit in the owner's ring behind one watermark. **Stock**: `FasterLog` as above, 1000 tasks of which each " +
        "awaits `EnqueueAndWaitForCommitAsync` of the same records. Messages only; the store's are acknowledged between the rounds.";

    public override void Prepare(string folder, MailboxSettings settings)
    {
        _settings = settings;
        var store = new LogUnderTest(
            l => new MailboxLogOptions { Folder = Path.Combine(folder, "store"), NewLogIdentity = LogUnderTest.Identity, MemoryBytes = settings.LogMemoryBytes, OnCommitted = l.OnCommitted },
            TimeProvider.System);
        _owned.Add(store);
        _store = new PairLoad(store, Waiters, Acknowledging.Nothing);
        _store.WarmUp(settings.LogMemoryBytes);
        _owned.Add(_stock = new StockLog(Path.Combine(folder, "stock"), fastCommit: false));
    }

    public override void Measure(int round, Readings into, CancellationToken stop)
    {
        double store = 0, stock = 0;
        var messages = _settings.Sized(Messages, Waiters);
        TakeTurns(
            round,
            () => store = Turn(limit => _store.Run(Waiters, messages, limit).PerSecond),
            () => stock = Turn(limit => _stock.Run(Waiters, messages, limit)));
        _store.AcknowledgeAll();
        into.Add("store_messages_per_s", store);
        into.Add("stock_messages_per_s", stock);
        into.Add("store_by_stock", store / stock);

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
