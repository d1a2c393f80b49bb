using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Gateway.Tests.Repository;

namespace Gateway.Tests.Programs;

/// <summary>
/// A program of this repository, as built with the tests, running as a child process with its lines collected. Ends with its test, by kill if
/// need be. Any thread; <c>_gate</c> guards what it said.
/// </summary>
internal sealed class ChildProgram : IAsyncDisposable
{
    private const int Sighup = 1;
    private const int Sigterm = 15;

    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    private readonly Process _process;
    private readonly Task _ended;
    private readonly Lock _gate = new();
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();
    private TaskCompletionSource _said = NewSignal();

    private ChildProgram(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, e) => OnLine(_output, e.Data);
        process.ErrorDataReceived += (_, e) => OnLine(_errors, e.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        _ended = process.WaitForExitAsync(); // with every line read
    }

    public int Id => _process.Id;
    public bool HasExited => _process.HasExited;
    public int ExitCode => _process.ExitCode;

    /// <summary>Standard output so far, each line with its end.</summary>
    public string Output => Read(_output);

    /// <summary>Standard error so far, each line with its end.</summary>
    public string Errors => Read(_errors);

    /// <summary>Starts <c>project</c>'s assembly (e.g. "src/Gateway.Server", "gateway") with these arguments.</summary>
    public static ChildProgram Start(string project, string assembly, string workingFolder, params string[] arguments) =>
        Start(project, assembly, workingFolder, arguments, []);

    /// <param name="project">As in src/Gateway.Server.</param>
    /// <param name="assembly">As in gateway.</param>
    /// <param name="workingFolder">Where it runs.</param>
    /// <param name="arguments">One each.</param>
    /// <param name="variables">Added to the environment.</param>
    public static ChildProgram Start(string project, string assembly, string workingFolder, string[] arguments, (string Name, string Text)[] variables) =>
        StartFile("dotnet", workingFolder, [Built(project, $"{assembly}.dll"), .. arguments], variables);

    /// <summary>The path of a file that was built with the tests, e.g. of ("src/Gateway.Server", "gateway.dll").</summary>
    public static string Built(string project, string file) =>
        RepositoryRoot.File(project, "bin", new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name, "net10.0", file);

    /// <summary>Starts any program, found on the PATH when it has no folder.</summary>
    public static ChildProgram StartFile(string program, string workingFolder, string[] arguments, (string Name, string Text)[] variables)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = workingFolder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, text) in variables) start.Environment[name] = text;
        return new ChildProgram(new Process { StartInfo = start });
    }

    /// <summary>Completes when the output or the error stream holds the text; throws when the program ends before.</summary>
    public Task SeenAsync(string text) => HoldsAsync(
        () => Output.Contains(text, StringComparison.Ordinal) || Errors.Contains(text, StringComparison.Ordinal), $"'{text}'", Deadline);

    /// <summary>Waits until a line of standard output satisfies <paramref name="wanted"/>; fails with everything said if the program ends first.</summary>
    public async Task<string> WaitForLineAsync(Func<string, bool> wanted, TimeSpan limit)
    {
        await HoldsAsync(() => Output.Split('\n').Any(wanted), "what was waited for", limit);
        return Output.Split('\n').First(wanted);
    }

    /// <summary>Waits for the end, with all lines read; returns the exit code.</summary>
    public Task<int> WaitForExitAsync() => WaitForExitAsync(Deadline);

    public async Task<int> WaitForExitAsync(TimeSpan limit)
    {
        if (await Task.WhenAny(_ended, Task.Delay(limit)) != _ended) throw new TimeoutException($"Still running after {limit}.\n{Output}\n{Errors}");
        return _process.ExitCode;
    }

    public void WriteLine(string line) => _process.StandardInput.WriteLine(line);

    public void CloseInput() => _process.StandardInput.Close();

    /// <summary>kill -9.</summary>
    public void Kill()
    {
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>SIGTERM.</summary>
    public void Terminate() => Send(Sigterm);

    /// <summary>SIGHUP.</summary>
    public void Reload() => Send(Sighup);

    private void Send(int signal)
    {
        if (Signal(_process.Id, signal) != 0) throw new InvalidOperationException($"kill: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _ended;
        _process.Dispose();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task HoldsAsync(Func<bool> holds, string what, TimeSpan limit)
    {
        using var deadline = new CancellationTokenSource(limit);
        while (true)
        {
            Task said;
            lock (_gate) said = _said.Task;
            var ended = _ended.IsCompleted; // before the look, so that a last line is not missed
            if (holds()) return;
            if (ended) throw new InvalidOperationException($"The program ended with {_process.ExitCode} without {what}.\n{Output}\n{Errors}");
            try
            {
                await Task.WhenAny(said, _ended).WaitAsync(deadline.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"Not within {limit}: {what}.\n{Output}\n{Errors}");
            }
        }
    }

    private void OnLine(StringBuilder text, string? line)
    {
        if (line is null) return;
        TaskCompletionSource said;
        lock (_gate)
        {
            text.Append(line).Append('\n');
            (said, _said) = (_said, NewSignal());
        }

        said.TrySetResult();
    }

    private string Read(StringBuilder text)
    {
        lock (_gate) return text.ToString();
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Signal(int process, int signal);
}
