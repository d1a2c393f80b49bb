using Gateway.Server.Metrics;
using Gateway.Server.Texts;

namespace Gateway.Server.Health;

/// <summary>Entries a second, into a queue and out of it, over windows of about 1, 10 and 100 s: see <see cref="DecayingRate"/>.</summary>
internal readonly record struct QueueRates(double In1s, double In10s, double In100s, double Out1s, double Out10s, double Out100s);

/// <summary>How a queue moves, judged by its 10 s rates.</summary>
internal enum QueueMotion
{
    Empty = 0,
    /// <summary>More goes than comes.</summary>
    Draining = 1,
    /// <summary>As much comes as goes, to a hundredth.</summary>
    Steady = 2,
    /// <summary>More comes than goes: it will never drain like this.</summary>
    Growing = 3,
    /// <summary>It holds something, and nothing comes or goes.</summary>
    AtRest = 4,
}

/// <summary>One queue of one reactor with where it is going. Immutable.</summary>
internal sealed record QueueHealth(QueueReading Reading, QueueRates Rates)
{
    private const double SteadyWithin = 0.01;

    /// <summary>An entry in a thousand seconds: the least that is called movement.</summary>
    private const double Still = 0.001;

    public QueueMotion Motion
    {
        get
        {
            if (Reading.Depth == 0) return QueueMotion.Empty;
            var most = Math.Max(Rates.In10s, Rates.Out10s);
            if (most < Still) return QueueMotion.AtRest;
            var net = Rates.Out10s - Rates.In10s;
            return Math.Abs(net) <= most * SteadyWithin ? QueueMotion.Steady : net > 0 ? QueueMotion.Draining : QueueMotion.Growing;
        }
    }

    /// <summary>Seconds until it is empty if everything goes on as in the last 10 s; 0 when it is, infinite unless it drains.</summary>
    public double DrainSeconds => Motion switch
    {
        QueueMotion.Empty => 0,
        QueueMotion.Draining => Reading.Depth / (Rates.Out10s - Rates.In10s),
        _ => double.PositiveInfinity,
    };

    /// <summary>For a person: <c>600 k queued, 40 k/s out, 15 s delay, 41 s to drain</c>.</summary>
    public string Text
    {
        get
        {
            var queued = $"{Figures.Count(Reading.Depth)} queued";
            var oldest = $"the oldest for {Figures.Time(Reading.OldestAge.TotalSeconds)}";
            // Who comes last waits until all before it are gone: Little's law.
            var delay = Figures.Time(Reading.Depth / Math.Max(Rates.Out10s, Still));
            return Motion switch
            {
                QueueMotion.Empty => Rates.Out10s < Still ? "empty" : $"empty, {Figures.Count(Rates.Out10s)}/s through",
                QueueMotion.AtRest => $"{queued}, nothing comes or goes, {oldest}",
                QueueMotion.Steady => $"{queued}, {Figures.Count(Rates.Out10s)}/s in and out, {delay} delay",
                QueueMotion.Growing => $"{queued}, {Figures.Count(Rates.In10s)}/s in, {Figures.Count(Rates.Out10s)}/s out, {oldest}, growing",
                _ => $"{queued}, {Figures.Count(Rates.Out10s)}/s out, {delay} delay, {Figures.Time(DrainSeconds)} to drain",
            };
        }
    }
}
