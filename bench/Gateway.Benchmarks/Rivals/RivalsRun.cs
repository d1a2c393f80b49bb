using System.Diagnostics;
using System.Globalization;
using Gateway.Benchmarks.Ladder;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Rivals;

/// <param name="Rounds">Each measures every rival under every load and its idle connections once.</param>
/// <param name="Loads">Of the ladder's relays.</param>
/// <param name="IdleSizes">Numbers of idle connections, rising; even.</param>
/// <param name="Rest">Of idle connections before the server's memory is read: buffers go back and Erlang's processes are collected within it.</param>
internal sealed record RivalsSettings(RoundSettings Rounds, IReadOnlyList<Load> Loads, IReadOnlyList<int> IdleSizes, TimeSpan Rest);

/// <summary>One relay measured: what the ladder notes of a rung, and what only this comparison needs.</summary>
/// <param name="Of">The ladder's part.</param>
/// <param name="LoadCpuUsPerMessage">Of the load end.</param>
/// <param name="MemoryBefore">Pss + SwapPss of all the server's processes before the first connection, bytes.</param>
/// <param name="MemoryAfter">The same at the end of sending.</param>
internal sealed record RivalSample(Sample Of, double LoadCpuUsPerMessage, long MemoryBefore, long MemoryAfter);

/// <summary>What idle connections of one server of one round cost: its memory at each size, bytes.</summary>
internal sealed record IdleSample(string Rival, int Round, bool AddsUp, IReadOnlyList<int> Connections, IReadOnlyList<long> Memory)
{
    /// <summary>Of the least-squares line through the sizes.</summary>
    public double BytesPerConnection
    {
        get
        {
            var (x, y) = (Connections.Average(), Memory.Average());
            var over = Connections.Zip(Memory, (c, m) => (c - x) * (m - y)).Sum();
            return over / Connections.Sum(c => (c - x) * (c - x));
        }
    }
}

/// <summary>
/// Goes through the rounds. In each, every rival is started anew; under each load they are measured one after another, beginning with another
/// one each round. Then each is started anew once more, alone, and holds more and more connections that have exchanged one message each way.
/// </summary>
internal sealed class RivalsRun(RivalsSettings settings, TextWriter progress) : IMeasurement
{
    private readonly List<RivalSample> _samples = [];
    private readonly List<IdleSample> _idle = [];

    /// <summary>Of the rivals' packages.</summary>
    private string _versions = "";

