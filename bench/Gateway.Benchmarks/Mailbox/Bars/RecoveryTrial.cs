using System.Diagnostics;
using Gateway.Benchmarks.Reports;
using Gateway.Mailbox;
using Gateway.Mailbox.Format;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>Opening a log of ten million pending messages whose files are not in memory.</summary>
internal sealed class RecoveryTrial : Trial
{
    private const int Mailboxes = 1_000_000;
    private const int EachHolds = 10;

    private string _folder = "";
    private MailboxSettings _settings = null!;
    private long _messages;

    public override string Name => "recovery";

    public override string What =>
        "10 M messages of 200 B pending over 1 M mailboxes, ten rounds of one each. Before each opening the files are synced and dropped from the page cache (posix_fadvise, DONTNEED, " +
        "file by file); `read_share` says how much of the log was then read from the disk. Timed is `MailboxLog.Open`: scan, index, and making the recovered tail durable; every message is then counted.";

    public override int MostRounds => 12;

    public override void Prepare(string folder, MailboxSettings settings)
    {
        (_folder, _settings) = (folder, settings);
        var mailboxes = settings.Sized(Mailboxes, 1000);
        _messages = (long)mailboxes * EachHolds;
        var body = new byte[PairLoad.BodyBytes];
        using var log = Open();
        var position = 0L;
        for (var n = 0; n < EachHolds; n++)
        {
            for (var mailbox = 1UL; mailbox <= (ulong)mailboxes; mailbox++)
            {
                log.Send(mailbox, body, out position);
                if (mailbox % 64 == 0) log.EndBatch();
            }
        }

        log.AwaitCommit(position);
    }

    public override void Measure(int round, Readings into, CancellationToken stop)
    {
        PageCache.Drop(_folder);
        var read = PageCache.ReadFromDisk();
        var begun = Stopwatch.GetTimestamp();
        using var log = Open();
        var took = Stopwatch.GetElapsedTime(begun);
        read = PageCache.ReadFromDisk() - read;
        var (messages, _, _) = log.Partition.CountPending();
        if (messages != _messages) throw new MeasuringException($"{messages} of {_messages} messages were recovered");
        into.Add("seconds", took.TotalSeconds);
        into.Add("records_per_s", messages / took.TotalSeconds);
        into.Add("index_bytes_per_message", (double)log.Partition.IndexBytes / messages);
        into.Add("read_share", (double)read / (messages * RecordLayout.LogBytes(RecordLayout.MessageFixedBytes + PairLoad.BodyBytes)));
    }

    private LogUnderTest Open() => new(
        l => new MailboxLogOptions
        {
            Folder = _folder,
            NewLogIdentity = LogUnderTest.Identity,
            Durability = Durability.Os,
            MemoryBytes = _settings.LogMemoryBytes,
            OnCommitted = l.OnCommitted,
        },
        TimeProvider.System);
}
