using System.Text.Json.Nodes;
using Gateway.Protocol;

namespace Gateway.Tests.Protocol;

/// <summary>
/// The invalid frames of protocol-vectors.json: bytes, who sent them when, and the one error that is right. The bytes are written by hand
/// or cut from a valid frame, never by the encoder's own idea of a fault.
/// </summary>
internal static class VectorFaults
{
    private const int MaxBodyBytes = Wire.DefaultMaxBodyBytes;

    public static JsonArray Build(JsonArray frames)
    {
        var cases = new JsonArray();

        // Framing. Only the header is needed to judge a length.
        Add("length-over-the-limit", "client", ConnectionPhase.Established, "2d000110", ErrorCode.FrameTooLarge);
        Add("length-of-all-ones", "client", ConnectionPhase.Established, "ffffff10", ErrorCode.FrameTooLarge);
        Add("long-frame-before-the-welcome", "client", ConnectionPhase.AwaitHello, "51000001", ErrorCode.FrameTooLarge);
        Add("http-request", "client", ConnectionPhase.AwaitHello, "474554202f20485454502f312e310d0a0d0a", ErrorCode.FrameTooLarge);
        Add("node-length-over-the-ceiling", "node", ConnectionPhase.Established, "2d000813", ErrorCode.FrameTooLarge);

        // Types.
        Add("type-none", "client", ConnectionPhase.Established, "00000000", ErrorCode.UnknownFrameType);
        Add("type-nobody-knows", "client", ConnectionPhase.Established, "00000099", ErrorCode.UnknownFrameType);
        Add("type-nobody-knows-before-hello", "client", ConnectionPhase.AwaitHello, "00000099", ErrorCode.UnknownFrameType);
        Add("presence-is-reserved", "client", ConnectionPhase.Established, "00000018", ErrorCode.UnknownFrameType);
        Add("query-is-reserved", "client", ConnectionPhase.Established, "00000019", ErrorCode.UnknownFrameType);
        Add("result-is-reserved", "node", ConnectionPhase.Established, "0000001a", ErrorCode.UnknownFrameType);

        // Place.
        Add("send-before-hello", "client", ConnectionPhase.AwaitHello, Of("send"), ErrorCode.UnexpectedFrame);
        Add("ping-before-hello", "client", ConnectionPhase.AwaitHello, Of("ping"), ErrorCode.UnexpectedFrame);
        Add("hello-twice", "client", ConnectionPhase.AwaitAuthenticate, Of("hello"), ErrorCode.UnexpectedFrame);
        Add("send-before-welcome", "client", ConnectionPhase.AwaitWelcome, Of("send"), ErrorCode.UnexpectedFrame);
        Add("authenticate-twice", "client", ConnectionPhase.Established, Of("authenticate"), ErrorCode.UnexpectedFrame);
        Add("client-sends-deliver", "client", ConnectionPhase.Established, Of("deliver"), ErrorCode.UnexpectedFrame);
        Add("client-sends-error", "client", ConnectionPhase.Established, Of("error"), ErrorCode.UnexpectedFrame);
        Add("node-sends-send", "node", ConnectionPhase.Established, Of("send"), ErrorCode.UnexpectedFrame);
        Add("node-delivers-before-welcome", "node", ConnectionPhase.AwaitWelcome, Of("deliver"), ErrorCode.UnexpectedFrame);

        // Hello and challenge.
        Add("hello-of-another-protocol", "client", ConnectionPhase.AwaitHello, Patch("hello", 4, "4d515454"), ErrorCode.BadMagic);
        Add("short-hello-of-another-protocol", "client", ConnectionPhase.AwaitHello, "040000014d515454", ErrorCode.BadMagic);
        Add("hello-too-short", "client", ConnectionPhase.AwaitHello, Cut("hello", 1), ErrorCode.MalformedFrame);
        Add("hello-too-long", "client", ConnectionPhase.AwaitHello, Pad("hello", 1), ErrorCode.MalformedFrame);
        Add("hello-empty", "client", ConnectionPhase.AwaitHello, "00000001", ErrorCode.MalformedFrame);
        Add("hello-reserved", "client", ConnectionPhase.AwaitHello, Patch("hello", 10, "01"), ErrorCode.MalformedFrame);
        Add("hello-versions-crossed", "client", ConnectionPhase.AwaitHello, Patch("hello", 8, "0201"), ErrorCode.MalformedFrame);
        Add("hello-too-new", "client", ConnectionPhase.AwaitHello, Patch("hello", 8, "0203"), ErrorCode.UnsupportedVersion);
        Add("hello-too-old", "client", ConnectionPhase.AwaitHello, Patch("hello", 8, "0000"), ErrorCode.UnsupportedVersion);
        Add("challenge-of-another-version", "node", ConnectionPhase.AwaitHello, Patch("challenge", 4, "02"), ErrorCode.UnsupportedVersion);
        Add("challenge-reserved", "node", ConnectionPhase.AwaitHello, Patch("challenge", 7, "01"), ErrorCode.MalformedFrame);
        Add("challenge-too-short", "node", ConnectionPhase.AwaitHello, Cut("challenge", 1), ErrorCode.MalformedFrame);

        // Authenticate and welcome.
        const ConnectionPhase Auth = ConnectionPhase.AwaitAuthenticate;
        Add("authenticate-too-short", "client", Auth, Cut("authenticate", 1), ErrorCode.MalformedFrame);
        Add("authenticate-too-long", "client", Auth, Pad("authenticate", 1), ErrorCode.MalformedFrame);
        Add("authenticate-as-nobody", "client", Auth, Patch("authenticate", 4, "0000000000000000"), ErrorCode.BadAddress);
        Add("authenticate-as-a-group", "client", Auth, Patch("authenticate", 4, "00a8000000000020"), ErrorCode.BadAddress);
        Add("authenticate-unknown-kind", "client", Auth, Patch("authenticate", 4, "00a8000000000040"), ErrorCode.BadAddress);
        Add("welcome-too-short", "node", ConnectionPhase.AwaitWelcome, Cut("welcome", 1), ErrorCode.MalformedFrame);
        const ConnectionPhase Proved = ConnectionPhase.AwaitWelcome;
        Add("welcome-without-incarnation", "node", Proved, Patch("welcome", 8, "00000000"), ErrorCode.MalformedFrame);
        Add("welcome-without-low", "node", Proved, Patch("welcome", 12, "0000000000000000"), ErrorCode.MalformedFrame);

        // Send and its answers.
        const ConnectionPhase Up = ConnectionPhase.Established;
        Add("send-too-short", "client", Up, "1f000010" + new string('0', 62), ErrorCode.MalformedFrame);
        Add("send-reserved", "client", Up, Patch("send", 33, "01"), ErrorCode.MalformedFrame);
        Add("send-number-zero", "client", Up, Patch("send", 12, "0000000000000000"), ErrorCode.MalformedFrame);
        Add("send-number-over-63-bits", "client", Up, Patch("send", 12, "0000000000000080"), ErrorCode.MalformedFrame);
        Add("send-lowest-open-zero", "client", Up, Patch("send", 20, "0000000000000000"), ErrorCode.MalformedFrame);
        Add("send-lowest-open-above-number", "client", Up, Patch("send", 20, "2b00000000000000"), ErrorCode.MalformedFrame);
        Add("send-to-nobody", "client", Up, Patch("send", 4, "0000000000000000"), ErrorCode.BadAddress);
        Add("send-to-a-group's-device", "client", Up, Patch("send", 4, "01a8000000000020"), ErrorCode.BadAddress);
        Add("accepted-zero", "node", Up, "080000110000000000000000", ErrorCode.MalformedFrame);
        Add("accepted-too-long", "node", Up, Pad("accepted", 1), ErrorCode.MalformedFrame);
        Add("refused-zero", "node", Up, Patch("refused-for-now", 4, "0000000000000000"), ErrorCode.MalformedFrame);
        Add("refused-without-reason", "node", Up, Patch("refused-for-now", 12, "0000"), ErrorCode.MalformedFrame);
        Add("refused-reserved", "node", Up, Patch("refused-for-now", 14, "01"), ErrorCode.MalformedFrame);
        Add("refused-too-short", "node", Up, Cut("refused-for-now", 4), ErrorCode.MalformedFrame);

        // Deliver and its answers.
        Add("deliver-too-short", "node", Up, "2b000013" + new string('0', 86), ErrorCode.MalformedFrame);
        Add("deliver-reserved", "node", Up, Patch("deliver", 45, "01"), ErrorCode.MalformedFrame);
        Add("deliver-sequence-zero", "node", Up, Patch("deliver", 4, "0000000000000000"), ErrorCode.MalformedFrame);
        Add("deliver-previous-not-before", "node", Up, Patch("deliver", 12, Hex("deliver", 4, 8)), ErrorCode.MalformedFrame);
        Add("deliver-from-nobody", "node", Up, Patch("deliver", 20, "0000000000000000"), ErrorCode.BadAddress);
        Add("acknowledge-zero", "client", Up, "080000140000000000000000", ErrorCode.MalformedFrame);
        Add("acknowledge-too-short", "client", Up, Cut("acknowledge", 1), ErrorCode.MalformedFrame);
        Add("reject-zero", "client", Up, Patch("reject", 4, "0000000000000000"), ErrorCode.MalformedFrame);
        Add("reject-reserved", "client", Up, Patch("reject", 14, "01"), ErrorCode.MalformedFrame);
        Add("reject-too-long", "client", Up, Pad("reject", 4), ErrorCode.MalformedFrame);
        Add("receipt-without-numbers", "node", Up, Cut("receipt-read", 8), ErrorCode.MalformedFrame);
        Add("receipt-65-numbers", "node", Up, Pad("receipt-64-numbers", 8), ErrorCode.MalformedFrame);
        Add("receipt-half-a-number", "node", Up, Cut("receipt-read", 4), ErrorCode.MalformedFrame);
        Add("receipt-number-zero", "node", Up, Patch("receipt-read", 36, "0000000000000000"), ErrorCode.MalformedFrame);
        Add("receipt-kind-zero", "node", Up, Patch("receipt-read", 32, "00"), ErrorCode.MalformedFrame);
        Add("receipt-kind-unknown", "node", Up, Patch("receipt-read", 32, "06"), ErrorCode.MalformedFrame);
        Add("receipt-of-nobody", "node", Up, Patch("receipt-read", 20, "0000000000000000"), ErrorCode.BadAddress);

        // The rest.
        Add("ephemeral-kind-zero", "client", Up, Patch("ephemeral-typing", 12, "00"), ErrorCode.MalformedFrame);
        Add("ephemeral-reserved", "client", Up, Patch("ephemeral-typing", 13, "01"), ErrorCode.MalformedFrame);
        Add("ephemeral-too-short", "client", Up, Cut("ephemeral-typing", 1), ErrorCode.MalformedFrame);
        Add("ephemeral-too-long", "client", Up, Pad("ephemeral-limits", 1), ErrorCode.MalformedFrame);
        Add("ephemeral-to-nobody", "client", Up, Patch("ephemeral-typing", 4, "0000000000000000"), ErrorCode.BadAddress);
        Add("ping-too-short", "client", Up, Cut("ping", 1), ErrorCode.MalformedFrame);
        Add("pong-too-long", "node", Up, Pad("pong", 1), ErrorCode.MalformedFrame);
        Add("credit-too-short", "client", Up, Cut("credit", 4), ErrorCode.MalformedFrame);
        Add("go-away-reserved", "node", Up, Patch("go-away", 6, "01"), ErrorCode.MalformedFrame);
        Add("error-without-code", "node", Up, Patch("error", 4, "0000"), ErrorCode.MalformedFrame);
        Add("error-reserved", "node", Up, Patch("error", 6, "01"), ErrorCode.MalformedFrame);
        Add("error-text-too-long", "node", Up, Pad("error-longest-text", 1), ErrorCode.MalformedFrame);
        return cases;

        void Add(string name, string from, ConnectionPhase phase, string hex, ErrorCode error) => cases.Add(new JsonObject
        {
            ["name"] = name,
            ["from"] = from,
            ["phase"] = phase.ToString(),
            ["maxBodyBytes"] = MaxBodyBytes,
            ["hex"] = hex,
            ["error"] = error.ToString(),
            ["code"] = (ushort)error,
        });

        string Of(string name) => frames.Single(f => f!["name"]!.GetValue<string>() == name)!["hex"]!.GetValue<string>();

        string Hex(string name, int at, int count) => Of(name).Substring(2 * at, 2 * count);

        // Overwrites bytes at an offset in the frame, its header included.
        string Patch(string name, int at, string hex) => Of(name)[..(2 * at)] + hex + Of(name)[(2 * at + hex.Length)..];

        string Cut(string name, int bytes) => Resize(Of(name)[..^(2 * bytes)]);

        string Pad(string name, int bytes) => Resize(Of(name) + new string('0', 2 * bytes - 1) + "1");

        // Makes the header's length agree with what follows it again.
        static string Resize(string hex)
        {
            var length = hex.Length / 2 - Wire.HeaderBytes;
            return $"{(byte)length:x2}{(byte)(length >> 8):x2}{(byte)(length >> 16):x2}" + hex[6..];
        }
    }
}
