using System.Diagnostics;
using FASTER.core;
using Gateway.Mailbox.Commit;
using Gateway.Mailbox.Format;
using Gateway.Mailbox;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>
/// FASTER's log as its users know it: its own device, commit manager and settings, <c>EnqueueAndWaitForCommitAsync</c> by each waiter, and a loop
/// that commits as soon as anybody waits. Waiters are tasks on the thread pool; the records are the store's messages.
/// </summary>
internal sealed class StockLog : IDisposable
{
    private readonly FasterLogSettings _settings;
    private readonly FasterLog _log;
    private readonly WakeSignal _waiting = new();
    private readonly Thread _committer;
    private long _sequence;
    private volatile bool _stopping;

    /// <param name="folder">Its own.</param>
    /// <param name="fastCommit">Its setting that does without metadata for each commit, which it has off.</param>
    public StockLog(string folder, bool fastCommit)
    {
        _settings = new FasterLogSettings(folder) { FastCommitMode = fastCommit };
        _log = new FasterLog(_settings);
        _committer = new Thread(Commit) { IsBackground = true, Name = "stock commit" };
        _committer.Start();
    }

    /// <summary>Messages a second that this many waiters saw committed.</summary>
    public double Run(int waiters, long messages, TimeSpan limit)
    {
        var left = messages;
        var done = 0L;
        var begun = Stopwatch.GetTimestamp();
        Task.WhenAll(Enumerable.Range(0, waiters).Select(i => Task.Run(() => WaitAsync((ulong)i + 1)))).GetAwaiter().GetResult();
        return done / Stopwatch.GetElapsedTime(begun).TotalSeconds;

        async Task WaitAsync(ulong mailbox)
        {
            var record = new byte[RecordLayout.MessageFixedBytes + PairLoad.BodyBytes];
            while (Interlocked.Decrement(ref left) >= 0 && Stopwatch.GetElapsedTime(begun) < limit)
            {
                Write(record, mailbox, (ulong)Interlocked.Increment(ref _sequence));
                var committed = _log.EnqueueAndWaitForCommitAsync(record);
                _waiting.Set();
                await committed;
                Interlocked.Increment(ref done);
            }
        }
    }

    public void Dispose()
    {
        _stopping = true;
        _waiting.Set();
        _committer.Join();
        _log.Dispose();
        _settings.Dispose();
        _waiting.Dispose();
    }

    private static void Write(Span<byte> record, ulong mailbox, ulong sequence) => RecordLayout.Write(
        record[..RecordLayout.MessageFixedBytes],
        new MailboxRecord
        {
            Type = RecordType.Message,
            Mailbox = mailbox,
            Sequence = sequence,
            Sender = 77,
            Incarnation = 1,
            Number = 1,
            Low = 1,
            EnqueuedAt = 1_800_000_000,
            Body = record[RecordLayout.MessageFixedBytes..],
        },
        default);

    private void Commit()
    {
        while (!_stopping)
        {
            _waiting.Wait(timeoutMs: 100);
            _log.CommitAsync().AsTask().GetAwaiter().GetResult();
        }
    }
}
