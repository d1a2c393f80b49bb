using Gateway.Mailbox;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>A thousand messages on their way against a thousand waiters.</summary>
internal sealed class WaitersTrial : Trial
{
    private const int Waiters = 1000;
    private const int Messages = 400_000;
    private const long SegmentBytes = 64L << 20;

    private readonly List<IDisposable> _owned = [];
    private MailboxSettings _settings = null!;
    private PairLoad _store = null!;
    private LogUnderTest _turnedOverLog = null!;
    private PairLoad _turnedOver = null!;
    private StockLog _stock = null!;

    public override string Name => "waiters";

    public override string What =>
        "**Store**: 1000 messages to 1000 mailboxes wait for their commit in the owner's ring behind one watermark. **Stock**: `FasterLog` as above, 1000 tasks of which each " +
        "awaits `EnqueueAndWaitForCommitAsync` of the same records. Messages only; the store's are acknowledged between the rounds. " +
        "Both go on in new files. **Turned over**, which is no bar: a store whose log is compacted before each turn and goes on in files that it has used before; what compacting costs is not in the turn.";

    public override void Prepare(string folder, MailboxSettings settings)
    {
        _settings = settings;
        _store = LoadOn(StoreIn(folder, "store", compacts: false));
        _turnedOver = LoadOn(_turnedOverLog = StoreIn(folder, "turned-over", compacts: true));
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
        _turnedOver.Run(Waiters, messages, _settings.Rounds.Warmup);
        TurnOver(stop);
        var turnedOver = _turnedOver.Run(Waiters, messages, _settings.Rounds.Time).PerSecond;
        TurnOver(stop);
        into.Add("store_messages_per_s", store);
        into.Add("stock_messages_per_s", stock);
        into.Add("store_by_stock", store / stock);
        into.Add("turned_over_messages_per_s", turnedOver);
        into.Add("turned_over_by_stock", turnedOver / stock);

        double Turn(Func<TimeSpan, double> run)
        {
            run(_settings.Rounds.Warmup);
            return run(_settings.Rounds.Time);
        }
    }

    private LogUnderTest StoreIn(string folder, string name, bool compacts)
    {
        var store = new LogUnderTest(
            l => new MailboxLogOptions
            {
                Folder = Path.Combine(folder, name),
                NewLogIdentity = LogUnderTest.Identity,
                SegmentBytes = SegmentBytes,
                MemoryBytes = _settings.LogMemoryBytes,
                OnCommitted = l.OnCommitted,
                OnCompaction = compacts ? _ => l.OnCommitted() : null,
            },
            TimeProvider.System);
        _owned.Add(store);
        return store;
    }

    private PairLoad LoadOn(LogUnderTest store)
    {
        var load = new PairLoad(store, Waiters, Acknowledging.Nothing);
        load.WarmUp(_settings.LogMemoryBytes);
        return load;
    }

    /// <summary>Has everything acknowledged and every segment but the last given up, whose files are then the next ones.</summary>
    private void TurnOver(CancellationToken stop)
    {
        _turnedOver.AcknowledgeAll();
        while (_turnedOverLog.Partition.HasCompaction || _turnedOverLog.Log.Counters.LogBytes > 2 * _turnedOverLog.Log.Counters.LiveBytes + SegmentBytes)
        {
            stop.ThrowIfCancellationRequested();
            _turnedOverLog.Compact(_ => 2);
            _turnedOverLog.EndBatch();
            Thread.Sleep(1);
        }
    }

    public override void Dispose()
    {
        foreach (var owned in _owned) owned.Dispose();
        base.Dispose();
    }
}
