using System.Diagnostics;
using System.Globalization;
using Gateway.Benchmarks.Ladder;
using Gateway.Benchmarks.Reports;
using Gateway.Transport;

namespace Gateway.Benchmarks.Transport.Bars;

/// <summary>
/// Goes through the rounds; in each the echoes follow one another, each a process of its own, beginning with another one each round, and then
/// the shuttles, in this process.
/// </summary>
internal sealed class TransportRun(TransportSettings settings, TextWriter progress) : IMeasurement
{
    private readonly List<EchoSample> _echoes = [];
    private readonly List<ShuttleSample> _shuttles = [];
    private readonly Load _load = new("echo", true, settings.Connections, 1, 64);
    private readonly IReadOnlyList<EchoRung> _rungs = [.. EchoRung.All.Where(r => settings.Echoes).Where(r => r.Io != IoBackend.Uring || ReactorGroup.WhyNotUring() is null)];

    public async Task PrepareAsync(CancellationToken stop)
    {
        var (_, errors) = await LoadEnd.RunAsync(new ProcessStartInfo("bash", [BenchPaths.BuildScript]) { RedirectStandardOutput = true, RedirectStandardError = true }, stop);
        if (!File.Exists(BenchPaths.CRung("echo"))) throw new MeasuringException(errors.Trim());
    }

    public async Task<bool> RunAsync(string dataFolder, CancellationToken stop)
    {
        for (var round = 1; round <= settings.Rounds.Count; round++)
        {
            for (var i = 0; i < _rungs.Count; i++)
            {
                stop.ThrowIfCancellationRequested();
                var rung = _rungs[(i + round - 1) % _rungs.Count];
                var sample = await MeasureAsync(rung, round, dataFolder, stop);
                _echoes.Add(sample);
                progress.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"round {round}/{settings.Rounds.Count}  {rung.Name,-12} {sample.EchoesPerSecond,10:N0}/s {sample.CpuUs,6:0.00} µs  {sample.AllocatedPerEcho:0.0000} B  {sample.Collections} collections  others {sample.OtherCores:0.00}{(sample.AddsUp ? "" : "  DOES NOT ADD UP")}"));
            }

            foreach (var shuttle in Shuttle.All(ReactorGroup.WhyNotUring() is null, reversed: round % 2 == 0))
            {
                stop.ThrowIfCancellationRequested();
                var sample = shuttle.Measure(round, settings.Rounds.Time);
                _shuttles.Add(sample);
                progress.WriteLine(string.Create(
                    CultureInfo.InvariantCulture, $"round {round}/{settings.Rounds.Count}  {sample.Name,-20} {sample.PerSecond,10:N0}/s {sample.CpuUs,6:0.00} µs"));
            }
        }

        return _echoes.All(s => s.AddsUp);
    }

    public string MarkdownOf(RunFacts facts) => TransportReport.MarkdownOf(facts, settings, _rungs, _echoes, _shuttles);

    public string JsonOf(RunFacts facts) => TransportReport.JsonOf(facts, settings, _echoes, _shuttles);

    private async Task<EchoSample> MeasureAsync(EchoRung rung, int round, string dataFolder, CancellationToken stop)
    {
        var folder = Path.Combine(dataFolder, rung.Name);
        if (rung.Io is not { } io)
        {
            await using var c = await RungServer.StartAsync(rung.Program, folder, stop);
            return SampleOf(rung, await LoadEnd.MeasureAsync(c, _load, round, settings.Rounds.Time, settings.Rounds.Warmup, stop), default, default);
        }

        await using var server = await RungServer.StartAsync(
            rung.Program, folder, stop, "--io", io.ToString(), "--busy-gap", rung.BusyGapMs.ToString(CultureInfo.InvariantCulture));
        // What is compiled a second time while it runs is compiled now.
        _ = await LoadEnd.MeasureAsync(server, _load, round, settings.Rounds.Warmup, TimeSpan.FromMilliseconds(100), stop);
        var measuring = LoadEnd.MeasureAsync(server, _load, round, settings.Rounds.Time, settings.Rounds.Warmup, stop);
        // The load end takes a moment to start, so that both counts fall between its last connect and its first end: of echoes alone.
        await Task.Delay(settings.Rounds.Warmup, stop);
        var before = await server.CountAsync(stop);
        await Task.Delay(settings.Rounds.Time, stop);
        var after = await server.CountAsync(stop);
        return SampleOf(rung, await measuring, before, after);
    }

    /// <param name="rung">Which.</param>
    /// <param name="s">Of the whole load.</param>
    /// <param name="before">After its connections were there.</param>
    /// <param name="after">Before they went.</param>
    private EchoSample SampleOf(EchoRung rung, Sample s, RungCount before, RungCount after)
    {
        var echoes = (after.Received - before.Received) / (double)_load.SizeBytes;
        return new EchoSample(
            s.Round, rung.Name, s.AddsUp && s.Faults.Length == 0, s.MessagesPerSecond, s.ServerCpuUsPerMessage, (after.Allocated - before.Allocated) / Math.Max(1, echoes),
            after.Collections - before.Collections, echoes, s.OtherCores + s.StolenCores);
    }
}
