using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Gateway.Load.Devices;
using Gateway.Load.Measure;

namespace Gateway.Load.Conduct;

/// <summary>Another process's part of the load. For the conductor's thread; see <see cref="ShardWire"/>.</summary>
internal sealed class WorkerShard : IShard
{
    /// <summary>For a process to answer; it has nothing else to do.</summary>
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(60);

    private readonly Process _process;

    /// <param name="settings">Of this process.</param>
    /// <param name="program">C10M's executable.</param>
    public WorkerShard(LoadSettings settings, string program)
    {
        Fleets = settings.Threads;
        var start = new ProcessStartInfo(program) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };
        start.ArgumentList.Add("worker");
        _process = Process.Start(start) ?? throw new LoadException(ExitCode.Failed, $"{start.FileName} does not start");
        Say(JsonSerializer.Serialize(settings));
    }

    public int Fleets { get; }

    /// <summary>Waits until its reactors run; all processes are started before one is waited for.</summary>
    public void AwaitReady() => _ = Hear(ShardWire.Ready);

    public void Give(Order order) => Say(ShardWire.Order + JsonSerializer.Serialize(order));

    public void CopyTo(LoadSnapshot into)
    {
        Say(ShardWire.Look);
        ShardWire.AddTo(into, Hear("{"));
    }

    public void Dispose()
    {
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended by itself.
        }

        if (!_process.WaitForExit(TimeSpan.FromSeconds(10))) _process.Kill();
        _process.Dispose();
    }

    private void Say(string line)
    {
        try
        {
            _process.StandardInput.WriteLine(line);
            _process.StandardInput.Flush();
        }
        catch (IOException e)
        {
            throw Gone(e);
        }
    }

    private string Hear(string expected)
    {
        var line = _process.StandardOutput.ReadLineAsync();
        if (!line.Wait(AnswerLimit)) throw new LoadException(ExitCode.Failed, string.Create(CultureInfo.InvariantCulture, $"load process {_process.Id} does not answer"));
        if (line.Result is not { } text) throw Gone(null);
        if (text.StartsWith(expected, StringComparison.Ordinal)) return text;
        throw new LoadException(
            text.StartsWith(ShardWire.Failed, StringComparison.Ordinal) ? ExitCode.Usage : ExitCode.Failed,
            text.StartsWith(ShardWire.Failed, StringComparison.Ordinal) ? text[ShardWire.Failed.Length..] : $"a load process said '{text}'");
    }

    private LoadException Gone(Exception? cause) =>
        new(ExitCode.Failed, string.Create(CultureInfo.InvariantCulture, $"load process {_process.Id} has ended; what it said stands above"), cause);
}
