using Gateway.Client;
using Gateway.Protocol;

namespace Gateway.Ctl.Replay;

/// <summary>
/// Sends the lines of a file, each once over however many runs it takes, and waits until each has its double check. One task; the client
/// calls the tracker from its own threads.
/// </summary>
internal sealed class ReplayRunner(GatewayClient client, ReplayStore store, ReplayTracker tracker, LineReader lines, Address to)
{
    /// <summary>
    /// Lines handed to the outbox and not yet durable there. Below the client's own queue length, so that no hand-over waits and their order is
    /// the file's.
    /// </summary>
    private const int MaxAdding = 128;

    /// <summary>Lines without an outcome: enough to keep the window filled, and no more than the outbox takes without waiting.</summary>
    private const int MaxOpen = 8192;

    /// <summary>Lines without a double check: what a recipient who is away may leave behind.</summary>
    private const int MaxUndelivered = 2_000_000;

    /// <summary>Runs to the end of the file and of the waiting.</summary>
    /// <param name="cancel">Leaves between two lines; another run goes on from there.</param>
    public async Task RunAsync(CancellationToken cancel)
    {
        if (lines.Skip(store.LinesBefore) < store.LinesBefore)
        {
            throw new CtlException(
                ExitCode.Local, $"the file has {lines.Lines} lines, but {store.LinesBefore} of it were sent already: it is not the file that was begun");
        }

        var adding = new Queue<Task<OutboxMessage>>();
        while (lines.Read() is { } line)
        {
            if (adding.Count == MaxAdding) await adding.Dequeue();
            if (tracker.Counts is var c && (c.Open > MaxOpen || c.Undelivered > MaxUndelivered))
                await tracker.WaitAsync(now => now.Open <= MaxOpen / 2 && now.Undelivered <= MaxUndelivered, cancel);
            cancel.ThrowIfCancellationRequested();
            adding.Enqueue(client.SendAsync(to, line, cancellationToken: CancellationToken.None));
        }

        while (adding.TryDequeue(out var last)) await last;
        await tracker.WaitAsync(now => now.Undelivered == 0, cancel);
    }
}
