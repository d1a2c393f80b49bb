using System.Text.Json.Nodes;
using Gateway.Protocol;

namespace Gateway.Tests.Protocol;

/// <summary>The valid frames of protocol-vectors.json: each type's ordinary case, its limits, and what a reader might get wrong.</summary>
internal static class VectorFrames
{
    public static readonly byte[] NodeSecret = Rising(0x00, 32);
    public static readonly byte[] ClientNonce = Rising(0xA0, Wire.NonceBytes);
    public static readonly byte[] NodeNonce = Rising(0xB0, Wire.NonceBytes);
    public static readonly Address Device = new(AddressKind.User, 15550001, 3);
    public const uint KeyEpoch = 2;

    public static byte[] Key
    {
        get
        {
            var key = new byte[DeviceKey.KeyBytes];
            DeviceKey.Derive(NodeSecret, Device, KeyEpoch, key);
            return key;
        }
    }

    public static byte[] Rising(byte first, int count) => [.. Enumerable.Range(first, count).Select(i => (byte)i)];

    public static JsonArray Build()
    {
        var cases = new JsonArray();
        var max = ulong.MaxValue.ToString(System.Globalization.CultureInfo.InvariantCulture);
        const string MaxNumber = "9223372036854775807";
        const string Sequence = "1763798400000001";
        const string Before = "1763798400000000";

        Add("hello", FrameType.Hello, Hello(0, 1, 1));
        Add("hello-of-a-later-client", FrameType.Hello, Hello(0x8000_0001, 1, 9));
        Add("challenge", FrameType.Challenge, Challenge(0));
        Add("challenge-with-features", FrameType.Challenge, Challenge(uint.MaxValue));
        Add("authenticate", FrameType.Authenticate, Authenticate("15550001:3", 2, 7, Before, 64, 262144));
        Add("authenticate-without-state", FrameType.Authenticate, Authenticate("15550001:3", 2, 0, "0", 16, 65536));
        Add("authenticate-service", FrameType.Authenticate, Authenticate("service/7", uint.MaxValue, uint.MaxValue, max, 0, 0));
        Add("welcome", FrameType.Welcome, Welcome(3, 7, "41", "5", "1763798400250000", 1, 65536, 300000, 12));
        Add("welcome-fresh", FrameType.Welcome, Welcome(1, 1, "1", "0", "1763798400250000", 1, 520, 30000, 0));
        Add("welcome-limits", FrameType.Welcome, Welcome(
            uint.MaxValue, uint.MaxValue, MaxNumber, max, max, uint.MaxValue, 524288, uint.MaxValue, uint.MaxValue));

        Add("send", FrameType.Send, Send("15550002", "42", "41", 86400, 0, "68656c6c6f"));
        Add("send-empty-body", FrameType.Send, Send("service/7", "1", "1", 0, 0, ""));
        Add("send-limits", FrameType.Send, Send("1125899906842623:1023", MaxNumber, MaxNumber, uint.MaxValue, 0, "00ff"));
        Add("send-read", FrameType.Send, Send("15550002", "43", "43", 0, 1, "05000000000000000900000000000000" + "0b00000000000000"));
        Add("send-to-a-group", FrameType.Send, Send("group/42", "44", "41", 0, 0, "67726f7570"));
        Add("send-of-an-unknown-kind", FrameType.Send, Send("15550002", "45", "45", 0, 255, ""));
        Add("send-4096-bytes", FrameType.Send, Send("15550002", "46", "40", 0, 0, FrameText.Hex(Pattern(4096))));
        Add("accepted", FrameType.Accepted, new() { ["number"] = "42" });
        Add("accepted-limits", FrameType.Accepted, new() { ["number"] = MaxNumber });
        Add("refused-for-now", FrameType.Refused, Refused("42", RefusalReason.MailboxFull, 1000));
        Add("refused-held-for-order", FrameType.Refused, Refused("43", RefusalReason.HeldForOrder, 1000));
        Add("refused-for-good", FrameType.Refused, Refused("42", RefusalReason.OutcomeUnknown, 0));
        Add("refused-for-an-unknown-reason", FrameType.Refused, Refused("44", (RefusalReason)65535, 0));
        Add("deliver", FrameType.Deliver, Deliver(Sequence, Before, "15550002", "9", 5, 1763798400, 0, "68656c6c6f"));
        Add("deliver-again", FrameType.Deliver, Deliver(Sequence, "0", "service/7", "1", 1, 1763798400, 1, ""));
        Add("deliver-unknown-flags", FrameType.Deliver, Deliver(Sequence, Before, "15550002", "9", 5, 1763798400, 0xFE, "01"));
        Add("deliver-without-origin", FrameType.Deliver, Deliver("1", "0", "group/42", "0", 0, 0, 0, "01"));
        Add("deliver-limits", FrameType.Deliver, Deliver(
            max, "18446744073709551614", "1125899906842623:1023", MaxNumber, uint.MaxValue, uint.MaxValue, 1, "00ff"));
        Add("deliver-4096-bytes", FrameType.Deliver, Deliver(
            Sequence, Before, "15550002", "10", 5, 1763798400, 0, FrameText.Hex(Pattern(4096))));
        Add("acknowledge", FrameType.Acknowledge, new() { ["sequence"] = Sequence });
        Add("acknowledge-limits", FrameType.Acknowledge, new() { ["sequence"] = max });
        Add("reject", FrameType.Reject, new() { ["sequence"] = Sequence, ["reason"] = 3 });
        Add("reject-limits", FrameType.Reject, new() { ["sequence"] = max, ["reason"] = 65535 });
        Add("receipt-delivered", FrameType.Receipt, Receipt(Sequence, Before, "15550002", 7, ReceiptKind.Delivered, 0, 0, "40", "42"));
        Add("receipt-read", FrameType.Receipt, Receipt(Sequence, "0", "15550002", 7, ReceiptKind.Read, 1, 0, "42"));
        Add("receipt-rejected", FrameType.Receipt, Receipt(Sequence, Before, "15550002", 7, ReceiptKind.Rejected, 0, 3, "42"));
        Add("receipt-expired", FrameType.Receipt, Receipt(Sequence, Before, "15550002", 7, ReceiptKind.Expired, 0, 0, "42"));
        Add("receipt-discarded", FrameType.Receipt, Receipt(Sequence, Before, "15550002", 7, ReceiptKind.Discarded, 0, 0, "42"));
        Add("receipt-64-numbers", FrameType.Receipt, Receipt(
            Sequence, Before, "15550002", 7, ReceiptKind.Delivered, 0, 0,
            [.. Enumerable.Range(41, 64).Select(i => i.ToString(System.Globalization.CultureInfo.InvariantCulture))]));
        Add("ephemeral-typing", FrameType.Ephemeral, Ephemeral("15550002", 1, ""));
        Add("ephemeral-of-the-application", FrameType.Ephemeral, Ephemeral("service/7", 128, "c0ffee"));
        Add("ephemeral-limits", FrameType.Ephemeral, Ephemeral("15550002:1023", 255, FrameText.Hex(Pattern(Wire.MaxEphemeralBytes))));

        Add("ping", FrameType.Ping, new() { ["token"] = "81985529216486895" });
        Add("ping-zero", FrameType.Ping, new() { ["token"] = "0" });
        Add("pong", FrameType.Pong, new() { ["token"] = "81985529216486895" });
        Add("credit", FrameType.Credit, new() { ["messages"] = 64, ["bytes"] = 262144 });
        Add("credit-pause", FrameType.Credit, new() { ["messages"] = 0, ["bytes"] = 0 });
        Add("go-away", FrameType.GoAway, new() { ["reason"] = 67, ["reconnectAfterMs"] = 8250 });
        Add("go-away-without-reason", FrameType.GoAway, new() { ["reason"] = 0, ["reconnectAfterMs"] = 0 });
        Add("go-away-too-many-logins", FrameType.GoAway, new() { ["reason"] = (int)ErrorCode.TooManyLogins, ["reconnectAfterMs"] = 48500 });
        Add("go-away-buffers-full", FrameType.GoAway, new() { ["reason"] = (int)ErrorCode.BuffersFull, ["reconnectAfterMs"] = 750 });
        Add("error-buffers-full", FrameType.Error, Error(ErrorCode.BuffersFull, 0, "the node's buffers are full"));
        Add("error", FrameType.Error, Error(ErrorCode.UnexpectedFrame, 0x10, "the frame is not allowed in this state"));
        Add("error-without-text", FrameType.Error, Error(ErrorCode.TakenOver, 0, ""));
        Add("error-of-a-later-node", FrameType.Error, Error((ErrorCode)65535, 0, "später"));
        Add("error-longest-text", FrameType.Error, Error(ErrorCode.Kicked, 0, new string('x', Wire.MaxErrorTextBytes)));
        return cases;

        void Add(string name, FrameType type, JsonObject fields)
        {
            var vector = new JsonObject { ["name"] = name, ["frame"] = type.ToString() };
            if (type is FrameType.Authenticate or FrameType.Welcome)
            {
                var frame = FrameText.Write(type, fields, Key, ClientNonce, NodeNonce);
                fields["proof"] = FrameText.Hex(frame.AsSpan(frame.Length - Wire.ProofBytes));
                vector["proofInputs"] = new JsonObject
                {
                    ["key"] = FrameText.Hex(Key),
                    ["clientNonce"] = FrameText.Hex(ClientNonce),
                    ["nodeNonce"] = FrameText.Hex(NodeNonce),
                };
            }

            vector["fields"] = fields;
            vector["hex"] = FrameText.Hex(FrameText.Write(type, fields, Key, ClientNonce, NodeNonce));
            cases.Add(vector);
        }
    }

