namespace Gateway.Server.Health.Alerts;

/// <summary>
/// Which alerts are raised: a state machine for each figure, driven by samples alone, so that the same samples give the same alerts.
/// <code>
/// quiet    over: pending
/// pending  under: quiet; lasted: ready
/// ready    under: quiet; nothing nearer the cause is pending: active, told
/// active   below 4/5 of the threshold: clearing
/// clearing over that again: active; lasted: quiet, told
/// </code>
/// One thread at a time; what it returns is immutable.
/// Invariant: an alert is told once when it becomes active and once when it is cleared, and its entry holds it in between.
/// </summary>
/// <param name="culprits">Puts an alert down to somebody.</param>
internal sealed class AlertBoard(Culprits culprits)
{
    /// <summary>Cleared alerts that are still shown.</summary>
    public const int ClearedShown = 20;

    /// <summary>The part of its threshold that a value must fall below before an alert begins to clear.</summary>
    private const double ClearBelow = 0.8;

    private enum Stage
    {
        Quiet = 0,
        Pending = 1,
        Ready = 2,
        Active = 3,
        Clearing = 4,
    }

    private sealed class Entry
    {
        public Stage Stage;
        public TimeSpan StageSince;
        public AlertGauge Gauge;
        public Alert? Alert;
    }

    private readonly Dictionary<(AlertKind Kind, string Queue, int Reactor), Entry> _entries = [];
    private readonly List<Alert> _cleared = [];

    /// <summary>Those that are active, nearest the cause first, then those that were cleared last.</summary>
    public IReadOnlyList<Alert> Alerts { get; private set; } = [];

    /// <summary>Judges a sample. Returns what was raised or cleared by it, what is nearest the cause first.</summary>
    public IReadOnlyList<Alert> Evaluate(HealthSample sample, AlertThresholds thresholds)
    {
        var changes = new List<Alert>();
        foreach (var kind in AlertKinds.All) Judge(kind, sample, thresholds, changes);
        foreach (var kind in AlertKinds.All) Raise(kind, sample, changes);
        Alerts = [.. AlertKinds.All.SelectMany(ActiveOf), .. Enumerable.Reverse(_cleared)];
        return changes;
    }

    private void Judge(AlertKind kind, HealthSample sample, AlertThresholds thresholds, List<Alert> changes)
    {
        foreach (var entry in EntriesOf(kind)) entry.Gauge = entry.Gauge with { Value = 0 };
        foreach (var gauge in kind.Read(sample, thresholds))
        {
            // One entry a place: a flood that goes from one reactor to another is another's flood.
            var key = (kind, gauge.Queue, gauge.Reactor);
            if (!_entries.TryGetValue(key, out var entry)) _entries[key] = entry = new Entry();
            entry.Gauge = gauge;
        }

        foreach (var entry in EntriesOf(kind)) Step(kind, entry, sample, thresholds, changes);
    }

    private void Step(AlertKind kind, Entry entry, HealthSample sample, AlertThresholds thresholds, List<Alert> changes)
    {
        var gauge = entry.Gauge;
        var over = gauge.Value >= gauge.Threshold && gauge.Value > 0;
        var isLow = gauge.Value < gauge.Threshold * ClearBelow;
        switch (entry.Stage)
        {
            case Stage.Quiet when over: Enter(entry, Stage.Pending, sample.At); break;
            case Stage.Pending or Stage.Ready when !over: Enter(entry, Stage.Quiet, sample.At); break;
            case Stage.Active when isLow: Enter(entry, Stage.Clearing, sample.At); break;
            case Stage.Clearing when !isLow: Enter(entry, Stage.Active, sample.At); break;
        }

        var lasted = sample.At - entry.StageSince;
        if (entry.Stage == Stage.Pending && (!kind.Lasts || lasted >= thresholds.RaiseAfter)) Enter(entry, Stage.Ready, sample.At);
        else if (entry.Stage == Stage.Clearing && lasted >= thresholds.ClearAfter) Clear(entry, sample, changes);
        if (entry.Alert is { } alert) entry.Alert = alert with { Value = gauge.Value, Threshold = gauge.Threshold };
    }

    private void Raise(AlertKind kind, HealthSample sample, List<Alert> changes)
    {
        foreach (var entry in EntriesOf(kind))
        {
            if (entry.Stage != Stage.Ready || IsAnyPending(kind.ExplainedBy)) continue;
            Enter(entry, Stage.Active, sample.At);
            var gauge = entry.Gauge;
            var explanation = AlertKinds.All.Where(k => kind.ExplainedBy.Contains(k.Name)).SelectMany(ActiveOf).FirstOrDefault();
            var (culprit, top) = culprits.Of(kind, gauge, sample, explanation);
            entry.Alert = new Alert(kind, AlertState.Active, gauge.Queue, gauge.Reactor, sample.WallClock, null, gauge.Value, gauge.Threshold, culprit, top);
            changes.Add(entry.Alert);
        }
    }

    private void Clear(Entry entry, HealthSample sample, List<Alert> changes)
    {
        var cleared = entry.Alert! with { State = AlertState.Cleared, ClearedAt = sample.WallClock, Value = entry.Gauge.Value };
        Enter(entry, Stage.Quiet, sample.At);
        entry.Alert = null;
        _cleared.Add(cleared);
        if (_cleared.Count > ClearedShown) _cleared.RemoveAt(0);
        changes.Add(cleared);
    }

    private bool IsAnyPending(IReadOnlyList<string> names) =>
        _entries.Any(e => e.Value.Stage == Stage.Pending && names.Contains(e.Key.Kind.Name));

    private IEnumerable<Entry> EntriesOf(AlertKind kind) => _entries.Where(e => e.Key.Kind == kind).Select(e => e.Value);

    private IEnumerable<Alert> ActiveOf(AlertKind kind) => EntriesOf(kind).Select(e => e.Alert).OfType<Alert>();

    private static void Enter(Entry entry, Stage stage, TimeSpan at) => (entry.Stage, entry.StageSince) = (stage, at);
}
