using System.Buffers.Binary;
using System.Text;

namespace Gateway.Protocol;

/// <summary>What an <see cref="EphemeralFrame"/> says. Values from 128 on are the application's own.</summary>
public enum EphemeralKind : byte
{
    None = 0,
    Typing = 1,
    StoppedTyping = 2,
}

/// <summary>
/// Something worth showing now and worth nothing later: never stored, never acknowledged, shed first under load.
/// <code>peer u64 (to the node: the recipient; to the device: the sender) | kind u8 | reserved 3 bytes = 0 | data, at most 512 bytes</code>
/// </summary>
public readonly ref struct EphemeralFrame
{
    public const int FixedBytes = 12;

    public Address Peer { get; private init; }
    public EphemeralKind Kind { get; private init; }
    public ReadOnlySpan<byte> Data { get; private init; }

    public static bool TryParse(ReadOnlySpan<byte> payload, out EphemeralFrame frame, out ErrorCode error)
    {
        frame = default;
        if (payload.Length is < FixedBytes or > FixedBytes + Wire.MaxEphemeralBytes) return Fail.With(ErrorCode.MalformedFrame, out error);
        if (payload[8] == 0 || payload[9] != 0 || payload[10] != 0 || payload[11] != 0)
            return Fail.With(ErrorCode.MalformedFrame, out error);
        frame = new EphemeralFrame
        {
            Peer = new Address(BinaryPrimitives.ReadUInt64LittleEndian(payload)),
            Kind = (EphemeralKind)payload[8],
            Data = payload[FixedBytes..],
        };
        if (!frame.Peer.IsValid) return Fail.With(ErrorCode.BadAddress, out error);
        error = ErrorCode.None;
        return true;
    }

    public static int FrameBytes(int dataBytes) => Wire.HeaderBytes + FixedBytes + dataBytes;

    /// <summary>Writes the frame, header included; returns its length.</summary>
    public static int Write(Span<byte> destination, Address peer, EphemeralKind kind, ReadOnlySpan<byte> data)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(data.Length, Wire.MaxEphemeralBytes);
        Wire.WriteHeader(destination, FrameType.Ephemeral, FixedBytes + data.Length);
        var p = destination[Wire.HeaderBytes..];
        BinaryPrimitives.WriteUInt64LittleEndian(p, peer.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(p[8..], (byte)kind);
        data.CopyTo(p[FixedBytes..]);
        return FrameBytes(data.Length);
    }
}

/// <summary>Asks the peer for a pong with the same token, either way. <code>token u64</code></summary>
public readonly record struct PingFrame(ulong Token)
{
    public const int PayloadBytes = 8;
    public const int FrameBytes = Wire.HeaderBytes + PayloadBytes;

    /// <summary>Parses a ping or a pong: they differ in type alone.</summary>
    public static bool TryParse(ReadOnlySpan<byte> payload, out PingFrame frame, out ErrorCode error)
    {
        frame = default;
        if (payload.Length != PayloadBytes) return Fail.With(ErrorCode.MalformedFrame, out error);
        frame = new PingFrame(BinaryPrimitives.ReadUInt64LittleEndian(payload));
        error = ErrorCode.None;
        return true;
    }

    /// <summary>Writes a ping, header included; returns its length.</summary>
    public static int Write(Span<byte> destination, ulong token) => Write(destination, FrameType.Ping, token);

    /// <summary>Writes the pong that answers a ping, header included; returns its length.</summary>
    public static int WritePong(Span<byte> destination, ulong token) => Write(destination, FrameType.Pong, token);

    private static int Write(Span<byte> destination, FrameType type, ulong token)
    {
        Wire.WriteHeader(destination, type, PayloadBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[Wire.HeaderBytes..], token);
        return FrameBytes;
    }
}

/// <summary>
/// How much the device is willing to hold unacknowledged; replaces the credit given before. 0 messages pause delivery.
/// <code>messages u32 | bytes u32 (of bodies; one message may always exceed it)</code>
/// </summary>
public readonly record struct CreditFrame(uint Messages, uint Bytes)
{
    public const int PayloadBytes = 8;
    public const int FrameBytes = Wire.HeaderBytes + PayloadBytes;

    public static bool TryParse(ReadOnlySpan<byte> payload, out CreditFrame frame, out ErrorCode error)
    {
        frame = default;
        if (payload.Length != PayloadBytes) return Fail.With(ErrorCode.MalformedFrame, out error);
        frame = new CreditFrame(BinaryPrimitives.ReadUInt32LittleEndian(payload), BinaryPrimitives.ReadUInt32LittleEndian(payload[4..]));
        error = ErrorCode.None;
        return true;
    }

    /// <summary>Writes the frame, header included; returns its length.</summary>
    public static int Write(Span<byte> destination, uint messages, uint bytes)
    {
        Wire.WriteHeader(destination, FrameType.Credit, PayloadBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[Wire.HeaderBytes..], messages);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[(Wire.HeaderBytes + 4)..], bytes);
        return FrameBytes;
    }
}

