namespace Gateway.Client;

/// <summary>A message on its way from <c>SendAsync</c> to the store. Whoever comes first has it: the outbox, which claims it, or the caller's cancellation.</summary>
internal sealed class Addition : IDisposable
{
    private readonly TaskCompletionSource<OutboxMessage> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenRegistration _registration;
    private int _taken;

    public Addition(OutboxDraft draft, CancellationToken cancellationToken)
    {
        Draft = draft;
        _registration = cancellationToken.UnsafeRegister(
            static (state, token) =>
            {
                var self = (Addition)state!;
                if (Interlocked.Exchange(ref self._taken, 1) == 0) self._done.TrySetCanceled(token);
            },
            this);
    }

    public OutboxDraft Draft { get; }
    public Task<OutboxMessage> Task => _done.Task;

    /// <summary>False: cancelled before; it must not be stored.</summary>
    public bool TryClaim() => Interlocked.Exchange(ref _taken, 1) == 0;

    public void Complete(OutboxMessage message) => _done.TrySetResult(message);

    public void Fail(Exception error) => _done.TrySetException(error);

    public void Dispose() => _registration.Dispose();
}
