using Gateway.Mailbox.Commit;
using Gateway.Mailbox.Recovery;

namespace Gateway.Mailbox.Compaction;

/// <summary>A new begin of the log, on its way from the compactor to the commit pump, which alone writes the superblock.</summary>
internal sealed class Truncation(long begin, LogTally totals, long totalsThrough, WakeSignal compactor)
{
    private bool _done;

    /// <summary>A segment's first address.</summary>
    public long Begin => begin;

    /// <summary>Of everything that ever lay before <see cref="TotalsThrough"/>. Not changed until done.</summary>
    public LogTally Totals => totals;

    /// <summary><see cref="Begin"/>, or after a start that found totals of more than was truncated, that.</summary>
    public long TotalsThrough => totalsThrough;

    public bool IsDone => Volatile.Read(ref _done);

    public void Finish()
    {
        Interlocked.Exchange(ref _done, true);
        compactor.Set();
    }
}
