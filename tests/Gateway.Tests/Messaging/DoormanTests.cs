using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>From a connection's first byte to a proven device, and every way not to get there.</summary>
public class DoormanTests : HomeTests
{
    [Theory]
    [MemberData(nameof(Homes))]
    public void A_device_may_knock_at_any_reactor_and_is_taken_home(int homes)
    {
        var net = Start(homes);
        for (var reactor = 0; reactor < homes; reactor++)
        {
            var anna = Device(net, 1, reactor + 1, login: false);
            anna.Login(reactor);
            Assert.True(anna.IsWelcome);
            Assert.Same(net.ReactorOf(anna.Address), anna.Connection!.Reactor);
        }

        Assert.Equal(homes, net.HomeOf(net.Devices[0].Address).Online);
        Assert.Equal(0, net.Reactors.Sum(r => r.Handshakes));
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void The_handshake_may_come_byte_by_byte(int homes)
    {
        var net = Start(homes);
        var connection = net.Accept(0);
        var hello = new byte[HelloFrame.FrameBytes];
        HelloFrame.Write(hello, new byte[16]);
        foreach (var b in hello)
        {
            Assert.Equal(0, connection.Wire.Length);
            connection.Write([b]);
            net.Turn();
        }

        Assert.Equal(ChallengeFrame.FrameBytes, connection.Wire.Length);
    }

    public static TheoryData<ErrorCode, byte[]> FirstFrames => new()
    {
        { ErrorCode.BadMagic, Hello(h => h[4] = (byte)'X') },
        { ErrorCode.BadMagic, [28, 0, 0, (byte)FrameType.Hello, .. "twenty-eight bytes of no use"u8] },
        { ErrorCode.UnsupportedVersion, Hello(h => (h[8], h[9]) = (2, 9)) },
        { ErrorCode.UnsupportedVersion, Hello(h => (h[8], h[9]) = (0, 0)) },
        { ErrorCode.MalformedFrame, Hello(h => (h[8], h[9]) = (2, 1)) },
        { ErrorCode.MalformedFrame, [3, 0, 0, (byte)FrameType.Hello, 1, 2, 3] },
        { ErrorCode.UnexpectedFrame, [0, 0, 0, (byte)FrameType.Authenticate] },
        { ErrorCode.UnexpectedFrame, [8, 0, 0, (byte)FrameType.Ping, 1, 2, 3, 4, 5, 6, 7, 8] },
        { ErrorCode.UnexpectedFrame, [0, 0, 0, (byte)FrameType.Welcome] },
        { ErrorCode.UnknownFrameType, [0, 0, 0, 0] },
        { ErrorCode.UnknownFrameType, [0, 0, 0, (byte)FrameType.Presence] },
        { ErrorCode.UnknownFrameType, [0, 0, 0, 255] },
        { ErrorCode.FrameTooLarge, "GET / HTTP/1.1\r\n\r\n"u8.ToArray() },
        { ErrorCode.FrameTooLarge, [255, 255, 0, (byte)FrameType.Hello] },
    };

    [Theory]
    [MemberData(nameof(FirstFrames))]
    public void A_first_frame_that_is_no_hello_is_told_why_and_closed(ErrorCode expected, byte[] bytes)
    {
        var net = Start(homes: 1);
        var connection = net.Accept(0);
        connection.Write(bytes);
        net.Settle();
        Assert.Equal(expected, ErrorOn(connection));
        Assert.True(connection.IsClosed);
        Assert.Equal(0, net.Reactors[0].Handshakes);
    }

    public static TheoryData<ErrorCode, string> Proofs => new()
    {
        { ErrorCode.AuthenticationFailed, "wrong proof" },
        { ErrorCode.AuthenticationFailed, "proof of another device" },
        { ErrorCode.AuthenticationFailed, "changed after the proof" },
        { ErrorCode.AuthenticationFailed, "epoch of the future" },
        { ErrorCode.AuthenticationFailed, "revoked and no proof of the old key" },
        { ErrorCode.KeyRevoked, "revoked" },
        { ErrorCode.BadAddress, "group" },
        { ErrorCode.BadAddress, "nobody" },
        { ErrorCode.BadAddress, "unknown kind" },
        { ErrorCode.MalformedFrame, "short" },
        { ErrorCode.UnexpectedFrame, "hello again" },
    };

    [Theory]
    [MemberData(nameof(Proofs))]
    public void An_authenticate_that_proves_nothing_is_told_why_and_closed(ErrorCode expected, string what)
    {
        var net = Start(homes: 1);
        var address = new Address(AddressKind.User, 15_550_001);
        var connection = net.Accept(0);
        connection.Write(Hello(_ => { }));
        net.Turn();
        Assert.True(ChallengeFrame.TryParse(connection.Wire[Wire.HeaderBytes..], out var challenge, out _));
        var nonce = challenge.NodeNonce.ToArray();
        connection.Read(ChallengeFrame.FrameBytes);

        if (what.StartsWith("revoked", StringComparison.Ordinal)) net.SetKeyEpoch(address, 1);
        var key = new byte[DeviceKey.KeyBytes];
        net.Derive(what == "proof of another device" ? new Address(AddressKind.User, 1) : address, what == "epoch of the future" ? 1u : 0u, key);
        var frame = new byte[AuthenticateFrame.FrameBytes];
        AuthenticateFrame.Write(frame, address, what == "epoch of the future" ? 1u : 0u, 0, 0, 10, 1000, key, new byte[16], nonce);
        if (what is "wrong proof" or "revoked and no proof of the old key") frame[^1] ^= 1;
        if (what == "changed after the proof") frame[4 + 24] ^= 1;
        if (what == "group") BitConverter.TryWriteBytes(frame.AsSpan(4), new Address(AddressKind.Group, 7).Value);
        if (what == "nobody") BitConverter.TryWriteBytes(frame.AsSpan(4), 0UL);
        if (what == "unknown kind") BitConverter.TryWriteBytes(frame.AsSpan(4), 0xF000_0000_0000_0400UL);
        if (what == "short") frame = [10, 0, 0, (byte)FrameType.Authenticate, .. new byte[10]];
        if (what == "hello again") frame = Hello(_ => { });
        connection.Write(frame);
        net.Settle();

        Assert.Equal(expected, ErrorOn(connection));
        Assert.True(connection.IsClosed);
        Assert.Equal(0, net.Reactors[0].Home.Sessions);
        Assert.Equal(0, net.Reactors[0].Handshakes);
    }

    [Fact]
    public void Beyond_the_bound_on_handshakes_a_connection_is_told_that_the_node_is_overloaded()
    {
        var net = new HomeNet(new HomeNetOptions { MaxHandshakes = 2 });
        var (first, second, third) = (net.Accept(0), net.Accept(0), net.Accept(0));
        net.Settle();
        Assert.Equal(ErrorCode.Overloaded, ErrorOn(third));
        Assert.Equal(2, net.Reactors[0].Handshakes);

        first.HangUp();
        second.HangUp();
        Assert.Equal(0, net.Reactors[0].Handshakes);
        var anna = Anna(net);
        Assert.True(anna.IsWelcome);
    }

    [Fact]
    public void No_two_challenges_carry_the_same_nonce()
    {
        var net = Start(homes: 1);
        var nonces = new HashSet<string>();
        for (var i = 0; i < 100; i++)
        {
            var connection = net.Accept(0);
            connection.Write(Hello(_ => { }));
            net.Turn();
            Assert.True(ChallengeFrame.TryParse(connection.Wire[Wire.HeaderBytes..], out var challenge, out _));
            Assert.True(nonces.Add(Convert.ToHexString(challenge.NodeNonce)));
            connection.HangUp();
        }
    }

    [Fact]
    public void Every_error_code_has_a_text_of_its_own_that_fits_its_frame()
    {
        var texts = new HashSet<string>();
        var frame = new byte[ErrorFrame.MaxFrameBytes];
        foreach (var code in Enum.GetValues<ErrorCode>())
        {
            if (code == ErrorCode.None) continue;
            var text = ErrorTexts.Of(code);
            Assert.InRange(text.Length, 10, Wire.MaxErrorTextBytes);
            Assert.True(texts.Add(System.Text.Encoding.UTF8.GetString(text)), $"{code} has the text of another");
            var length = ErrorFrame.Write(frame, code, 0, text);
            Assert.True(ErrorFrame.TryParse(frame.AsSpan(Wire.HeaderBytes, length - Wire.HeaderBytes), out var parsed, out _));
            Assert.Equal(System.Text.Encoding.UTF8.GetString(text), parsed.Text);
        }

        Assert.True(ErrorTexts.Of((ErrorCode)999).IsEmpty);
    }

    private static byte[] Hello(Action<byte[]> change)
    {
        var frame = new byte[HelloFrame.FrameBytes];
        HelloFrame.Write(frame, new byte[16]);
        change(frame);
        return frame;
    }
}
