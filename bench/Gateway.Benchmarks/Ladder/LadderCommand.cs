using System.CommandLine;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Ladder;

/// <summary><c>ladder</c>: the rungs under the loads, all or those that <c>--only</c> names.</summary>
internal static class LadderCommand
{
    public static Command Create()
    {
        var only = new Option<string[]>("--only")
        {
            Description = "rungs and loads by name, with commas between them; of what is not named at all everything runs. Rungs: "
                + string.Join(", ", Rung.All.Select(r => r.Name)) + ". Loads: " + string.Join(", ", Load.All.Select(l => l.Name)),
            HelpName = "NAME,...",
            CustomParser = r => [.. r.Tokens.SelectMany(t => t.Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))],
            DefaultValueFactory = _ => [],
        };
        only.Validators.Add(r =>
        {
            foreach (var name in r.GetValueOrDefault<string[]>() ?? [])
            {
                if (Rung.All.All(x => x.Name != name) && Load.All.All(x => x.Name != name)) r.AddError($"--only: there is no rung or load {name}");
            }
        });
        var idle = new Option<int>("--idle") { Description = "measure each chosen gateway rung once more with so many idle connections", HelpName = "N" };
        idle.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<int>() is < 0 or > 4_000_000) r.AddError("--idle takes 0 to 4000000");
        });
        return new MeasuringCommand("ladder", "Measure the gateway against C and against what a .NET user would write, and report.", rounds: 5).Create([only, idle], (parse, rounds) =>
        {
            var chosen = parse.GetValue(only)!;
            var rungs = Choose(Rung.All, r => r.Name, chosen);
            if (parse.GetValue(idle) is > 0 and var connections) rungs = [.. rungs, .. rungs.Where(r => r.Kind == RungKind.Gateway).Select(r => r.WithIdle(connections))];
            return new LadderRun(new LadderSettings(rounds, rungs, Choose(Load.All, l => l.Name, chosen)), Console.Out);
        });
    }

    /// <summary>Those that are named, or all when none is.</summary>
    private static IReadOnlyList<T> Choose<T>(IReadOnlyList<T> all, Func<T, string> name, string[] chosen)
    {
        var named = all.Where(x => chosen.Contains(name(x))).ToList();
        return named.Count == 0 ? all : named;
    }
}
