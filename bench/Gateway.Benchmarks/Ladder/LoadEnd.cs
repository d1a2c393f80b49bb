using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Ladder;

/// <summary>Runs C10M, in a process of its own, against a server, and reads what it says. Stateless.</summary>
internal static class LoadEnd
{
    /// <summary>What C10M said at the end, and what the machine did meanwhile.</summary>
    /// <param name="Json">C10M's.</param>
    /// <param name="Seconds">From its start to its end.</param>
    /// <param name="OtherCores">Cores that neither it nor the server kept busy.</param>
    /// <param name="StolenCores">Cores' worth that the hypervisor gave to others.</param>
    internal readonly record struct Watched(JsonObject Json, double Seconds, double OtherCores, double StolenCores)
    {
        public Sample SampleOf(Rung rung, Load load, int round) => Read(Json, rung, load, round) with { OtherCores = OtherCores, StolenCores = StolenCores };
    }

    /// <exception cref="MeasuringException">C10M could not be run, or said nothing that can be read.</exception>
    public static async Task<Sample> MeasureAsync(RungServer server, Load load, int round, TimeSpan time, TimeSpan warmup, CancellationToken stop)
    {
        string[] arguments =
        [
            .. load.Arguments, "--target", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{server.Port}"), "--time", Text(time),
            "--warmup", Text(warmup), "--server-pid", server.Id.ToString(CultureInfo.InvariantCulture),
            .. load.IsEcho ? (string[])[] : ["--secret", server.SecretPath],
        ];
        var commitsBefore = await server.CommitsAsync(stop);
        var watched = await WatchAsync(server.Id, server.Rung.Name, arguments, stop);
        var commits = await server.CommitsAsync(stop);
        var sample = watched.SampleOf(server.Rung, load, round);
        if (commitsBefore is not { } first || commits is not { } last || last.Commits == first.Commits) return sample;
        var count = (double)(last.Commits - first.Commits);
        return sample with
        {
            CommitsPerSecond = count / watched.Seconds,
            BytesPerCommit = (last.Bytes - first.Bytes) / count,
            SyncMean = (last.SyncMicros - first.SyncMicros) / count,
        };
    }

    /// <summary>Runs C10M with these arguments against a server, and watches the CPU time of everybody.</summary>
    /// <exception cref="MeasuringException">C10M could not be run, or said nothing that can be read.</exception>
    internal static async Task<Watched> WatchAsync(int serverId, string server, IEnumerable<string> arguments, CancellationToken stop)
    {
        var serverBefore = CpuClock.OfProcess(serverId);
        var before = CpuClock.Now();
        var begun = Stopwatch.GetTimestamp();
        var json = await AskAsync(server, arguments, stop);
        var after = CpuClock.Now();
        var seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        var serverCpu = CpuClock.OfProcess(serverId) - serverBefore;
        return new Watched(
            json, seconds, Math.Max(0, (after.Busy - before.Busy - serverCpu - (after.Children - before.Children)) / seconds), (after.Stolen - before.Stolen) / seconds);
    }

    /// <summary>Runs C10M with these arguments and returns its result.</summary>
    /// <exception cref="MeasuringException">C10M could not be run, or said nothing that can be read.</exception>
    internal static async Task<JsonObject> AskAsync(string server, IEnumerable<string> arguments, CancellationToken stop)
    {
        var start = new ProcessStartInfo(BenchPaths.LoadTool) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (IEnumerable<string>)[.. arguments, "--json", "-", "--quiet"]) start.ArgumentList.Add(argument);
        var (text, errors) = await RunAsync(start, stop);
        try
        {
            return JsonNode.Parse(text)!.AsObject();
        }
        catch (JsonException e)
        {
            throw new MeasuringException($"C10M said nothing about {server}: {errors}", e);
        }
    }

    /// <summary>Runs a program to its end and returns all that it said.</summary>
    internal static async Task<(string Output, string Errors)> RunAsync(ProcessStartInfo start, CancellationToken stop)
    {
        using var process = new Process { StartInfo = start };
        try
        {
            process.Start();
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new MeasuringException($"{start.FileName}: {e.Message}", e);
        }

        try
        {
            var output = process.StandardOutput.ReadToEndAsync(stop);
            var errors = process.StandardError.ReadToEndAsync(stop);
            await process.WaitForExitAsync(stop);
            return (await output, await errors);
        }
        finally
        {
            if (!process.HasExited) process.Kill();
            await process.WaitForExitAsync(CancellationToken.None);
        }
    }

    internal static Sample Read(JsonObject json, Rung rung, Load load, int round)
    {
        var seconds = Number(json, "measured_seconds");
        var latency = json["latency_us"] as JsonObject;
        var histogram = json["latency_histogram"] as JsonObject;
        return new Sample
        {
            Round = round,
            Rung = rung.Name,
            Load = load.Name,
            AddsUp = Number(json, "exit_code") == 0 && Number(json, "measured_messages") > 0,
            Faults = FaultsOf(json),
            MessagesPerSecond = Number(json, "messages_per_second"),
            MeasuredSeconds = seconds,
            ServerCpuUsPerMessage = Number(json, "server_cpu_us_per_message"),
            ServerCores = Number(json, "server_cpu_seconds") / Math.Max(seconds, 1e-9),
            LoadBusy = Number(json, "load_cpu_seconds") / Math.Max(seconds * Number(json, "processes") * Number(json, "threads"), 1e-9),
            P50 = Micros("p50"),
            P90 = Micros("p90"),
            P99 = Micros("p99"),
            P999 = Micros("p999"),
            Max = Micros("max"),
            UpTo = Numbers("up_to_us"),
            Counts = Numbers("counts"),
        };

        long Micros(string name) => latency is null ? 0 : (long)latency[name]!;

        long[] Numbers(string name) => histogram is null ? [] : [.. histogram[name]!.AsArray().Select(n => (long)n!)];
    }

    private static string FaultsOf(JsonObject json)
    {
        var faults = new List<string>();
        foreach (var name in (ReadOnlySpan<string>)["lost", "duplicates", "out_of_order", "refused_temporary", "refused_final", "redelivered"])
        {
            if (Number(json, name) > 0) faults.Add(string.Create(CultureInfo.InvariantCulture, $"{name} {Number(json, name)}"));
        }

        if (json["errors_by_kind"] is JsonObject errors) faults.AddRange(errors.Select(e => $"{e.Key} {e.Value}"));
        return string.Join(", ", faults);
    }

    internal static double Number(JsonObject json, string name) => json[name] is { } node ? node.GetValue<double>() : 0;

    internal static string Text(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0}ms");
}
