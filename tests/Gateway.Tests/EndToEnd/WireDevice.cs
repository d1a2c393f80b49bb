using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Gateway.Protocol;

namespace Gateway.Tests.EndToEnd;

/// <summary>
/// A device that speaks raw frames over a blocking socket, one call a step: for tests that must say exactly what crosses the wire.
/// Reads time out, so a missing frame fails the test and does not hang it.
/// </summary>
internal sealed class WireDevice : IDisposable
{
    private readonly Socket _socket;
    private byte[] _out = new byte[1024];
    private byte[] _in = new byte[16 * 1024];
    private int _start;
    private int _end;

    public WireDevice(int port, int readTimeoutMs = 20_000)
        : this(new IPEndPoint(IPAddress.Loopback, port)) => _socket.ReceiveTimeout = readTimeoutMs;

    public WireDevice(IPEndPoint node)
        : this(new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 20_000 }) => _socket.Connect(node);

    /// <summary>Over a socket that is connected, or will be.</summary>
    public WireDevice(Socket socket) => _socket = socket;

    public Address Address { get; private set; }
    public uint Incarnation { get; private set; }
    public ulong WindowLow { get; private set; }
    public uint Pending { get; private set; }
    public Socket Socket => _socket;

    /// <summary>The whole handshake; a refusal is thrown as <see cref="WireErrorException"/>.</summary>
    public WireDevice LogIn(Address address, byte[] key, uint incarnation = 0, ulong resume = 0, uint creditMessages = 256, uint creditBytes = 1 << 20, uint keyEpoch = 0)
    {
        Address = address;
        var nonce = RandomNumberGenerator.GetBytes(Wire.NonceBytes);
        SendRaw(_out.AsSpan(0, HelloFrame.Write(_out, nonce)));
        var challengeBytes = Expect(FrameType.Challenge);
        if (!ChallengeFrame.TryParse(challengeBytes, out var challenge, out var error)) throw new InvalidDataException(error.ToString());
        var nodeNonce = challenge.NodeNonce.ToArray();
        SendRaw(_out.AsSpan(0, AuthenticateFrame.Write(_out, address, keyEpoch, incarnation, resume, creditMessages, creditBytes, key, nonce, nodeNonce)));
        if (!WelcomeFrame.TryParse(Expect(FrameType.Welcome), out var welcome, out error)) throw new InvalidDataException(error.ToString());
        Incarnation = welcome.Incarnation;
        WindowLow = welcome.WindowLow;
        Pending = welcome.Pending;
        return this;
    }

    public void Send(Address to, ulong number, ReadOnlySpan<byte> body, ulong lowestOpen = 0, SendKind kind = SendKind.Message, uint expirySeconds = 0)
    {
        if (_out.Length < SendFrame.FrameBytes(body.Length)) _out = new byte[SendFrame.FrameBytes(body.Length)];
        SendRaw(_out.AsSpan(0, SendFrame.Write(_out, to, number, lowestOpen == 0 ? number : lowestOpen, expirySeconds, kind, body)));
    }

    public void Acknowledge(ulong sequence) => SendRaw(_out.AsSpan(0, AcknowledgeFrame.Write(_out, sequence)));

    public void Reject(ulong sequence, ushort reason) => SendRaw(_out.AsSpan(0, RejectFrame.Write(_out, sequence, reason)));

    public void SendRaw(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0) bytes = bytes[_socket.Send(bytes)..];
    }

    /// <summary>The next frame, which must be of this type; an error frame is thrown.</summary>
    public byte[] Expect(FrameType wanted)
    {
        var (type, payload) = Read() ?? throw new EndOfStreamException($"The node closed while {wanted} was waited for.");
        if (type == FrameType.Error && wanted != FrameType.Error)
        {
            ErrorFrame.TryParse(payload, out var error, out _);
            throw new WireErrorException(error.Code, error.Text);
        }

        return type == wanted ? payload : throw new InvalidDataException($"{wanted} was waited for, {type} came.");
    }

    /// <summary>The next frame, or null at the end of the stream.</summary>
    public (FrameType Type, byte[] Payload)? Read()
    {
        while (true)
        {
            if (Take() is { } frame) return frame;
            if (!Receive()) return null;
        }
    }

    /// <summary>The next frame if it has arrived, otherwise null. Waits for nothing, so that one thread can play many devices.</summary>
    /// <param name="ended">The node has closed.</param>
    public (FrameType Type, byte[] Payload)? ReadArrived(out bool ended)
    {
        ended = false;
        while (true)
        {
            if (Take() is { } frame) return frame;
            if (!_socket.Poll(0, SelectMode.SelectRead)) return null;
            if (Receive()) continue;
            ended = true;
            return null;
        }
    }

    /// <summary>A whole frame of what was received.</summary>
    private (FrameType Type, byte[] Payload)? Take()
    {
        ReadOnlySpan<byte> buffer = _in.AsSpan(_start, _end - _start);
        var before = buffer.Length;
        switch (FrameReader.TryRead(ref buffer, 1 << 20, out var type, out var payload))
        {
            case FrameStatus.Frame:
                var copy = payload.ToArray();
                _start += before - buffer.Length;
                return (type, copy);
            case FrameStatus.TooLarge:
                throw new InvalidDataException("The node sent a frame above 1 MiB.");
            default:
                return null;
        }
    }

    /// <summary>False at the end of the stream.</summary>
    private bool Receive()
    {
        if (_start > 0)
        {
            _in.AsSpan(_start, _end - _start).CopyTo(_in);
            (_start, _end) = (0, _end - _start);
        }

        if (_end == _in.Length) Array.Resize(ref _in, _in.Length * 2);
        try
        {
            var read = _socket.Receive(_in.AsSpan(_end));
            _end += read;
            return read > 0;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            return false;
        }
    }

    public void Dispose() => _socket.Dispose();
}

/// <summary>The node closed a connection with this error.</summary>
internal sealed class WireErrorException(ErrorCode code, string text) : Exception($"{code}: {text}")
{
    public ErrorCode Code { get; } = code;
}
