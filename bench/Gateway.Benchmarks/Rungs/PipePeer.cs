using System.IO.Pipelines;

namespace Gateway.Benchmarks.Rungs;

/// <summary>
/// A connection that is a pair of pipes: one task reads, handles what came, and flushes each connection it wrote to once. Output belongs
/// to <see cref="RelayPeer.Gate"/>; while a flush waits for a slow reader, further output gathers behind it and goes with the next.
/// </summary>
internal sealed class PipePeer(RelayCore core, PipeReader input, PipeWriter output, Action drop) : RelayPeer
{
    private readonly List<PipePeer> _written = [];
    private bool _isWritten;
    private bool _hasEnded;
    private Task? _flush;

    public override bool IsFull => _flush is not null && output.UnflushedBytes > RelayCore.MaxUnsentBytes;

    public override Span<byte> GetSpan(int sizeHint) => output.GetSpan(sizeHint);

    public override void Advance(int bytes, RelayPeer by)
    {
        output.Advance(bytes);
        if (_isWritten) return;
        _isWritten = true;
        ((PipePeer)by)._written.Add(this);
    }

    public override void Drop() => drop();

    /// <summary>Serves the connection until it ends.</summary>
    public async Task RunAsync()
    {
        try
        {
            while (true)
            {
                var result = await input.ReadAsync();
                var rest = result.Buffer;
                var mayStay = core.OnBytes(this, ref rest);
                input.AdvanceTo(rest.Start, rest.End);
                foreach (var peer in _written) peer.Flush();
                _written.Clear();
                if (!mayStay || result.IsCompleted) return;
                // Who does not read what it is sent is not read from.
                if (Volatile.Read(ref _flush) is { } flush) await flush;
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or System.Net.Sockets.SocketException or ObjectDisposedException)
        {
            // The peer's end, in one of the ways in which pipes and sockets report it.
        }
        finally
        {
            RelayCore.OnClosed(this);
            lock (Gate) _hasEnded = true;
            await input.CompleteAsync();
            await output.CompleteAsync();
        }
    }

    private void Flush()
    {
        lock (Gate)
        {
            _isWritten = false;
            if (_hasEnded || _flush is not null) return;
            var flush = output.FlushAsync();
            // One that finishes at once has nothing to wait for; otherwise it needs the gate to go on, and finds itself noted.
            var finishing = flush.IsCompletedSuccessfully ? Task.CompletedTask : FinishAsync(flush);
            _flush = finishing.IsCompletedSuccessfully ? null : finishing;
        }
    }

    private async Task FinishAsync(ValueTask<FlushResult> flush)
    {
        while (true)
        {
            var result = await flush;
            lock (Gate)
            {
                if (_hasEnded || result.IsCompleted || output.UnflushedBytes == 0)
                {
                    _flush = null;
                    return;
                }

                flush = output.FlushAsync();
            }
        }
    }
}
