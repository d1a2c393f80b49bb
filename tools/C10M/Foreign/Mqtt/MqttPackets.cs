using System.Buffers.Binary;

namespace Gateway.Load.Foreign.Mqtt;

/// <summary>
/// The packets that the load writes, and the bodies of those it reads. Writers return the bytes written; the bounds say what they need at
/// most. Text is at most 65,535 bytes of UTF-8 behind a u16 length.
/// </summary>
internal static class MqttPackets
{
    /// <summary>First byte and remaining length.</summary>
    private const int MaxHeadBytes = 5;

    public const int PubAckBytes = 4;
    public const int PingReqBytes = 2;

    /// <summary>DUP, 3.3.1.1: the server has sent it before.</summary>
    public const byte DuplicateFlag = 0x08;

    public static int ConnectBytes(int clientIdBytes) => MaxHeadBytes + 12 + clientIdBytes;

    public static int SubscribeBytes(int filterBytes) => MaxHeadBytes + 5 + filterBytes;

    public static int PublishBytes(int topicBytes, int payloadBytes) => MaxHeadBytes + 4 + topicBytes + payloadBytes;

    /// <summary>
    /// 3.1: a session that outlives its connection (clean session 0), so that messages for somebody absent are kept; no keep-alive.
    /// <code>"MQTT" | level u8 = 4 | flags u8 = 0 | keep-alive u16 = 0 | client id</code>
    /// </summary>
    public static int WriteConnect(Span<byte> into, ReadOnlySpan<byte> clientId)
    {
        var at = WriteHead(into, 0x10, 12 + clientId.Length);
        at += WriteText(into[at..], "MQTT"u8);
        into[at++] = 4;
        into[at++] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(into[at..], 0);
        at += 2;
        return at + WriteText(into[at..], clientId);
    }

    /// <summary>3.8, one filter at QoS 1: <code>packet id u16 | filter | QoS u8 = 1</code></summary>
    public static int WriteSubscribe(Span<byte> into, ushort packetId, ReadOnlySpan<byte> filter)
    {
        var at = WriteHead(into, 0x82, 5 + filter.Length);
        BinaryPrimitives.WriteUInt16BigEndian(into[at..], packetId);
        at += 2;
        at += WriteText(into[at..], filter);
        into[at++] = 1;
        return at;
    }

    /// <summary>3.3 at QoS 1: <code>topic | packet id u16 | payload</code></summary>
    public static int WritePublish(Span<byte> into, ReadOnlySpan<byte> topic, ushort packetId, ReadOnlySpan<byte> payload)
    {
        var at = WriteHead(into, 0x32, 4 + topic.Length + payload.Length);
        at += WriteText(into[at..], topic);
        BinaryPrimitives.WriteUInt16BigEndian(into[at..], packetId);
        at += 2;
        payload.CopyTo(into[at..]);
        return at + payload.Length;
    }

    /// <summary>3.4: <code>packet id u16</code></summary>
    public static int WritePubAck(Span<byte> into, ushort packetId)
    {
        into[0] = 0x40;
        into[1] = 2;
        BinaryPrimitives.WriteUInt16BigEndian(into[2..], packetId);
        return PubAckBytes;
    }

    /// <summary>3.12.</summary>
    public static int WritePingReq(Span<byte> into)
    {
        into[0] = 0xC0;
        into[1] = 0;
        return PingReqBytes;
    }

    /// <summary>3.2: whether the server had the session, and its return code, 0 for accepted.</summary>
    public static bool TryParseConnAck(ReadOnlySpan<byte> body, out byte code)
    {
        code = body.Length == 2 ? body[1] : (byte)0;
        return body.Length == 2 && body[0] <= 1;
    }

    /// <summary>3.9 for one filter: the QoS that was granted, 0x80 for none.</summary>
    public static bool TryParseSubAck(ReadOnlySpan<byte> body, out byte granted)
    {
        granted = body.Length == 3 ? body[2] : (byte)0;
        return body.Length == 3;
    }

    public static bool TryParsePubAck(ReadOnlySpan<byte> body, out ushort packetId)
    {
        packetId = body.Length == 2 ? BinaryPrimitives.ReadUInt16BigEndian(body) : (ushort)0;
        return body.Length == 2;
    }

    /// <summary>A publish at QoS 1; other QoS are none that the load subscribed to.</summary>
    public static bool TryParsePublish(ReadOnlySpan<byte> body, byte flags, out ReadOnlySpan<byte> topic, out ushort packetId, out ReadOnlySpan<byte> payload)
    {
        topic = default;
        packetId = 0;
        payload = default;
        if ((flags & 0x06) != 0x02 || body.Length < 4) return false;
        var topicBytes = BinaryPrimitives.ReadUInt16BigEndian(body);
        if (body.Length < 4 + topicBytes) return false;
        topic = body.Slice(2, topicBytes);
        packetId = BinaryPrimitives.ReadUInt16BigEndian(body[(2 + topicBytes)..]);
        payload = body[(4 + topicBytes)..];
        // 2.3.1: an identifier is not 0.
        return packetId != 0;
    }

    private static int WriteHead(Span<byte> into, byte first, int remaining)
    {
        into[0] = first;
        var at = 1;
        do
        {
            into[at++] = (byte)(remaining & 0x7F | (remaining > 0x7F ? 0x80 : 0));
            remaining >>= 7;
        }
        while (remaining > 0);
        return at;
    }

    private static int WriteText(Span<byte> into, ReadOnlySpan<byte> text)
    {
        BinaryPrimitives.WriteUInt16BigEndian(into, (ushort)text.Length);
        text.CopyTo(into[2..]);
        return 2 + text.Length;
    }
}
