using System.Buffers.Binary;

namespace Gateway.Mailbox.Format;

/// <summary>
/// The first 4096 bytes of a segment file. The log's byte at address a is at offset 4096 + a % segment size of file a / segment size.
/// <code>magic u64 | format u32 | page bytes u32 | log identity u64 | segment u64 | segment bytes u64 | crc32c u32 | flags u32 (1: used again)
/// | crc32c u32 (over 0 to 47) | zeros</code>
/// A header of format 1 has zeros from the flags on.
/// </summary>
internal static class SegmentHeader
{
    public const int Bytes = 4096;

    /// <summary>"GWYSEGMT" on disk.</summary>
    public const ulong Magic = 0x544D_4745_5359_5747;
    public const int CrcOffset = 40;
    public const int FlagsOffset = 44;
    public const int SecondCrcOffset = 48;
    private const uint UsedAgain = 1;

    private const string Suffix = ".segment";

    public static string FileName(long segment) => $"{segment:x16}{Suffix}";

    public static bool TryParseFileName(string name, out long segment)
    {
        segment = 0;
        return name.Length == 16 + Suffix.Length
            && name.EndsWith(Suffix, StringComparison.Ordinal)
            && long.TryParse(name.AsSpan(0, 16), System.Globalization.NumberStyles.AllowHexSpecifier, null, out segment)
            && segment >= 0;
    }

    /// <param name="header">Takes it.</param>
    /// <param name="identity">The log's.</param>
    /// <param name="segment">Its number.</param>
    /// <param name="segmentBytes">Of its log.</param>
    /// <param name="pageBytes">Of the log.</param>
    /// <param name="format">In which its records are written.</param>
    /// <param name="usedAgain">The file held another segment before: what is not written still holds that one's bytes.</param>
    public static void Write(Span<byte> header, ulong identity, long segment, long segmentBytes, int pageBytes, uint format = RecordLayout.FormatVersion, bool usedAgain = false)
    {
        header[..Bytes].Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(header, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], format);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], pageBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(header[16..], identity);
        BinaryPrimitives.WriteInt64LittleEndian(header[24..], segment);
        BinaryPrimitives.WriteInt64LittleEndian(header[32..], segmentBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(header[CrcOffset..], Crc32C.Compute(header[..CrcOffset]));
        if (format < RecordLayout.SealedFromVersion) return;
        BinaryPrimitives.WriteUInt32LittleEndian(header[FlagsOffset..], usedAgain ? UsedAgain : 0);
        BinaryPrimitives.WriteUInt32LittleEndian(header[SecondCrcOffset..], Crc32C.Compute(header[..SecondCrcOffset]));
    }

    /// <summary>The format of a header that is sound.</summary>
    public static uint FormatOf(ReadOnlySpan<byte> header) => BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);

    /// <summary>Whether the file of a header that is sound held another segment before.</summary>
    public static bool IsUsedAgain(ReadOnlySpan<byte> header) => (BinaryPrimitives.ReadUInt32LittleEndian(header[FlagsOffset..]) & UsedAgain) != 0;

    private static bool IsSound(ReadOnlySpan<byte> header) =>
        BinaryPrimitives.ReadUInt32LittleEndian(header[CrcOffset..]) == Crc32C.Compute(header[..CrcOffset]);

    // Only asked of a format that this build reads.
    private static bool IsSoundThroughout(ReadOnlySpan<byte> header) => FormatOf(header) < RecordLayout.SealedFromVersion
        || BinaryPrimitives.ReadUInt32LittleEndian(header[SecondCrcOffset..]) == Crc32C.Compute(header[..SecondCrcOffset]);

    /// <summary>What a sound header says of the log it belongs to; false when it is not sound.</summary>
    /// <exception cref="LogVersionException">It is of a format that this build does not read.</exception>
    public static bool TryRead(ReadOnlySpan<byte> header, string path, out (ulong Identity, long Segment, long SegmentBytes, int PageBytes) found)
    {
        found = default;
        if (header.Length < Bytes || BinaryPrimitives.ReadUInt64LittleEndian(header) != Magic) return false;
        if (!IsSound(header)) return false;
        FormatVersions.Require(FormatOf(header), path);
        if (!IsSoundThroughout(header)) return false;
        found = (
            BinaryPrimitives.ReadUInt64LittleEndian(header[16..]), BinaryPrimitives.ReadInt64LittleEndian(header[24..]),
            BinaryPrimitives.ReadInt64LittleEndian(header[32..]), BinaryPrimitives.ReadInt32LittleEndian(header[12..]));
        return true;
    }

    /// <summary>Null when the header is this segment's; otherwise what is wrong with it.</summary>
    /// <exception cref="LogVersionException">It is of a format that this build does not read.</exception>
    public static string? Check(ReadOnlySpan<byte> header, string path, ulong identity, long segment, long segmentBytes, int pageBytes)
    {
        if (header.Length < Bytes) return "the segment's header is cut short";
        if (BinaryPrimitives.ReadUInt64LittleEndian(header) != Magic) return "this is not a segment of a mailbox log";
        if (!IsSound(header)) return "the segment header's checksum is wrong";
        FormatVersions.Require(FormatOf(header), path);
        if (!IsSoundThroughout(header)) return "the segment header's second checksum is wrong";
        if (BinaryPrimitives.ReadUInt64LittleEndian(header[16..]) != identity) return "the segment belongs to another log";
        if (BinaryPrimitives.ReadInt64LittleEndian(header[24..]) != segment) return "the segment has another segment's name";
        if (BinaryPrimitives.ReadInt64LittleEndian(header[32..]) != segmentBytes || BinaryPrimitives.ReadInt32LittleEndian(header[12..]) != pageBytes)
            return "the segment has another geometry than the superblock says";
        return null;
    }
}