    /// <summary>Installs the rivals if they are missing.</summary>
    public async Task PrepareAsync(CancellationToken stop)
    {
        using var install = Process.Start(Path.Combine(BenchPaths.Root, "bench", "rivals", "install.sh"));
        await install.WaitForExitAsync(stop);
        if (install.ExitCode != 0) throw new MeasuringException("bench/rivals/install.sh failed; what it said stands above");
        var query = new ProcessStartInfo("dpkg-query", ["-W", "-f", "${Package} ${Version}; ", "ejabberd", "mosquitto"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        var (versions, _) = await LoadEnd.RunAsync(query, stop);
        _versions = versions.TrimEnd(' ', ';');
    }

    public async Task<bool> RunAsync(string dataFolder, CancellationToken stop)
    {
        for (var round = 1; round <= settings.Rounds.Count; round++)
        {
            await RelayAsync(round, dataFolder, stop);
            for (var i = 0; i < Rival.All.Count; i++) await HoldAsync(Rival.All[(i + round - 1) % Rival.All.Count], round, dataFolder, stop);
        }

        return _samples.All(s => s.Of.AddsUp) && _idle.All(s => s.AddsUp);
    }

    public string MarkdownOf(RunFacts facts) => RivalsReport.MarkdownOf(facts, _versions, settings, _samples, _idle);

    public string JsonOf(RunFacts facts) => RivalsReport.JsonOf(facts, _versions, settings, _samples, _idle);

    private async Task RelayAsync(int round, string dataFolder, CancellationToken stop)
    {
        var servers = new List<RivalServer>();
        try
        {
            var accounts = settings.Loads.Max(l => 2 * l.Senders);
            foreach (var rival in Rival.All) servers.Add(await RivalServer.StartAsync(rival, Path.Combine(dataFolder, rival.Name), accounts, lean: false, stop));
            foreach (var load in settings.Loads)
            {
                for (var i = 0; i < servers.Count; i++) await MeasureAsync(servers[(i + round - 1) % servers.Count], load, round, stop);
            }
        }
        finally
        {
            foreach (var server in servers) await server.DisposeAsync();
        }
    }

    private async Task MeasureAsync(RivalServer server, Load load, int round, CancellationToken stop)
    {
        var watched = await LoadEnd.WatchAsync(
            server.Id, server.Rival.Name,
            [.. load.Arguments, "--time", LoadEnd.Text(settings.Rounds.Time), "--warmup", LoadEnd.Text(settings.Rounds.Warmup), .. server.Target], stop);
        var json = watched.Json;
        var sample = watched.SampleOf(server.Rival.AsRung, load, round);
        _samples.Add(new RivalSample(
            sample, LoadEnd.Number(json, "load_cpu_seconds") * 1e6 / Math.Max(1, LoadEnd.Number(json, "measured_messages")),
            (long)LoadEnd.Number(json, "server_memory_before_bytes"), (long)LoadEnd.Number(json, "server_memory_bytes")));
        var faults = sample.AddsUp && sample.Faults.Length == 0 ? "" : $"  {(sample.AddsUp ? "" : "DOES NOT ADD UP ")}{sample.Faults}";
        progress.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"round {round}/{settings.Rounds.Count}  {load.Name,-8} {server.Rival.Name,-10} {sample.MessagesPerSecond,10:N0}/s {sample.ServerCpuUsPerMessage,8:0.00} µs  p50 {sample.P50 / 1000.0,7:0.00} ms  p99 {sample.P99 / 1000.0,7:0.00} ms  server {sample.ServerCores:0.00}  load {sample.LoadBusy:0.00}  others {sample.OtherCores:0.00}{faults}"));
    }

    /// <summary>
    /// Few connections exchange messages first: code and buffers, and the gateway's lean log, are then in use. The sizes rise, so that what a
    /// server keeps of a smaller one is used again by the next.
    /// </summary>
    private async Task HoldAsync(Rival rival, int round, string dataFolder, CancellationToken stop)
    {
        var accounts = Math.Max(settings.IdleSizes[^1], 2 * settings.Loads[0].Senders);
        await using var server = await RivalServer.StartAsync(rival, Path.Combine(dataFolder, rival.Name), accounts, lean: true, stop);
        var memory = new List<long>();
        var addsUp = LoadEnd.Number(await LoadEnd.AskAsync(rival.Name, [.. settings.Loads[0].Arguments, "--time", LoadEnd.Text(settings.Rounds.Time), .. server.Target], stop), "exit_code") == 0;
        foreach (var size in settings.IdleSizes)
        {
            var json = await LoadEnd.AskAsync(rival.Name, ["connect", "--connections", size.ToString(CultureInfo.InvariantCulture), "--exchange", "1", "--hold", LoadEnd.Text(settings.Rest), .. server.Target], stop);
            addsUp &= LoadEnd.Number(json, "exit_code") == 0 && LoadEnd.Number(json, "alive") == size;
            memory.Add((long)LoadEnd.Number(json, "server_memory_bytes"));
        }

        var sample = new IdleSample(rival.Name, round, addsUp, settings.IdleSizes, memory);
        _idle.Add(sample);
        progress.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"round {round}/{settings.Rounds.Count}  idle     {rival.Name,-10} {sample.BytesPerConnection,10:N0} bytes a connection{(addsUp ? "" : "  DOES NOT ADD UP")}"));
    }
}
