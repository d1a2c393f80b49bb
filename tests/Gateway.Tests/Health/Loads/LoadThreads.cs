namespace Gateway.Tests.Health.Loads;

/// <summary>
/// Steps that are repeated until all is stopped, each on a thread of its own. Disposing ends them after their step; whoever closes the connections they
/// use does that between <see cref="Stop"/> and then, so that none waits for a node that is gone. Any thread.
/// </summary>
internal sealed class LoadThreads : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _steps = [];

    public CancellationToken Stopped => _stop.Token;

    /// <summary>A step that failed although nothing was stopped; null without one.</summary>
    public Exception? Failure
    {
        get
        {
            lock (_steps) return _steps.Select(s => s.Exception).OfType<Exception>().FirstOrDefault();
        }
    }

    public void Repeat(Action step)
    {
        var task = Task.Factory.StartNew(
            () =>
            {
                try
                {
                    while (!_stop.IsCancellationRequested) step();
                }
                catch (Exception) when (_stop.IsCancellationRequested)
                {
                    // Its connection was closed under it.
                }
            },
            TaskCreationOptions.LongRunning);
        lock (_steps) _steps.Add(task);
    }

    /// <summary>Returns early when all is stopped.</summary>
    public void Pause(TimeSpan time) => _stop.Token.WaitHandle.WaitOne(time);

    public void Stop() => _stop.Cancel();

    public void Dispose()
    {
        Stop();
        Task[] steps;
        lock (_steps) steps = [.. _steps];
        Task.WhenAll(steps.Select(s => s.ContinueWith(_ => { }, TaskScheduler.Default))).Wait();
        _stop.Dispose();
    }
}
