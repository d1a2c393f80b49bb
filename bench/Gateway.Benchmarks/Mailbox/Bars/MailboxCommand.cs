using System.CommandLine;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary><c>mailbox</c>: the bars of the mailbox log, all or those that <c>--only</c> names.</summary>
internal static class MailboxCommand
{
    public static Command Create()
    {
        var names = Trial.All().Select(t => t.Name).ToList();
        var only = new Option<string[]>("--only")
        {
            Description = "what to measure, with commas between: " + string.Join(", ", names) + ". Everything otherwise",
            HelpName = "NAME,...",
            CustomParser = r => [.. r.Tokens.SelectMany(t => t.Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))],
            DefaultValueFactory = _ => [],
        };
        only.Validators.Add(r =>
        {
            foreach (var name in r.GetValueOrDefault<string[]>() ?? [])
            {
                if (!names.Contains(name)) r.AddError($"--only: there is no {name} to measure");
            }
        });
        var scale = new Option<double>("--scale")
        {
            Description = "of the sizes that the bars name, from 0.001 to 1; below 1 to try the command only",
            HelpName = "SHARE",
            DefaultValueFactory = _ => 1,
        };
        scale.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<double>() is not (>= 0.001 and <= 1)) r.AddError("--scale: from 0.001 to 1");
        });
        return new MeasuringCommand("mailbox", "Measure the mailbox log against the bars of its design, and report.", rounds: 12, TimeSpan.FromSeconds(1), TimeSpan.FromMilliseconds(250))
            .Create([scale, only], (parse, rounds) => new MailboxRun(new MailboxSettings(rounds, parse.GetValue(scale), parse.GetValue(only)!), Console.Out));
    }
}
