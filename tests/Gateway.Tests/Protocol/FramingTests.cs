using System.Text;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Protocol;

/// <summary>PROTOCOL.md, "Framing" and "Limits".</summary>
public class FramingTests
{
    [Fact]
    public void A_payload_may_be_as_long_as_the_limit_and_not_a_byte_longer()
    {
        var bytes = new byte[4 + 101];
        foreach (var length in (int[])[99, 100, 101])
        {
            var status = length <= 100 ? FrameStatus.Frame : FrameStatus.TooLarge;
            Wire.WriteHeader(bytes, FrameType.Send, length);
            ReadOnlySpan<byte> rest = bytes;
            Assert.Equal(status, FrameReader.TryRead(ref rest, 100, out _, out var payload));
            Assert.Equal(status == FrameStatus.Frame ? length : 0, payload.Length);

            var cut = Segments.Of(bytes, 2, 50);
            Assert.Equal(status, FrameReader.TryRead(ref cut, 100, new byte[100], out _, out payload));
            Assert.Equal(status == FrameStatus.Frame ? length : 0, payload.Length);
        }
    }

    [Fact]
    public void A_length_over_the_limit_is_refused_from_the_header_alone()
    {
        ReadOnlySpan<byte> header = [0xFF, 0xFF, 0xFF, 0x10];
        Assert.Equal(FrameStatus.TooLarge, FrameReader.TryRead(ref header, 65536, out var type, out _));
        Assert.Equal(FrameType.Send, type);
        var cut = Segments.Of([0xFF, 0xFF, 0xFF, 0x10], 1, 3);
        Assert.Equal(FrameStatus.TooLarge, FrameReader.TryRead(ref cut, 65536, default, out type, out _));
        Assert.Equal(FrameType.Send, type);
    }

    [Fact]
    public void A_payload_within_one_segment_is_not_copied()
    {
        var bytes = new byte[AcceptedFrame.FrameBytes];
        AcceptedFrame.Write(bytes, 42);
        var cut = Segments.Of(bytes, 4);

        // Without scratch a copy would throw.
        Assert.Equal(FrameStatus.Frame, FrameReader.TryRead(ref cut, 8, default, out _, out var payload));
        Assert.True(payload.SequenceEqual(bytes.AsSpan(4)));
    }

    [Fact]
    public void An_empty_payload_is_a_frame()
    {
        ReadOnlySpan<byte> bytes = [0, 0, 0, 0x99, 1];
        Assert.Equal(FrameStatus.Frame, FrameReader.TryRead(ref bytes, 0, out var type, out var payload));
        Assert.Equal(0x99, (byte)type);
        Assert.True(payload.IsEmpty);
        Assert.Equal(1, bytes.Length);
    }

    [Fact]
    public void The_longest_bodies_of_every_configuration_fit_the_limit_that_goes_with_it()
    {
        foreach (var body in (int[])[Wire.MaxBodyBytesFloor, Wire.DefaultMaxBodyBytes, Wire.MaxBodyBytesCeiling])
        {
            var limit = Wire.MaxPayloadBytes(body);
            Assert.True(limit >= SendFrame.FixedBytes + body && limit >= DeliverFrame.FixedBytes + body);
            Assert.True(limit >= ReceiptFrame.FixedBytes + 8 * Wire.MaxReceiptNumbers);
            Assert.True(limit >= EphemeralFrame.FixedBytes + Wire.MaxEphemeralBytes);
            Assert.True(limit >= ErrorFrame.FixedBytes + Wire.MaxErrorTextBytes);
            Assert.True(body >= ReadBody.BodyBytes(Wire.MaxReceiptNumbers));
        }
    }

    [Fact]
    public void A_header_cannot_announce_what_24_bits_do_not_hold()
    {
        var header = new byte[4];
        Wire.WriteHeader(header, FrameType.Send, 0xFF_FFFF);
        Assert.Equal([0xFF, 0xFF, 0xFF, 0x10], header);
        Assert.Throws<ArgumentOutOfRangeException>(() => Wire.WriteHeader(header, FrameType.Send, 0x100_0000));
        Assert.Throws<ArgumentOutOfRangeException>(() => Wire.WriteHeader(header, FrameType.Send, -1));
    }

    [Fact]
    public void Ephemeral_data_over_its_limit_is_not_written() => Assert.Throws<ArgumentOutOfRangeException>(() => EphemeralFrame.Write(
        new byte[1024], new Address(AddressKind.User, 1), EphemeralKind.Typing, new byte[Wire.MaxEphemeralBytes + 1]));