    private static byte[] Pattern(int count) => [.. Enumerable.Range(0, count).Select(i => (byte)(i * 31 + (i >> 8)))];

    private static JsonObject Hello(uint features, byte min, byte max) =>
        new() { ["minVersion"] = min, ["maxVersion"] = max, ["features"] = features, ["clientNonce"] = FrameText.Hex(ClientNonce) };

    private static JsonObject Challenge(uint features) =>
        new() { ["version"] = 1, ["features"] = features, ["nodeNonce"] = FrameText.Hex(NodeNonce) };

    private static JsonObject Authenticate(string address, uint epoch, uint incarnation, string resume, uint messages, uint bytes) => new()
    {
        ["address"] = address,
        ["keyEpoch"] = epoch,
        ["incarnation"] = incarnation,
        ["resume"] = resume,
        ["creditMessages"] = messages,
        ["creditBytes"] = bytes,
    };

    private static JsonObject Welcome(
        uint session, uint incarnation, string low, string settled, string time, uint generation, uint body, uint idle,
        uint pending) => new()
    {
        ["sessionEpoch"] = session,
        ["incarnation"] = incarnation,
        ["windowLow"] = low,
        ["windowSettled"] = settled,
        ["nodeTime"] = time,
        ["generation"] = generation,
        ["maxBodyBytes"] = body,
        ["idleTimeoutMs"] = idle,
        ["pending"] = pending,
    };

