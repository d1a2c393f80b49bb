using System.Threading.Channels;
using Gateway.Client;
using Gateway.Ctl.Messaging;
using Gateway.Protocol;

namespace Gateway.Ctl.Tail;

/// <summary>
/// The store of a tail with a file: a message is recorded once it is durable in the file, and only what is recorded is acknowledged. One
/// task takes what has queued up, makes it durable together, and hands it on in order. Journal and file are touched only once the device's
/// store is open, whose lock keeps other processes out.
/// </summary>
/// <param name="inner">Where the device's position and history are kept.</param>
/// <param name="state">Names the journal.</param>
/// <param name="path">The file, absolute.</param>
/// <param name="safe">Called with the number of messages in the file after each that is durable there and in the store.</param>
internal sealed class TailStore(IMessageStore inner, DeviceState state, string path, Action<long> safe) : ForwardingStore(inner)
{
    private const int MaxBatch = 512;

    private readonly Channel<Entry> _queue = Channel.CreateBounded<Entry>(new BoundedChannelOptions(2 * MaxBatch) { SingleReader = true });
    private WorkJournal? _journal;
    private TailFile? _file;
    private Task _writing = Task.CompletedTask;
    private MessageStoreException? _failure;

    /// <summary>Messages in the file when it was opened.</summary>
    public long CountBefore { get; private set; }

    /// <summary>The highest sequence that the file had, or that its device had when the file was begun.</summary>
    public ulong Resume { get; private set; }

    public override async Task<StoreSnapshot> OpenAsync(Address owner, CancellationToken cancellationToken)
    {
        var snapshot = await Inner.OpenAsync(owner, cancellationToken);
        _journal = new WorkJournal(state.JournalPath);
        await ReplaySettlement.SettleAsync(_journal, Inner);
        _file = new TailFile(path, _journal, snapshot.Position);
        Resume = _file.Mark.Sequence;
        CountBefore = _file.Mark.Count;
        _writing = Task.Run(() => WriteAsync(_file), CancellationToken.None);
        return snapshot;
    }

    public override Task RecordMessageAsync(ReceivedMessage message, MessageState state) =>
        QueueAsync(new Entry(message.Sequence, message.Body, async () =>
        {
            await Inner.RecordMessageAsync(message, state);
            return [];
        }));

    /// <summary>Queued with the messages, so that the position does not pass one that is not in the file.</summary>
    public override Task<IReadOnlyList<SettledMessage>> RecordReceiptAsync(ReceivedReceipt receipt) =>
        QueueAsync(new Entry(0, default, () => Inner.RecordReceiptAsync(receipt)));

    public override async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _writing;
        _file?.Dispose();
        _journal?.Dispose();
        await base.DisposeAsync();
    }

    private async Task<IReadOnlyList<SettledMessage>> QueueAsync(Entry entry)
    {
        // The channel seats those who wait for room in the order of the calls.
        await _queue.Writer.WriteAsync(entry);
        return await entry.Done.Task;
    }

    private async Task WriteAsync(TailFile file)
    {
        var batch = new List<Entry>(MaxBatch);
        while (await _queue.Reader.WaitToReadAsync())
        {
            while (batch.Count < MaxBatch && _queue.Reader.TryRead(out var entry)) batch.Add(entry);
            try
            {
                // After a failure the file may end in half a line, which the next start cuts off: nothing more is written behind it.
                if (_failure is not null) throw _failure;
                foreach (var entry in batch)
                {
                    if (entry.Sequence != 0) file.Add(entry.Sequence, entry.Body.Span);
                }

                file.Commit();
                var count = file.Mark.Count;
                foreach (var entry in batch) _ = HandOnAsync(entry, count);
            }
            catch (Exception e)
            {
                _failure ??= new MessageStoreException($"{path}: cannot be written: {e.Message}", e);
                foreach (var entry in batch) entry.Done.TrySetException(_failure);
            }

            batch.Clear();
        }
    }

    private async Task HandOnAsync(Entry entry, long count)
    {
        try
        {
            entry.Done.TrySetResult(await entry.Record());
            safe(count);
        }
        catch (Exception e)
        {
            entry.Done.TrySetException(e);
        }
    }

    /// <param name="Sequence">0: a receipt, which the file does not show.</param>
    /// <param name="Body">The message's.</param>
    /// <param name="Record">Hands it on; called in order.</param>
    private sealed record Entry(ulong Sequence, ReadOnlyMemory<byte> Body, Func<Task<IReadOnlyList<SettledMessage>>> Record)
    {
        public TaskCompletionSource<IReadOnlyList<SettledMessage>> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
