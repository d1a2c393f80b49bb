using System.Globalization;
using System.Text;
using Gateway.Mailbox;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Inspection;
using Gateway.Mailbox.Recovery;
using Gateway.Mailbox.Storage;

namespace Gateway.PowerLoss.Chain;

/// <summary>
/// What a killed node left in its data folder, so far as it tells what the kill struck. Read while no node runs; changes nothing.
/// </summary>
/// <param name="LockedBy">The process that had the folder last, as it stamped the lock.</param>
/// <param name="Superblock">Number of the newest superblock: recovery ends with the writing of one.</param>
/// <param name="Totals">Address of the last LEDGER record, with which the compaction of a segment ends; 0: none.</param>
/// <param name="Carried">Entries and windows that compaction has written since.</param>
/// <param name="HasTruncated">The begin has moved past a segment whose file is still there.</param>
internal readonly record struct Remains(int LockedBy, ulong Superblock, long Totals, int Carried, bool HasTruncated)
{
    public static Remains Of(string folder)
    {
        // Opening a log's files clears away what truncation left; on patched files that goes nowhere.
        var files = new PatchedFiles(new PosixFileSystem(folder));
        using var file = SuperblockFile.TryOpen(files) ?? throw new ChainBrokenException($"{folder} has no superblock.");
        var superblock = file.Current;
        using var segments = SegmentStore.Open(files, superblock);
        var compaction = new Compaction();
        new LogScan(segments).Run(Math.Max(superblock.Begin, RecordLayout.FirstAddress), compaction);
        var hasTruncated = files.List().Any(name => SegmentHeader.TryParseFileName(name, out var segment) && segment < segments.FirstSegment);
        return new Remains(LockHolder(folder), superblock.Number, compaction.Totals, compaction.Carried, hasTruncated);
    }

    /// <summary>The process that has the folder; 0 before any has stamped it.</summary>
    public static int LockHolder(string folder)
    {
        // By the log's own file: .NET's would take the lock to read it.
        var files = new PosixFileSystem(folder);
        if (!files.List().Contains(MailboxLog.LockName)) return 0;
        using var file = files.Open(MailboxLog.LockName);
        Span<byte> stamp = stackalloc byte[32];
        return int.TryParse(Encoding.ASCII.GetString(stamp[..file.Read(0, stamp)]).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var holder) ? holder : 0;
    }

    /// <summary>Where the log begins, read while a node may be writing it; 0 when neither slot is whole.</summary>
    public static long BeginOf(FileStream superblock)
    {
        Span<byte> slots = stackalloc byte[Mailbox.Format.Superblock.FileBytes];
        RandomAccess.Read(superblock.SafeFileHandle, slots, 0);
        long begin = 0;
        for (var i = 0; i < 2; i++)
        {
            if (Mailbox.Format.Superblock.TryRead(slots.Slice(i * Mailbox.Format.Superblock.SlotBytes, Mailbox.Format.Superblock.SlotBytes), superblock.Name, out var found))
                begin = Math.Max(begin, found.Begin);
        }

        return begin;
    }

    /// <summary>What the kill of a node that was ready struck.</summary>
    /// <param name="before">What the kill before it had left.</param>
    public string Struck(Remains before)
    {
        if (HasTruncated) return "in truncation";
        return Carried > (before.Totals == Totals ? before.Carried : 0) ? "in compaction" : "under load";
    }

    /// <summary>What the kill of a node that was starting struck.</summary>
    /// <param name="before">What the kill before it had left.</param>
    /// <param name="process">The killed one.</param>
    public string StruckWhileStarting(Remains before, int process) =>
        LockedBy != process ? "before recovery" : Superblock == before.Superblock ? "in recovery" : "just recovered";

    /// <summary>Counts what the compaction of the log's first segment has written; a window's first record, which a login writes, has its low mark at 1.</summary>
    private sealed class Compaction : IRecordSink
    {
        public long Totals { get; private set; }
        public int Carried { get; private set; }

        public void OnRecord(long address, ReadOnlySpan<byte> record)
        {
            switch (RecordLayout.TypeOf(record))
            {
                case RecordType.LedgerTotals:
                    (Totals, Carried) = (address, 0);
                    break;
                case RecordType.Moved:
                case RecordType.Window when RecordLayout.U64(record, RecordLayout.WindowLowOffset) != 1:
                    Carried++;
                    break;
            }
        }

        public void OnSegment(long scannedThrough)
        {
        }
    }
}
