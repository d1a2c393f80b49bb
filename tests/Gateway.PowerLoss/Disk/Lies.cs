using System.Buffers.Binary;
using Gateway.Mailbox.Format;

namespace Gateway.PowerLoss.Disk;

/// <summary>What is left out on the way to the disk, to see that it is noticed: the effect of a line missing in the product.</summary>
internal enum Lie
{
    None = 0,

    /// <summary>One fdatasync of a segment, of all that a recording has.</summary>
    SkipOneSync,

    /// <summary>The folder's sync after a new segment got its name.</summary>
    SkipFolderSync,

    /// <summary>The sync of a new segment before it gets its name.</summary>
    SkipNewSegmentSync,

    /// <summary>Every sync of the superblock.</summary>
    SkipSuperblockSync,

    /// <summary>The superblock has one slot, which is overwritten.</summary>
    OneSuperblockSlot,

    /// <summary>All of the recovered tail's rewriting, clearing and syncing.</summary>
    SkipMakeDurable,

    /// <summary>The recovered tail is synced and not written again.</summary>
    SkipRewrite,

    /// <summary>What lies behind the recovered tail stays.</summary>
    SkipClear,

    /// <summary>The watermark is raised before the sync.</summary>
    TellFirst,

    /// <summary>Marks say nothing.</summary>
    NoMarks,

    /// <summary>The owner records no device again before its segment goes. Told to the load; the disk does as it is asked.</summary>
    CarryNothing,
}

/// <summary>Says of each call whether it is left out. Within the disk's lock.</summary>
internal sealed class Liar(Lie lie, ulong identity, int syncToSkip)
{
    private int _syncs;
    private bool _renamed;

    public bool Defers(string name, bool opening) => lie == Lie.TellFirst && !opening && IsSegment(name);

    public bool SkipsSync(string name, bool opening)
    {
        switch (lie)
        {
            case Lie.SkipOneSync: return IsSegment(name) && _syncs++ == syncToSkip;
            case Lie.SkipNewSegmentSync: return name.EndsWith(".segment.new", StringComparison.Ordinal);
            case Lie.SkipSuperblockSync: return name.StartsWith(Superblock.FileName, StringComparison.Ordinal);
            case Lie.SkipMakeDurable: return opening && IsSegment(name);
            default: return false;
        }
    }

    public void OnRename(string to) => _renamed = IsSegment(to);

    public bool SkipsFolderSync() => lie == Lie.SkipFolderSync && _renamed;

    public bool SkipsWrite(string name, bool opening, ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> there) => opening && IsSegment(name) && lie switch
    {
        Lie.SkipMakeDurable => true,
        Lie.SkipRewrite => bytes.SequenceEqual(there),
        Lie.SkipClear => !bytes.ContainsAnyExcept((byte)0),
        _ => false,
    };

    public long Redirect(string name, long offset) =>
        lie == Lie.OneSuperblockSlot && name.StartsWith(Superblock.FileName, StringComparison.Ordinal) ? 0 : offset;

    /// <summary>A mark that names the log's first address is as good as none.</summary>
    public void Alter(string name, Span<byte> bytes)
    {
        if (lie != Lie.NoMarks || !IsSegment(name) || !SegmentHeader.TryParseFileName(name, out var segment)) return;
        var seal = RecordSeal.Of(RecordLayout.FormatVersion, identity, segment);
        for (var at = 0; at + RecordLayout.LengthBytes + RecordLayout.MarkBytes <= bytes.Length; at += 4)
        {
            if (BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]) != RecordLayout.MarkBytes) continue;
            var record = bytes.Slice(at + RecordLayout.LengthBytes, RecordLayout.MarkBytes);
            if (RecordLayout.TypeOf(record) != Gateway.Mailbox.RecordType.Mark || !seal.Holds(record)) continue;
            if (RecordLayout.U64(record, RecordLayout.MarkIdentityOffset) != identity) continue;
            RecordLayout.WriteMark(record, identity, RecordLayout.FirstAddress);
            seal.Apply(record);
        }
    }

    private static bool IsSegment(string name) => name.EndsWith(".segment", StringComparison.Ordinal);
}
