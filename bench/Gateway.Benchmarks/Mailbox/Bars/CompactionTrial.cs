using Gateway.Benchmarks.Reports;
using Gateway.Mailbox;
using Gateway.Mailbox.Format;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>
/// Seven weeks and a half of traffic by a clock that is stepped, a tenth of the recipients away: at any time others, each for three weeks. Its owner does for
/// compaction what a home does in a turn. Judged after three weeks, when as many come back as go.
/// </summary>
internal sealed class CompactionTrial : Trial
{
    private const int Devices = 20_000;
    private const int Messages = 2_000_000;
    private const int Batch = 64;
    private const int Outstanding = 1000;

    /// <summary>Five simulated hours between them.</summary>
    private const int BatchesBetweenRests = 128;
    private const long SegmentBytes = 4L << 20;
    private const int AwayOneIn = 10;
    private static readonly TimeSpan Traffic = TimeSpan.FromDays(7.5 * 7);
    private static readonly TimeSpan Away = TimeSpan.FromDays(3 * 7);

    private readonly byte[] _body = new byte[PairLoad.BodyBytes];
    private readonly ulong[] _sentBy = new ulong[Devices];
    private string _folder = "";
    private MailboxSettings _settings = null!;

    public override string Name => "compaction";

    public override string What =>
        "2 M messages of 200 B among 20,000 devices in seven and a half weeks of simulated time. At any time a tenth of the devices is away, each for three weeks, after which it drains its " +
        "mailbox; all others acknowledge as soon as a message is committed. Segments of 4 MiB, pages of 256 KiB; every message has an origin, so devices' windows are carried. " +
        "Accepted bytes are those of the messages' records; written ones include acknowledgements, marks, MOVED and WINDOW records. Log size is from the first kept byte to the tail, at " +
        "every eighth batch after the first three weeks. Every 8,192 messages, for which the real owner would have taken hours, compaction may do what is due. At `full_speed` it gets no " +
        "such rest: what log and writing come to when five weeks pass in seconds.";

    public override int MostRounds => 1;

    public override void Prepare(string folder, MailboxSettings settings) => (_folder, _settings) = (folder, settings);

    public override void Measure(int round, Readings into, CancellationToken stop)
    {
        foreach (var rests in (ReadOnlySpan<bool>)[true, false])
        {
            var folder = Path.Combine(_folder, $"{round}");
            var time = new SteppedTime();
            using (var log = new LogUnderTest(l => OptionsOf(folder, l), time)) Run(log, time, new Random(round), rests, into, stop);
            Directory.Delete(folder, recursive: true);
        }
    }

