using System.Collections.Concurrent;
using System.Diagnostics;
using Gateway.Tests.Repository;

namespace Gateway.Tests.EndToEnd;

/// <summary>A program of this repository, as built with the tests, running as a child process. Ends with its test, by kill if need be.</summary>
internal sealed class ChildProgram : IAsyncDisposable
{
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _output = new();
    private readonly ConcurrentQueue<string> _errors = new();
    private readonly SemaphoreSlim _outputCame = new(0);

    private ChildProgram(Process process) => _process = process;

    public int Id => _process.Id;
    public bool HasExited => _process.HasExited;
    public int ExitCode => _process.ExitCode;
    public string Output => string.Join('\n', _output);
    public string Errors => string.Join('\n', _errors);

    /// <summary>Starts <c>project</c>'s assembly (e.g. "src/Gateway.Server", "gateway") with these arguments.</summary>
    public static ChildProgram Start(string project, string assembly, string workingFolder, params string[] arguments)
    {
        var configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        var start = new ProcessStartInfo("dotnet")
        {
            WorkingDirectory = workingFolder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        start.ArgumentList.Add(RepositoryRoot.File(project, "bin", configuration, "net10.0", assembly + ".dll"));
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        var process = new Process { StartInfo = start, EnableRaisingEvents = true };
        var child = new ChildProgram(process);
        process.OutputDataReceived += (_, e) =>
        {
            if (e.Data is null) return;
            child._output.Enqueue(e.Data);
            child._outputCame.Release();
        };
        process.ErrorDataReceived += (_, e) =>
        {
            if (e.Data is not null) child._errors.Enqueue(e.Data);
        };
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return child;
    }

    /// <summary>Waits until a line of standard output satisfies <paramref name="wanted"/>; fails with everything said if the program ends first.</summary>
    public async Task<string> WaitForLineAsync(Func<string, bool> wanted, TimeSpan limit)
    {
        using var deadline = new CancellationTokenSource(limit);
        while (true)
        {
            var line = _output.FirstOrDefault(wanted);
            if (line is not null) return line;
            if (_process.HasExited && !_output.Any(wanted))
                throw new InvalidOperationException($"The program ended with {_process.ExitCode} before it said what was waited for.\n{Output}\n{Errors}");
            try
            {
                await _outputCame.WaitAsync(TimeSpan.FromMilliseconds(100), deadline.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"Not said within {limit}.\n{Output}\n{Errors}");
            }
        }
    }

    public async Task<int> WaitForExitAsync(TimeSpan limit)
    {
        using var deadline = new CancellationTokenSource(limit);
        try
        {
            await _process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"Still running after {limit}.\n{Output}\n{Errors}");
        }

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
    public void Terminate() => Process.Start("kill", ["-TERM", _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]).WaitForExit();

    public ValueTask DisposeAsync()
    {
        Kill();
        _process.Dispose();
        _outputCame.Dispose();
        return ValueTask.CompletedTask;
    }
}
