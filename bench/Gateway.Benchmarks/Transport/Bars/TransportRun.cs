using System.Diagnostics;
using System.Globalization;
using Gateway.Benchmarks.Ladder;
using Gateway.Benchmarks.Reports;
using Gateway.Benchmarks.Rungs;
using Gateway.Transport;

namespace Gateway.Benchmarks.Transport.Bars;

/// <summary>
/// Goes through the rounds; in each the echoes follow one another, beginning with another one each round, and then the shuttles. Ours are
/// reactors of this process, which does nothing else meanwhile, so that what they allocate can be read; C is a process of its own, and so is
/// the load end.
/// </summary>
internal sealed class TransportRun(TransportSettings settings, TextWriter progress) : IMeasurement
{
    private readonly List<EchoSample> _echoes = [];
    private readonly List<ShuttleSample> _shuttles = [];
    private readonly Load _load = new("echo", true, settings.Connections, 1, 64);
    private readonly IReadOnlyList<EchoRung> _rungs = [.. EchoRung.All.Where(r => r.Io != IoBackend.Uring || ReactorGroup.WhyNotUring() is null)];

    public async Task PrepareAsync(CancellationToken stop)
    {
        var (_, errors) = await LoadEnd.RunAsync(new ProcessStartInfo("bash", [LadderPaths.BuildScript]) { RedirectStandardOutput = true, RedirectStandardError = true }, stop);
        if (!File.Exists(LadderPaths.CRung("echo"))) throw new LadderException(errors.Trim());
    }

    public async Task<bool> RunAsync(string dataFolder, CancellationToken stop)
    {
        for (var round = 1; round <= settings.Rounds.Count; round++)
        {
            for (var i = 0; i < _rungs.Count; i++)
            {
                stop.ThrowIfCancellationRequested();
                var rung = _rungs[(i + round - 1) % _rungs.Count];
                var sample = rung.Io is { } io ? await OursAsync(rung, io, round, stop) : await CAsync(rung, round, dataFolder, stop);
                _echoes.Add(sample);
                progress.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"round {round}/{settings.Rounds.Count}  {rung.Name,-12} {sample.EchoesPerSecond,10:N0}/s {sample.CpuUs,6:0.00} µs  {sample.AllocatedPerEcho:0.0000} B  {sample.Collections} collections  others {sample.OtherCores:0.00}{(sample.AddsUp ? "" : "  DOES NOT ADD UP")}"));
            }

            foreach (var shuttle in Shuttle.All(_rungs.Any(r => r.Io == IoBackend.Uring), reversed: round % 2 == 0))
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

    private async Task<EchoSample> CAsync(EchoRung rung, int round, string dataFolder, CancellationToken stop)
    {
        await using var server = await RungServer.StartAsync(EchoRung.Yardstick, Path.Combine(dataFolder, rung.Name), stop);
        var sample = await LoadEnd.MeasureAsync(server, _load, round, settings.Rounds.Time, settings.Rounds.Warmup, stop);
        return SampleOf(rung, sample, 0, 0);
    }

    private async Task<EchoSample> OursAsync(EchoRung rung, IoBackend io, int round, CancellationToken stop)
    {
        using var server = new TransportRung(0, io, reactor => new EchoHandler(reactor), rung.BusyGapMs);
        // Warm: what is compiled again while it runs is compiled now.
        _ = await AskAsync(server, settings.Rounds.Warmup, TimeSpan.FromMilliseconds(100), stop);
        var (allocated, echoed, collections) = (server.Counters.AllocatedBytes, server.Counters.ReceivedBytes, GC.CollectionCount(0));
        var watched = await AskAsync(server, settings.Rounds.Time, settings.Rounds.Warmup, stop);
        var sample = watched.SampleOf(EchoRung.Yardstick, _load, round);
        // Accepting, ending and the turns between are in it, and what C10M did not count.
        var echoes = (server.Counters.ReceivedBytes - echoed) / (double)_load.SizeBytes;
        return SampleOf(rung, sample, (server.Counters.AllocatedBytes - allocated) / Math.Max(1, echoes), GC.CollectionCount(0) - collections) with { Echoes = echoes };
    }

    private Task<LoadEnd.Watched> AskAsync(TransportRung server, TimeSpan time, TimeSpan warmup, CancellationToken stop) => LoadEnd.WatchAsync(
        Environment.ProcessId,
        "an echo",
        [
            .. _load.Arguments, "--target", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{server.Port}"), "--time", LoadEnd.Text(time),
            "--warmup", LoadEnd.Text(warmup), "--server-pid", Environment.ProcessId.ToString(CultureInfo.InvariantCulture),
        ],
        stop);

    private static EchoSample SampleOf(EchoRung rung, Sample s, double allocated, int collections) => new(
        s.Round, rung.Name, s.AddsUp && s.Faults.Length == 0, s.MessagesPerSecond, s.ServerCpuUsPerMessage, allocated, collections, s.MessagesPerSecond * s.MeasuredSeconds, s.OtherCores + s.StolenCores);
}
