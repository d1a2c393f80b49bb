using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using FASTER.core;

namespace Gateway.Mailbox.Faster;

/// <summary>
/// What FASTER 2.6.5 keeps private and what costs too much, or is wrong, as it is. The package's version is pinned, and upstream has ended.
/// </summary>
internal static class FasterInternals
{
    private static readonly ConditionalWeakTable<FasterLog, Inside> Insides = [];

    /// <summary>
    /// The log's tail. FASTER's own is read in two halves, first the offset, then the page: since .NET 8 the compiler copies that structure field by field.
    /// When a page is turned in between, the old offset comes with the new page, a tail that there is not yet. Here both are read at once.
    /// </summary>
    public static long TailOf(FasterLog log)
    {
        var inside = Insides.GetValue(log, Inside.Of);
        var tail = inside.ReadTail();
        var (page, offset) = (tail >> 32, tail & uint.MaxValue);
        // An offset beyond the page's end: the page is being turned, and the next begins behind it.
        return offset >= 1L << inside.PageBits ? (page + 1) << inside.PageBits : (page << inside.PageBits) | offset;
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
        var inside = Insides.GetValue(log, Inside.Of);
        inside.Epoch.Resume();
        try
        {
            inside.ShiftReadOnlyAddress(tail, false);
        }
        finally
        {
            inside.Epoch.Suspend();
        }
    }

    /// <summary>
    /// Runs what FASTER has put off until nobody is inside its epoch any more, a commit's flush among it, if that is so. The last to leave is to run it, but each
    /// gives up its entry and then looks for such work without a fence between: two that leave at once may each see the other's entry still taken,
    /// or no work yet, and it lies there until somebody comes in again.
    /// </summary>
    public static void RunPutOff(FasterLog log)
    {
        var epoch = Insides.GetValue(log, Inside.Of).Epoch;
        epoch.Resume();
        epoch.Suspend();
    }

    // Of a type that FASTER does not show.
    private static object? AllocatorOf(FasterLog log) =>
        typeof(FasterLog).GetField("allocator", BindingFlags.Instance | BindingFlags.NonPublic)?.GetValue(log);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "epoch")]
    private static extern ref LightEpoch EpochOf(FasterLog log);

    /// <summary>What one log is told and asked beside its own members: to flush, inside its epoch, up to an address; and its tail, the page above the offset.</summary>
    private sealed record Inside(LightEpoch Epoch, Func<long, bool, bool> ShiftReadOnlyAddress, Func<long> ReadTail, int PageBits)
    {
        public static Inside Of(FasterLog log)
        {
            var allocator = AllocatorOf(log);
            var shift = allocator?.GetType().GetMethod(nameof(ShiftReadOnlyAddress), [typeof(long), typeof(bool)])
                ?? throw new LogFailedException("This FASTER has no allocator that shifts its read-only address; the log needs version 2.6.5.");
            return new Inside(EpochOf(log), shift.CreateDelegate<Func<long, bool, bool>>(allocator), TailReader(allocator!), log.UnsafeGetLogPageSizeBits());
        }

        // The field is private and its type internal, so that no expression of ours can name it.
        private static Func<long> TailReader(object allocator)
        {
            var type = allocator.GetType();
            FieldInfo? tail = null;
            for (var at = type; at is not null && tail is null; at = at.BaseType) tail = at.GetField("TailPageOffset", BindingFlags.Instance | BindingFlags.NonPublic);
            if (tail is null || Marshal.SizeOf(tail.FieldType) != sizeof(long))
                throw new LogFailedException("This FASTER has no allocator with a TailPageOffset of 8 bytes; the log needs version 2.6.5.");
            var reader = new DynamicMethod("ReadTail", typeof(long), [type], type, skipVisibility: true);
            var body = reader.GetILGenerator();
            body.Emit(OpCodes.Ldarg_0);
            body.Emit(OpCodes.Ldflda, tail);
            body.Emit(OpCodes.Volatile);
            body.Emit(OpCodes.Ldind_I8);
            body.Emit(OpCodes.Ret);
            return reader.CreateDelegate<Func<long>>(allocator);
        }
    }
}
