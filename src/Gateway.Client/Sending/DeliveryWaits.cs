namespace Gateway.Client;

/// <summary>Who waits for the double check of which message. Any thread. Bounded: the application asks for each wait.</summary>
internal sealed class DeliveryWaits(IMessageStore store, int limit)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<long, TaskCompletionSource<SendOutcome>> _waits = [];
    private ClientStoppedException? _stopped;

    /// <summary>Completes when the message's delivery has ended; the store is asked, since it may have ended already.</summary>
    public Task<SendOutcome> Watch(long id)
    {
        TaskCompletionSource<SendOutcome>? wait;
        lock (_gate)
        {
            if (_stopped is not null) return Task.FromException<SendOutcome>(_stopped);
            if (_waits.TryGetValue(id, out wait)) return wait.Task;
            if (_waits.Count >= limit) throw new InvalidOperationException($"{limit} deliveries are waited for already, the limit MaxDeliveryWaits.");
            wait = _waits[id] = new TaskCompletionSource<SendOutcome>(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        _ = AskStore(id);
        return wait.Task;
    }

    public void OnStored(SettledMessage message)
    {
        if (!message.Outcome.State.EndsDelivery()) return;
        if (Remove(message.Id) is { } wait) wait.TrySetResult(message.Outcome);
    }

    public void Stop(ClientStoppedException error)
    {
        TaskCompletionSource<SendOutcome>[] waits;
        lock (_gate)
        {
            _stopped = error;
            waits = [.. _waits.Values];
            _waits.Clear();
        }

        foreach (var wait in waits)
        {
            if (wait.TrySetException(error)) _ = wait.Task.Exception; // seen, see OutboxMessage.Stop
        }
    }

    private async Task AskStore(long id)
    {
        try
        {
            var entry = await store.FindAsync(id);
            if (entry is null) Remove(id)?.TrySetException(new InvalidOperationException($"Message {id} is no longer in the history."));
            else OnStored(new SettledMessage(id, entry.Peer, new SendOutcome(entry.State, entry.Reason)));
        }
        catch (Exception e)
        {
            Remove(id)?.TrySetException(e);
        }
    }

    private TaskCompletionSource<SendOutcome>? Remove(long id)
    {
        lock (_gate) return _waits.Remove(id, out var wait) ? wait : null;
    }
}
