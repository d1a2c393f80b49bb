using System.Diagnostics;
using System.Text;

namespace Gateway.PowerLoss.Chain;

/// <summary>A program of this repository, as built beside this one, as a child process. Any thread; ends by kill at the latest when disposed.</summary>
internal sealed class BuiltProgram : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Task _ended;
    private readonly Lock _gate = new();
    private readonly StringBuilder _said = new();

    private BuiltProgram(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, e) => OnLine(e.Data);
        process.ErrorDataReceived += (_, e) => OnLine(e.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        _ended = process.WaitForExitAsync();
    }

    public int Id => _process.Id;
    public bool HasExited => _process.HasExited;
    public int ExitCode => _process.ExitCode;
    public Task Ended => _ended;

    /// <summary>Both streams, line by line.</summary>
    public string Said
    {
        get
        {
            lock (_gate) return _said.ToString();
        }
    }

    /// <param name="project">As in src/Gateway.Server.</param>
    /// <param name="assembly">As in gateway.</param>
    /// <param name="arguments">One each.</param>
    public static BuiltProgram Start(string project, string assembly, params string[] arguments)
    {
        var configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        var path = Path.Combine(RepositoryPath(), project, "bin", configuration, "net10.0", $"{assembly}.dll");
        return new BuiltProgram(new Process
        {
            StartInfo = new ProcessStartInfo("dotnet", [path, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Path.GetTempPath() },
        });
    }

    /// <summary>kill -9.</summary>
    public void Kill()
    {
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _ended;
        _process.Dispose();
    }

    private static string RepositoryPath()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Gateway.sln"))) return folder.FullName;
        }

        throw new InvalidOperationException($"No Gateway.sln above {AppContext.BaseDirectory}: run this from a checkout.");
    }

    private void OnLine(string? line)
    {
        if (line is null) return;
        lock (_gate) _said.Append(line).Append('\n');
    }
}
