using Gateway.Protocol;

namespace Gateway.Messaging;

/// <summary>What the error frame says to a person. PROTOCOL.md has the whole meaning of each code.</summary>
public static class ErrorTexts
{
    public static ReadOnlySpan<byte> Of(ErrorCode code) => code switch
    {
        ErrorCode.MalformedFrame => "the frame's fields do not fit its type"u8,
        ErrorCode.FrameTooLarge => "the frame is longer than this node allows"u8,
        ErrorCode.UnknownFrameType => "this version has no such frame"u8,
        ErrorCode.UnexpectedFrame => "the frame is not allowed in this state"u8,
        ErrorCode.BadMagic => "this is the Gateway native protocol; the first frame is a hello"u8,
        ErrorCode.UnsupportedVersion => "this node speaks version 1"u8,
        ErrorCode.BadAddress => "the address is not valid here"u8,
        ErrorCode.AuthenticationFailed => "the proof does not match the device's key"u8,
        ErrorCode.KeyRevoked => "the device's key was revoked; it needs a new one"u8,
        ErrorCode.IncarnationFenced => "the device has started afresh since; reconnect with incarnation 0"u8,
        ErrorCode.ResumeAhead => "the resume position is above anything this node ever numbered"u8,
        ErrorCode.WindowExceeded => "the number is 64 or more above the lowest open one"u8,
        ErrorCode.AcknowledgeAhead => "the sequence was not delivered in this session"u8,
        ErrorCode.RejectUnknown => "the sequence is not delivered and unacknowledged"u8,
        ErrorCode.HandshakeTimeout => "the handshake took too long"u8,
        ErrorCode.FrameTimeout => "a frame was left unfinished for too long"u8,
        ErrorCode.IdleTimeout => "nothing was heard for too long"u8,
        ErrorCode.TakenOver => "the device logged in on another connection"u8,
        ErrorCode.Kicked => "an operator closed this session"u8,
        ErrorCode.Overloaded => "the node is out of room; try again later"u8,
        ErrorCode.ShuttingDown => "the node is shutting down"u8,
        ErrorCode.TooManyLogins => "too many devices log in at once; come back when the go-away says"u8,
        ErrorCode.BuffersFull => "the node's buffers are full and it takes no new connections; come back when the go-away says"u8,
        _ => default,
    };
}
