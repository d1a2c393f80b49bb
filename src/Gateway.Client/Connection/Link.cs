using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>A connection ended, with what is to be known about it. Once a connection, never once a message.</summary>
internal sealed class DisconnectedException(DisconnectReason reason, string detail, ErrorCode code = ErrorCode.None, TimeSpan? retryAfter = null, Exception? inner = null)
    : Exception(detail, inner)
{
    public DisconnectReason Reason { get; } = reason;
    public ErrorCode Code { get; } = code;

    /// <summary>The node's hint when to come back.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;

    /// <summary>What an error frame says.</summary>
    public static DisconnectedException FromError(ErrorFrame error) => new(
        error.Code == ErrorCode.IncarnationFenced ? DisconnectReason.IncarnationFenced : DisconnectReason.NodeError, error.Text, error.Code);

    public static DisconnectedException Violation(string detail) => new(DisconnectReason.ProtocolViolation, detail);
}

/// <summary>One TCP connection as a pair of pipes. One reader and one writer at a time.</summary>
internal sealed class Link : IAsyncDisposable
{
    private static readonly int MaxHandshakePayload = ConnectionRules.MaxNodePayloadBytes(ConnectionPhase.AwaitWelcome);

    private readonly NetworkStream _stream;

    private Link(Socket socket)
    {
        _stream = new NetworkStream(socket, ownsSocket: true);
        Input = PipeReader.Create(_stream, new StreamPipeReaderOptions(bufferSize: 16 * 1024, leaveOpen: true));
        Output = PipeWriter.Create(_stream, new StreamPipeWriterOptions(leaveOpen: true));
    }

    public PipeReader Input { get; }
    public PipeWriter Output { get; }

    /// <exception cref="DisconnectedException">No connection was made.</exception>
    public static async Task<Link> ConnectAsync(GatewayClientOptions options, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using var timeout = new CancellationTokenSource(options.ConnectTimeout, options.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            await socket.ConnectAsync(options.Host, options.Port, either.Token);
            return new Link(socket);
        }
        catch (Exception e)
        {
            socket.Dispose();
            cancellationToken.ThrowIfCancellationRequested();
            var detail = e is OperationCanceledException
                ? $"{options.Host}:{options.Port} did not answer within {options.ConnectTimeout.TotalSeconds} s."
                : $"{options.Host}:{options.Port}: {e.Message}";
            throw new DisconnectedException(DisconnectReason.ConnectFailed, detail, inner: e);
        }
    }

    /// <summary>The next frame of the handshake, copied. What follows it stays in <see cref="Input"/>.</summary>
    public async ValueTask<(FrameType Type, byte[] Payload)> ReadHandshakeFrameAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await Input.ReadAsync(cancellationToken);
            var buffer = result.Buffer;
            var (status, type, payload) = Read(ref buffer);
            if (status == FrameStatus.Frame)
            {
                Input.AdvanceTo(buffer.Start);
                return (type, payload!);
            }

            Input.AdvanceTo(buffer.Start, buffer.End);
            if (status == FrameStatus.TooLarge) throw DisconnectedException.Violation("The node does not speak this protocol: a frame of the handshake is too long.");
            if (result.IsCompleted) throw new DisconnectedException(DisconnectReason.ConnectionLost, "The node closed the connection during the handshake.");
        }
    }

    /// <summary>Tells the node that nothing more will be sent; reading goes on.</summary>
    public void ShutdownSend()
    {
        try
        {
            _stream.Socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // It is closed already.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Input.CompleteAsync();
        // Completed in good order it would write what is left, to a peer that may be gone or not reading.
        await Output.CompleteAsync(new ObjectDisposedException(nameof(Link)));
        await _stream.DisposeAsync();
    }

    private static (FrameStatus Status, FrameType Type, byte[]? Payload) Read(ref ReadOnlySequence<byte> buffer)
    {
        Span<byte> scratch = stackalloc byte[MaxHandshakePayload];
        var status = FrameReader.TryRead(ref buffer, MaxHandshakePayload, scratch, out var type, out var payload);
        return (status, type, status == FrameStatus.Frame ? payload.ToArray() : null);
    }
}
