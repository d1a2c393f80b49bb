namespace Gateway.Protocol;

/// <summary>
/// Why a connection is closed, sent in an <see cref="FrameType.Error"/> frame just before the close.
/// Values are stable: a client may act on them, and they are never reused. PROTOCOL.md, "Error codes".
/// </summary>
public enum ErrorCode : ushort
{
    None = 0,

    // What the peer sent could not be read.
    MalformedFrame = 1,
    FrameTooLarge = 2,
    UnknownFrameType = 3,
    UnexpectedFrame = 4,
    BadMagic = 5,
    UnsupportedVersion = 6,
    BadAddress = 7,

    // Who the peer says it is.
    AuthenticationFailed = 16,
    KeyRevoked = 17,
    IncarnationFenced = 18,
    ResumeAhead = 19,

    // What an authenticated device may not do.
    WindowExceeded = 32,
    AcknowledgeAhead = 33,
    RejectUnknown = 34,

    // Time.
    HandshakeTimeout = 48,
    FrameTimeout = 49,
    IdleTimeout = 50,

    // The node's own decisions.
    TakenOver = 64,
    Kicked = 65,
    Overloaded = 66,
    ShuttingDown = 67,
    TooManyLogins = 68,
    BuffersFull = 69,
}
