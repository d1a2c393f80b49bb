using System.Globalization;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Ladder;

/// <summary>A bar of the design, and where a gateway rung stands against it.</summary>
internal sealed record Bar(string What, string Rung, string Limit, string Aim, string Measured, bool IsMet, bool IsAimMet)
{
    private const double LeastRate = 0.7, AimedRate = 1.0, MostCpu = 2.0, AimedCpu = 1.4, SyncsOfLatency = 2, LeastWithIdle = 0.95;

    public string Verdict => IsAimMet ? "met, the aim too" : IsMet ? "met" : "**missed**";

    public static IReadOnlyList<Bar> Judge(IReadOnlyList<Standing> standings)
    {
        var bars = new List<Bar>();
        foreach (var standing in standings.Where(s => s.Rung.Kind == RungKind.Gateway && !s.IsEmpty))
        {
            if (standing.Load.Name == Load.LatencyName) AddLatency(bars, standing, standings);
            else AddRatios(bars, standing);
            AddIdle(bars, standing);
        }

        return bars;
    }

    private static void AddRatios(List<Bar> bars, Standing s)
    {
        if (s.RateRatio is { } rate)
        {
            bars.Add(new Bar(
                $"durable messages/s ÷ C relay's, {s.Load.Name}", s.Rung.Name, "≥ 0.7", "≥ 1.0", rate.ToString("0.00"), rate.Median >= LeastRate, rate.Median >= AimedRate));
        }

        if (s.CpuRatio is { } cpu)
        {
            bars.Add(new Bar(
                $"server CPU a message ÷ C relay's, {s.Load.Name}", s.Rung.Name, "≤ 2.0", "≤ 1.4", cpu.ToString("0.00"), cpu.Median <= MostCpu, cpu.Median <= AimedCpu));
        }
    }

    private static void AddIdle(List<Bar> bars, Standing s)
    {
        if (s.IdleRateRatio is not { } ratio) return;
        bars.Add(new Bar(
            string.Create(CultureInfo.InvariantCulture, $"messages/s with {s.Rung.Idle:N0} idle connections ÷ without, {s.Load.Name}"), s.Rung.Name, "≥ 0.95", "",
            ratio.ToString("0.00"), ratio.Median >= LeastWithIdle, false));
    }

    private static void AddLatency(List<Bar> bars, Standing s, IReadOnlyList<Standing> standings)
    {
        var relay = standings.FirstOrDefault(r => r.Rung.Name == Ladder.Rung.RelayYardstick && r.Load == s.Load && !r.IsEmpty);
        if (relay is null || s.Samples.All(x => x.ProbeMedian is null)) return;
        var sync = Spread.Of(s.Samples.Where(x => x.ProbeMedian is not null).Select(x => x.ProbeMedian!.Value))!.Value.Median;
        var limit = relay.Median(x => x.P50) + SyncsOfLatency * sync;
        var median = s.Median(x => x.P50);
        bars.Add(new Bar(
            $"median latency, {s.Load.Name}", s.Rung.Name,
            string.Create(CultureInfo.InvariantCulture, $"≤ {limit:0} µs (C relay {relay.Median(x => x.P50):0} + 2 × fdatasync {sync:0})"), "",
            string.Create(CultureInfo.InvariantCulture, $"{median:0} µs"), median <= limit, false));
    }
}
