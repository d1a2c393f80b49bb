using System.Diagnostics;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>
/// An owner's loop over a log: so many messages are on their way to the disk, and when one is committed it or the one before it in its mailbox is
/// acknowledged and another one sent. Ends when the last acknowledgement is committed. One thread.
/// </summary>
internal sealed class PairLoad
{
    /// <summary>Of every message.</summary>
    public const int BodyBytes = 200;

    /// <summary>Messages.</summary>
    private const int Turn = 64;

    /// <summary>A stride that visits mailboxes in no order that a cache could foresee; prime to every number of mailboxes that is used.</summary>
    private const ulong Stride = 7919;

    private readonly IPairLog _log;
    private readonly ulong[] _pending;
    private readonly Acknowledging _acknowledging;
    private readonly byte[] _body = new byte[BodyBytes];
    private ulong _next;

    /// <param name="log">Empty.</param>
    /// <param name="mailboxes">That messages go round.</param>
    /// <param name="acknowledging">The one before: after <see cref="Fill"/>. Nothing: <see cref="AcknowledgeAll"/> then empties the mailboxes.</param>
    public PairLoad(IPairLog log, int mailboxes, Acknowledging acknowledging)
    {
        (_log, _acknowledging) = (log, acknowledging);
        _pending = new ulong[mailboxes];
    }

    /// <summary>What a run came to. Processor and allocated: time and managed bytes of the owner's thread.</summary>
    internal readonly record struct Outcome(long Messages, PairLogCommits Commits, TimeSpan Time, TimeSpan Processor, long Allocated)
    {
        public double PerSecond => Messages / Time.TotalSeconds;

        public double PerCommit => (double)Messages / Commits.Count;

        public double SyncMicroseconds => (double)Commits.SyncMicroseconds / Commits.Syncs;

        public double ProcessorNanoseconds => Processor.TotalNanoseconds / Messages;
    }

    /// <summary>One message in each mailbox, which stays until the next there is committed.</summary>
    public void Fill()
    {
        var position = 0L;
        for (var i = 0; i < _pending.Length; i++)
        {
            _pending[i] = _log.Send((ulong)i + 1, _body, out position);
            if (i % Turn == 0) _log.EndBatch();
        }

        Await(position);
    }

    /// <summary>Once around the log's memory, whose pages FASTER allocates when they are first used, and the code compiled.</summary>
    public void WarmUp(long logMemoryBytes) => Run(Math.Min(1000, _pending.Length), logMemoryBytes / BodyBytes, TimeSpan.MaxValue);

    /// <summary>Until so many messages, or for so long.</summary>
    public Outcome Run(int outstanding, long messages, TimeSpan limit)
    {
        var ring = new (long Position, int Mailbox, ulong Sequence)[outstanding];
        var (sent, done, position) = (0L, 0L, 0L);
        var (allocated, processor) = (GC.GetAllocatedBytesForCurrentThread(), ThreadTime.Now());
        var commits = _log.Commits;
        var begun = Stopwatch.GetTimestamp();
        var isOver = false;
        while (done < sent || !isOver)
        {
            var before = sent + done;
            for (var committed = _log.CommittedThrough; done < sent && ring[done % outstanding].Position <= committed;)
            {
                ref readonly var entry = ref ring[done++ % outstanding];
                if (_acknowledging != Acknowledging.Nothing)
                    position = _log.Acknowledge((ulong)entry.Mailbox + 1, _acknowledging == Acknowledging.Itself ? entry.Sequence : _pending[entry.Mailbox]);
                _pending[entry.Mailbox] = entry.Sequence;
                if (!isOver) Send();
            }

            isOver = isOver || sent >= messages || Stopwatch.GetElapsedTime(begun) >= limit;
            while (!isOver && sent - done < outstanding && sent < messages) Send();
            _log.EndBatch();
            if (sent + done == before) _log.AwaitCommit();
        }

        Await(position);
        return new Outcome(done, _log.Commits - commits, Stopwatch.GetElapsedTime(begun), ThreadTime.Now() - processor, GC.GetAllocatedBytesForCurrentThread() - allocated);

        void Send()
        {
            if (sent >= messages) return;
            var mailbox = Next();
            ref var entry = ref ring[sent++ % outstanding];
            entry.Mailbox = mailbox;
            entry.Sequence = _log.Send((ulong)mailbox + 1, _body, out entry.Position);
            // As a reactor ends its turns: the commit of what is there goes on beside what follows.
            if (sent % Turn == 0) _log.EndBatch();
        }
    }

    public void AcknowledgeAll()
    {
        var position = 0L;
        for (var i = 0; i < _pending.Length; i++)
        {
            if (_pending[i] == 0) continue;
            position = _log.Acknowledge((ulong)i + 1, _pending[i]);
            _pending[i] = 0;
        }

        Await(position);
    }

    private int Next() => (int)(_next = (_next + Stride) % (ulong)_pending.Length);

    private void Await(long position)
    {
        _log.EndBatch();
        while (_log.CommittedThrough < position) _log.AwaitCommit();
    }
}
