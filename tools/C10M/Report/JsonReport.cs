using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Load.Conduct;
using Gateway.Load.Devices;
using Gateway.Load.Measure;

namespace Gateway.Load.Report;

/// <summary>A run as JSON. README.md says what each field means; a name, once there, keeps its meaning and unit.</summary>
internal static class JsonReport
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static JsonObject Of(LoadResult result)
    {
        var totals = result.Totals;
        var settings = result.Settings;
        var json = new JsonObject
        {
            ["command"] = result.Command,
            ["protocol"] = settings.Protocol.ToString().ToLowerInvariant(),
            ["exit_code"] = result.ExitCode,
            ["connections"] = result.Connections,
            ["alive"] = result.Alive,
            ["logins"] = totals[Counter.Logins],
            ["logins_per_second"] = Round(result.LoginsPerSecond),
            ["messages_per_second"] = Round(result.MessagesPerSecond),
            ["measured_messages"] = result.MeasuredMessages,
            ["measured_seconds"] = Round(result.MeasuredSeconds, 6),
            ["latency_us"] = Percentiles(totals.DoubleCheck),
            ["latency_histogram"] = HistogramOf(totals.DoubleCheck),
            ["accept_latency_us"] = Percentiles(totals.Accept),
            ["login_latency_us"] = Percentiles(totals.Login),
            ["drain_latency_us"] = Percentiles(totals.Drain),
            ["send_lag_us"] = Percentiles(totals.Lag),
            ["errors"] = result.ErrorCount,
            ["errors_by_kind"] = new JsonObject(result.Errors.Select(e => KeyValuePair.Create<string, JsonNode?>(e.Key, e.Value))),
            ["sent"] = totals[Counter.Sent],
            ["resent"] = totals[Counter.Resent],
            ["accepted"] = totals[Counter.Accepted],
            ["delivered"] = totals[Counter.Delivered],
            ["double_checks"] = totals[Counter.DoubleChecks],
            ["lost"] = result.Lost,
            ["duplicates"] = totals[Counter.Duplicates],
            ["redelivered"] = totals[Counter.Redelivered],
            ["out_of_order"] = totals[Counter.OutOfOrder],
            ["strays"] = totals[Counter.Strays],
            ["repeated_receipts"] = totals[Counter.RepeatedReceipts],
            ["refused_temporary"] = totals[Counter.RefusedTemporary],
            ["refused_final"] = totals[Counter.RefusedFinal],
            ["login_retries"] = totals[Counter.LoginRetries],
            ["reconnects"] = totals[Counter.Reconnects],
            ["load_cpu_seconds"] = Round(result.LoadCpuSeconds, 3),
            ["load_allocated_bytes"] = result.LoadAllocatedBytes,
            ["server_cpu_seconds"] = Round(result.ServerCpuSeconds, 3),
            ["server_cpu_us_per_message"] = Round(result.ServerCpuUsPerMessage, 3),
            ["server_memory_before_bytes"] = result.ServerMemoryBeforeBytes,
            ["server_memory_bytes"] = result.ServerMemoryBytes,
            ["server_bytes_per_connection"] = Round(result.ServerBytesPerConnection),
            ["seed"] = settings.Seed,
            ["mix"] = new MessageMix(settings.Mix, settings.SizeBytes, settings.Seed).ToString(),
            ["window"] = settings.Window,
            ["first_address"] = settings.FirstAddress,
            ["devices"] = settings.Devices,
            ["processes"] = settings.Processes,
            ["threads"] = settings.Threads,
        };
        if (result.Phases.Count > 0) json["phases"] = JsonSerializer.SerializeToNode(result.Phases, Indented);
        if (result.ServerSamples.Count > 0) json["server_samples"] = JsonSerializer.SerializeToNode(result.ServerSamples, Indented);
        foreach (var (name, value) in result.Extra) json[name] = JsonSerializer.SerializeToNode(value, Indented);
        return json;
    }

    public static string TextOf(LoadResult result) => Of(result).ToJsonString(Indented) + "\n";

    private static JsonObject? Percentiles(Histogram histogram) => histogram.Count() == 0 ? null : new JsonObject
    {
        ["p50"] = histogram.Quantile(0.50),
        ["p90"] = histogram.Quantile(0.90),
        ["p99"] = histogram.Quantile(0.99),
        ["p999"] = histogram.Quantile(0.999),
        ["max"] = histogram.Max,
    };

    /// <summary>Buckets a quarter of an octave wide; those between the first and the last that hold something.</summary>
    private static JsonObject? HistogramOf(Histogram histogram)
    {
        const int Merged = 8;
        var upTo = new JsonArray();
        var counts = new JsonArray();
        long waiting = 0;
        var left = histogram.Count();
        for (var i = 0; i < Histogram.Buckets && left > 0; i += Merged)
        {
            foreach (var count in histogram.Counts.Slice(i, Merged)) waiting += count;
            if (waiting == 0 && counts.Count == 0) continue;
            upTo.Add(Histogram.HighestOf(i + Merged - 1));
            counts.Add(waiting);
            left -= waiting;
            waiting = 0;
        }

        return counts.Count == 0 ? null : new JsonObject { ["up_to_us"] = upTo, ["counts"] = counts };
    }

    private static double? Round(double? value, int digits = 1) => value is { } v && double.IsFinite(v) ? Math.Round(v, digits) : null;
}
