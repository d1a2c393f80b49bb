using System.Net;
using System.Net.Sockets;
using Gateway.Protocol;
using Gateway.Tests.C10M;
using Xunit;

namespace Gateway.Tests.Ladder;

/// <summary>The C rungs say on the wire what the gateway says: a measure that cheated would be none.</summary>
public class CRungTests
{
    [Fact]
    public void The_build_without_a_compiler_says_what_is_missing()
    {
        using var tool = new LoadTool();
        var (exitCode, errors) = CRungs.Build(tool.PathOf("bin"), compiler: "no-such-compiler");

        Assert.Equal(3, exitCode);
        Assert.Contains("no-such-compiler is not installed", errors, StringComparison.Ordinal);
    }

    [GccFact]
    public void The_relay_delivers_every_message_once_and_in_order_and_tells_its_sender()
    {
        using var tool = new LoadTool();
        using var relay = RungProcess.C("relay", tool.PathOf("secret"));
        RungAssert.RelaysAll(tool, relay.Port);
        Assert.Equal(0, relay.Stop());
    }

    [GccFact]
    public void The_echo_returns_everything()
    {
        using var tool = new LoadTool();
        using var echo = RungProcess.C("echo", tool.PathOf("secret"));
        RungAssert.EchoesAll(tool, echo.Port);
        Assert.Equal(0, echo.Stop());
    }

    [GccFact]
    public void The_relay_takes_frames_that_come_byte_by_byte()
    {
        using var tool = new LoadTool();
        using var relay = RungProcess.C("relay", tool.PathOf("secret"));
        using var client = Connect(relay.Port);
        var nonce = new byte[Wire.NonceBytes];
        var hello = new byte[HelloFrame.FrameBytes];
        HelloFrame.Write(hello, nonce);
        foreach (var b in hello) client.Send([b]);
        var challenge = Receive(client, ChallengeFrame.FrameBytes);
        Assert.True(ChallengeFrame.TryParse(challenge.AsSpan(Wire.HeaderBytes), out var parsed, out _));

        var address = new Address(AddressKind.User, 1_000_000);
        var key = new byte[DeviceKey.KeyBytes];
        DeviceKey.Derive(tool.Secret, address, 0, key);
        var authenticate = new byte[AuthenticateFrame.FrameBytes];
        AuthenticateFrame.Write(authenticate, address, 0, 0, 0, 64, 1 << 18, key, nonce, parsed.NodeNonce);
        foreach (var b in authenticate) client.Send([b]);
        var welcome = Receive(client, WelcomeFrame.FrameBytes);
        Assert.True(WelcomeFrame.TryParse(welcome.AsSpan(Wire.HeaderBytes), out var session, out _));
        var proof = new byte[Wire.ProofBytes];
        HandshakeProof.OfNode(key, nonce, parsed.NodeNonce, session.Proven, proof);
        Assert.True(HandshakeProof.Matches(proof, session.Proof), "the relay's own proof is wrong");
    }

    [GccFact]
    public void The_relay_refuses_for_now_what_it_has_no_reader_for_and_ends_a_connection_that_makes_no_sense()
    {
        using var tool = new LoadTool();
        using var relay = RungProcess.C("relay", tool.PathOf("secret"));
        using var client = Connect(relay.Port);
        var hello = new byte[HelloFrame.FrameBytes];
        HelloFrame.Write(hello, new byte[Wire.NonceBytes]);
        client.Send(hello);
        Receive(client, ChallengeFrame.FrameBytes);
        var authenticate = new byte[AuthenticateFrame.FrameBytes];
        AuthenticateFrame.Write(authenticate, new Address(AddressKind.User, 1), 0, 0, 0, 64, 1 << 18, new byte[32], new byte[16], new byte[16]);
        client.Send(authenticate);
        Receive(client, WelcomeFrame.FrameBytes);

        var send = new byte[SendFrame.FrameBytes(5)];
        SendFrame.Write(send, new Address(AddressKind.User, 2), 1, 1, 0, SendKind.Message, "hello"u8);
        client.Send(send);
        var refused = Receive(client, RefusedFrame.FrameBytes);
        Assert.True(RefusedFrame.TryParse(refused.AsSpan(Wire.HeaderBytes), out var frame, out _));
        Assert.Equal((1UL, RefusalReason.NodeFull), (frame.Number, frame.Reason));

        client.Send(hello);
        Assert.Equal(0, client.Receive(new byte[1]));
    }

    private static Socket Connect(int port)
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 60_000 };
        client.Connect(IPAddress.Loopback, port);
        return client;
    }

    private static byte[] Receive(Socket client, int count)
    {
        var bytes = new byte[count];
        for (var got = 0; got < count;)
        {
            var n = client.Receive(bytes.AsSpan(got));
            Assert.True(n > 0, $"the relay closed after {got} of {count} bytes");
            got += n;
        }

        return bytes;
    }
}
