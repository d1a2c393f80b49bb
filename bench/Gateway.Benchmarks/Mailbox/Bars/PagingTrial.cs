using System.Diagnostics;
using Gateway.Benchmarks.Reports;
using Gateway.Mailbox;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>Pages of messages read back: time, and what the owner's and the reader's thread allocate.</summary>
internal sealed class PagingTrial : Trial
{
    private const int Mailboxes = 512;
    private const int Entries = 64;
    private const int WarmPages = 1000;
    private const int Pages = 5000;

    private LogUnderTest? _log;
    private int _pages;
    private long _readerAllocated;
    private ulong _mailbox;

    public override string Name => "paging";

    public override string What =>
        "Pages of 64 messages, whose records lie apart, asked for one at a time and read by the reader thread out of the page cache; bytes allocated by the " +
        "owner's and the reader's thread together, by their own counts.";

    public override void Prepare(string folder, MailboxSettings settings)
    {
        _pages = settings.Sized(Pages, 500);
        _log = new LogUnderTest(
            l => new MailboxLogOptions
            {
                Folder = folder,
                NewLogIdentity = LogUnderTest.Identity,
                MemoryBytes = settings.LogMemoryBytes,
                OnCommitted = l.OnCommitted,
                OnPageReady = _ => Volatile.Write(ref _readerAllocated, GC.GetAllocatedBytesForCurrentThread()),
            },
            TimeProvider.System);
        var body = new byte[PairLoad.BodyBytes];
        for (var n = 0; n < Entries; n++)
        {
            var position = 0L;
            for (var mailbox = 1UL; mailbox <= Mailboxes; mailbox++) _log.Send(mailbox, body, out position);
            _log.AwaitCommit(position);
        }

        Read(WarmPages);
    }

    public override void Measure(int round, Readings into, CancellationToken stop)
    {
        // Two reads beside the measured ones, so that the reader's count has been published before and after.
        Read(1);
        var (owner, reader) = (GC.GetAllocatedBytesForCurrentThread(), Volatile.Read(ref _readerAllocated));
        var begun = Stopwatch.GetTimestamp();
        var messages = Read(_pages);
        var took = Stopwatch.GetElapsedTime(begun);
        owner = GC.GetAllocatedBytesForCurrentThread() - owner;
        reader = Volatile.Read(ref _readerAllocated) - reader;
        into.Add("us_per_message", took.TotalMicroseconds / messages);
        into.Add("bytes_per_message", (double)(owner + reader) / messages);
    }

    public override void Dispose()
    {
        _log?.Dispose();
        base.Dispose();
    }

    private long Read(int pages)
    {
        var partition = _log!.Partition;
        var messages = 0L;
        for (var i = 0; i < pages; i++)
        {
            _mailbox = _mailbox % Mailboxes + 1;
            if (!partition.TryBeginRead(_mailbox, afterSequence: 0, Entries, maxBytes: 128 * 1024, token: _mailbox)) throw new MeasuringException("no page is free");
            MailboxPage page;
            var spin = new SpinWait();
            while (!partition.TryTakePage(out page)) spin.SpinOnce(sleep1Threshold: -1);
            while (page.TryNext(out _)) messages++;
            page.Release();
        }

        return messages == (long)pages * Entries ? messages : throw new MeasuringException($"{pages} pages held {messages} messages");
    }
}
