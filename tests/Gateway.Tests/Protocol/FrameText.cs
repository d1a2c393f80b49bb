using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.Protocol;

namespace Gateway.Tests.Protocol;

/// <summary>
/// Frames as named fields and back, through the codec itself: what protocol-vectors.json states beside each hex string. u64 values are
/// decimal strings (a JSON number is too small for them in many languages), addresses their text form, bytes hex, all else numbers.
/// The names are those of the field tables in PROTOCOL.md.
/// </summary>
internal static class FrameText
{
    /// <summary>Parses a payload into its fields. False with the codec's error otherwise.</summary>
    public static bool TryRead(FrameType type, ReadOnlySpan<byte> payload, out JsonObject fields, out ErrorCode error)
    {
        fields = [];
        switch (type)
        {
            case FrameType.Hello:
                if (!HelloFrame.TryParse(payload, out var hello, out error)) return false;
                fields["minVersion"] = hello.MinVersion;
                fields["maxVersion"] = hello.MaxVersion;
                fields["features"] = hello.Features;
                fields["clientNonce"] = Hex(hello.ClientNonce);
                return true;
            case FrameType.Challenge:
                if (!ChallengeFrame.TryParse(payload, out var challenge, out error)) return false;
                fields["version"] = challenge.Version;
                fields["features"] = challenge.Features;
                fields["nodeNonce"] = Hex(challenge.NodeNonce);
                return true;
            case FrameType.Authenticate:
                if (!AuthenticateFrame.TryParse(payload, out var authenticate, out error)) return false;
                fields["address"] = authenticate.Address.ToString();
                fields["keyEpoch"] = authenticate.KeyEpoch;
                fields["incarnation"] = authenticate.Incarnation;
                fields["resume"] = Text(authenticate.Resume);
                fields["creditMessages"] = authenticate.CreditMessages;
                fields["creditBytes"] = authenticate.CreditBytes;
                fields["proof"] = Hex(authenticate.Proof);
                return true;
            case FrameType.Welcome:
                if (!WelcomeFrame.TryParse(payload, out var welcome, out error)) return false;
                fields["sessionEpoch"] = welcome.SessionEpoch;
                fields["incarnation"] = welcome.Incarnation;
                fields["windowLow"] = Text(welcome.WindowLow);
                fields["windowSettled"] = Text(welcome.WindowSettled);
                fields["nodeTime"] = Text(welcome.NodeTimeMicros);
                fields["generation"] = welcome.Generation;
                fields["maxBodyBytes"] = welcome.MaxBodyBytes;
                fields["idleTimeoutMs"] = welcome.IdleTimeoutMs;
                fields["pending"] = welcome.Pending;
                fields["proof"] = Hex(welcome.Proof);
                return true;
            case FrameType.Send:
                if (!SendFrame.TryParse(payload, out var send, out error)) return false;
                fields["to"] = send.To.ToString();
                fields["number"] = Text(send.Number);
                fields["lowestOpen"] = Text(send.LowestOpen);
                fields["expirySeconds"] = send.ExpirySeconds;
                fields["kind"] = (byte)send.Kind;
                fields["body"] = Hex(send.Body);
                return true;
            case FrameType.Accepted:
                if (!AcceptedFrame.TryParse(payload, out var accepted, out error)) return false;
                fields["number"] = Text(accepted.Number);
                return true;
            case FrameType.Refused:
                if (!RefusedFrame.TryParse(payload, out var refused, out error)) return false;
                fields["number"] = Text(refused.Number);
                fields["reason"] = (ushort)refused.Reason;
                fields["retryAfterMs"] = refused.RetryAfterMs;
                return true;
            case FrameType.Deliver:
                if (!DeliverFrame.TryParse(payload, out var deliver, out error)) return false;
                fields["sequence"] = Text(deliver.Sequence);
                fields["previous"] = Text(deliver.Previous);
                fields["from"] = deliver.From.ToString();
                fields["number"] = Text(deliver.Number);
                fields["incarnation"] = deliver.Incarnation;
                fields["enqueuedAt"] = deliver.EnqueuedAt;
                fields["flags"] = (byte)deliver.Flags;
                fields["body"] = Hex(deliver.Body);
                return true;
            case FrameType.Acknowledge:
                if (!AcknowledgeFrame.TryParse(payload, out var acknowledge, out error)) return false;
                fields["sequence"] = Text(acknowledge.Sequence);
                return true;
            case FrameType.Reject:
                if (!RejectFrame.TryParse(payload, out var reject, out error)) return false;
                fields["sequence"] = Text(reject.Sequence);
                fields["reason"] = reject.Reason;
                return true;
            case FrameType.Receipt:
                if (!ReceiptFrame.TryParse(payload, out var receipt, out error)) return false;
                fields["sequence"] = Text(receipt.Sequence);
                fields["previous"] = Text(receipt.Previous);
                fields["peer"] = receipt.Peer.ToString();
                fields["incarnation"] = receipt.Incarnation;
                fields["kind"] = (byte)receipt.Kind;
                fields["flags"] = (byte)receipt.Flags;
                fields["reason"] = receipt.Reason;
                var numbers = new JsonArray();
                for (var i = 0; i < receipt.Count; i++) numbers.Add(Text(receipt.Number(i)));
                fields["numbers"] = numbers;
                return true;
            case FrameType.Ephemeral:
                if (!EphemeralFrame.TryParse(payload, out var ephemeral, out error)) return false;
                fields["peer"] = ephemeral.Peer.ToString();
                fields["kind"] = (byte)ephemeral.Kind;
                fields["data"] = Hex(ephemeral.Data);
                return true;
            case FrameType.Ping or FrameType.Pong:
                if (!PingFrame.TryParse(payload, out var ping, out error)) return false;
                fields["token"] = Text(ping.Token);
                return true;
            case FrameType.Credit:
                if (!CreditFrame.TryParse(payload, out var credit, out error)) return false;
                fields["messages"] = credit.Messages;
                fields["bytes"] = credit.Bytes;
                return true;
            case FrameType.GoAway:
                if (!GoAwayFrame.TryParse(payload, out var goAway, out error)) return false;
                fields["reason"] = (ushort)goAway.Reason;
                fields["reconnectAfterMs"] = goAway.ReconnectAfterMs;
                return true;
            case FrameType.Error:
                if (!ErrorFrame.TryParse(payload, out var failure, out error)) return false;
                fields["code"] = (ushort)failure.Code;
                fields["detail"] = failure.Detail;
                fields["text"] = failure.Text;
                return true;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "not a frame of version 1");
        }
    }

    /// <summary>
    /// Writes the frame that the fields describe. Authenticate and welcome carry a proof, which is computed from <paramref name="key"/>
    /// and the nonces; the field of that name is not read.
    /// </summary>
    public static byte[] Write(FrameType type, JsonObject f, byte[]? key = null, byte[]? clientNonce = null, byte[]? nodeNonce = null)
    {
        var bytes = new byte[Wire.HeaderBytes + Wire.MaxPayloadBytes(Wire.MaxBodyBytesCeiling)];
        var length = type switch
        {
            FrameType.Hello => HelloFrame.Write(bytes, Hex(f, "clientNonce"), U32(f, "features"), U8(f, "minVersion"), U8(f, "maxVersion")),
            FrameType.Challenge => ChallengeFrame.Write(bytes, Hex(f, "nodeNonce"), U32(f, "features")),
            FrameType.Authenticate => AuthenticateFrame.Write(
                bytes, At(f, "address"), U32(f, "keyEpoch"), U32(f, "incarnation"), U64(f, "resume"), U32(f, "creditMessages"),
                U32(f, "creditBytes"), key, clientNonce, nodeNonce),
            FrameType.Welcome => new WelcomeFrame
            {
                SessionEpoch = U32(f, "sessionEpoch"),
                Incarnation = U32(f, "incarnation"),
                WindowLow = U64(f, "windowLow"),
                WindowSettled = U64(f, "windowSettled"),
                NodeTimeMicros = U64(f, "nodeTime"),
                Generation = U32(f, "generation"),
                MaxBodyBytes = U32(f, "maxBodyBytes"),
                IdleTimeoutMs = U32(f, "idleTimeoutMs"),
                Pending = U32(f, "pending"),
            }.Write(bytes, key, clientNonce, nodeNonce),
            FrameType.Send => SendFrame.Write(
                bytes, At(f, "to"), U64(f, "number"), U64(f, "lowestOpen"), U32(f, "expirySeconds"), (SendKind)U8(f, "kind"),
                Hex(f, "body")),
            FrameType.Accepted => AcceptedFrame.Write(bytes, U64(f, "number")),
            FrameType.Refused => RefusedFrame.Write(bytes, U64(f, "number"), (RefusalReason)U16(f, "reason"), U32(f, "retryAfterMs")),
            FrameType.Deliver => DeliverFrame.Write(
                bytes, U64(f, "sequence"), U64(f, "previous"), At(f, "from"), U32(f, "incarnation"), U64(f, "number"), U32(f, "enqueuedAt"),
                (DeliverFlags)U8(f, "flags"), Hex(f, "body")),
            FrameType.Acknowledge => AcknowledgeFrame.Write(bytes, U64(f, "sequence")),
            FrameType.Reject => RejectFrame.Write(bytes, U64(f, "sequence"), U16(f, "reason")),
            FrameType.Receipt => ReceiptFrame.Write(
                bytes, U64(f, "sequence"), U64(f, "previous"), At(f, "peer"), U32(f, "incarnation"), (ReceiptKind)U8(f, "kind"),
                (DeliverFlags)U8(f, "flags"), U16(f, "reason"), Numbers(f)),
            FrameType.Ephemeral => EphemeralFrame.Write(bytes, At(f, "peer"), (EphemeralKind)U8(f, "kind"), Hex(f, "data")),
            FrameType.Ping => PingFrame.Write(bytes, U64(f, "token")),
            FrameType.Pong => PingFrame.WritePong(bytes, U64(f, "token")),
            FrameType.Credit => CreditFrame.Write(bytes, U32(f, "messages"), U32(f, "bytes")),
            FrameType.GoAway => GoAwayFrame.Write(bytes, (ErrorCode)U16(f, "reason"), U32(f, "reconnectAfterMs")),
            FrameType.Error => ErrorFrame.Write(
                bytes, (ErrorCode)U16(f, "code"), U32(f, "detail"), Encoding.UTF8.GetBytes(f["text"]!.GetValue<string>())),
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a frame of version 1"),
        };
        return bytes[..length];
    }

    public static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);
    public static string Text(ulong value) => value.ToString(CultureInfo.InvariantCulture);

    private static byte[] Hex(JsonObject fields, string name) => Convert.FromHexString(fields[name]!.GetValue<string>());
    private static ulong U64(JsonObject fields, string name) => ulong.Parse(fields[name]!.GetValue<string>(), CultureInfo.InvariantCulture);

    // By their text, so that a value of any integer type will do: those parsed from a file differ from those made here.
    private static uint U32(JsonObject fields, string name) => uint.Parse(fields[name]!.ToJsonString(), CultureInfo.InvariantCulture);
    private static ushort U16(JsonObject fields, string name) => checked((ushort)U32(fields, name));
    private static byte U8(JsonObject fields, string name) => checked((byte)U32(fields, name));

    private static Address At(JsonObject fields, string name) =>
        Address.TryParse(fields[name]!.GetValue<string>(), out var address, out var error) ? address : throw new FormatException(error);

    private static byte[] Numbers(JsonObject fields)
    {
        var numbers = fields["numbers"]!.AsArray();
        var bytes = new byte[8 * numbers.Count];
        for (var i = 0; i < numbers.Count; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(
                bytes.AsSpan(8 * i), ulong.Parse(numbers[i]!.GetValue<string>(), CultureInfo.InvariantCulture));
        }

        return bytes;
    }
}
