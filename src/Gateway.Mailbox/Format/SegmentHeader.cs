using System.Buffers.Binary;

namespace Gateway.Mailbox.Format;

/// <summary>
/// The first 4096 bytes of a segment file. The log's byte at address a is at offset 4096 + a % segment size of file a / segment size.
/// <code>magic u64 | format u32 | page bytes u32 | log identity u64 | segment u64 | segment bytes u64 | crc32c u32 | zeros</code>
/// </summary>
internal static class SegmentHeader
{
    public const int Bytes = 4096;

    /// <summary>"GWYSEGMT" on disk.</summary>
    public const ulong Magic = 0x544D_4745_5359_5747;
    public const int CrcOffset = 40;

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

    public static void Write(Span<byte> header, ulong identity, long segment, long segmentBytes, int pageBytes)
    {
        header[..Bytes].Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(header, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], RecordLayout.FormatVersion);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], pageBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(header[16..], identity);
        BinaryPrimitives.WriteInt64LittleEndian(header[24..], segment);
        BinaryPrimitives.WriteInt64LittleEndian(header[32..], segmentBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(header[CrcOffset..], Crc32C.Compute(header[..CrcOffset]));
    }

    /// <summary>What a sound header says of the log it belongs to; false when it is not sound.</summary>
    /// <exception cref="LogVersionException">It is of a format that this build does not read.</exception>
    public static bool TryRead(ReadOnlySpan<byte> header, string path, out (ulong Identity, long Segment, long SegmentBytes, int PageBytes) found)
    {
        found = default;
        if (header.Length < Bytes || BinaryPrimitives.ReadUInt64LittleEndian(header) != Magic) return false;
        if (BinaryPrimitives.ReadUInt32LittleEndian(header[CrcOffset..]) != Crc32C.Compute(header[..CrcOffset])) return false;
        FormatVersions.Require(BinaryPrimitives.ReadUInt32LittleEndian(header[8..]), path);
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
        if (BinaryPrimitives.ReadUInt32LittleEndian(header[CrcOffset..]) != Crc32C.Compute(header[..CrcOffset])) return "the segment header's checksum is wrong";
        FormatVersions.Require(BinaryPrimitives.ReadUInt32LittleEndian(header[8..]), path);
        if (BinaryPrimitives.ReadUInt64LittleEndian(header[16..]) != identity) return "the segment belongs to another log";
        if (BinaryPrimitives.ReadInt64LittleEndian(header[24..]) != segment) return "the segment has another segment's name";
        if (BinaryPrimitives.ReadInt64LittleEndian(header[32..]) != segmentBytes || BinaryPrimitives.ReadInt32LittleEndian(header[12..]) != pageBytes)
            return "the segment has another geometry than the superblock says";
        return null;
    }
}
