using System.CommandLine;
using System.Globalization;
using Gateway.Benchmarks.Ladder;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Pairs;

/// <summary><c>pair</c>: two nodes that differ in one thing, under the same load in turns.</summary>
internal static class PairCommand
{
    public static Command Create()
    {
        var one = new Option<string>("--one") { Description = "options of the node in question", HelpName = "OPTIONS", DefaultValueFactory = _ => "--metrics on" };
        var other = new Option<string>("--other") { Description = "options of the node that it is compared with", HelpName = "OPTIONS", DefaultValueFactory = _ => "--metrics off" };
        var otherNode = new Option<string?>("--other-node") { Description = "its program, of another build; the same otherwise", HelpName = "FILE" };
        var reactors = new Option<int>("--reactors") { Description = "of both", HelpName = "N", DefaultValueFactory = _ => 1 };
        reactors.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<int>() is < 1 or > 64) r.AddError("--reactors: from 1 to 64");
        });
        var relays = Load.All.Where(l => !l.IsEcho).Select(l => l.Name).ToArray();
        var load = new Option<string>("--load") { Description = string.Join(", ", relays), HelpName = "NAME", DefaultValueFactory = _ => relays[0] };
        load.AcceptOnlyFromAmong(relays);
        return new MeasuringCommand(
            "pair", "Compare two nodes that differ in one thing, metrics on and off unless told otherwise, and report.", rounds: 20, time: TimeSpan.FromSeconds(3), warmup: TimeSpan.FromSeconds(1))
            .Create([one, other, otherNode, reactors, load], (parse, rounds) =>
            {
                var count = parse.GetValue(reactors).ToString(CultureInfo.InvariantCulture);
                return new PairRun(
                    new PairSettings(
                        rounds, RungOf("one", count, parse.GetValue(one)!, null), RungOf("other", count, parse.GetValue(other)!, parse.GetValue(otherNode)),
                        Load.All.First(l => l.Name == parse.GetValue(load))),
                    Console.Out);
            });
    }

    private static Rung RungOf(string name, string reactors, string options, string? node) => new(name, RungKind.Gateway, reactors, 1, options)
    {
        Options = options.Split(' ', StringSplitOptions.RemoveEmptyEntries), NodeProgram = node is null ? null : Path.GetFullPath(node),
    };
}
