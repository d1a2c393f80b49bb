using System.Buffers.Binary;
using System.Numerics;

namespace Gateway.Mailbox.Format;

/// <summary>CRC-32C (Castagnoli, RFC 3720 appendix B.4) in steps of eight bytes; the processor's instruction where it has one.</summary>
internal static class Crc32C
{
    public static uint Compute(ReadOnlySpan<byte> bytes) => ~Append(uint.MaxValue, bytes);

    /// <summary>The checksum of one after the other, without joining them.</summary>
    public static uint Compute(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second) => ~Append(Append(uint.MaxValue, first), second);

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
