using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Gateway.Benchmarks.Reports;
using Gateway.Protocol;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>A device that logs in, offers all the credit there is, and never reads again. PROTOCOL.md, "Handshake".</summary>
internal sealed class DeafDevice : IDisposable
{
    private const int ReadTimeoutMs = 20_000;

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = ReadTimeoutMs };

    /// <param name="port">Of the node, on loopback.</param>
    /// <param name="secretPath">Of the node.</param>
    /// <param name="address">Its own.</param>
    /// <exception cref="MeasuringException">The node did not welcome it.</exception>
    public DeafDevice(int port, string secretPath, Address address)
    {
        var key = new byte[DeviceKey.KeyBytes];
        if (!NodeSecret.TryParse(File.ReadAllText(secretPath).Trim(), out var secret, out var error)) throw new MeasuringException(error);
        DeviceKey.Derive(secret, address, epoch: 0, key);
        _socket.Connect(new IPEndPoint(IPAddress.Loopback, port));
        var frame = new byte[4096];
        var nonce = RandomNumberGenerator.GetBytes(Wire.NonceBytes);
        _socket.Send(frame.AsSpan(0, HelloFrame.Write(frame, nonce)));
        if (!ChallengeFrame.TryParse(Expect(FrameType.Challenge), out var challenge, out _)) throw new MeasuringException("the node's challenge cannot be read");
        var length = AuthenticateFrame.Write(
            frame, address, keyEpoch: 0, incarnation: 0, resume: 0, creditMessages: ushort.MaxValue, creditBytes: 64 << 20, key, nonce, challenge.NodeNonce.ToArray());
        _socket.Send(frame.AsSpan(0, length));
        Expect(FrameType.Welcome);
    }

    public void Dispose() => _socket.Dispose();

    private byte[] Expect(FrameType wanted)
    {
        var bytes = new byte[64 * 1024];
        for (var read = 0; ;)
        {
            ReadOnlySpan<byte> span = bytes.AsSpan(0, read);
            if (FrameReader.TryRead(ref span, bytes.Length, out var type, out var payload) == FrameStatus.Frame)
                return type == wanted ? payload.ToArray() : throw new MeasuringException($"the node said {type} where {wanted} was due");
            // One byte after the other: what follows the frame is left where it is.
            var got = _socket.Receive(bytes.AsSpan(read, 1));
            if (got == 0) throw new MeasuringException($"the node closed where {wanted} was due");
            read += got;
        }
    }
}
