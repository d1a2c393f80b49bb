using Gateway.Mailbox;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>The store against the raw log where only the processor counts.</summary>
internal sealed class ProcessorTrial : Trial
{
    private const int Pairs = 1_000_000;

    /// <summary>Enough that the owner seldom waits, and less than admission holds it back at.</summary>
    private const int Outstanding = 8192;

    private readonly List<IDisposable> _owned = [];
    private int _pairs;
    private PairLoad _store = null!;
    private PairLoad _raw = null!;

    public override string Name => "processor";

    public override string What =>
        "The same pairs, 8192 on their way, on files that keep nothing (`NoDisk`): processor time of the owner's thread for a message and an acknowledgement, however often other work " +
        "has it wait. 1 M mailboxes with one pending each, visited in no order that a cache could foresee.";

    public override void Prepare(string folder, MailboxSettings settings)
    {
        _pairs = settings.Sized(Pairs, 10_000);
        var mailboxes = settings.Sized(1_000_000, 2 * Outstanding);
        var store = new LogUnderTest(l => Options(settings, new NoDisk(), l.OnCommitted), TimeProvider.System);
        _owned.Add(store);
        var raw = new RawLog(Options(settings, null, null), new NoDisk());
        _owned.Add(raw);
        (_store, _raw) = (new PairLoad(store, mailboxes), new PairLoad(raw, mailboxes));
        foreach (var load in (ReadOnlySpan<PairLoad>)[_store, _raw])
        {
            load.Fill();
            load.WarmUp(settings.LogMemoryBytes);
        }
    }

    public override void Measure(int round, Readings into, CancellationToken stop)
    {
        PairLoad.Outcome store = default, raw = default;
        TakeTurns(round, () => store = Turn(_store), () => raw = Turn(_raw));
        into.Add("store_ns_per_pair", store.ProcessorNanoseconds);
        into.Add("raw_ns_per_pair", raw.ProcessorNanoseconds);
        into.Add("store_by_raw", raw.ProcessorNanoseconds / store.ProcessorNanoseconds);
        into.Add("owner_bytes_per_operation", store.Allocated / (2.0 * store.Messages));
        into.Add("raw_owner_bytes_per_operation", raw.Allocated / (2.0 * raw.Messages));

        PairLoad.Outcome Turn(PairLoad load) => load.Run(Outstanding, _pairs, TimeSpan.MaxValue);
    }

    public override void Dispose()
    {
        foreach (var owned in _owned) owned.Dispose();
        base.Dispose();
    }

    private static MailboxLogOptions Options(MailboxSettings settings, NoDisk? files, Action? onCommitted) => new()
    {
        Folder = "none",
        NewLogIdentity = LogUnderTest.Identity,
        Durability = Durability.Os,
        FileSystem = files,
        OnCommitted = onCommitted,
        MemoryBytes = settings.LogMemoryBytes,
        // Enough that the keeper, which has nothing to write here either, is never waited for.
        SegmentBytes = 1L << 30,
    };
}
