using System.Buffers.Binary;

namespace Gateway.Protocol;

/// <summary>
/// The body of a send of kind read: which messages a person has seen, by the numbers their sender gave them.
/// <code>incarnation u32 (the messages' sender's, never 0) | reserved u32 = 0 | numbers u64 x n</code>
/// n = 1..64, none of them 0. PROTOCOL.md, "Read receipts".
/// </summary>
public static class ReadBody
{
    public const int FixedBytes = 8;

    /// <summary>
    /// False when the body is none: the node then answers <see cref="RefusalReason.UnsupportedKind"/>. <paramref name="numbers"/> are
    /// 8 bytes each, little-endian, and a slice of <paramref name="body"/>.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> body, out uint incarnation, out ReadOnlySpan<byte> numbers)
    {
        incarnation = 0;
        numbers = default;
        var numberBytes = body.Length - FixedBytes;
        if (numberBytes < 8 || numberBytes % 8 != 0 || numberBytes > 8 * Wire.MaxReceiptNumbers) return false;
        if (BinaryPrimitives.ReadUInt32LittleEndian(body) == 0 || BinaryPrimitives.ReadUInt32LittleEndian(body[4..]) != 0) return false;
        for (var rest = body[FixedBytes..]; !rest.IsEmpty; rest = rest[8..])
        {
            if (BinaryPrimitives.ReadUInt64LittleEndian(rest) == 0) return false;
        }

        incarnation = BinaryPrimitives.ReadUInt32LittleEndian(body);
        numbers = body[FixedBytes..];
        return true;
    }

    public static int BodyBytes(int count) => FixedBytes + 8 * count;

    /// <summary>Writes the body; <paramref name="numbers"/> are 8 bytes each, little-endian. Returns its length.</summary>
    public static int Write(Span<byte> destination, uint incarnation, ReadOnlySpan<byte> numbers)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(destination, incarnation);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[4..], 0);
        numbers.CopyTo(destination[FixedBytes..]);
        return FixedBytes + numbers.Length;
    }
}
