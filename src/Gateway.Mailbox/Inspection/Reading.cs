using Gateway.Mailbox.Format;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Inspection;

/// <summary>
/// A log that has been read to its end: its survey, its index as an opening (after the repair that it may need) would have it, and its
/// segments with that repair in place. One thread.
/// </summary>
internal sealed class Reading : IDisposable
{
    private readonly SurveySink _sink;

    private Reading(LogFolder folder, SegmentStore segments, SurveySink sink, LogSurvey survey, ulong highestSequence) =>
        (Folder, Segments, _sink, Survey, HighestSequence) = (folder, segments, sink, survey, highestSequence);

    public LogFolder Folder { get; }
    public SegmentStore Segments { get; }
    public LogSurvey Survey { get; }

    /// <summary>No sequence above it is known to have been given out.</summary>
    public ulong HighestSequence { get; }

    /// <summary>Owns what it made once it returns.</summary>
    public static Reading Of(LogFolder folder, LogProgress? progress)
    {
        var superblock = folder.Superblock;
        var segments = SegmentStore.Open(folder.Files, superblock);
        SurveySink? first = null, repaired = null;
        try
        {
            first = new SurveySink(segments, superblock, progress);
            var damage = folder.Damage;
            var walk = new DamageWalk(folder.Files, segments, superblock, first, damage);
            var end = walk.Run();
            if (damage.Count > 0)
            {
                // The proof that the repair suffices: recovery itself, over what the repair would leave.
                repaired = new SurveySink(segments, superblock, progress);
                repaired.Recovery.Run();
                if (repaired.Recovery.Tail != end.Address) throw new LogFailedException($"The repaired log would end at {repaired.Recovery.Tail}, where the look at it ended at {end.Address}.");
            }

            var index = repaired ?? first;
            var pending = index.Index.CountPending();
            // Behind a clean end nothing was ever written.
            var cut = superblock.Clean && superblock.Durable == end.Address ? 0 : new TornEnd(segments).BytesBehind(end.Address);
            var survey = new LogSurvey
            {
                Folder = folder.Disk.Folder,
                State = damage.Count > 0 ? LogState.Damaged : cut > 0 ? LogState.TornTail : LogState.Sound,
                Superblock = new SuperblockFacts(
                    superblock.Number, superblock.Begin, superblock.Durable, superblock.ReservedThrough, superblock.SegmentBytes, superblock.PageBytes, superblock.Clean, folder.WasRebuilt),
                Segments = [.. Enumerable.Range(0, segments.Count).Select(i => FactsOf(folder, segments, segments.FirstSegment + i, end.Address))],
                End = PlaceOf(segments, end.Address),
                EndReason = end.Reason,
                CutBytes = cut,
                DurableAddress = first.Recovery.Durable,
                Damage = damage,
                Records = first.Totals,
                EarlierGaps = first.Gaps,
                Pending = pending,
                Ledger = repaired is null ? index.Partition.Ledger : walk.Balance(index.Partition.Ledger, pending),
            };
            if (repaired is not null) first.Dispose();
            return new Reading(folder, segments, index, survey, index.Recovery.HighestSequence);
        }
        catch
        {
            first?.Dispose();
            repaired?.Dispose();
            segments.Dispose();
            throw;
        }
    }

    public LogPlace PlaceOf(long address) => PlaceOf(Segments, address);

    /// <summary>Whether this very record is the one that the index has.</summary>
    public bool IsPending(long address, ReadOnlySpan<byte> record) =>
        _sink.Index.TryGet(RecordLayout.U64(record, RecordLayout.MailboxOffset), RecordLayout.U64(record, RecordLayout.SequenceOffset), out var entry) && entry.Address == address;

    public void Dispose()
    {
        _sink.Dispose();
        Segments.Dispose();
    }

    /// <summary>The log may end where no segment begins yet.</summary>
    private static LogPlace PlaceOf(SegmentStore segments, long address) => new(
        Path.Combine(segments.Folder, SegmentHeader.FileName(segments.SegmentOf(address))), segments.OffsetInFile(address), address);

    private static SegmentFacts FactsOf(LogFolder folder, SegmentStore segments, long segment, long end)
    {
        var first = segment * segments.SegmentBytes;
        return new SegmentFacts(
            SegmentHeader.FileName(segment), first, folder.Lengths.GetValueOrDefault(segment), Math.Clamp(end - first, 0, segments.SegmentBytes));
    }
}
