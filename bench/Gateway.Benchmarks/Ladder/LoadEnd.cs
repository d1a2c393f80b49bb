using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Gateway.Benchmarks.Ladder;

/// <summary>Runs C10M, in a process of its own, against a rung, and reads what it says.</summary>
internal static class LoadEnd
{
    /// <exception cref="LadderException">C10M could not be run, or said nothing that can be read.</exception>
    public static async Task<Sample> MeasureAsync(RungServer server, Load load, int round, TimeSpan time, TimeSpan warmup, CancellationToken stop)
    {
        var start = new ProcessStartInfo(LadderPaths.LoadTool) { RedirectStandardOutput = true, RedirectStandardError = true };
        string[] arguments =
        [
            .. load.Arguments, "--target", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{server.Port}"), "--time", Text(time),
            "--warmup", Text(warmup), "--server-pid", server.Id.ToString(CultureInfo.InvariantCulture), "--json", "-", "--quiet",
        ];
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        if (!load.IsEcho)
        {
            start.ArgumentList.Add("--secret");
            start.ArgumentList.Add(server.SecretPath);
        }

        var commitsBefore = await server.CommitsAsync(stop);
        var serverBefore = CpuClock.OfProcess(server.Id);
        var before = CpuClock.Now();
        var begun = Stopwatch.GetTimestamp();
        var (text, errors) = await RunAsync(start, stop);
        var after = CpuClock.Now();
        var seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        var serverCpu = CpuClock.OfProcess(server.Id) - serverBefore;
        var commits = await server.CommitsAsync(stop);

        JsonObject json;
        try
        {
            json = JsonNode.Parse(text)!.AsObject();
        }
        catch (JsonException e)
        {
            throw new LadderException($"C10M said nothing about {server.Rung.Name}: {errors}", e);
        }

        var sample = Read(json, server.Rung, load, round) with
        {
            OtherCores = Math.Max(0, (after.Busy - before.Busy - serverCpu - (after.Children - before.Children)) / seconds),
            StolenCores = (after.Stolen - before.Stolen) / seconds,
        };
        if (commitsBefore is not { } first || commits is not { } last || last.Commits == first.Commits) return sample;
        var count = (double)(last.Commits - first.Commits);
        return sample with
        {
            CommitsPerSecond = count / seconds,
            BytesPerCommit = (last.Bytes - first.Bytes) / count,
            SyncMean = (last.SyncMicros - first.SyncMicros) / count,
        };
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
            throw new LadderException($"{start.FileName}: {e.Message}", e);
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

    private static double Number(JsonObject json, string name) => json[name] is { } node ? node.GetValue<double>() : 0;

    private static string Text(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0}ms");
}
