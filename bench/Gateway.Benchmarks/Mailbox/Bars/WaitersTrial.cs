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
    private LogUnderTest _log = null!;
    private PairLoad _store = null!;
    private StockLog _stock = null!;

    public override string Name => "waiters";

    public override string What =>
        "**Store**: 1000 messages to 1000 mailboxes wait for their commit in the owner's ring behind one watermark. **Stock**: `FasterLog` as above, 1000 tasks of which each " +
        "awaits `EnqueueAndWaitForCommitAsync` of the same records. Messages only. Before each turn the store's are acknowledged and its log is compacted, so that it goes on in files that it " +
        "has used before, as a node's does after its first compaction; the stock log goes on in new ones, as it always does.";

    public override void Prepare(string folder, MailboxSettings settings)
    {
        _settings = settings;
        _log = new LogUnderTest(
            l => new MailboxLogOptions
            {
                Folder = Path.Combine(folder, "store"),
                NewLogIdentity = LogUnderTest.Identity,
                SegmentBytes = SegmentBytes,
                MemoryBytes = settings.LogMemoryBytes,
                OnCommitted = l.OnCommitted,
                OnCompaction = _ => l.OnCommitted(),
            },
            TimeProvider.System);
        _owned.Add(_log);
        _store = new PairLoad(_log, Waiters, Acknowledging.Nothing);
        _store.WarmUp(settings.LogMemoryBytes);
        _owned.Add(_stock = new StockLog(Path.Combine(folder, "stock"), fastCommit: false));
    }

    public override void Measure(int round, Readings into, CancellationToken stop)
    {
        double store = 0, stock = 0;
        var messages = _settings.Sized(Messages, Waiters);
        TakeTurns(
            round,
            () => store = Turn(limit => _store.Run(Waiters, messages, limit).PerSecond, () => TurnOver(stop)),
            () => stock = Turn(limit => _stock.Run(Waiters, messages, limit), () => { }));
        TurnOver(stop);
        into.Add("store_messages_per_s", store);
        into.Add("stock_messages_per_s", stock);
        into.Add("store_by_stock", store / stock);
        into.Add("store_segments_used_again", _log.Log.Counters.SegmentsUsedAgain);

        double Turn(Func<TimeSpan, double> run, Action turnOver)
        {
            run(_settings.Rounds.Warmup);
            turnOver();
            return run(_settings.Rounds.Time);
        }
    }

    /// <summary>Has everything acknowledged and every segment but the last given up, whose files are then the next ones.</summary>
    private void TurnOver(CancellationToken stop)
    {
        _store.AcknowledgeAll();
        while (_log.Partition.HasCompaction || _log.Log.Counters.LogBytes > 2 * _log.Log.Counters.LiveBytes + SegmentBytes)
        {
            stop.ThrowIfCancellationRequested();
            _log.Compact(_ => 2);
            _log.EndBatch();
            Thread.Sleep(1);
        }
    }

    public override void Dispose()
    {
        foreach (var owned in _owned) owned.Dispose();
        base.Dispose();
    }
}
