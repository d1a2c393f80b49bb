namespace Gateway.Protocol;

/// <summary>The type byte of a frame's header. Values are part of the wire format and never reused. PROTOCOL.md, "Frames".</summary>
public enum FrameType : byte
{
    None = 0x00,

    Hello = 0x01,
    Challenge = 0x02,
    Authenticate = 0x03,
    Welcome = 0x04,

    Send = 0x10,
    Accepted = 0x11,
    Refused = 0x12,
    Deliver = 0x13,
    Acknowledge = 0x14,
    Reject = 0x15,
    Receipt = 0x16,
    Ephemeral = 0x17,

    /// <summary>Reserved for presence; answered with <see cref="ErrorCode.UnknownFrameType"/> in version 1.</summary>
    Presence = 0x18,
    /// <summary>Reserved for queries; answered with <see cref="ErrorCode.UnknownFrameType"/> in version 1.</summary>
    Query = 0x19,
    /// <summary>Reserved for the answer to a query; answered with <see cref="ErrorCode.UnknownFrameType"/> in version 1.</summary>
    Result = 0x1A,

    Ping = 0x20,
    Pong = 0x21,
    Credit = 0x22,

    GoAway = 0x2E,
    Error = 0x2F,
}
