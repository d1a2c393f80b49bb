using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Benchmarks.Ladder;

namespace Gateway.Benchmarks.Rivals;

/// <param name="Rounds">Each measures every rival under every load and its idle connections once.</param>
/// <param name="Time">Of a measurement.</param>
/// <param name="Warmup">Before it, under the same load.</param>
/// <param name="Loads">Of the ladder's relays.</param>
/// <param name="IdleSizes">Numbers of idle connections, rising; even.</param>
/// <param name="Rest">Of idle connections before the server's memory is read: buffers go back and Erlang's processes are collected within it.</param>
/// <param name="DataFolder">On a real disk: the servers' data goes there for a round at a time.</param>
internal sealed record RivalsSettings(
    int Rounds, TimeSpan Time, TimeSpan Warmup, IReadOnlyList<Load> Loads, IReadOnlyList<int> IdleSizes, TimeSpan Rest, string DataFolder);

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
internal sealed class RivalsRun(RivalsSettings settings, TextWriter progress)
{
    private readonly List<RivalSample> _samples = [];
    private readonly List<IdleSample> _idle = [];

    public async Task<(IReadOnlyList<RivalSample> Samples, IReadOnlyList<IdleSample> Idle)> RunAsync(CancellationToken stop)
    {
        for (var round = 1; round <= settings.Rounds; round++)
        {
            await RelayAsync(round, stop);
            for (var i = 0; i < Rival.All.Count; i++) await HoldAsync(Rival.All[(i + round - 1) % Rival.All.Count], round, stop);
        }

        return (_samples, _idle);
    }

    private async Task RelayAsync(int round, CancellationToken stop)
    {
        var servers = new List<RivalServer>();
        try
        {
            var accounts = settings.Loads.Max(l => 2 * l.Senders);
            foreach (var rival in Rival.All) servers.Add(await RivalServer.StartAsync(rival, Path.Combine(settings.DataFolder, rival.Name), accounts, lean: false, stop));
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
        var serverBefore = CpuClock.OfProcess(server.Id);
        var before = CpuClock.Now();
        var begun = Stopwatch.GetTimestamp();
        var json = await LoadAsync(server, [.. load.Arguments, "--time", Text(settings.Time), "--warmup", Text(settings.Warmup)], stop);
        var after = CpuClock.Now();
        var seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        var serverCpu = CpuClock.OfProcess(server.Id) - serverBefore;
        var sample = LoadEnd.Read(json, server.Rival.AsRung, load, round) with
        {
            OtherCores = Math.Max(0, (after.Busy - before.Busy - serverCpu - (after.Children - before.Children)) / seconds),
            StolenCores = (after.Stolen - before.Stolen) / seconds,
        };
        _samples.Add(new RivalSample(
            sample, Number(json, "load_cpu_seconds") * 1e6 / Math.Max(1, Number(json, "measured_messages")),
            (long)Number(json, "server_memory_before_bytes"), (long)Number(json, "server_memory_bytes")));
        var faults = sample.AddsUp && sample.Faults.Length == 0 ? "" : $"  {(sample.AddsUp ? "" : "DOES NOT ADD UP ")}{sample.Faults}";
        progress.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"round {round}/{settings.Rounds}  {load.Name,-8} {server.Rival.Name,-10} {sample.MessagesPerSecond,10:N0}/s {sample.ServerCpuUsPerMessage,8:0.00} µs  p50 {sample.P50 / 1000.0,7:0.00} ms  p99 {sample.P99 / 1000.0,7:0.00} ms  server {sample.ServerCores:0.00}  load {sample.LoadBusy:0.00}  others {sample.OtherCores:0.00}{faults}"));
    }

    /// <summary>
    /// Few connections exchange messages first: code and buffers, and the gateway's lean log, are then in use. The sizes rise, so that what a
    /// server keeps of a smaller one is used again by the next.
    /// </summary>
    private async Task HoldAsync(Rival rival, int round, CancellationToken stop)
    {
        var accounts = Math.Max(settings.IdleSizes[^1], 2 * settings.Loads[0].Senders);
        await using var server = await RivalServer.StartAsync(rival, Path.Combine(settings.DataFolder, rival.Name), accounts, lean: true, stop);
        var memory = new List<long>();
        var addsUp = Number(await LoadAsync(server, [.. settings.Loads[0].Arguments, "--time", Text(settings.Time)], stop), "exit_code") == 0;
        foreach (var size in settings.IdleSizes)
        {
            var json = await LoadAsync(server, ["connect", "--connections", size.ToString(CultureInfo.InvariantCulture), "--exchange", "1", "--hold", Text(settings.Rest)], stop);
            addsUp &= Number(json, "exit_code") == 0 && Number(json, "alive") == size;
            memory.Add((long)Number(json, "server_memory_bytes"));
        }

        var sample = new IdleSample(rival.Name, round, addsUp, settings.IdleSizes, memory);
        _idle.Add(sample);
        progress.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"round {round}/{settings.Rounds}  idle     {rival.Name,-10} {sample.BytesPerConnection,10:N0} bytes a connection{(addsUp ? "" : "  DOES NOT ADD UP")}"));
    }

    private static async Task<JsonObject> LoadAsync(RivalServer server, IEnumerable<string> arguments, CancellationToken stop)
    {
        var start = new ProcessStartInfo(LadderPaths.LoadTool) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (IEnumerable<string>)[.. arguments, .. server.Target, "--json", "-", "--quiet"]) start.ArgumentList.Add(argument);
        var (text, errors) = await LoadEnd.RunAsync(start, stop);
        try
        {
            return JsonNode.Parse(text)!.AsObject();
        }
        catch (JsonException e)
        {
            throw new LadderException($"C10M said nothing about {server.Rival.Name}: {errors}", e);
        }
    }

    private static double Number(JsonObject json, string name) => json[name] is { } node ? node.GetValue<double>() : 0;

    private static string Text(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0}ms");
}
