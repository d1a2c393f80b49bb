using System.Buffers.Binary;
using System.Numerics;

namespace Gateway.Mailbox.Format;

/// <summary>CRC-32C (Castagnoli, RFC 3720 appendix B.4) in steps of eight bytes; the processor's instruction where it has one.</summary>
internal static class Crc32C
{
    public static uint Compute(ReadOnlySpan<byte> bytes) => ~Append(uint.MaxValue, bytes);

    /// <summary>The checksum of one after the other, without joining them.</summary>
    public static uint Compute(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second) => ~Append(Append(uint.MaxValue, first), second);

    /// <summary>The shortest length from <paramref name="shortest"/> on at which what begins here has this checksum and <paramref name="accept"/> agrees; 0 when there is none.</summary>
    public static int FindLength(ReadOnlySpan<byte> bytes, int shortest, uint checksum, Func<int, bool> accept)
    {
        if (bytes.Length < shortest) return 0;
        var crc = Append(uint.MaxValue, bytes[..shortest]);
        for (var length = shortest; ; length++)
        {
            if (~crc == checksum && accept(length)) return length;
            if (length == bytes.Length) return 0;
            crc = BitOperations.Crc32C(crc, bytes[length]);
        }
    }

    private static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length >= 8)
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[8..];
        }

        foreach (var b in bytes) crc = BitOperations.Crc32C(crc, b);
        return crc;
    }
}
