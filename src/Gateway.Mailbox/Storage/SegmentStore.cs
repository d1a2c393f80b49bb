using Gateway.Mailbox.Format;

namespace Gateway.Mailbox.Storage;

/// <summary>
/// The log's segment files by address. Read by any thread; segments are added by one thread at a time (the opener, then the keeper), and
/// removed by one (the compactor).
/// Invariant: segments First to Last exist without a gap, and every byte below <see cref="AllocatedThrough"/> has its block on disk.
/// </summary>
internal sealed class SegmentStore : IDisposable
{
    private const string Temporary = ".new";

    private readonly ILogFileSystem _files;
    private readonly ulong _identity;
    private readonly int _segmentBits;
    private readonly SpareSegments _spares;
    private readonly Lock _changing = new();
    private volatile Segments _segments;
    private long _allocatedThrough;

    private SegmentStore(ILogFileSystem files, Superblock superblock, Segments segments, int spares)
    {
        (_files, _identity, _segments) = (files, superblock.Identity, segments);
        _spares = new SpareSegments(files, spares);
        (SegmentBytes, PageBytes) = (superblock.SegmentBytes, superblock.PageBytes);
        _segmentBits = System.Numerics.BitOperations.TrailingZeroCount(SegmentBytes);
        _allocatedThrough = (segments.First + segments.Files.Length) << _segmentBits;
    }

    public string Folder => _files.Folder;
    public long SegmentBytes { get; }
    public int PageBytes { get; }
    public long FirstSegment => _segments.First;
    public int Count => _segments.Files.Length;

    /// <summary>Files that are kept to become segments.</summary>
    public int Spares => _spares.Count;

    /// <summary>Of the segments added, those in files that had held another one.</summary>
    public long UsedAgain => _spares.UsedAgain;

    /// <summary>The first address without a block on disk.</summary>
    public long AllocatedThrough => Volatile.Read(ref _allocatedThrough);

    /// <param name="files">Of the data folder.</param>
    /// <param name="superblock">Of the log.</param>
    /// <param name="spares">Files of segments given up that are kept at most.</param>
    /// <param name="hold">Another process has the folder: none of its files is to be used again while this reads it.</param>
    /// <exception cref="LogCorruptException">A segment is missing, or is not what its name says.</exception>
    public static SegmentStore Open(ILogFileSystem files, Superblock superblock, int spares = 0, bool hold = false)
    {
        var bits = System.Numerics.BitOperations.TrailingZeroCount(superblock.SegmentBytes);
        var first = superblock.Begin >> bits;
        var found = new SortedSet<long>();
        foreach (var name in files.List())
        {
            // A name of ours that never became final: allocation was cut short, or the last run ended before it had a use for it.
            if (name.EndsWith(Temporary, StringComparison.Ordinal) || SpareSegments.IsSpare(name)) files.Delete(name);
            if (!SegmentHeader.TryParseFileName(name, out var segment)) continue;

            // Truncated by a run that ended before it could delete the file.
            if (segment < first) files.Delete(name);
            else found.Add(segment);
        }

        var (opened, seals) = (new List<ILogFile>(), new List<RecordSeal>());
        try
        {
            var header = new byte[SegmentHeader.Bytes];
            foreach (var segment in found)
            {
                var expected = first + opened.Count;
                if (segment != expected)
                    throw new LogCorruptException(Path.Combine(files.Folder, SegmentHeader.FileName(expected)), 0, $"the segment is missing, but segment {segment} exists");
                var file = files.Open(SegmentHeader.FileName(segment));
                opened.Add(file);
                // Before the header is looked at: from then on the file stays what it says.
                if (hold && !file.TryHold(alone: false)) throw new LogCorruptException(file.Path, 0, "the file is about to hold another segment");
                var read = file.Read(0, header);
                var fault = SegmentHeader.Check(header.AsSpan(0, read), file.Path, superblock.Identity, segment, superblock.SegmentBytes, superblock.PageBytes);
                if (fault is not null) throw new LogCorruptException(file.Path, 0, fault);
                seals.Add(RecordSeal.Of(SegmentHeader.FormatOf(header), superblock.Identity, segment));
            }

            if (superblock.Durable > Math.Max(RecordLayout.FirstAddress, (first + opened.Count) << bits))
            {
                throw new LogCorruptException(
                    Path.Combine(files.Folder, SegmentHeader.FileName(first + opened.Count)), 0, $"the segment is missing, but the log was durable to address {superblock.Durable}");
            }
        }
        catch
        {
            foreach (var file in opened) file.Dispose();
            throw;
        }

        return new SegmentStore(files, superblock, new Segments(first, [.. opened], [.. seals]), spares);
    }

