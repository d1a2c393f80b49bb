using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Gateway.Tests.Repository;

namespace Gateway.Tests.Server;

/// <summary>A built program run as a child, with its lines collected. Ends with the test.</summary>
internal sealed class ChildProcess : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();
    private readonly Lock _gate = new();
    private readonly List<(string Text, TaskCompletionSource Seen)> _waits = [];

    private ChildProcess(Process process) => _process = process;

    public string Output => Read(_output);
    public string Errors => Read(_errors);

    /// <param name="project">As in src/Gateway.Server.</param>
    /// <param name="assembly">As in gateway.</param>
    /// <param name="folder">The working folder.</param>
    /// <param name="arguments">Split at blanks.</param>
    /// <param name="variables">Added to the environment.</param>
    public static ChildProcess Start(string project, string assembly, string folder, string arguments, params (string Name, string Text)[] variables)
    {
        var configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        var start = new ProcessStartInfo("dotnet")
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(RepositoryRoot.File(project, "bin", configuration, "net10.0", $"{assembly}.dll"));
        foreach (var argument in arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries)) start.ArgumentList.Add(argument);
        foreach (var (name, text) in variables) start.Environment[name] = text;

        var child = new ChildProcess(new Process { StartInfo = start });
        child._process.OutputDataReceived += (_, e) => child.OnLine(child._output, e.Data);
        child._process.ErrorDataReceived += (_, e) => child.OnLine(child._errors, e.Data);
        child._process.Start();
        child._process.BeginOutputReadLine();
        child._process.BeginErrorReadLine();
        return child;
    }

    /// <summary>Completes when the output or the error stream holds the text; throws when the program ends before.</summary>
    public async Task SeenAsync(string text)
    {
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (Contains(text)) return;
            _waits.Add((text, seen));
        }

        var exited = _process.WaitForExitAsync();
        await Task.WhenAny(seen.Task, exited).WaitAsync(Deadline);
        lock (_gate)
        {
            if (!Contains(text)) throw new InvalidOperationException($"The program ended without '{text}'.\n{_output}\n{_errors}");
        }
    }

    public void Signal(int signal)
    {
        if (Kill(_process.Id, signal) != 0) throw new InvalidOperationException($"kill: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>Waits for the end, with all lines read; returns the exit code.</summary>
    public async Task<int> ExitAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Deadline);
        return _process.ExitCode;
    }

    public void Type(string line) => _process.StandardInput.WriteLine(line);

    public void EndInput() => _process.StandardInput.Close();

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private void OnLine(StringBuilder text, string? line)
    {
        if (line is null) return;
        lock (_gate)
        {
            text.Append(line).Append('\n');
            foreach (var (wanted, seen) in _waits)
            {
                if (Contains(wanted)) seen.TrySetResult();
            }
        }
    }

    private bool Contains(string text) =>
        _output.ToString().Contains(text, StringComparison.Ordinal) || _errors.ToString().Contains(text, StringComparison.Ordinal);

    private string Read(StringBuilder text)
    {
        lock (_gate) return text.ToString();
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int process, int signal);
}
