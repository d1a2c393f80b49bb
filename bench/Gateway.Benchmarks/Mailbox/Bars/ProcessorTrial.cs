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
    private (PairLoad Store, PairLoad Raw) _full;
    private (PairLoad Store, PairLoad Raw) _empty;

    public override string Name => "processor";

    public override string What =>
        "The same pairs, 8192 on their way, on files that keep nothing (`NoDisk`): processor time of the owner's thread for a message and an acknowledgement, however often other work " +
        "has it wait. 1 M mailboxes, visited in no order that a cache could foresee: each with one message pending throughout, as where many are away, so that every look into the index misses the caches; and `empty`, " +
        "where the message itself is acknowledged, as where all are there. What the owner allocates is no bar here: it is FASTER's pages, made anew when the commit thread, held up, has given back more " +
        "at once than FASTER keeps for reuse.";

    public override void Prepare(string folder, MailboxSettings settings)
    {
        _pairs = settings.Sized(Pairs, 10_000);
        var mailboxes = settings.Sized(1_000_000, 2 * Outstanding);
        _full = Loads(Acknowledging.TheOneBefore);
        _empty = Loads(Acknowledging.Itself);

        (PairLoad Store, PairLoad Raw) Loads(Acknowledging acknowledging)
        {
            var store = new LogUnderTest(l => Options(settings, new NoDisk(), l.OnCommitted), TimeProvider.System);
            _owned.Add(store);
            var raw = new RawLog(Options(settings, null, null), new NoDisk());
            _owned.Add(raw);
            (PairLoad Store, PairLoad Raw) loads = (new PairLoad(store, mailboxes, acknowledging), new PairLoad(raw, mailboxes, acknowledging));
            foreach (var load in (ReadOnlySpan<PairLoad>)[loads.Store, loads.Raw])
            {
                if (acknowledging == Acknowledging.TheOneBefore) load.Fill();
                load.WarmUp(settings.LogMemoryBytes);
            }

            return loads;
        }
    }

    public override void Measure(int round, Readings into, CancellationToken stop)
    {
        Compare("", _full);
        Compare("empty_", _empty);

        void Compare(string prefix, (PairLoad Store, PairLoad Raw) loads)
        {
            PairLoad.Outcome store = default, raw = default;
            TakeTurns(round, () => store = Turn(loads.Store), () => raw = Turn(loads.Raw));
            into.Add(prefix + "store_ns_per_pair", store.ProcessorNanoseconds);
            into.Add(prefix + "raw_ns_per_pair", raw.ProcessorNanoseconds);
            into.Add(prefix + "store_by_raw", raw.ProcessorNanoseconds / store.ProcessorNanoseconds);
            into.Add(prefix + "owner_bytes_per_operation", store.Allocated / (2.0 * store.Messages));
        }

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
