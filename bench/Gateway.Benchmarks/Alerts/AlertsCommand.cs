using System.CommandLine;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Alerts;

/// <summary><c>alerts</c>: faults put into a node one at a time, and the first alert of each.</summary>
internal static class AlertsCommand
{
    public static Command Create()
    {
        var only = new Option<string[]>("--only")
        {
            Description = "faults by name, with commas between them: " + string.Join(", ", Fault.All.Select(f => f.Name)),
            HelpName = "NAME,...",
            CustomParser = r => [.. r.Tokens.SelectMany(t => t.Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))],
            DefaultValueFactory = _ => [],
        };
        only.Validators.Add(r =>
        {
            foreach (var name in r.GetValueOrDefault<string[]>() ?? [])
            {
                if (Fault.All.All(f => f.Name != name)) r.AddError($"--only: there is no fault {name}");
            }
        });
        var reactors = new Option<int>("--reactors") { Description = "of the node", HelpName = "N", DefaultValueFactory = _ => 2 };
        reactors.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<int>() is < 1 or > 64) r.AddError("--reactors: from 1 to 64");
        });
        var command = new MeasuringCommand(
            "alerts", "Put eight faults into a node, one at a time, and report what its first alert says and when.", rounds: 3, time: TimeSpan.FromMinutes(2), warmup: TimeSpan.FromSeconds(10));
        return command.Create([only, reactors], (parse, rounds) =>
        {
            var names = parse.GetValue(only)!;
            return new AlertsRun(new AlertsSettings(rounds, parse.GetValue(reactors), names.Length == 0 ? Fault.All : [.. Fault.All.Where(f => names.Contains(f.Name))]), Console.Out);
        });
    }
}
