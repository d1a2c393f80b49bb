using System.Globalization;

namespace Gateway.Benchmarks.Ladder;

/// <param name="Rounds">Each measures every rung under every load once.</param>
/// <param name="Time">Of a measurement.</param>
/// <param name="Warmup">Before it, under the same load; <see cref="FirstWarmups"/> times that before the first of a server that was just started.</param>
/// <param name="Rungs">Chosen, in the ladder's order.</param>
/// <param name="Loads">Chosen.</param>
/// <param name="DataFolder">On a real disk: the nodes' data and the probe's file go there for a round at a time.</param>
internal sealed record LadderSettings(
    int Rounds, TimeSpan Time, TimeSpan Warmup, IReadOnlyList<Rung> Rungs, IReadOnlyList<Load> Loads, string DataFolder)
{
    /// <summary>The runtime compiles what is hot a second time while it runs, and a node touches its log's memory for the first time.</summary>
    public const int FirstWarmups = 3;
}

/// <summary>
/// Goes through the rounds. In each, every rung is started anew and stays up for the round; under each load they are measured one after
/// another, beginning with another one each round, so that what drifts on the machine meets all of them alike.
/// </summary>
internal sealed class LadderRun(LadderSettings settings, TextWriter progress)
{
    private readonly List<Sample> _samples = [];
    private readonly HashSet<RungServer> _warm = [];

    public async Task<IReadOnlyList<Sample>> RunAsync(CancellationToken stop)
    {
        for (var round = 1; round <= settings.Rounds; round++)
        {
            var servers = new List<RungServer>();
            try
            {
                foreach (var rung in settings.Rungs)
                    servers.Add(await RungServer.StartAsync(rung, Path.Combine(settings.DataFolder, rung.Name), stop));
                foreach (var load in settings.Loads) await MeasureAsync(servers, load, round, stop);
            }
            finally
            {
                foreach (var server in servers) await server.DisposeAsync();
            }
        }

        return _samples;
    }

    private async Task MeasureAsync(List<RungServer> servers, Load load, int round, CancellationToken stop)
    {
        var bearers = servers.FindAll(s => s.Rung.Bears(load));
        for (var i = 0; i < bearers.Count; i++)
        {
            stop.ThrowIfCancellationRequested();
            var server = bearers[(i + round - 1) % bearers.Count];
            var warmup = settings.Warmup * (_warm.Add(server) ? LadderSettings.FirstWarmups : 1);
            var sample = await LoadEnd.MeasureAsync(server, load, round, settings.Time, warmup, stop);
            if (load.Name == Load.LatencyName && sample.BytesPerCommit is { } bytes)
            {
                var (median, p99) = SyncProbe.Run(settings.DataFolder, (int)bytes);
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
            $"round {s.Round}/{settings.Rounds}  {s.Load,-12} {s.Rung,-16} {s.MessagesPerSecond,12:N0}/s {s.ServerCpuUsPerMessage,8:0.00} µs  p50 {s.P50 / 1000.0,7:0.00} ms  p99 {s.P99 / 1000.0,7:0.00} ms  server {s.ServerCores:0.00}  load {s.LoadBusy:0.00}  others {s.OtherCores:0.00}{faults}"));
    }
}
