using System.Buffers.Binary;

namespace Gateway.Mailbox.Format;

/// <summary>
/// What binds a record to the segment that it was written to, so that what the segment's file held in an earlier life is never taken for the log's.
/// The only place that knows how. Any thread; never changed.
/// <code>
/// format 2          tag = (segment mod 2^32) xor (identity mod 2^32) xor (identity / 2^32)
///                   stored checksum = crc32c of the record xor tag; end mark = 2^31 + tag mod 2^31
/// format 1          stored checksum = crc32c of the record;         end mark = 2^32 - 1
/// </code>
/// Invariant: of one log, two segments less than 2^31 apart have different tags and end marks, so that a record of one never holds in the other. The
/// log's identity is in it for what lies in the middle of a body: there a sender could have put a record for any segment, but for a tag it cannot know.
/// </summary>
internal sealed class RecordSeal
{
    private const uint EndMarkBit = 0x8000_0000;

    private static readonly RecordSeal OfFormat1 = new(0, uint.MaxValue);

    private readonly uint _tag;

    private RecordSeal(uint tag, uint endOfPage) => (_tag, EndOfPage) = (tag, endOfPage);

    /// <summary>In the place of a length: nothing follows on this page. No length has its highest bit set.</summary>
    public uint EndOfPage { get; }

    /// <param name="format">That the segment's header names.</param>
    /// <param name="identity">The log's.</param>
    /// <param name="segment">Its number.</param>
    public static RecordSeal Of(uint format, ulong identity, long segment)
    {
        if (format < RecordLayout.SealedFromVersion) return OfFormat1;
        var tag = (uint)segment ^ (uint)identity ^ (uint)(identity >> 32);
        return new RecordSeal(tag, EndMarkBit | tag);
    }

    /// <summary>Whether the record's stored checksum is that of its bytes, written to this segment.</summary>
    public bool Holds(ReadOnlySpan<byte> record) =>
        record.Length >= RecordLayout.MailboxOffset && Checksum(record) == Crc32C.Compute(record[RecordLayout.TypeOffset..]);

    /// <summary>The checksum that stands in the record, without the tag.</summary>
    public uint Checksum(ReadOnlySpan<byte> record) => BinaryPrimitives.ReadUInt32LittleEndian(record) ^ _tag;

    /// <summary>Makes a record that bears its plain checksum this segment's.</summary>
    public void Apply(Span<byte> record) => BinaryPrimitives.WriteUInt32LittleEndian(record, Checksum(record));
}
