using Gateway.Server.Health;
using Gateway.Server.Health.Alerts;
using Gateway.Server.Metrics;

namespace Gateway.Server.Operator;

/// <summary>
/// A queue in /status: its reading now, its rates as of the watch's last tick, null without one. Drain seconds are null unless it is empty or drains;
/// the alert is that nearest the cause of those raised for it. Reactor -1: all reactors' together.
/// </summary>
internal sealed record QueueBody(
    string Name, int Reactor, long Depth, long Capacity, long HighMark, long In, long Out, double OldestAgeSeconds, QueueRatesBody? Rates, double? DrainSeconds,
    bool Growing, string? Alert, QueueStanding Standing, string Text)
{
    public static QueueBody Of(QueueReading q, QueueHealth? seen, IReadOnlyList<Alert> alerts)
    {
        var health = new QueueHealth(q, seen?.Rates ?? default);
        var drain = seen is null && q.Depth > 0 ? double.PositiveInfinity : health.DrainSeconds;
        var alert = alerts.FirstOrDefault(a => a.State == AlertState.Active && a.Queue == q.Name && (a.Reactor < 0 || q.Reactor < 0 || a.Reactor == q.Reactor));
        return new QueueBody(
            q.Name, q.Reactor, q.Depth, q.Capacity, q.HighMark, q.In, q.Out, Math.Round(q.OldestAge.TotalSeconds, 3), seen is null ? null : QueueRatesBody.Of(seen.Rates),
            double.IsFinite(drain) ? Math.Round(drain, 1) : null, health.Motion == QueueMotion.Growing, alert?.Kind.Name, QueueStandings.Of(health, alert is not null), health.Text);
    }
}

/// <summary>Entries a second over about 1, 10 and 100 s.</summary>
internal sealed record QueueRatesBody(double In1s, double In10s, double In100s, double Out1s, double Out10s, double Out100s)
{
    public static QueueRatesBody Of(in QueueRates r) => new(Round(r.In1s), Round(r.In10s), Round(r.In100s), Round(r.Out1s), Round(r.Out10s), Round(r.Out100s));

    private static double Round(double rate) => Math.Round(rate, 1);
}

/// <summary>An alert in /status; devices by pseudonym. Reactor -1 is the node's; it was cleared at no time while it is active.</summary>
internal sealed record AlertBody(
    string Name, AlertState State, string Queue, int Reactor, DateTimeOffset Since, DateTimeOffset? ClearedAt, double Value, double Threshold, string Measure, string Unit,
    string Culprit, IReadOnlyList<string> Causes, IReadOnlyList<TopListEntry> Top, string Runbook)
{
    public static AlertBody Of(Alert a, NodeKeys keys) => new(
        a.Kind.Name, a.State, a.Queue, a.Reactor, a.Since, a.ClearedAt, Finite(a.Value), Finite(a.Threshold), a.Kind.Measure, a.Kind.Unit, a.Culprit, a.Kind.Causes,
        [.. a.Top.Select(t => TopListEntry.Of(t, t.ShownAs(keys), withKind: true))], a.Kind.Runbook);

    /// <summary>JSON has no word for infinite; what never drains takes longer than anything.</summary>
    private static double Finite(double value) => double.IsFinite(value) ? Math.Round(value, 3) : double.MaxValue;
}
