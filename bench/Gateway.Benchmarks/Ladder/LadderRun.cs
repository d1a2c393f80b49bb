using System.Diagnostics;
using System.Globalization;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Ladder;

/// <param name="Rounds">Each measures every rung under every load once, after <see cref="FirstWarmups"/> warm-ups where the server was just started.</param>
/// <param name="Rungs">Chosen, in the ladder's order.</param>
/// <param name="Loads">Chosen.</param>
internal sealed record LadderSettings(RoundSettings Rounds, IReadOnlyList<Rung> Rungs, IReadOnlyList<Load> Loads)
{
    /// <summary>The runtime compiles what is hot a second time while it runs, and a node touches its log's memory for the first time.</summary>
    public const int FirstWarmups = 3;
}

/// <summary>
/// Goes through the rounds. In each, every rung is started anew and stays up for the round; under each load they are measured one after
/// another, beginning with another one each round, so that what drifts on the machine meets all of them alike.
/// </summary>
internal sealed class LadderRun(LadderSettings settings, TextWriter progress) : IMeasurement
{
    private readonly List<Sample> _samples = [];
    private readonly HashSet<RungServer> _warm = [];

    /// <summary>The C rungs; everything else was built with this program.</summary>
    public async Task PrepareAsync(CancellationToken stop)
    {
        if (settings.Rungs.All(r => r.Kind != RungKind.C)) return;
        using var build = Process.Start(new ProcessStartInfo("bash", [BenchPaths.BuildScript]) { RedirectStandardError = true })!;
        var errors = await build.StandardError.ReadToEndAsync(stop);
        await build.WaitForExitAsync(stop);
        if (build.ExitCode != 0) throw new MeasuringException(errors.Trim());
    }

    public async Task<bool> RunAsync(string dataFolder, CancellationToken stop)
    {
        for (var round = 1; round <= settings.Rounds.Count; round++)
        {
            var servers = new List<RungServer>();
            try
            {
                foreach (var rung in settings.Rungs)
                    servers.Add(await RungServer.StartAsync(rung, Path.Combine(dataFolder, rung.Name), stop));
                foreach (var load in settings.Loads) await MeasureAsync(servers, load, round, dataFolder, stop);
            }
            finally
            {
                foreach (var server in servers) await server.DisposeAsync();
            }
        }

        return _samples.All(s => s.AddsUp);
    }

    public string MarkdownOf(RunFacts facts) => LadderReport.MarkdownOf(facts, settings, _samples);

    public string JsonOf(RunFacts facts) => LadderReport.JsonOf(facts, settings, _samples);

    private async Task MeasureAsync(List<RungServer> servers, Load load, int round, string dataFolder, CancellationToken stop)
    {
        var bearers = servers.FindAll(s => s.Rung.Bears(load));
        for (var i = 0; i < bearers.Count; i++)
        {
            stop.ThrowIfCancellationRequested();
            var server = bearers[(i + round - 1) % bearers.Count];
            var warmup = settings.Rounds.Warmup * (_warm.Add(server) ? LadderSettings.FirstWarmups : 1);
            var sample = await LoadEnd.MeasureAsync(server, load, round, settings.Rounds.Time, warmup, stop);
            if (load.Name == Load.LatencyName && sample.BytesPerCommit is { } bytes)
            {
                var (median, p99) = SyncProbe.Run(dataFolder, (int)bytes);
                sample = sample with { ProbeMedian = median, ProbeP99 = p99 };
            }

            _samples.Add(sample);
            Say(sample);
        }
    }

    private void Say(Sample s)
    {
        var faults = s.AddsUp && s.Faults.Length == 0 ? "" : $"  {(s.AddsUp ? "" : "DOES NOT ADD UP ")}{s.Faults}";
        progress.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"round {s.Round}/{settings.Rounds.Count}  {s.Load,-12} {s.Rung,-16} {s.MessagesPerSecond,12:N0}/s {s.ServerCpuUsPerMessage,8:0.00} µs  p50 {s.P50 / 1000.0,7:0.00} ms  p99 {s.P99 / 1000.0,7:0.00} ms  server {s.ServerCores:0.00}  load {s.LoadBusy:0.00}  others {s.OtherCores:0.00}{faults}"));
    }
}