    [Theory]
    [InlineData("x", 256)]
    [InlineData("ä", 256)]
    [InlineData("€", 255)]
    [InlineData("\U0001F600", 256)]
    public void A_long_error_text_is_cut_between_two_characters(string character, int expectedBytes)
    {
        // One and two bytes before it move the cut to every place inside the character.
        foreach (var prefix in (string[])["", "a", "ab", "abc"])
        {
            var text = prefix + string.Concat(Enumerable.Repeat(character, 300));
            var bytes = new byte[ErrorFrame.MaxFrameBytes];
            var length = ErrorFrame.Write(bytes, ErrorCode.Kicked, 0, Encoding.UTF8.GetBytes(text));
            Assert.True(ErrorFrame.TryParse(bytes.AsSpan(4, length - 4), out var frame, out _));
            Assert.StartsWith(frame.Text, text, StringComparison.Ordinal);
            Assert.True(frame.TextUtf8.Length > Wire.MaxErrorTextBytes - 4);
            if (prefix.Length == 0) Assert.Equal(expectedBytes, frame.TextUtf8.Length);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    [InlineData(15)]
    [InlineData(8 + 8 * 65)]
    public void A_read_receipt_of_another_length_is_none(int length)
    {
        var body = VectorFrames.Rising(1, 0).Concat(Enumerable.Repeat((byte)1, length)).ToArray();
        if (length > 8) body.AsSpan(4, 4).Clear();
        Assert.False(ReadBody.TryParse(body, out _, out _));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    [InlineData(8)]
    [InlineData(16)]
    public void A_read_receipt_with_a_wrong_field_is_none(int at)
    {
        var body = new byte[ReadBody.BodyBytes(2)];
        body[0] = body[8] = body[16] = 1;
        Assert.True(ReadBody.TryParse(body, out _, out _));
        body[at] ^= 1;
        Assert.False(ReadBody.TryParse(body, out _, out _));
    }
}

/// <summary>PROTOCOL.md, "Connection", and values that may never change.</summary>
public class ConnectionTests
{
    [Fact]
    public void Reserved_and_unknown_types_are_unknown_everywhere_and_the_rest_nowhere()
    {
        for (var value = 0; value < 256; value++)
        {
            var type = (FrameType)value;
            var known = Enum.IsDefined(type) && type is not (FrameType.None or FrameType.Presence or FrameType.Query or FrameType.Result);
            Assert.Equal(known, ConnectionRules.IsKnown(type));
            foreach (var phase in Enum.GetValues<ConnectionPhase>())
            {
                Assert.Equal(!known, ConnectionRules.ClientMaySend(phase, type) == ErrorCode.UnknownFrameType);
                Assert.Equal(!known, ConnectionRules.NodeMaySend(phase, type) == ErrorCode.UnknownFrameType);
            }
        }
    }

    [Fact]
    public void Nothing_is_legal_once_a_connection_closes()
    {
        foreach (var type in Enum.GetValues<FrameType>().Where(ConnectionRules.IsKnown))
        {
            Assert.Equal(ErrorCode.UnexpectedFrame, ConnectionRules.ClientMaySend(ConnectionPhase.Closing, type));
            Assert.Equal(ErrorCode.UnexpectedFrame, ConnectionRules.NodeMaySend(ConnectionPhase.Closing, type));
        }
    }

    [Fact]
    public void Each_frame_of_the_handshake_fits_the_limit_before_the_welcome()
    {
        var limit = ConnectionRules.MaxClientPayloadBytes(ConnectionPhase.AwaitHello, Wire.MaxBodyBytesCeiling);
        Assert.True(limit >= HelloFrame.PayloadBytes && limit >= AuthenticateFrame.PayloadBytes && limit >= WelcomeFrame.PayloadBytes);
        Assert.True(ConnectionRules.MaxNodePayloadBytes(ConnectionPhase.AwaitHello) >= WelcomeFrame.PayloadBytes);
    }

    [Fact]
    public void Frame_types_keep_their_values() => Assert.Equal(
        "None=0 Hello=1 Challenge=2 Authenticate=3 Welcome=4 Send=16 Accepted=17 Refused=18 Deliver=19 Acknowledge=20 Reject=21 "
        + "Receipt=22 Ephemeral=23 Presence=24 Query=25 Result=26 Ping=32 Pong=33 Credit=34 GoAway=46 Error=47",
        Values<FrameType>());

    [Fact]
    public void Error_codes_keep_their_values() => Assert.Equal(
        "None=0 MalformedFrame=1 FrameTooLarge=2 UnknownFrameType=3 UnexpectedFrame=4 BadMagic=5 UnsupportedVersion=6 BadAddress=7 "
        + "AuthenticationFailed=16 KeyRevoked=17 IncarnationFenced=18 ResumeAhead=19 WindowExceeded=32 AcknowledgeAhead=33 "
        + "RejectUnknown=34 HandshakeTimeout=48 FrameTimeout=49 IdleTimeout=50 TakenOver=64 Kicked=65 Overloaded=66 ShuttingDown=67 "
        + "TooManyLogins=68 BuffersFull=69",
        Values<ErrorCode>());

    [Fact]
    public void Refusal_reasons_keep_their_values_and_their_side_of_256()
    {
        Assert.Equal(
            "None=0 NodeFull=1 HeldForOrder=2 MailboxFull=3 RateLimited=4 Busy=5 FirstFinal=256 OutcomeUnknown=257 "
            + "UnsupportedRecipient=258 BodyTooLarge=259 UnsupportedKind=260",
            Values<RefusalReason>());
        foreach (var reason in Enum.GetValues<RefusalReason>()) Assert.Equal((int)reason >= 256, reason.IsFinal());
    }

    [Fact]
    public void Kinds_and_flags_keep_their_values()
    {
        Assert.Equal("None=0 User=1 Group=2 Service=3", Values<AddressKind>());
        Assert.Equal("Message=0 Read=1", Values<SendKind>());
        Assert.Equal("None=0 Delivered=1 Read=2 Rejected=3 Expired=4 Discarded=5", Values<ReceiptKind>());
        Assert.Equal("None=0 Typing=1 StoppedTyping=2", Values<EphemeralKind>());
        Assert.Equal("None=0 Redelivered=1", Values<DeliverFlags>());
    }

    private static string Values<T>() where T : struct, Enum => string.Join(
        ' ', Enum.GetValues<T>().Select(v => $"{v}={Convert.ToUInt64(v, System.Globalization.CultureInfo.InvariantCulture)}"));
}
