using System.Buffers.Binary;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Inspection;

/// <summary>
/// What has to be right before a log can be scanned: the superblock and the segments' files. Where they are not, plans what would put them
/// right: a superblock from what the segments say, a header anew, an empty segment in the place of one that is missing or another's.
/// </summary>
internal sealed class LogFolder
{
    private LogFolder(ILogFileSystem disk, Superblock superblock, bool wasRebuilt) =>
        (Disk, Superblock, WasRebuilt, Files) = (disk, superblock, wasRebuilt, new PatchedFiles(disk));

    public ILogFileSystem Disk { get; }
    public Superblock Superblock { get; }
    public bool WasRebuilt { get; }
    public PatchedFiles Files { get; }
    public List<LogDamage> Damage { get; } = [];

    /// <summary>Length of each segment's file as found; none for one that is missing.</summary>
    public Dictionary<long, long> Lengths { get; } = [];

    /// <exception cref="LogCorruptException">Neither superblock nor any segment says what log this is.</exception>
    /// <exception cref="LogVersionException">A newer build wrote it.</exception>
    public static LogFolder Read(ILogFileSystem disk)
    {
        LogFolder folder;
        try
        {
            using var file = SuperblockFile.TryOpen(disk) ?? throw new LogCorruptException(Path.Combine(disk.Folder, Superblock.FileName), 0, "the superblock is missing");
            folder = new LogFolder(disk, file.Current, wasRebuilt: false);
        }
        catch (LogCorruptException e)
        {
            folder = new LogFolder(disk, Rebuild(disk) ?? throw new LogCorruptException(e.Path, e.Offset, $"{e.What}, and there is no segment that says what log this is"), wasRebuilt: true);
            folder.Note(Superblock.FileName, 0, e.What);
        }

        folder.CheckSegments();
        return folder;
    }

    private static SortedSet<long> SegmentsIn(ILogFileSystem disk)
    {
        var found = new SortedSet<long>();
        foreach (var name in disk.List())
        {
            if (SegmentHeader.TryParseFileName(name, out var segment)) found.Add(segment);
        }

        return found;
    }

    /// <summary>From the first sound header. Where the kept log began within its first segment is not known: all of that is taken.</summary>
    private static Superblock? Rebuild(ILogFileSystem disk)
    {
        var found = SegmentsIn(disk);
        foreach (var segment in found)
        {
            if (!SegmentHeader.TryRead(ReadHeader(disk, segment, out _), SegmentHeader.FileName(segment), out var header) || header.Segment != segment) continue;
            return new Superblock
            {
                Identity = header.Identity,
                Begin = Math.Max(RecordLayout.FirstAddress, found.Min * header.SegmentBytes),
                Durable = Math.Max(RecordLayout.FirstAddress, found.Min * header.SegmentBytes),
                SegmentBytes = header.SegmentBytes,
                PageBytes = header.PageBytes,
            };
        }

        return null;
    }

    private static byte[] ReadHeader(ILogFileSystem disk, long segment, out long length)
    {
        using var file = disk.Open(SegmentHeader.FileName(segment));
        var header = new byte[SegmentHeader.Bytes];
        length = file.Length;
        return header[..file.Read(0, header)];
    }

    /// <summary>
    /// In which format a segment is whose header does not say: that in which the first record of more of its pages holds. The newest where none does: such
    /// a segment tells nothing either way.
    /// </summary>
    private uint FormatOf(long segment)
    {
        using var file = Disk.Open(SegmentHeader.FileName(segment));
        var (page, pages) = (new byte[Superblock.PageBytes], new int[RecordLayout.FormatVersion + 1]);
        for (long at = 0; at < Superblock.SegmentBytes; at += page.Length)
        {
            var from = segment == 0 && at == 0 ? (int)RecordLayout.FirstAddress : 0;
            var read = file.Read(SegmentHeader.Bytes + at, page);
            if (read < from + RecordLayout.LengthBytes) break;
            var length = BinaryPrimitives.ReadUInt32LittleEndian(page.AsSpan(from));
            if (length > read - from - RecordLayout.LengthBytes) continue;
            for (var format = RecordLayout.OldestReadableVersion; format <= RecordLayout.FormatVersion; format++)
            {
                if (RecordSeal.Of(format, Superblock.Identity, segment).Holds(page.AsSpan(from + RecordLayout.LengthBytes, (int)length))) pages[format]++;
            }
        }

        return pages[RecordLayout.OldestReadableVersion] > pages[RecordLayout.FormatVersion] ? RecordLayout.OldestReadableVersion : RecordLayout.FormatVersion;
    }

    private void CheckSegments()
    {
        var found = SegmentsIn(Disk);
        var first = Superblock.Begin / Superblock.SegmentBytes;
        var last = Superblock.Durable > RecordLayout.FirstAddress ? (Superblock.Durable - 1) / Superblock.SegmentBytes : first - 1;
        if (found.Count > 0) last = Math.Max(last, found.Max);
        for (var segment = first; segment <= last; segment++)
        {
            var name = SegmentHeader.FileName(segment);
            var whole = SegmentHeader.Bytes + Superblock.SegmentBytes;
            var right = new byte[SegmentHeader.Bytes];
            SegmentHeader.Write(right, Superblock.Identity, segment, Superblock.SegmentBytes, Superblock.PageBytes);
            if (!found.Contains(segment))
            {
                Note(name, 0, "the segment is missing");
                Files.Replace(name, whole);
                Files.Patch(name, whole, 0, right);
                continue;
            }

            var header = ReadHeader(Disk, segment, out var length);
            Lengths[segment] = length;
            var path = Path.Combine(Disk.Folder, name);
            if (SegmentHeader.Check(header, path, Superblock.Identity, segment, Superblock.SegmentBytes, Superblock.PageBytes) is not { } fault) continue;

            // A sound header of another place belongs to what lies behind it; an unsound one is damage to itself alone.
            var isAnothers = SegmentHeader.TryRead(header, path, out _);
            Note(name, isAnothers ? length : header.Length, fault);
            if (isAnothers) Files.Replace(name, whole);
            // What it held before is not known: it may have.
            else SegmentHeader.Write(right, Superblock.Identity, segment, Superblock.SegmentBytes, Superblock.PageBytes, FormatOf(segment), usedAgain: true);
            Files.Patch(name, whole, 0, right);
        }
    }

    private void Note(string name, long bytes, string reason) =>
        Damage.Add(new LogDamage { Place = new LogPlace(Path.Combine(Disk.Folder, name), 0, -1), Bytes = bytes, Kind = DamageKind.Header, Reason = reason });
}
