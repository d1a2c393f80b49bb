using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Gateway.Client;
using Gateway.Protocol;

namespace Gateway.Tests.Client;

/// <summary>
/// A node that does what a test says: real sockets, real frames, a real handshake. It answers pings and nothing else by itself; the test takes
/// connections with <see cref="LoginAsync"/>, reads what the client sent and writes what it likes.
/// </summary>
internal sealed class FakeNode : IAsyncDisposable
{
    public static readonly Address Device = new(AddressKind.User, 15550001, 3);
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly List<FakeConnection> _connections = [];

    public FakeNode()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        Array.Fill(Key, (byte)7);
    }

    public byte[] Key { get; } = new byte[DeviceKey.KeyBytes];
    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    public KeyFile KeyFile => new(Device, 0, Key);

    /// <summary>Options that reconnect at once and acknowledge at once, on real time.</summary>
    public GatewayClientOptions Options(
        IMessageStore store, TimeProvider? time = null, int creditMessages = 256, int acknowledgeEvery = 1, TimeSpan? acknowledgeWithin = null, bool reconnect = true,
        int maxOutbox = 100_000, OutboxFullMode whenFull = OutboxFullMode.Wait, Func<CancellationToken, ValueTask<ulong>>? resumePosition = null,
        int maxHandlerAttempts = 0, TimeSpan? pingInterval = null, TimeSpan? pingTimeout = null, TimeSpan? reconnectMin = null) => new()
        {
            Host = "127.0.0.1",
            Port = Port,
            Key = KeyFile,
            Store = store,
            LeaveStoreOpen = true,
            CreditMessages = creditMessages,
            AcknowledgeEvery = acknowledgeEvery,
            AcknowledgeWithin = acknowledgeWithin ?? TimeSpan.FromMilliseconds(1),
            Reconnect = reconnect,
            MaxOutbox = maxOutbox,
            WhenOutboxFull = whenFull,
            ResumePosition = resumePosition,
            MaxHandlerAttempts = maxHandlerAttempts,
            PoisonReason = 99,
            HandlerRetryMin = TimeSpan.FromMilliseconds(1),
            HandlerRetryMax = TimeSpan.FromMilliseconds(1),
            PingInterval = pingInterval,
            PingTimeout = pingTimeout ?? TimeSpan.FromSeconds(10),
            ReconnectMin = reconnectMin ?? TimeSpan.FromMilliseconds(1),
            ReconnectMax = reconnectMin is { } min ? min * 64 : TimeSpan.FromMilliseconds(2),
            StopLinger = TimeSpan.FromMilliseconds(200),
            Time = time ?? TimeProvider.System,
            Random = new Random(1),
        };

    /// <summary>The next connection, before any frame.</summary>
    public async Task<FakeConnection> AcceptAsync()
    {
        using var deadline = new CancellationTokenSource(Deadline);
        var connection = new FakeConnection(await _listener.AcceptAsync(deadline.Token), Key);
        lock (_connections) _connections.Add(connection);
        return connection;
    }

    /// <summary>The next connection, logged in.</summary>
    public async Task<FakeConnection> LoginAsync(Welcome? welcome = null)
    {
        var connection = await AcceptAsync();
        await connection.HandshakeAsync(welcome ?? new Welcome());
        return connection;
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        FakeConnection[] connections;
        lock (_connections) connections = [.. _connections];
        foreach (var connection in connections) await connection.DisposeAsync();
    }
}

/// <summary>What the fake node tells at login. Incarnation 0: the one that was asked for, or 1.</summary>
internal sealed record Welcome(
    uint Incarnation = 0, ulong WindowLow = 1, ulong WindowSettled = 0, uint MaxBodyBytes = Wire.DefaultMaxBodyBytes, uint IdleTimeoutMs = 0, uint Generation = 1, bool WrongProof = false);

/// <summary>What the client said about itself.</summary>
internal sealed record ClientLogin(Address Address, uint Incarnation, ulong Resume, uint CreditMessages, bool ProofIsRight);

/// <summary>A frame from the client.</summary>
internal sealed record Frame(FrameType Type, byte[] Payload)
{
    public SentMessage AsSend()
    {
        Xunit.Assert.Equal(FrameType.Send, Type);
        Xunit.Assert.True(SendFrame.TryParse(Payload, out var f, out var error), error.ToString());
        return new SentMessage(f.To, f.Number, f.LowestOpen, f.ExpirySeconds, f.Kind, f.Body.ToArray());
    }

    public ulong AsAcknowledge()
    {
        Xunit.Assert.Equal(FrameType.Acknowledge, Type);
        Xunit.Assert.True(AcknowledgeFrame.TryParse(Payload, out var f, out _));
        return f.Sequence;
    }
}

internal sealed record SentMessage(Address To, ulong Number, ulong LowestOpen, uint Expiry, SendKind Kind, byte[] Body);

