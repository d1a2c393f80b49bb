using System.Text.Json;
using Gateway.Load.Measure;

namespace Gateway.Load.Conduct;

/// <summary>
/// How the conducting process and a load process talk: lines over the load process's standard input and output.
/// <code>
/// → settings as JSON              ← ready | failed MESSAGE
/// → order JSON                    (no answer)
/// → look                          ← snapshot as JSON | failed MESSAGE
/// </code>
/// The end of its input ends a load process, so that none outlives its conductor.
/// </summary>
internal static class ShardWire
{
    public const string Ready = "ready";
    public const string Failed = "failed ";
    public const string Order = "order ";
    public const string Look = "look";

    public static string Format(LoadSnapshot snapshot) => JsonSerializer.Serialize(new Line(
        [.. Enumerable.Range(0, Counters.Count).Select(i => snapshot.Counters[(Counter)i])],
        [Pack(snapshot.DoubleCheck), Pack(snapshot.Accept), Pack(snapshot.Login), Pack(snapshot.Drain), Pack(snapshot.Lag)],
        new Dictionary<string, long>(snapshot.Errors),
        snapshot.CpuSeconds,
        snapshot.AllocatedBytes));

    /// <summary>Adds what a line of <see cref="Format"/> holds.</summary>
    /// <exception cref="LoadException">The line is none.</exception>
    public static void AddTo(LoadSnapshot into, string text)
    {
        Line line;
        try
        {
            line = JsonSerializer.Deserialize<Line>(text)!;
        }
        catch (JsonException e)
        {
            throw new LoadException(ExitCode.Failed, $"a load process said what is no snapshot: {text}", e);
        }

        var snapshot = new LoadSnapshot { CpuSeconds = line.CpuSeconds, AllocatedBytes = line.AllocatedBytes };
        for (var i = 0; i < Counters.Count; i++) snapshot.Counters[(Counter)i] = line.Counters[i];
        Histogram[] histograms = [snapshot.DoubleCheck, snapshot.Accept, snapshot.Login, snapshot.Drain, snapshot.Lag];
        for (var i = 0; i < histograms.Length; i++) Unpack(histograms[i], line.Histograms[i]);
        snapshot.AddErrors(line.Errors);
        into.Add(snapshot);
    }

    /// <summary>The maximum, then bucket and count of each bucket that is not empty.</summary>
    private static long[] Pack(Histogram histogram)
    {
        var packed = new List<long> { histogram.Max };
        var counts = histogram.Counts;
        for (var i = 0; i < counts.Length; i++)
        {
            if (counts[i] == 0) continue;
            packed.Add(i);
            packed.Add(counts[i]);
        }

        return [.. packed];
    }

    private static void Unpack(Histogram histogram, long[] packed)
    {
        for (var i = 1; i + 1 < packed.Length; i += 2) histogram.Add((int)packed[i], packed[i + 1], packed[0]);
    }

    private sealed record Line(long[] Counters, long[][] Histograms, Dictionary<string, long> Errors, double CpuSeconds, long AllocatedBytes);
}
