using System.Buffers.Binary;

namespace Gateway.Protocol;

/// <summary>What a <see cref="SendFrame"/> carries.</summary>
public enum SendKind : byte
{
    /// <summary>A message; its delivery earns the sender a receipt.</summary>
    Message = 0,
    /// <summary>A read receipt for messages that the recipient of this frame sent earlier; it earns no receipt itself.</summary>
    Read = 1,
}

/// <summary>
/// A message from a device to a mailbox, under a number of the device's window.
/// <code>
/// to u64 | number u64 (1 to 2^63 - 1) | lowest open u64 (1..number) | expiry s u32 (0: the node's default) | kind u8
/// | reserved 3 bytes = 0 | body
/// </code>
/// The body of kind read is a <see cref="ReadBody"/>.
/// </summary>
public readonly ref struct SendFrame
{
    public const int FixedBytes = 32;
    public const int ReadBodyFixedBytes = ReadBody.FixedBytes;

    public Address To { get; private init; }
    public ulong Number { get; private init; }

    /// <summary>The lowest number the device still waits for: it alone moves the window's low mark.</summary>
    public ulong LowestOpen { get; private init; }

    /// <summary>Seconds after which the message may expire undelivered; 0 asks for the node's default.</summary>
    public uint ExpirySeconds { get; private init; }
    public SendKind Kind { get; private init; }
    public ReadOnlySpan<byte> Body { get; private init; }

    public static bool TryParse(ReadOnlySpan<byte> payload, out SendFrame frame, out ErrorCode error)
    {
        frame = default;
        if (payload.Length < FixedBytes) return Fail.With(ErrorCode.MalformedFrame, out error);
        var number = BinaryPrimitives.ReadUInt64LittleEndian(payload[8..]);
        var lowestOpen = BinaryPrimitives.ReadUInt64LittleEndian(payload[16..]);
        if (payload[29] != 0 || payload[30] != 0 || payload[31] != 0 || lowestOpen == 0 || lowestOpen > number || number > long.MaxValue)
            return Fail.With(ErrorCode.MalformedFrame, out error);
        frame = new SendFrame
        {
            To = new Address(BinaryPrimitives.ReadUInt64LittleEndian(payload)),
            Number = number,
            LowestOpen = lowestOpen,
            ExpirySeconds = BinaryPrimitives.ReadUInt32LittleEndian(payload[24..]),
            Kind = (SendKind)payload[28],
            Body = payload[FixedBytes..],
        };
        if (!frame.To.IsValid) return Fail.With(ErrorCode.BadAddress, out error);
        error = ErrorCode.None;
        return true;
    }

    public static int FrameBytes(int bodyBytes) => Wire.HeaderBytes + FixedBytes + bodyBytes;

    /// <summary>Writes the frame, header included; returns its length.</summary>
    public static int Write(
        Span<byte> destination, Address to, ulong number, ulong lowestOpen, uint expirySeconds, SendKind kind, ReadOnlySpan<byte> body)
    {
        Wire.WriteHeader(destination, FrameType.Send, FixedBytes + body.Length);
        var p = destination[Wire.HeaderBytes..];
        BinaryPrimitives.WriteUInt64LittleEndian(p, to.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(p[8..], number);
        BinaryPrimitives.WriteUInt64LittleEndian(p[16..], lowestOpen);
        BinaryPrimitives.WriteUInt32LittleEndian(p[24..], expirySeconds);
        BinaryPrimitives.WriteUInt32LittleEndian(p[28..], (byte)kind);
        body.CopyTo(p[FixedBytes..]);
        return FrameBytes(body.Length);
    }
}

/// <summary>The single check: the message under this number is durable. <code>number u64</code></summary>
public readonly record struct AcceptedFrame(ulong Number)
{
    public const int PayloadBytes = 8;
    public const int FrameBytes = Wire.HeaderBytes + PayloadBytes;

    public static bool TryParse(ReadOnlySpan<byte> payload, out AcceptedFrame frame, out ErrorCode error)
    {
        var ok = SingleNumber.TryParse(payload, out var number, out error);
        frame = new AcceptedFrame(number);
        return ok;
    }

    /// <summary>Writes the frame, header included; returns its length.</summary>
    public static int Write(Span<byte> destination, ulong number) => SingleNumber.Write(destination, FrameType.Accepted, number);
}

/// <summary>
/// The message under this number was not stored.
/// <code>number u64 | reason u16 (never 0) | reserved u16 = 0 | retry after ms u32 (0 when final)</code>
/// </summary>
public readonly record struct RefusedFrame(ulong Number, RefusalReason Reason, uint RetryAfterMs)
{
    public const int PayloadBytes = 16;
    public const int FrameBytes = Wire.HeaderBytes + PayloadBytes;

    public static bool TryParse(ReadOnlySpan<byte> payload, out RefusedFrame frame, out ErrorCode error)
    {
        frame = default;
        if (payload.Length != PayloadBytes || BinaryPrimitives.ReadUInt16LittleEndian(payload[10..]) != 0)
            return Fail.With(ErrorCode.MalformedFrame, out error);
        frame = new RefusedFrame(
            BinaryPrimitives.ReadUInt64LittleEndian(payload),
            (RefusalReason)BinaryPrimitives.ReadUInt16LittleEndian(payload[8..]),
            BinaryPrimitives.ReadUInt32LittleEndian(payload[12..]));
        if (frame.Number == 0 || frame.Reason == RefusalReason.None) return Fail.With(ErrorCode.MalformedFrame, out error);
        error = ErrorCode.None;
        return true;
    }

    /// <summary>Writes the frame, header included; returns its length.</summary>
    public static int Write(Span<byte> destination, ulong number, RefusalReason reason, uint retryAfterMs)
    {
        Wire.WriteHeader(destination, FrameType.Refused, PayloadBytes);
        var p = destination.Slice(Wire.HeaderBytes, PayloadBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(p, number);
        BinaryPrimitives.WriteUInt32LittleEndian(p[8..], (ushort)reason);
        BinaryPrimitives.WriteUInt32LittleEndian(p[12..], retryAfterMs);
        return FrameBytes;
    }
}

/// <summary>Bits of <see cref="DeliverFrame.Flags"/> and <see cref="ReceiptFrame.Flags"/>.</summary>
[Flags]
public enum DeliverFlags : byte
{
    None = 0,
    /// <summary>The node may have delivered this sequence before.</summary>
    Redelivered = 1,
    // Bits not named here are 0 in version 1 and ignored by readers.
}

/// <summary>
/// A message from the device's mailbox.
/// <code>
/// sequence u64 | previous u64 (sequence before it in this mailbox, 0: none known) | from u64 | number u64 (the sender's)
/// | incarnation u32 (the sender's) | enqueued u32 (s since 1970) | flags u8 | reserved 3 bytes = 0 | body
/// </code>
/// </summary>
public readonly ref struct DeliverFrame
{
    public const int FixedBytes = 44;

    public ulong Sequence { get; private init; }
    public ulong Previous { get; private init; }
    public Address From { get; private init; }
    public ulong Number { get; private init; }
    public uint Incarnation { get; private init; }
    public uint EnqueuedAt { get; private init; }
    public DeliverFlags Flags { get; private init; }
    public ReadOnlySpan<byte> Body { get; private init; }

    public static bool TryParse(ReadOnlySpan<byte> payload, out DeliverFrame frame, out ErrorCode error)
    {
        frame = default;
        if (payload.Length < FixedBytes || payload[41] != 0 || payload[42] != 0 || payload[43] != 0)
            return Fail.With(ErrorCode.MalformedFrame, out error);
        frame = new DeliverFrame
        {
            Sequence = BinaryPrimitives.ReadUInt64LittleEndian(payload),
            Previous = BinaryPrimitives.ReadUInt64LittleEndian(payload[8..]),
            From = new Address(BinaryPrimitives.ReadUInt64LittleEndian(payload[16..])),
            Number = BinaryPrimitives.ReadUInt64LittleEndian(payload[24..]),
            Incarnation = BinaryPrimitives.ReadUInt32LittleEndian(payload[32..]),
            EnqueuedAt = BinaryPrimitives.ReadUInt32LittleEndian(payload[36..]),
            Flags = (DeliverFlags)payload[40],
            Body = payload[FixedBytes..],
        };
        if (frame.Sequence == 0 || frame.Previous >= frame.Sequence) return Fail.With(ErrorCode.MalformedFrame, out error);
        if (!frame.From.IsValid) return Fail.With(ErrorCode.BadAddress, out error);
        error = ErrorCode.None;
        return true;
    }

    public static int FrameBytes(int bodyBytes) => Wire.HeaderBytes + FixedBytes + bodyBytes;

    /// <summary>Writes the frame, header included; returns its length.</summary>
    public static int Write(
        Span<byte> destination, ulong sequence, ulong previous, Address from, uint incarnation, ulong number, uint enqueuedAt,
        DeliverFlags flags, ReadOnlySpan<byte> body)
    {
        Wire.WriteHeader(destination, FrameType.Deliver, FixedBytes + body.Length);
        var p = destination[Wire.HeaderBytes..];
        BinaryPrimitives.WriteUInt64LittleEndian(p, sequence);
        BinaryPrimitives.WriteUInt64LittleEndian(p[8..], previous);
        BinaryPrimitives.WriteUInt64LittleEndian(p[16..], from.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(p[24..], number);
        BinaryPrimitives.WriteUInt32LittleEndian(p[32..], incarnation);
        BinaryPrimitives.WriteUInt32LittleEndian(p[36..], enqueuedAt);
        BinaryPrimitives.WriteUInt32LittleEndian(p[40..], (byte)flags);
        body.CopyTo(p[FixedBytes..]);
        return FrameBytes(body.Length);
    }
}

/// <summary>The device has processed every delivered sequence up to this one. Cumulative. <code>sequence u64</code></summary>
public readonly record struct AcknowledgeFrame(ulong Sequence)
{
    public const int PayloadBytes = 8;
    public const int FrameBytes = Wire.HeaderBytes + PayloadBytes;

    public static bool TryParse(ReadOnlySpan<byte> payload, out AcknowledgeFrame frame, out ErrorCode error)
    {
        var ok = SingleNumber.TryParse(payload, out var sequence, out error);
        frame = new AcknowledgeFrame(sequence);
        return ok;
    }

    /// <summary>Writes the frame, header included; returns its length.</summary>
    public static int Write(Span<byte> destination, ulong sequence) => SingleNumber.Write(destination, FrameType.Acknowledge, sequence);
}

/// <summary>
/// The device cannot process this one delivered sequence and never will.
/// <code>sequence u64 | reason u16 (the application's) | reserved u16 = 0</code>
/// </summary>
public readonly record struct RejectFrame(ulong Sequence, ushort Reason)
{
    public const int PayloadBytes = 12;
    public const int FrameBytes = Wire.HeaderBytes + PayloadBytes;

    public static bool TryParse(ReadOnlySpan<byte> payload, out RejectFrame frame, out ErrorCode error)
    {
        frame = default;
        if (payload.Length != PayloadBytes || BinaryPrimitives.ReadUInt16LittleEndian(payload[10..]) != 0)
            return Fail.With(ErrorCode.MalformedFrame, out error);
        frame = new RejectFrame(BinaryPrimitives.ReadUInt64LittleEndian(payload), BinaryPrimitives.ReadUInt16LittleEndian(payload[8..]));
        if (frame.Sequence == 0) return Fail.With(ErrorCode.MalformedFrame, out error);
        error = ErrorCode.None;
        return true;
    }

    /// <summary>Writes the frame, header included; returns its length.</summary>
    public static int Write(Span<byte> destination, ulong sequence, ushort reason)
    {
        Wire.WriteHeader(destination, FrameType.Reject, PayloadBytes);
        var p = destination.Slice(Wire.HeaderBytes, PayloadBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(p, sequence);
        BinaryPrimitives.WriteUInt32LittleEndian(p[8..], reason);
        return FrameBytes;
    }
}

/// <summary>Payloads that are one u64 which is never 0.</summary>
internal static class SingleNumber
{
    public static bool TryParse(ReadOnlySpan<byte> payload, out ulong number, out ErrorCode error)
    {
        number = 0;
        if (payload.Length != 8) return Fail.With(ErrorCode.MalformedFrame, out error);
        number = BinaryPrimitives.ReadUInt64LittleEndian(payload);
        error = number == 0 ? ErrorCode.MalformedFrame : ErrorCode.None;
        return number != 0;
    }

    public static int Write(Span<byte> destination, FrameType type, ulong number)
    {
        Wire.WriteHeader(destination, type, 8);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[Wire.HeaderBytes..], number);
        return Wire.HeaderBytes + 8;
    }
}
