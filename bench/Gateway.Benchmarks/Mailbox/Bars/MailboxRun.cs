using System.Diagnostics;
using System.Globalization;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>Goes through the trials, one after another, each through all its rounds: what a ratio compares lies within a round.</summary>
internal sealed class MailboxRun(MailboxSettings settings, TextWriter progress) : IMeasurement
{
    private readonly List<Reading> _readings = [];
    private readonly List<string> _faults = [];
    private readonly IReadOnlyList<Trial> _trials = [.. Trial.All().Where(t => settings.Only.Count == 0 || settings.Only.Contains(t.Name))];
    private readonly List<double> _otherCores = [];

    public Task PrepareAsync(CancellationToken stop) => Task.CompletedTask;

    public async Task<bool> RunAsync(string dataFolder, CancellationToken stop)
    {
        foreach (var trial in _trials)
        {
            var (before, own, begun) = (CpuClock.Now(), Environment.CpuUsage.TotalTime, Stopwatch.GetTimestamp());
            // A thread of its own: a partition has one owner.
            await Task.Factory.StartNew(() => Run(trial, Path.Combine(dataFolder, trial.Name), stop), stop, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            var after = CpuClock.Now();
            var ours = (Environment.CpuUsage.TotalTime - own).TotalSeconds + after.Children - before.Children;
            _otherCores.Add(Math.Max(0, after.Busy - before.Busy - ours + after.Stolen - before.Stolen) / Stopwatch.GetElapsedTime(begun).TotalSeconds);
        }

        return _faults.Count == 0;
    }

    public string MarkdownOf(RunFacts facts) => new MailboxReport(facts, settings, _trials, _readings, _faults, _otherCores).Markdown();

    public string JsonOf(RunFacts facts) => new MailboxReport(facts, settings, _trials, _readings, _faults, _otherCores).Json();

    /// <summary>What does not add up ends its trial and is told; the others go on.</summary>
    private void Run(Trial trial, string folder, CancellationToken stop)
    {
        Directory.CreateDirectory(folder);
        try
        {
            using (trial)
            {
                trial.Prepare(folder, settings);
                for (var round = 1; round <= Math.Min(settings.Rounds.Count, trial.MostRounds); round++)
                {
                    stop.ThrowIfCancellationRequested();
                    var first = _readings.Count;
                    trial.Measure(round, new Readings(trial.Name, round, _readings), stop);
                    progress.WriteLine($"{trial.Name} {round}: " + string.Join("  ", _readings[first..].Select(r => string.Create(CultureInfo.InvariantCulture, $"{r.Figure} {r.Value:G4}"))));
                }
            }
        }
        catch (MeasuringException e)
        {
            _faults.Add($"{trial.Name}: {e.Message}");
            progress.WriteLine($"{trial.Name} DOES NOT ADD UP: {e.Message}");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
