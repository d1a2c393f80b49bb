using System.Buffers.Binary;

namespace Gateway.Protocol;

/// <summary>What became of a message, told to its sender. Values are stable.</summary>
public enum ReceiptKind : byte
{
    None = 0,
    /// <summary>The device acknowledged it: the double check.</summary>
    Delivered = 1,
    /// <summary>A person has seen it.</summary>
    Read = 2,
    /// <summary>The device rejected it; the reason is the device's.</summary>
    Rejected = 3,
    /// <summary>It expired undelivered.</summary>
    Expired = 4,
    /// <summary>An operator discarded it.</summary>
    Discarded = 5,
}

/// <summary>
/// What became of messages this device sent. It is an entry of the device's own mailbox: it has a sequence and is acknowledged like
/// a message.
/// <code>
/// sequence u64 | previous u64 | peer u64 (who received them) | incarnation u32 (this device's) | kind u8 | flags u8 | reason u16
/// | numbers u64 x n
/// </code>
/// n = 1..64, the numbers this device sent them under, none of them 0.
/// </summary>
public readonly ref struct ReceiptFrame
{
    public const int FixedBytes = 32;

    public ulong Sequence { get; private init; }
    public ulong Previous { get; private init; }
    public Address Peer { get; private init; }
    public uint Incarnation { get; private init; }
    public ReceiptKind Kind { get; private init; }
    public DeliverFlags Flags { get; private init; }
    public ushort Reason { get; private init; }

    /// <summary>The numbers as they lie on the wire, 8 bytes each; see <see cref="Count"/> and <see cref="Number"/>.</summary>
    public ReadOnlySpan<byte> Numbers { get; private init; }
    public int Count => Numbers.Length / 8;
    public ulong Number(int index) => BinaryPrimitives.ReadUInt64LittleEndian(Numbers[(8 * index)..]);

    public static bool TryParse(ReadOnlySpan<byte> payload, out ReceiptFrame frame, out ErrorCode error)
    {
        frame = default;
        var numberBytes = payload.Length - FixedBytes;
        if (numberBytes < 8 || numberBytes % 8 != 0 || numberBytes > 8 * Wire.MaxReceiptNumbers)
            return Fail.With(ErrorCode.MalformedFrame, out error);
        frame = new ReceiptFrame
        {
            Sequence = BinaryPrimitives.ReadUInt64LittleEndian(payload),
            Previous = BinaryPrimitives.ReadUInt64LittleEndian(payload[8..]),
            Peer = new Address(BinaryPrimitives.ReadUInt64LittleEndian(payload[16..])),
            Incarnation = BinaryPrimitives.ReadUInt32LittleEndian(payload[24..]),
            Kind = (ReceiptKind)payload[28],
            Flags = (DeliverFlags)payload[29],
            Reason = BinaryPrimitives.ReadUInt16LittleEndian(payload[30..]),
            Numbers = payload[FixedBytes..],
        };
        if (frame.Sequence == 0 || frame.Previous >= frame.Sequence || frame.Kind is < ReceiptKind.Delivered or > ReceiptKind.Discarded)
            return Fail.With(ErrorCode.MalformedFrame, out error);
        for (var i = 0; i < frame.Count; i++)
        {
            if (frame.Number(i) == 0) return Fail.With(ErrorCode.MalformedFrame, out error);
        }

        if (!frame.Peer.IsValid) return Fail.With(ErrorCode.BadAddress, out error);
        error = ErrorCode.None;
        return true;
    }

    public static int FrameBytes(int count) => Wire.HeaderBytes + FixedBytes + 8 * count;

    /// <summary>Writes the frame, header included; <paramref name="numbers"/>: 8 bytes each, little-endian; returns its length.</summary>
    public static int Write(
        Span<byte> destination, ulong sequence, ulong previous, Address peer, uint incarnation, ReceiptKind kind, DeliverFlags flags,
        ushort reason, ReadOnlySpan<byte> numbers)
    {
        Wire.WriteHeader(destination, FrameType.Receipt, FixedBytes + numbers.Length);
        var p = destination[Wire.HeaderBytes..];
        BinaryPrimitives.WriteUInt64LittleEndian(p, sequence);
        BinaryPrimitives.WriteUInt64LittleEndian(p[8..], previous);
        BinaryPrimitives.WriteUInt64LittleEndian(p[16..], peer.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(p[24..], incarnation);
        p[28] = (byte)kind;
        p[29] = (byte)flags;
        BinaryPrimitives.WriteUInt16LittleEndian(p[30..], reason);
        numbers.CopyTo(p[FixedBytes..]);
        return FrameBytes(numbers.Length / 8);
    }
}
