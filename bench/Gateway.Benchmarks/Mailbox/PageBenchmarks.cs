using BenchmarkDotNet.Attributes;
using Gateway.Mailbox;

namespace Gateway.Benchmarks.Mailbox;

/// <summary>
/// A cold cursor: a page of 64 messages of 200 bytes asked for, read from the segment files by the reader thread, checked, and walked. The
/// way to the reader thread and back is in the figure. Figures are per message.
/// </summary>
[MemoryDiagnoser]
public class PageBenchmarks
{
    private const int Entries = 64;
    private const int Mailboxes = 512;

    private LogUnderTest _log = null!;
    private ulong _mailbox;

    [GlobalSetup]
    public void Setup()
    {
        _log = new LogUnderTest(Durability.Os);
        var body = new byte[200];
        var position = 0L;
        // Interleaved, as they come in: a mailbox's messages lie apart from each other.
        for (var n = 0; n < Entries; n++)
        {
            for (var mailbox = 1UL; mailbox <= Mailboxes; mailbox++) _log.Send(mailbox, body, out position);
            _log.AwaitCommit(position);
        }
    }

    [GlobalCleanup]
    public void Cleanup() => _log.Dispose();

    [Benchmark(OperationsPerInvoke = Entries)]
    public int ReadPage()
    {
        var partition = _log.Partition;
        _mailbox = _mailbox % Mailboxes + 1;
        if (!partition.TryBeginRead(_mailbox, afterSequence: 0, Entries, maxBytes: 128 * 1024, token: _mailbox))
            throw new InvalidOperationException("No page is free.");
        MailboxPage page;
        var spin = new SpinWait();
        while (!partition.TryTakePage(out page)) spin.SpinOnce(sleep1Threshold: -1);
        var read = 0;
        while (page.TryNext(out var record)) read += record.Body.Length;
        if (read != Entries * 200) throw new InvalidOperationException($"Read {read} bytes.");
        page.Release();
        return read;
    }
}
