using Gateway.Protocol;

namespace Gateway.Tests.Protocol;

/// <summary>
/// What a correct receiver makes of one frame, in the order that PROTOCOL.md, "Judging a frame", prescribes: its length, its type, its
/// place, its payload. No session: what comes after these four is Messaging's.
/// </summary>
internal static class FrameJudge
{
    /// <summary>
    /// Judges the frame at the front of <paramref name="bytes"/>. Null when more bytes are needed; <see cref="ErrorCode.None"/> when
    /// the frame is good.
    /// </summary>
    public static ErrorCode? Judge(bool fromClient, ConnectionPhase phase, int maxBodyBytes, ReadOnlySpan<byte> bytes)
    {
        var limit = fromClient ? ConnectionRules.MaxClientPayloadBytes(phase, maxBodyBytes) : ConnectionRules.MaxNodePayloadBytes(phase);
        return FrameReader.TryRead(ref bytes, limit, out var type, out var payload) switch
        {
            FrameStatus.Partial => null,
            FrameStatus.TooLarge => ErrorCode.FrameTooLarge,
            _ => JudgePayload(fromClient, phase, type, payload),
        };
    }

    public static ErrorCode JudgePayload(bool fromClient, ConnectionPhase phase, FrameType type, ReadOnlySpan<byte> payload)
    {
        var error = fromClient ? ConnectionRules.ClientMaySend(phase, type) : ConnectionRules.NodeMaySend(phase, type);
        return error != ErrorCode.None ? error : ParseOnly(type, payload);
    }

    /// <summary>The payload alone, as a frame of a known type. Allocates nothing.</summary>
    public static ErrorCode ParseOnly(FrameType type, ReadOnlySpan<byte> payload)
    {
        ErrorCode error;
        var parsed = type switch
        {
            FrameType.Hello => HelloFrame.TryParse(payload, out _, out error),
            FrameType.Challenge => ChallengeFrame.TryParse(payload, out _, out error),
            FrameType.Authenticate => AuthenticateFrame.TryParse(payload, out _, out error),
            FrameType.Welcome => WelcomeFrame.TryParse(payload, out _, out error),
            FrameType.Send => SendFrame.TryParse(payload, out _, out error),
            FrameType.Accepted => AcceptedFrame.TryParse(payload, out _, out error),
            FrameType.Refused => RefusedFrame.TryParse(payload, out _, out error),
            FrameType.Deliver => DeliverFrame.TryParse(payload, out _, out error),
            FrameType.Acknowledge => AcknowledgeFrame.TryParse(payload, out _, out error),
            FrameType.Reject => RejectFrame.TryParse(payload, out _, out error),
            FrameType.Receipt => ReceiptFrame.TryParse(payload, out _, out error),
            FrameType.Ephemeral => EphemeralFrame.TryParse(payload, out _, out error),
            FrameType.Ping or FrameType.Pong => PingFrame.TryParse(payload, out _, out error),
            FrameType.Credit => CreditFrame.TryParse(payload, out _, out error),
            FrameType.GoAway => GoAwayFrame.TryParse(payload, out _, out error),
            FrameType.Error => ErrorFrame.TryParse(payload, out _, out error),
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a frame of version 1"),
        };

        // A parser that fails without an error, or succeeds with one, would leave its caller to guess.
        if (parsed != (error == ErrorCode.None)) throw new InvalidOperationException($"{type}: parsed {parsed} with error {error}");
        return error;
    }
}
