using System.Globalization;
using Gateway.Benchmarks.Ladder;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Alerts;

/// <param name="Rounds">Each puts in every fault once. A measurement's time is how long an alert is waited for, its warm-up how long nothing may be raised before.</param>
/// <param name="Reactors">Of the node.</param>
/// <param name="Faults">Chosen.</param>
internal sealed record AlertsSettings(RoundSettings Rounds, int Reactors, IReadOnlyList<Fault> Faults)
{
    /// <summary>How long a fault goes on after its alert, for what else it may cause.</summary>
    public static readonly TimeSpan GoesOn = TimeSpan.FromSeconds(5);

    /// <summary>For every alert to be cleared.</summary>
    public static readonly TimeSpan ClearLimit = TimeSpan.FromMinutes(3);
}

/// <summary>Goes through the rounds: for each fault a node of its own, calm under honest load, then the fault, the alerts, the end of the fault and theirs.</summary>
internal sealed class AlertsRun(AlertsSettings settings, TextWriter progress) : IMeasurement
{
    private readonly List<AlertSample> _samples = [];

    public Task PrepareAsync(CancellationToken stop) => Task.CompletedTask;

    public async Task<bool> RunAsync(string dataFolder, CancellationToken stop)
    {
        for (var round = 1; round <= settings.Rounds.Count; round++)
        {
            foreach (var fault in settings.Faults)
            {
                var sample = await MeasureAsync(fault, round, Path.Combine(dataFolder, fault.Name), stop);
                _samples.Add(sample);
                Say(sample);
            }
        }

        return _samples.All(s => s.AddsUp);
    }

    public string MarkdownOf(RunFacts facts) => AlertsReport.MarkdownOf(facts, settings, _samples);

    public string JsonOf(RunFacts facts) => AlertsReport.JsonOf(facts, settings, _samples);

    private async Task<AlertSample> MeasureAsync(Fault fault, int round, string folder, CancellationToken stop)
    {
        using var webhook = new WebhookReceiver();
        var rung = new Rung(fault.Name, fault.Kind, settings.Reactors.ToString(CultureInfo.InvariantCulture), settings.Reactors, fault.How)
        {
            Options = ["--alert-webhook", webhook.Address, .. fault.Options],
        };
        await using var node = await RungServer.StartAsync(rung, folder, stop);
        using var scene = new FaultScene(node, settings.Reactors, webhook);
        await fault.Prepare(scene);
        var before = await AlertWatch.LookUntilAsync(node, seen => seen.Count > 0, settings.Rounds.Warmup, stop);

        var begun = TimeProvider.System.GetUtcNow();
        await fault.Put(scene);
        var seen = await AlertWatch.LookUntilAsync(node, seen => seen.Count > before.Count, settings.Rounds.Time, stop);
        await Task.Delay(AlertsSettings.GoesOn, stop);
        seen = await AlertWatch.LookAsync(node, stop);

        var mended = TimeProvider.System.GetUtcNow();
        if (fault.Kind == RungKind.Faulty) await node.TellAsync("mend");
        webhook.IsHanging = false;
        await Task.Run(
            () =>
            {
                scene.Mend();
                fault.Mend(scene);
            },
            stop);

        var sample = new AlertSample { Round = round, Fault = fault.Name, BeforeTheFault = [.. before.Select(a => $"{a.Name}: {a.Culprit}")] };
        var raised = seen.Where(a => a.Since >= begun).ToList();
        if (raised.Count == 0) return sample;
        var first = raised[0];
        // What follows from it may stay for long: a flood's mailbox is full until its owner comes.
        var after = await AlertWatch.LookUntilAsync(node, seen => Again(seen)?.ClearedAt is not null, AlertsSettings.ClearLimit, stop);
        var follows = $"; it follows from {first.Kind}: ";
        return sample with
        {
            First = first.Name,
            Culprit = first.Culprit,
            IsRight = first.Kind == fault.Alert && fault.Names(scene).Any(n => first.Culprit.Contains(n, StringComparison.Ordinal)),
            SecondsToAlert = (first.Since - begun).TotalSeconds,
            SecondsToClear = (Again(after)?.ClearedAt - mended)?.TotalSeconds,
            Following = [.. raised.Skip(1).Where(a => a.Culprit.Contains(follows, StringComparison.Ordinal)).Select(a => a.Name).Distinct()],
            Astray = [.. raised.Skip(1).Where(a => !a.Culprit.Contains(follows, StringComparison.Ordinal)).Select(a => $"{a.Name}: {a.Culprit}")],
        };

        SeenAlert? Again(IReadOnlyList<SeenAlert> alerts) => alerts.FirstOrDefault(a => a.Name == first.Name && a.Since == first.Since);
    }

    private void Say(AlertSample s)
    {
        var faults = string.Join("; ", s.BeforeTheFault.Select(a => $"BEFORE THE FAULT {a}").Concat(s.Astray.Select(a => $"ASTRAY {a}")));
        progress.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"round {s.Round}/{settings.Rounds.Count}  {s.Fault,-16} {(s.IsRight ? "right" : "WRONG"),-6} alert {s.SecondsToAlert,6:0.0} s  clear {s.SecondsToClear,6:0.0} s  {s.First ?? "none"}: {s.Culprit}  {faults}"));
    }
}
