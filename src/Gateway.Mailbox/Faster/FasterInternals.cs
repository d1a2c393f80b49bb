using System.Reflection;
using System.Runtime.CompilerServices;
using FASTER.core;

namespace Gateway.Mailbox.Faster;

/// <summary>
/// What FASTER 2.6.5 keeps private and what costs too much, or is wrong, as it is. The package's version is pinned, and upstream has ended.
/// </summary>
internal static class FasterInternals
{
    private static readonly ConditionalWeakTable<FasterLog, Flushing> Flushings = [];

    /// <summary>
    /// The log's tail. FASTER's own is read in two halves, first the offset, then the page: since .NET 8 the compiler copies that structure field by field.
    /// When a page is turned in between, the old offset comes with the new page, a tail that there is not yet. Read twice on one page, the second is true:
    /// its offset was read while the log was on that page.
    /// </summary>
    public static long TailOf(FasterLog log)
    {
        var page = 1L << log.UnsafeGetLogPageSizeBits();
        for (var before = log.TailAddress; ;)
        {
            var tail = log.TailAddress;
            if ((tail & -page) == (before & -page)) return tail;
            before = tail;
        }
    }

    /// <summary>
    /// Has FASTER free memory pages a few ahead of the tail. Without it each new page needs the oldest one freed in the same instant, and
    /// an appender spins, allocating, for as long as any other thread is inside the epoch: a whole time slice when that one is preempted.
    /// </summary>
    public static void KeepPagesEmpty(FasterLog log, int pages)
    {
        var allocator = AllocatorOf(log);
        var property = allocator?.GetType().GetProperty("EmptyPageCount")
            ?? throw new LogFailedException("This FASTER has no allocator with an EmptyPageCount; the log needs version 2.6.5.");
        property.SetValue(allocator, pages);
    }

    /// <summary>
    /// Starts a commit up to a tail of <see cref="TailOf"/>; the pump sees its end in the flushed address. FASTER's Commit would take a tail of its own, and with
    /// one that there is not yet it takes for written what is appended there later, which then never is. It would also keep books about it on the thread
    /// pool, whose workers then spin between commits and use more processor than the commits themselves.
    /// </summary>
    public static void StartCommit(FasterLog log, long tail)
    {
        var flushing = Flushings.GetValue(log, Flushing.Of);
        flushing.Epoch.Resume();
        try
        {
            flushing.ShiftReadOnlyAddress(tail, false);
        }
        finally
        {
            flushing.Epoch.Suspend();
        }
    }

    // Of a type that FASTER does not show.
    private static object? AllocatorOf(FasterLog log) =>
        typeof(FasterLog).GetField("allocator", BindingFlags.Instance | BindingFlags.NonPublic)?.GetValue(log);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "epoch")]
    private static extern ref LightEpoch EpochOf(FasterLog log);

    /// <summary>How one log is told to flush: inside its epoch, up to an address.</summary>
    private sealed record Flushing(LightEpoch Epoch, Func<long, bool, bool> ShiftReadOnlyAddress)
    {
        public static Flushing Of(FasterLog log)
        {
            var allocator = AllocatorOf(log);
            var shift = allocator?.GetType().GetMethod(nameof(ShiftReadOnlyAddress), [typeof(long), typeof(bool)])
                ?? throw new LogFailedException("This FASTER has no allocator that shifts its read-only address; the log needs version 2.6.5.");
            return new Flushing(EpochOf(log), shift.CreateDelegate<Func<long, bool, bool>>(allocator));
        }
    }
}