    private static JsonObject Send(string to, string number, string lowest, uint expiry, byte kind, string body) => new()
    {
        ["to"] = to,
        ["number"] = number,
        ["lowestOpen"] = lowest,
        ["expirySeconds"] = expiry,
        ["kind"] = kind,
        ["body"] = body,
    };

    private static JsonObject Refused(string number, RefusalReason reason, uint retry) =>
        new() { ["number"] = number, ["reason"] = (ushort)reason, ["retryAfterMs"] = retry };

    private static JsonObject Deliver(
        string sequence, string previous, string from, string number, uint incarnation, uint enqueued, byte flags, string body) => new()
    {
        ["sequence"] = sequence,
        ["previous"] = previous,
        ["from"] = from,
        ["number"] = number,
        ["incarnation"] = incarnation,
        ["enqueuedAt"] = enqueued,
        ["flags"] = flags,
        ["body"] = body,
    };

    private static JsonObject Receipt(
        string sequence, string previous, string peer, uint incarnation, ReceiptKind kind, byte flags, ushort reason,
        params string[] numbers) => new()
    {
        ["sequence"] = sequence,
        ["previous"] = previous,
        ["peer"] = peer,
        ["incarnation"] = incarnation,
        ["kind"] = (byte)kind,
        ["flags"] = flags,
        ["reason"] = reason,
        ["numbers"] = new JsonArray([.. numbers.Select(n => (JsonNode)n)]),
    };

    private static JsonObject Ephemeral(string peer, byte kind, string data) =>
        new() { ["peer"] = peer, ["kind"] = kind, ["data"] = data };

    private static JsonObject Error(ErrorCode code, uint detail, string text) =>
        new() { ["code"] = (ushort)code, ["detail"] = detail, ["text"] = text };
}
