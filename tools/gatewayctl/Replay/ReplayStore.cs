using Gateway.Client;
using Gateway.Ctl.Messaging;
using Gateway.Protocol;

namespace Gateway.Ctl.Replay;

/// <summary>
/// The store of a replay. Opening it finds out, from the messages that are in it, how many lines earlier runs put into the outbox and what
/// became of each; then it begins a run of its own. Nothing else adds messages while it is open.
/// </summary>
internal sealed class ReplayStore(IMessageStore inner, DeviceState state, ReplayTracker tracker, string path, Address peer) : ObservedStore(inner, tracker)
{
    private WorkJournal? _journal;

    /// <summary>Lines in the outbox when this was opened: where the file goes on.</summary>
    public long LinesBefore { get; private set; }

    public override async Task<StoreSnapshot> OpenAsync(Address owner, CancellationToken cancellationToken)
    {
        var snapshot = await Inner.OpenAsync(owner, cancellationToken);
        var journal = _journal = new WorkJournal(state.JournalPath);
        await ReplaySettlement.SettleAsync(journal, Inner);
        foreach (var run in journal.Runs(path, peer))
        {
            long kept = 0;
            await foreach (var entry in ReplaySettlement.SentAsync(Inner, peer, run.After, run.Through!.Value))
            {
                tracker.Restore(entry.Id, entry.State);
                kept++;
            }

            if (kept != run.Lines)
                throw new CtlException(ExitCode.Local, $"the history holds {kept} of {run.Lines} lines sent before: how those ended cannot be told any more");
            LinesBefore += run.Lines;
        }

        journal.Begin(path, peer, await ReplaySettlement.NewestIdAsync(Inner));
        return snapshot;
    }

    /// <summary>Every line has its end: another replay of the same file begins anew.</summary>
    public void Forget() => _journal!.Forget(path, peer);

    public override async ValueTask DisposeAsync()
    {
        _journal?.Dispose();
        await base.DisposeAsync();
    }
}
