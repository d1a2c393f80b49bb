using Gateway.Client;

namespace Gateway.Ctl.Tail;

/// <summary>
/// Decides when a tail ends: after so many messages, or after so long without one while connected. Any thread; <c>_gate</c> guards all.
/// </summary>
internal sealed class TailEnd : IDisposable
{
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private readonly long? _count;
    private readonly TimeSpan? _idle;
    private readonly ITimer _timer;
    private bool _connected;

    /// <param name="count">Messages after which it ends, those of earlier runs included; null: no such end.</param>
    /// <param name="idle">Time without a message after which it ends; null: no such end.</param>
    /// <param name="time">For the latter.</param>
    public TailEnd(long? count, TimeSpan? idle, TimeProvider time)
    {
        _count = count;
        _idle = idle;
        _timer = time.CreateTimer(_ => OnIdle(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Completes when it is time to end.</summary>
    public Task Reached => _reached.Task;

    /// <summary>True when this many messages are enough: the next one is not to be taken.</summary>
    public bool IsEnough(long count) => count >= _count;

    /// <summary>So many messages are safe now.</summary>
    public void OnSafe(long count)
    {
        if (IsEnough(count)) _reached.TrySetResult();
    }

    public void OnMessage()
    {
        lock (_gate) Restart();
    }

    /// <summary>Silence counts only while the node could break it.</summary>
    public void OnState(ClientStateChange change)
    {
        lock (_gate)
        {
            _connected = change.State == ClientState.Connected;
            Restart();
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Restart()
    {
        if (_idle is { } idle) _timer.Change(_connected ? idle : Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    private void OnIdle()
    {
        lock (_gate)
        {
            if (_connected) _reached.TrySetResult();
        }
    }
}