/// <summary>
/// The node will close this connection soon; the hint is spread over devices so that they do not come back at once.
/// <code>reason u16 (an error code, or 0: none given) | reserved u16 = 0 | reconnect after ms u32</code>
/// </summary>
public readonly record struct GoAwayFrame(ErrorCode Reason, uint ReconnectAfterMs)
{
    public const int PayloadBytes = 8;
    public const int FrameBytes = Wire.HeaderBytes + PayloadBytes;

    public static bool TryParse(ReadOnlySpan<byte> payload, out GoAwayFrame frame, out ErrorCode error)
    {
        frame = default;
        if (payload.Length != PayloadBytes || BinaryPrimitives.ReadUInt16LittleEndian(payload[2..]) != 0)
            return Fail.With(ErrorCode.MalformedFrame, out error);
        frame = new GoAwayFrame(
            (ErrorCode)BinaryPrimitives.ReadUInt16LittleEndian(payload), BinaryPrimitives.ReadUInt32LittleEndian(payload[4..]));
        error = ErrorCode.None;
        return true;
    }

    /// <summary>Writes the frame, header included; returns its length.</summary>
    public static int Write(Span<byte> destination, ErrorCode reason, uint reconnectAfterMs)
    {
        Wire.WriteHeader(destination, FrameType.GoAway, PayloadBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[Wire.HeaderBytes..], (ushort)reason);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[(Wire.HeaderBytes + 4)..], reconnectAfterMs);
        return FrameBytes;
    }
}

/// <summary>
/// Why the connection is being closed; nothing follows it.
/// <code>
/// code u16 (never 0) | reserved u16 = 0 | detail u32 (the offending frame's type, or 0)
/// | UTF-8 text for a person, at most 256 bytes
/// </code>
/// </summary>
public readonly ref struct ErrorFrame
{
    public const int FixedBytes = 8;
    public const int MaxFrameBytes = Wire.HeaderBytes + FixedBytes + Wire.MaxErrorTextBytes;

    public ErrorCode Code { get; private init; }
    public uint Detail { get; private init; }
    public ReadOnlySpan<byte> TextUtf8 { get; private init; }
    public string Text => Encoding.UTF8.GetString(TextUtf8);

    public static bool TryParse(ReadOnlySpan<byte> payload, out ErrorFrame frame, out ErrorCode error)
    {
        frame = default;
        if (payload.Length is < FixedBytes or > FixedBytes + Wire.MaxErrorTextBytes) return Fail.With(ErrorCode.MalformedFrame, out error);
        if (BinaryPrimitives.ReadUInt16LittleEndian(payload) == 0 || BinaryPrimitives.ReadUInt16LittleEndian(payload[2..]) != 0)
            return Fail.With(ErrorCode.MalformedFrame, out error);
        frame = new ErrorFrame
        {
            Code = (ErrorCode)BinaryPrimitives.ReadUInt16LittleEndian(payload),
            Detail = BinaryPrimitives.ReadUInt32LittleEndian(payload[4..]),
            TextUtf8 = payload[FixedBytes..],
        };
        error = ErrorCode.None;
        return true;
    }

    /// <summary>Writes the frame, header included, with the text cut to its limit between two characters; returns its length.</summary>
    public static int Write(Span<byte> destination, ErrorCode code, uint detail, ReadOnlySpan<byte> textUtf8)
    {
        if (textUtf8.Length > Wire.MaxErrorTextBytes)
        {
            // A byte 10xxxxxx continues a character: the cut may not fall in front of one.
            var end = Wire.MaxErrorTextBytes;
            while (end > 0 && (textUtf8[end] & 0xC0) == 0x80) end--;
            textUtf8 = textUtf8[..end];
        }

        Wire.WriteHeader(destination, FrameType.Error, FixedBytes + textUtf8.Length);
        var p = destination[Wire.HeaderBytes..];
        BinaryPrimitives.WriteUInt32LittleEndian(p, (ushort)code);
        BinaryPrimitives.WriteUInt32LittleEndian(p[4..], detail);
        textUtf8.CopyTo(p[FixedBytes..]);
        return Wire.HeaderBytes + FixedBytes + textUtf8.Length;
    }
}
