using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;

namespace Gateway.Benchmarks.Rungs;

/// <summary>
/// The relay as one writes it with what the runtime brings: System.Net.Sockets and System.IO.Pipelines, a task for each connection that
/// reads and one that sends. Runs on the thread pool with its defaults.
/// </summary>
internal sealed class SocketsRelay : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly RelayCore _core;

    public SocketsRelay(RelayCore core, int port)
    {
        _core = core;
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, port));
        _listener.Listen(4096);
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        _ = AcceptAsync();
    }

    public int Port { get; }

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptAsync());
        }
        catch (Exception e) when (e is ObjectDisposedException or SocketException)
        {
            // Disposed: the end of the program.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        socket.NoDelay = true;
        await using var stream = new NetworkStream(socket, ownsSocket: true);
        var input = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 16 * 1024));
        var output = new Pipe(new PipeOptions(pauseWriterThreshold: 64 * 1024, resumeWriterThreshold: 32 * 1024, useSynchronizationContext: false));
        var sending = SendAsync(socket, output.Reader);
        await new PipePeer(_core, input, output.Writer, socket.Dispose).RunAsync();
        await sending;
    }

    private static async Task SendAsync(Socket socket, PipeReader output)
    {
        try
        {
            while (true)
            {
                var result = await output.ReadAsync();
                foreach (var segment in result.Buffer) await socket.SendAsync(segment);
                output.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted) return;
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Ends the reading task too.
            socket.Dispose();
        }
        finally
        {
            await output.CompleteAsync();
        }
    }
}