    public ILogFile FileOf(long address)
    {
        var segments = _segments;
        return segments.Files[IndexOf(segments, address)];
    }

    /// <summary>With which records and end marks are written there.</summary>
    public RecordSeal SealOf(long address)
    {
        var segments = _segments;
        return segments.Seals[IndexOf(segments, address)];
    }

    public long OffsetInFile(long address) => SegmentHeader.Bytes + (address & (SegmentBytes - 1));

    public long SegmentOf(long address) => address >> _segmentBits;

    /// <summary>
    /// Adds the next segment, allocated and durable. False when there is no room for it now: on the disk, for its name in the folder too, or because
    /// connections have taken every file descriptor. Then it can be tried again, from whatever step it got to.
    /// </summary>
    /// <param name="goOn">Whether to go on writing zeros into it; see <see cref="SegmentZeros"/>.</param>
    public bool TryAdd(Func<long, bool> goOn)
    {
        var segments = _segments;
        var segment = segments.First + segments.Files.Length;
        ILogFile? file;
        try
        {
            file = TryMake(segment, goOn);
        }
        catch (LogIOException e) when (e.Errno is Posix.EMFILE or Posix.ENFILE or Posix.ENOMEM || (e.IsFullDisk && e.Operation == "rename"))
        {
            return false;
        }

        if (file is null) return false;
        var seal = RecordSeal.Of(RecordLayout.FormatVersion, _identity, segment);
        lock (_changing) _segments = new Segments(_segments.First, [.. _segments.Files, file], [.. _segments.Seals, seal]);
        Volatile.Write(ref _allocatedThrough, (segment + 1) << _segmentBits);
        return true;
    }

    /// <summary>
    /// Gives up the first segment, for its file to be used again. Nobody reads below its end any more, and the superblock's begin address, durably, is not in it: a file that a
    /// kill leaves behind goes at the next opening.
    /// </summary>
    public void RemoveFirst()
    {
        Segments before;
        lock (_changing)
        {
            before = _segments;
            _segments = new Segments(before.First + 1, before.Files[1..], before.Seals[1..]);
        }

        before.Files[0].Dispose();
        _spares.Put(before.First);
    }

    /// <summary>Gives a file that was cut short its blocks back. False when the disk has no room.</summary>
    public bool TryRestoreLength(long segment) => FileOf(segment << _segmentBits).TryExtend(SegmentHeader.Bytes + SegmentBytes);

    public void Dispose()
    {
        foreach (var file in _segments.Files) file.Dispose();
    }

    private ILogFile? TryMake(long segment, Func<long, bool> goOn)
    {
        // Made under another name: a segment by its own name is always whole. Opened again by that name, so that errors tell it.
        var name = SegmentHeader.FileName(segment);
        _files.Delete(name + Temporary);
        var header = new byte[SegmentHeader.Bytes];
        SegmentHeader.Write(header, _identity, segment, SegmentBytes, PageBytes, usedAgain: true);
        if (!_spares.TryTake(name + Temporary, header, SegmentHeader.Bytes + SegmentBytes))
        {
            using var file = _files.TryCreate(name + Temporary, SegmentHeader.Bytes + SegmentBytes);
            if (file is null) return null;
            SegmentZeros.Write(file, SegmentBytes, goOn);
            SegmentHeader.Write(header, _identity, segment, SegmentBytes, PageBytes);
            file.Write(0, header);
            file.Sync();
        }

        _files.Rename(name + Temporary, name);
        _files.SyncFolder();
        return _files.Open(name);
    }

    private int IndexOf(Segments segments, long address)
    {
        var index = (address >> _segmentBits) - segments.First;
        if ((ulong)index >= (ulong)segments.Files.Length)
            throw new LogFailedException($"Address {address} is in no segment: there are {segments.Files.Length} from address {segments.First << _segmentBits}.");
        return (int)index;
    }

    private sealed record Segments(long First, ILogFile[] Files, RecordSeal[] Seals);
}