    private void Run(LogUnderTest log, SteppedTime time, Random random, bool rests, Readings into, CancellationToken stop)
    {
        Array.Clear(_sentBy);
        // No fewer than make some segments live.
        var messages = _settings.Sized(Messages, 400_000);
        var step = Traffic * Batch / messages;
        var ring = new (long Position, int Device, ulong Sequence)[Outstanding];
        var last = new ulong[Devices];
        var (acknowledged, returned, worst, most, judged) = (0L, 0L, 0.0, 0L, 0);
        var allocatedAtStart = AllocatedOf(log);
        for (var sent = 0L; sent < messages;)
        {
            stop.ThrowIfCancellationRequested();
            time.Advance(step);
            var gone = (long)(Devices * ((double)sent / messages) * (Traffic / (Away * AwayOneIn)));
            // Whose three weeks are over since the last batch.
            for (; returned < gone; returned++)
            {
                var device = (int)((Devices / AwayOneIn - 1 - returned % Devices + Devices) % Devices);
                if (last[device] != 0) log.Acknowledge((ulong)device + 1, last[device]);
            }

            for (var i = 0; i < Batch && sent < messages; i++, sent++)
            {
                while (sent - acknowledged == Outstanding)
                {
                    Acknowledge();
                    if (sent - acknowledged == Outstanding) Wait();
                }

                var (device, sender) = (random.Next(Devices), random.Next(Devices));
                ref var entry = ref ring[sent % Outstanding];
                entry.Device = device;
                entry.Sequence = last[device] = log.Send((ulong)device + 1, (ulong)sender + 1, ++_sentBy[sender], _body, out entry.Position);
            }

            Acknowledge();
            Compact(log);
            log.EndBatch();
            if (rests && sent / Batch % BatchesBetweenRests == 0) Rest(log, stop);
            if (sent / Batch % 8 != 0 || sent < messages * (Away / Traffic)) continue;
            var counters = log.Log.Counters;
            worst = Math.Max(worst, (counters.LogBytes - 2.0 * SegmentBytes) / counters.LiveBytes);
            most = Math.Max(most, counters.LogBytes);
            judged++;

            bool IsAway(int device) => (device + returned) % Devices < Devices / AwayOneIn;

            void Acknowledge()
            {
                for (var committed = log.CommittedThrough; acknowledged < sent && ring[acknowledged % Outstanding].Position <= committed; acknowledged++)
                {
                    var (_, device, sequence) = ring[acknowledged % Outstanding];
                    if (!IsAway(device)) log.Acknowledge((ulong)device + 1, sequence);
                }
            }
        }

        var end = log.Log.Counters;
        if (judged == 0 || end.TruncatedSegments == 0) throw new MeasuringException("the log was never compacted");
        var accepted = (double)messages * RecordLayout.LogBytes(RecordLayout.MessageFixedBytes + PairLoad.BodyBytes);
        var prefix = rests ? "" : "full_speed_";
        into.Add(prefix + "log_by_live_beyond_2_segments", worst);
        into.Add(prefix + "most_log_bytes", most);
        into.Add(prefix + "live_bytes_at_end", end.LiveBytes);
        into.Add(prefix + "written_by_accepted", end.WrittenBytes / accepted);
        into.Add(prefix + "written_with_zeros_by_accepted", (end.WrittenBytes + AllocatedOf(log) - allocatedAtStart) / accepted);
        into.Add(prefix + "truncated_segments", end.TruncatedSegments);
        into.Add(prefix + "segments_used_again", end.SegmentsUsedAgain);

        void Wait()
        {
            Compact(log);
            log.EndBatch();
            log.AwaitCommit();
        }
    }

    /// <summary>Until compaction has nothing to do.</summary>
    private void Rest(LogUnderTest log, CancellationToken stop)
    {
        while (true)
        {
            var counters = log.Log.Counters;
            var committed = counters.LogBytes - counters.UncommittedBytes;
            if (!log.Partition.HasCompaction && (committed < SegmentBytes || counters.LogBytes <= 2 * counters.LiveBytes + SegmentBytes)) return;
            stop.ThrowIfCancellationRequested();
            Compact(log);
            log.EndBatch();
            Thread.Sleep(1);
        }
    }

    /// <summary>All segments whose file was ever made anew: what of them was written once with zeros, where the file system lets it.</summary>
    private static long AllocatedOf(LogUnderTest log)
    {
        var counters = log.Log.Counters;
        return (counters.TruncatedSegments + counters.Segments - counters.SegmentsUsedAgain) * SegmentBytes;
    }

    private void Compact(LogUnderTest log) => log.Compact(device => _sentBy[device - 1] + 1);

    private static MailboxLogOptions OptionsOf(string folder, LogUnderTest log) => new()
    {
        Folder = folder,
        NewLogIdentity = LogUnderTest.Identity,
        Durability = Durability.Os,
        PageBytes = 256 * 1024,
        MemoryBytes = 8L << 20,
        SegmentBytes = SegmentBytes,
        AckReserveBytes = 1 << 20,
        CompactionReserveBytes = 4 << 20,
        OnCommitted = log.OnCommitted,
        OnCompaction = _ => log.OnCommitted(),
        // The clock's steps are no stall.
        CommitStallLimit = TimeSpan.FromDays(3650),
    };
}
