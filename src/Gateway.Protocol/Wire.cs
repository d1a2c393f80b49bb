using System.Buffers.Binary;

namespace Gateway.Protocol;

/// <summary>
/// Sizes and limits of version 1 of the wire format, and the header that opens every frame:
/// <code>
/// 0                        3           4
/// +------------------------+-----------+----------------------+
/// | payload length, u24 LE | type, u8  | payload ...          |
/// +------------------------+-----------+----------------------+
/// </code>
/// The length counts the payload alone. PROTOCOL.md, "Framing".
/// </summary>
public static class Wire
{
    public const byte Version = 1;

    /// <summary>"GWY1" on the wire: the first four payload bytes of a connection.</summary>
    public const uint Magic = 0x3159_5747;

    public const int HeaderBytes = 4;

    /// <summary>The body limit a node announces unless configured otherwise.</summary>
    public const int DefaultMaxBodyBytes = 64 * 1024;

    /// <summary>No configuration may raise the body limit above this, so that a body always fits a page of the log.</summary>
    public const int MaxBodyBytesCeiling = 512 * 1024;

    /// <summary>No configuration may lower the body limit below this, so that the longest read receipt always fits.</summary>
    public const int MaxBodyBytesFloor = ReadBody.FixedBytes + 8 * MaxReceiptNumbers;

    /// <summary>Send numbers a device may have open at once: [low, low + 64). PROTOCOL.md, "Window".</summary>
    public const int WindowSize = 64;

    public const int MaxEphemeralBytes = 512;
    public const int MaxErrorTextBytes = 256;

    /// <summary>Numbers that one receipt frame or read receipt carries at most.</summary>
    public const int MaxReceiptNumbers = 64;

    public const int NonceBytes = 16;
    public const int ProofBytes = 32;

    /// <summary>
    /// The largest payload a peer may send when bodies are at most <paramref name="maxBodyBytes"/> long: a deliver with such a body.
    /// </summary>
    public static int MaxPayloadBytes(int maxBodyBytes) =>
        Math.Max(maxBodyBytes + DeliverFrame.FixedBytes, ReceiptFrame.FixedBytes + 8 * MaxReceiptNumbers);

    /// <summary>Writes a header in front of <paramref name="payloadBytes"/> bytes (0 to 2^24 - 1).</summary>
    public static void WriteHeader(Span<byte> destination, FrameType type, int payloadBytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)payloadBytes, 0xFF_FFFFu);
        BinaryPrimitives.WriteUInt32LittleEndian(destination, (uint)payloadBytes | (uint)type << 24);
    }
}
