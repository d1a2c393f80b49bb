using Microsoft.VisualStudio.TestPlatform.ObjectModel;
using Microsoft.VisualStudio.TestPlatform.ObjectModel.Client;
using Microsoft.VisualStudio.TestPlatform.ObjectModel.Logging;

namespace Gateway.TestLogger;

/// <summary>
/// Closes a test run with one plain line, <c>N passed, N failed</c>, preceded by the reason of every skipped test,
/// so that a person and a build server read the same verdict. VSTest finds it by the assembly's name (*.TestLogger.dll)
/// and the test project asks for it by its friendly name.
/// </summary>
[FriendlyName("tally")]
[ExtensionUri("logger://gateway/tally")]
public sealed class TallyLogger : ITestLogger
{
    private readonly Lock _gate = new();
    private readonly List<string> _skips = [];
    private int _passed;
    private int _failed;
    private int _skipped;

    public void Initialize(TestLoggerEvents events, string testRunDirectory)
    {
        ArgumentNullException.ThrowIfNull(events);
        events.TestResult += OnTestResult;
        events.TestRunComplete += OnRunComplete;
    }

    private void OnTestResult(object? sender, TestResultEventArgs e)
    {
        lock (_gate)
        {
            switch (e.Result.Outcome)
            {
                case TestOutcome.Passed: _passed++; break;
                case TestOutcome.Skipped:
                    _skipped++;
                    var message = e.Result.ErrorMessage ?? e.Result.Messages.FirstOrDefault()?.Text ?? "no reason given";
                    _skips.Add($"skipped: {e.Result.TestCase.FullyQualifiedName}: {message.Trim()}");
                    break;
                default: _failed++; break;
            }
        }
    }

    private void OnRunComplete(object? sender, TestRunCompleteEventArgs e)
    {
        lock (_gate)
        {
            // A crashed or aborted host reports no failed test; the tally must not read as a clean run.
            if (e.IsAborted || e.Error is not null) _failed++;
        }

        // At exit, so that it is the last line: the console logger writes its own summary after this event.
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Close();
    }

    private void Close()
    {
        foreach (var skip in _skips) Console.WriteLine(skip);
        Console.WriteLine(_skipped == 0
            ? $"{_passed} passed, {_failed} failed"
            : $"{_passed} passed, {_failed} failed, {_skipped} skipped");
    }
}
