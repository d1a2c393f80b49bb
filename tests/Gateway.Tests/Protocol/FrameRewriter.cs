using Gateway.Protocol;

namespace Gateway.Tests.Protocol;

/// <summary>
/// Writes back a payload that parsed, from its parsed fields alone. Since reserved bytes are 0 and every other byte is a field, what
/// parses must come out byte for byte: no two byte strings mean the same frame. Allocates nothing.
/// </summary>
internal static class FrameRewriter
{
    /// <summary>
    /// Returns the frame's length. The proof of an authenticate or welcome cannot be made again without its key: it is copied.
    /// </summary>
    public static int Rewrite(FrameType type, ReadOnlySpan<byte> payload, Span<byte> destination)
    {
        // Zeroes that a writer forgot to write would hide behind a clean buffer.
        destination[..Math.Min(destination.Length, payload.Length + 2 * Wire.HeaderBytes)].Fill(0xEE);
        switch (type)
        {
            case FrameType.Hello:
                HelloFrame.TryParse(payload, out var hello, out _);
                return HelloFrame.Write(destination, hello.ClientNonce, hello.Features, hello.MinVersion, hello.MaxVersion);
            case FrameType.Challenge:
                ChallengeFrame.TryParse(payload, out var challenge, out _);
                return ChallengeFrame.Write(destination, challenge.NodeNonce, challenge.Features);
            case FrameType.Authenticate:
                AuthenticateFrame.TryParse(payload, out var a, out _);
                var length = AuthenticateFrame.Write(
                    destination, a.Address, a.KeyEpoch, a.Incarnation, a.Resume, a.CreditMessages, a.CreditBytes, default,
                    Zeroes, Zeroes);
                a.Proof.CopyTo(destination[(length - Wire.ProofBytes)..]);
                return length;
            case FrameType.Welcome:
                WelcomeFrame.TryParse(payload, out var welcome, out _);
                length = welcome.Write(destination, default, Zeroes, Zeroes);
                welcome.Proof.CopyTo(destination[(length - Wire.ProofBytes)..]);
                return length;
            case FrameType.Send:
                SendFrame.TryParse(payload, out var s, out _);
                return SendFrame.Write(destination, s.To, s.Number, s.LowestOpen, s.ExpirySeconds, s.Kind, s.Body);
            case FrameType.Accepted:
                AcceptedFrame.TryParse(payload, out var accepted, out _);
                return AcceptedFrame.Write(destination, accepted.Number);
            case FrameType.Refused:
                RefusedFrame.TryParse(payload, out var refused, out _);
                return RefusedFrame.Write(destination, refused.Number, refused.Reason, refused.RetryAfterMs);
            case FrameType.Deliver:
                DeliverFrame.TryParse(payload, out var d, out _);
                return DeliverFrame.Write(
                    destination, d.Sequence, d.Previous, d.From, d.Incarnation, d.Number, d.EnqueuedAt, d.Flags, d.Body);
            case FrameType.Acknowledge:
                AcknowledgeFrame.TryParse(payload, out var acknowledge, out _);
                return AcknowledgeFrame.Write(destination, acknowledge.Sequence);
            case FrameType.Reject:
                RejectFrame.TryParse(payload, out var reject, out _);
                return RejectFrame.Write(destination, reject.Sequence, reject.Reason);
            case FrameType.Receipt:
                ReceiptFrame.TryParse(payload, out var r, out _);
                return ReceiptFrame.Write(destination, r.Sequence, r.Previous, r.Peer, r.Incarnation, r.Kind, r.Flags, r.Reason, r.Numbers);
            case FrameType.Ephemeral:
                EphemeralFrame.TryParse(payload, out var ephemeral, out _);
                return EphemeralFrame.Write(destination, ephemeral.Peer, ephemeral.Kind, ephemeral.Data);
            case FrameType.Ping:
                PingFrame.TryParse(payload, out var ping, out _);
                return PingFrame.Write(destination, ping.Token);
            case FrameType.Pong:
                PingFrame.TryParse(payload, out var pong, out _);
                return PingFrame.WritePong(destination, pong.Token);
            case FrameType.Credit:
                CreditFrame.TryParse(payload, out var credit, out _);
                return CreditFrame.Write(destination, credit.Messages, credit.Bytes);
            case FrameType.GoAway:
                GoAwayFrame.TryParse(payload, out var goAway, out _);
                return GoAwayFrame.Write(destination, goAway.Reason, goAway.ReconnectAfterMs);
            case FrameType.Error:
                ErrorFrame.TryParse(payload, out var error, out _);
                return ErrorFrame.Write(destination, error.Code, error.Detail, error.TextUtf8);
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "not a frame of version 1");
        }
    }

    private static ReadOnlySpan<byte> Zeroes => [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
}