/// <summary>One connection of <see cref="FakeNode"/>. A loop reads frames into a queue until told to be silent; writes go out at once, or a byte at a time.</summary>
internal sealed class FakeConnection : IAsyncDisposable
{
    private readonly Socket _socket;
    private readonly byte[] _key;
    private readonly Channel<Frame> _frames = Channel.CreateUnbounded<Frame>();
    private readonly SemaphoreSlim _writing = new(1);
    private Task _reading = Task.CompletedTask;
    private readonly byte[] _buffer = new byte[256 * 1024];
    private int _filled;

    public FakeConnection(Socket socket, byte[] key)
    {
        _socket = socket;
        _socket.NoDelay = true;
        _key = key;
    }

    public bool OneByteAtATime { get; set; }

    /// <summary>Pings are answered. False: kept in the queue, unanswered.</summary>
    public bool AnswersPings { get; set; } = true;

    public ClientLogin Client { get; private set; } = null!;

    public async Task HandshakeAsync(Welcome welcome)
    {
        var client = await ReadAuthenticateAsync();
        await WriteWelcomeAsync(welcome, client);
        Start();
    }

    /// <summary>Reads hello, challenges, reads authenticate; leaves the answer to the test.</summary>
    public async Task<(ClientLogin Client, byte[] ClientNonce, byte[] NodeNonce)> ReadAuthenticateAsync()
    {
        var hello = await ReadAsync();
        Xunit.Assert.Equal(FrameType.Hello, hello.Type);
        var clientNonce = ParseHello(hello.Payload);
        var nodeNonce = new byte[Wire.NonceBytes];
        Array.Fill(nodeNonce, (byte)9);
        var challenge = new byte[ChallengeFrame.FrameBytes];
        ChallengeFrame.Write(challenge, nodeNonce);
        await WriteAsync(challenge);
        var authenticate = await ReadAsync();
        Xunit.Assert.Equal(FrameType.Authenticate, authenticate.Type);
        Client = ParseAuthenticate(authenticate.Payload, clientNonce, nodeNonce);
        return (Client, clientNonce, nodeNonce);
    }

    public async Task WriteWelcomeAsync(Welcome welcome, (ClientLogin Client, byte[] ClientNonce, byte[] NodeNonce) login)
    {
        var bytes = new byte[WelcomeFrame.FrameBytes];
        new WelcomeFrame
        {
            SessionEpoch = 1,
            Incarnation = welcome.Incarnation != 0 ? welcome.Incarnation : login.Client.Incarnation != 0 ? login.Client.Incarnation : 1,
            WindowLow = welcome.WindowLow,
            WindowSettled = welcome.WindowSettled,
            NodeTimeMicros = 1,
            Generation = welcome.Generation,
            MaxBodyBytes = welcome.MaxBodyBytes,
            IdleTimeoutMs = welcome.IdleTimeoutMs,
        }.Write(bytes, _key, login.ClientNonce, login.NodeNonce);
        if (welcome.WrongProof) bytes[^1] ^= 1;
        await WriteAsync(bytes);
    }

    /// <summary>Begins to read frames into the queue.</summary>
    public void Start() => _reading = ReadAllAsync();

    /// <summary>The next frame of the client, whatever it is; fails when the connection ends first.</summary>
    public async Task<Frame> NextAsync()
    {
        using var deadline = new CancellationTokenSource(FakeNode.Deadline);
        return await _frames.Reader.ReadAsync(deadline.Token);
    }

    public async Task<SentMessage> NextSendAsync() => (await NextAsync()).AsSend();

    public async Task<ulong> NextAcknowledgeAsync() => (await NextAsync()).AsAcknowledge();

    /// <summary>Nothing came from the client that was not read: proved by a ping's answer, which comes behind what was sent before.</summary>
    public async Task<IReadOnlyList<Frame>> DrainAsync()
    {
        var token = 0x5EED_0000_0000_0000UL + (ulong)Environment.TickCount64;
        var ping = new byte[PingFrame.FrameBytes];
        PingFrame.Write(ping, token);
        await WriteAsync(ping);
        var frames = new List<Frame>();
        while (true)
        {
            var frame = await NextAsync();
            if (frame.Type == FrameType.Pong) return frames;
            frames.Add(frame);
        }
    }

    public Task AcceptAsync(ulong number)
    {
        var bytes = new byte[Wire.HeaderBytes + AcceptedFrame.PayloadBytes];
        AcceptedFrame.Write(bytes, number);
        return WriteAsync(bytes);
    }

    public Task RefuseAsync(ulong number, RefusalReason reason, uint retryAfterMs = 1)
    {
        var bytes = new byte[RefusedFrame.FrameBytes];
        RefusedFrame.Write(bytes, number, reason, reason.IsFinal() ? 0 : retryAfterMs);
        return WriteAsync(bytes);
    }

