using System.Reflection;
using System.Runtime.CompilerServices;
using FASTER.core;

namespace Gateway.Mailbox.Faster;

/// <summary>
/// Two things that FASTER 2.6.5 keeps private and that cost too much as they are. The package's version is pinned, and upstream has ended.
/// </summary>
internal static class FasterInternals
{
    /// <summary>
    /// Has FASTER free memory pages a few ahead of the tail. Without it each new page needs the oldest one freed in the same instant, and
    /// an appender spins, allocating, for as long as any other thread is inside the epoch: a whole time slice when that one is preempted.
    /// </summary>
    public static void KeepPagesEmpty(FasterLog log, int pages)
    {
        var allocator = typeof(FasterLog).GetField("allocator", BindingFlags.Instance | BindingFlags.NonPublic)?.GetValue(log);
        var property = allocator?.GetType().GetProperty("EmptyPageCount")
            ?? throw new LogFailedException("This FASTER has no allocator with an EmptyPageCount; the log needs version 2.6.5.");
        property.SetValue(allocator, pages);
    }

    /// <summary>
    /// Starts a commit and forgets it: the pump sees its end in the flushed address. FASTER would go on to keep books about it on the
    /// thread pool, whose workers then spin between commits and use more processor than the commits themselves.
    /// </summary>
    public static void StartCommit(FasterLog log)
    {
        log.Commit(false);
        var requests = OngoingCommitRequests(log);
        lock (requests) requests.Clear();
    }

    /// <summary>How many commits FASTER still has on its books; for tests.</summary>
    public static int CommitsInTheBooks(FasterLog log)
    {
        var requests = OngoingCommitRequests(log);
        lock (requests) return requests.Count;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "ongoingCommitRequests")]
    private static extern ref Queue<(long Address, FasterLogRecoveryInfo Info)> OngoingCommitRequests(FasterLog log);
}
