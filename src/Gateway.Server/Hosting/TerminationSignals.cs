using System.Runtime.InteropServices;

namespace Gateway.Server.Hosting;

/// <summary>
/// SIGTERM and SIGINT: the first asks for a drain, the second for the end. Signals arrive on a thread of the runtime; any thread may wait.
/// </summary>
internal sealed class TerminationSignals : IDisposable
{
    private readonly TaskCompletionSource<PosixSignal> _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Action<int> _exitAtOnce;
    private readonly List<PosixSignalRegistration> _registrations = [];
    private int _count;

    /// <param name="exitAtOnce">Called with the exit code at the second signal; does not return in the program.</param>
    public TerminationSignals(Action<int> exitAtOnce) => _exitAtOnce = exitAtOnce;

    /// <summary>Completes with the first signal.</summary>
    public Task<PosixSignal> First => _first.Task;

    /// <summary>From here on the process's default, to end, is replaced.</summary>
    public void Register()
    {
        foreach (var signal in (PosixSignal[])[PosixSignal.SIGTERM, PosixSignal.SIGINT])
        {
            _registrations.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                OnSignal(context.Signal);
            }));
        }
    }

    /// <summary>What a registered signal does; tests call it in the kernel's place.</summary>
    internal void OnSignal(PosixSignal signal)
    {
        if (Interlocked.Increment(ref _count) > 1) _exitAtOnce(ExitCode.SignalBase + NumberOf(signal));
        else _first.TrySetResult(signal);
    }

    // The framework's values are negative names; the kernel's numbers are what a shell shows.
    private static int NumberOf(PosixSignal signal) => signal == PosixSignal.SIGINT ? 2 : 15;

    public void Dispose()
    {
        foreach (var registration in _registrations) registration.Dispose();
    }
}