    public Task DeliverAsync(ulong sequence, ulong previous = 0, string body = "hello", Address from = default, ulong number = 1, DeliverFlags flags = 0)
    {
        var text = System.Text.Encoding.UTF8.GetBytes(body);
        var bytes = new byte[DeliverFrame.FrameBytes(text.Length)];
        DeliverFrame.Write(bytes, sequence, previous, from == default ? new Address(AddressKind.User, 42) : from, 1, number, 1_700_000_000, flags, text);
        return WriteAsync(bytes);
    }

    public Task ReceiptAsync(ulong sequence, ReceiptKind kind, Address peer, uint incarnation, ulong[] numbers, ulong previous = 0, ushort reason = 0)
    {
        var bytes = new byte[ReceiptFrame.FrameBytes(numbers.Length)];
        ReceiptFrame.Write(bytes, sequence, previous, peer, incarnation, kind, 0, reason, System.Runtime.InteropServices.MemoryMarshal.AsBytes(numbers.AsSpan()));
        return WriteAsync(bytes);
    }

    public Task EphemeralAsync(Address from, EphemeralKind kind)
    {
        var bytes = new byte[EphemeralFrame.FrameBytes(0)];
        EphemeralFrame.Write(bytes, from, kind, []);
        return WriteAsync(bytes);
    }

    public Task GoAwayAsync(uint reconnectAfterMs, ErrorCode reason = ErrorCode.ShuttingDown)
    {
        var bytes = new byte[GoAwayFrame.FrameBytes];
        GoAwayFrame.Write(bytes, reason, reconnectAfterMs);
        return WriteAsync(bytes);
    }

    public async Task ErrorAsync(ErrorCode code, string text = "scripted")
    {
        var bytes = new byte[ErrorFrame.MaxFrameBytes];
        var length = ErrorFrame.Write(bytes, code, 0, System.Text.Encoding.UTF8.GetBytes(text));
        await WriteAsync(bytes.AsMemory(0, length));
        try
        {
            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The client was quicker to close.
        }
    }

    public async Task WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        await _writing.WaitAsync();
        try
        {
            var step = OneByteAtATime ? 1 : Math.Max(1, bytes.Length);
            for (var at = 0; at < bytes.Length; at += step) await _socket.SendAsync(bytes.Slice(at, Math.Min(step, bytes.Length - at)));
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Breaks the connection.</summary>
    public void Cut() => _socket.Close();

    /// <summary>The client closed or broke the connection; what it sent before may still be read.</summary>
    public Task WaitForEndAsync() => _reading.WaitAsync(FakeNode.Deadline);

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        await _reading.WaitAsync(FakeNode.Deadline);
    }

    private async Task ReadAllAsync()
    {
        try
        {
            while (true)
            {
                var frame = await ReadAsync();
                if (frame.Type == FrameType.Ping && AnswersPings)
                {
                    var pong = new byte[PingFrame.FrameBytes];
                    PingFrame.TryParse(frame.Payload, out var ping, out _);
                    PingFrame.WritePong(pong, ping.Token);
                    await WriteAsync(pong);
                    continue;
                }

                _frames.Writer.TryWrite(frame);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or EndOfStreamException)
        {
            // As a node does: what has ended on one side is closed on the other.
            _socket.Dispose();
            _frames.Writer.TryComplete();
        }
    }

    private async Task<Frame> ReadAsync()
    {
        while (true)
        {
            if (TryCut() is { } frame) return frame;
            var read = await _socket.ReceiveAsync(_buffer.AsMemory(_filled));
            if (read == 0) throw new EndOfStreamException();
            _filled += read;
        }
    }

    private Frame? TryCut()
    {
        ReadOnlySpan<byte> rest = _buffer.AsSpan(0, _filled);
        if (FrameReader.TryRead(ref rest, _buffer.Length - Wire.HeaderBytes, out var type, out var payload) != FrameStatus.Frame) return null;
        var frame = new Frame(type, payload.ToArray());
        rest.CopyTo(_buffer);
        _filled = rest.Length;
        return frame;
    }

    private static byte[] ParseHello(byte[] payload)
    {
        Xunit.Assert.True(HelloFrame.TryParse(payload, out var hello, out var error), error.ToString());
        return hello.ClientNonce.ToArray();
    }

    private ClientLogin ParseAuthenticate(byte[] payload, byte[] clientNonce, byte[] nodeNonce)
    {
        Xunit.Assert.True(AuthenticateFrame.TryParse(payload, out var frame, out var error), error.ToString());
        var proof = new byte[Wire.ProofBytes];
        HandshakeProof.OfDevice(_key, clientNonce, nodeNonce, frame.Proven, proof);
        return new ClientLogin(frame.Address, frame.Incarnation, frame.Resume, frame.CreditMessages, HandshakeProof.Matches(proof, frame.Proof));
    }
}
