using Gateway.Client;
using Gateway.Ctl.Messaging;

namespace Gateway.Ctl.Replay;

/// <summary>How a replay stands.</summary>
/// <param name="Sent">Lines in the outbox, this run's and earlier ones'.</param>
/// <param name="Accepted">Of these, with the single check.</param>
/// <param name="Delivered">With the double check.</param>
/// <param name="Failed">That will never have it: refused, rejected, expired, discarded, or outcome unknown.</param>
/// <param name="Open">Without any outcome yet.</param>
internal readonly record struct ReplayCounts(long Sent, long Accepted, long Delivered, long Failed, long Open)
{
    /// <summary>What is waited for.</summary>
    public long Undelivered => Sent - Delivered - Failed;
}

/// <summary>
/// Follows every line of a replay from the outbox to its double check. Each is counted once, by its id, however often its news comes.
/// Any thread; <c>_gate</c> guards all. Memory: an entry for each line without its double check.
/// </summary>
internal sealed class ReplayTracker : IOutboxObserver
{
    private readonly Lock _gate = new();
    private readonly Dictionary<long, MessageState> _waiting = [];
    private readonly HashSet<long> _unknown = [];
    private TaskCompletionSource? _changed;
    private long _sent, _accepted, _delivered, _failed, _open;

    public ReplayCounts Counts
    {
        get
        {
            lock (_gate) return new ReplayCounts(_sent, _accepted, _delivered, _failed, _open);
        }
    }

    /// <summary>A line of an earlier run, as the store has it.</summary>
    public void Restore(long id, MessageState state)
    {
        lock (_gate)
        {
            Add(id);
            if (state == MessageState.Read) Note(id, MessageState.Accepted); // nothing is read that was not accepted
            if (state != MessageState.Open) Note(id, state);
        }
    }

    public void OnAdded(IReadOnlyList<OutboxEntry> entries)
    {
        lock (_gate)
        {
            foreach (var entry in entries) Add(entry.Id);
        }

        Wake();
    }

    public void OnOutcome(long id, SendOutcome outcome)
    {
        lock (_gate) Note(id, outcome.State);
        Wake();
    }

    /// <summary>Completes when the counts are as wanted.</summary>
    public async Task WaitAsync(Func<ReplayCounts, bool> wanted, CancellationToken cancel)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (wanted(new ReplayCounts(_sent, _accepted, _delivered, _failed, _open))) return;
                changed = (_changed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            await changed.WaitAsync(cancel);
        }
    }

    private void Add(long id)
    {
        _waiting.Add(id, MessageState.Open);
        _sent++;
        _open++;
    }

    private void Note(long id, MessageState state)
    {
        if (_unknown.Contains(id))
        {
            // The receipt of a message whose acceptance was never heard settles it after all.
            if (state is not (MessageState.Delivered or MessageState.Read)) return;
            _unknown.Remove(id);
            _failed--;
            _accepted++;
            _delivered++;
            return;
        }

        if (!_waiting.TryGetValue(id, out var current) || !current.MayBecome(state)) return;
        if (current == MessageState.Open)
        {
            _open--;
            if (new SendOutcome(state).IsAccepted) _accepted++;
        }

        if (state == MessageState.Accepted)
        {
            _waiting[id] = state;
            return;
        }

        _waiting.Remove(id);
        if (state is MessageState.Delivered or MessageState.Read) _delivered++;
        else _failed++;
        if (state == MessageState.OutcomeUnknown) _unknown.Add(id);
    }

    private void Wake()
    {
        TaskCompletionSource? changed;
        lock (_gate)
        {
            changed = _changed;
            _changed = null;
        }

        changed?.TrySetResult();
    }
}
