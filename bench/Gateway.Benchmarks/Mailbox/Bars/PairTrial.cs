using Gateway.Mailbox;
using Gateway.Mailbox.Storage;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>The store against the raw log, both with fdatasync, with 100 and with 1000 messages on their way.</summary>
internal sealed class PairTrial : Trial
{
    private static readonly (int Outstanding, long Pairs)[] Loads = [(100, 100_000), (1000, 400_000)];

    private readonly List<IDisposable> _owned = [];
    private MailboxSettings _settings = null!;
    private PairLoad _store = null!;
    private PairLoad _raw = null!;

    public override string Name => "pairs";

    public override string What =>
        "Message and later acknowledgement over 1 M mailboxes, each with one pending throughout; 100 or 1000 messages wait for their commit, and each commit's are " +
        "acknowledged and followed by as many new ones. **Store**: `MailboxLog`, one partition: clock and reserved sequence, index, ledger, admission, marks, " +
        "superblock, its watch threads. **Raw**: `FasterLog` with the store's settings, device, segment files and admission, given records of the same layout and CRC32C, " +
        "and a thread that commits whatever there is. Owner and commit thread wake each other the same way on both sides.";

    public override void Prepare(string folder, MailboxSettings settings)
    {
        _settings = settings;
        var mailboxes = settings.Sized(1_000_000, 2000);
        var store = new LogUnderTest(
            l => new MailboxLogOptions { Folder = Path.Combine(folder, "store"), NewLogIdentity = LogUnderTest.Identity, MemoryBytes = settings.LogMemoryBytes, OnCommitted = l.OnCommitted },
            TimeProvider.System);
        _owned.Add(store);
        var options = new MailboxLogOptions { Folder = Path.Combine(folder, "raw"), NewLogIdentity = LogUnderTest.Identity, MemoryBytes = settings.LogMemoryBytes };
        var raw = new RawLog(options, new PosixFileSystem(options.Folder));
        _owned.Add(raw);
        (_store, _raw) = (new PairLoad(store, mailboxes, Acknowledging.TheOneBefore), new PairLoad(raw, mailboxes, Acknowledging.TheOneBefore));
        _store.Fill();
        _raw.Fill();
        _store.WarmUp(settings.LogMemoryBytes);
        _raw.WarmUp(settings.LogMemoryBytes);
    }

    public override void Measure(int round, Readings into, CancellationToken stop)
    {
        foreach (var (outstanding, pairs) in Loads)
        {
            PairLoad.Outcome store = default, raw = default;
            TakeTurns(round, () => store = Turn(_store), () => raw = Turn(_raw));
            into.Add($"store_{outstanding}_pairs_per_s", store.PerSecond);
            into.Add($"raw_{outstanding}_pairs_per_s", raw.PerSecond);
            // What spreads the ratio: how long fdatasync takes in a turn, and how many messages one covers.
            into.Add($"store_{outstanding}_messages_a_commit", store.PerCommit);
            into.Add($"raw_{outstanding}_messages_a_commit", raw.PerCommit);
            into.Add($"store_{outstanding}_fdatasync_us", store.SyncMicroseconds);
            into.Add($"raw_{outstanding}_fdatasync_us", raw.SyncMicroseconds);
            into.Add($"store_by_raw_{outstanding}", store.PerSecond / raw.PerSecond);
            // A message and its acknowledgement are two operations.
            into.Add($"owner_{outstanding}_bytes_per_operation", store.Allocated / (2.0 * store.Messages));

            PairLoad.Outcome Turn(PairLoad load)
            {
                load.Run(outstanding, long.MaxValue, _settings.Rounds.Warmup);
                return load.Run(outstanding, _settings.Sized((int)pairs, outstanding), _settings.Rounds.Time);
            }
        }
    }

    public override void Dispose()
    {
        foreach (var owned in _owned) owned.Dispose();
        base.Dispose();
    }
}
