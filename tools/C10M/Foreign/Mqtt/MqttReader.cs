namespace Gateway.Load.Foreign.Mqtt;

/// <summary>MQTT 3.1.1, table 2.1; the names are the specification's.</summary>
internal enum MqttPacketType : byte
{
    Connect = 1,
    ConnAck = 2,
    Publish = 3,
    PubAck = 4,
    Subscribe = 8,
    SubAck = 9,
    PingReq = 12,
    PingResp = 13,
}

internal enum MqttStatus
{
    Whole,
    /// <summary>More bytes are needed; nothing was taken.</summary>
    Partial,
    /// <summary>No MQTT packet begins like this, or its length is not what its type has.</summary>
    Malformed,
    /// <summary>It says it is longer than the reader takes.</summary>
    TooLarge,
}

/// <summary>
/// Control packets as a server sends them: http://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html, section 2.
/// <code>type u4 | flags u4 | remaining length, 7 bits a byte, 1 to 4 bytes | body</code>
/// Integers are big-endian. Bytes only: no I/O, no state, nothing allocated.
/// </summary>
internal static class MqttReader
{
    /// <summary>Takes one packet off the front of <paramref name="rest"/> when it is whole.</summary>
    /// <param name="rest">What was received and not yet taken.</param>
    /// <param name="maxBytes">The longest body.</param>
    /// <param name="type">Of the packet; any of 16 values.</param>
    /// <param name="flags">The lower four bits of the first byte.</param>
    /// <param name="body">What follows the length.</param>
    public static MqttStatus TryRead(ref ReadOnlySpan<byte> rest, int maxBytes, out MqttPacketType type, out byte flags, out ReadOnlySpan<byte> body)
    {
        type = default;
        flags = 0;
        body = default;
        if (rest.Length < 2) return MqttStatus.Partial;
        var length = 0;
        var at = 1;
        while (true)
        {
            if (at == rest.Length) return MqttStatus.Partial;
            length |= (rest[at] & 0x7F) << (7 * (at - 1));
            if (rest[at++] < 0x80) break;
            if (at == 5) return MqttStatus.Malformed;
        }

        if (length > maxBytes) return MqttStatus.TooLarge;
        if (rest.Length - at < length) return MqttStatus.Partial;
        type = (MqttPacketType)(rest[0] >> 4);
        flags = (byte)(rest[0] & 0x0F);
        body = rest.Slice(at, length);
        rest = rest[(at + length)..];
        return MqttStatus.Whole;
    }
}
