using System.Globalization;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Ladder;

/// <summary>What a rung came to under a load over all rounds, compared round by round with the C rung beside it.</summary>
internal sealed class Standing
{
    private readonly List<Sample> _samples;

    public Standing(Rung rung, Load load, IReadOnlyList<Sample> all)
    {
        Rung = rung;
        Load = load;
        _samples = [.. all.Where(s => s.Rung == rung.Name && s.Load == load.Name && s.AddsUp)];
        Failed = all.Count(s => s.Rung == rung.Name && s.Load == load.Name && !s.AddsUp);
        (RateRatio, CpuRatio) = Beside(all, load.IsEcho ? Rung.EchoYardstick : Rung.RelayYardstick);
        if (rung.WithoutIdle is { } alone) IdleRateRatio = Beside(all, alone).Rate;
    }

    public Rung Rung { get; }
    public Load Load { get; }

    /// <summary>It is what the others are compared with.</summary>
    public bool IsYardstick => Rung.Name is Rung.EchoYardstick or Rung.RelayYardstick;

    /// <summary>Measurements in which not everything added up; they count nowhere else.</summary>
    public int Failed { get; }

    /// <summary>Of the measurements that count.</summary>
    public IReadOnlyList<Sample> Samples => _samples;

    public bool IsEmpty => _samples.Count == 0;

    /// <summary>Messages a second, and server CPU a message, by the C rung's of the same round. Null: it was not run.</summary>
    public Spread? RateRatio { get; }
    public Spread? CpuRatio { get; }

    /// <summary>Messages a second by those of the same rung without idle connections. Null: it has none, or that was not run.</summary>
    public Spread? IdleRateRatio { get; }

    public Spread Of(Func<Sample, double> figure) => Spread.Of(_samples.Select(figure)) ?? default;

    public double Median(Func<Sample, double> figure) => Of(figure).Median;

    /// <summary>Faults that rounds met although everything added up, as refusals are.</summary>
    public string Faults => string.Join("; ", _samples.Where(s => s.Faults.Length > 0).Select(s => string.Create(CultureInfo.InvariantCulture, $"round {s.Round}: {s.Faults}")));

    /// <summary>Above this share of its threads the load end counts as the bottleneck.</summary>
    public const double BusyLoad = 0.9;

    private (Spread? Rate, Spread? Cpu) Beside(IReadOnlyList<Sample> all, string other)
    {
        var pairs = _samples.Join(all.Where(s => s.Rung == other && s.Load == Load.Name && s.AddsUp), s => s.Round, y => y.Round, (s, y) => (s, y)).ToList();
        return (
            Spread.Of(pairs.Select(p => p.s.MessagesPerSecond / p.y.MessagesPerSecond)),
            Spread.Of(pairs.Where(p => p.y.ServerCpuUsPerMessage > 0).Select(p => p.s.ServerCpuUsPerMessage / p.y.ServerCpuUsPerMessage)));
    }

    /// <summary>What was at its limit, as far as CPU time shows it.</summary>
    public string BoundBy(int cores)
    {
        var server = Median(s => s.ServerCores);
        var load = Median(s => s.LoadBusy);
        var others = Median(s => s.OtherCores + s.StolenCores);
        var bounds = new List<string>();
        if (load > BusyLoad) bounds.Add(string.Create(CultureInfo.InvariantCulture, $"**the load end**, whose thread was {load:P0} busy"));
        if (Rung.Threads == 1 && server > BusyLoad) bounds.Add(string.Create(CultureInfo.InvariantCulture, $"the server's thread ({server:0.00} cores)"));
        var used = server + load + others;
        if (bounds.Count == 0 && used > 0.95 * cores) bounds.Add("the cores, all busy");
        if (bounds.Count > 0) return string.Join(" and ", bounds);
        var idle = Math.Max(0, cores - used);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"nothing's CPU ({idle:0.0} of {cores} cores idle): {(Rung.Kind == RungKind.Gateway ? "waiting for commits, and for each other's turns" : "server and load end wait for each other's turns")}");
    }
}
