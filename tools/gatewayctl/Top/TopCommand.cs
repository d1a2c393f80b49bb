using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Gateway.Ctl.Texts;
using Spectre.Console;
using static Gateway.Ctl.Operator.Cells;

namespace Gateway.Ctl.Top;

/// <summary><c>top</c>: the node live, or who is behind its figures.</summary>
internal static class TopCommand
{
    /// <summary>Into a pipe: wide enough for each queue's sentence.</summary>
    private const int PipeColumns = 160;

    public static Command Create(CommonOptions common, CtlEnvironment environment)
    {
        var once = new Option<bool>("--once") { Description = "one frame as plain text, and the end; with -o json the node's own answer" };
        var interval = new Option<TimeSpan>("--interval")
        {
            Description = "between two looks",
            HelpName = "DURATION",
            DefaultValueFactory = _ => TimeSpan.FromSeconds(1),
            CustomParser = result => Durations.TryParse(result.Tokens[0].Value, out var value) && value >= TimeSpan.FromMilliseconds(100) && value <= TimeSpan.FromHours(1)
                ? value
                : CommonOptions.Fail<TimeSpan>(result, $"--interval: '{result.Tokens[0].Value}' is not a duration from 100ms to 1h"),
        };
        var command = new Command("top", "the node live: what is the problem, and every queue with its depth over the last minute; keys: q quit, s order, r reactors, e empty ones, p pause")
        {
            once, interval,
            List(common, environment, "mailboxes", "the fullest mailboxes"),
            List(common, environment, "senders", "who sends most"),
            List(common, environment, "sockets", "the connections for which most bytes are held"),
        };
        command.SetAction(async (parse, cancel) =>
        {
            using var node = common.LookingOf(parse, environment);
            var output = common.OutputOf(parse, environment);
            var terminal = ReferenceEquals(environment.Output, Console.Out) && !Console.IsInputRedirected && !Console.IsOutputRedirected;
            if (parse.GetValue(once) || output.Format == OutputFormat.Json || !terminal)
            {
                var status = await node.GetAsync("/status", cancel);
                output.Write(status, () => Once(status, environment.Time.GetUtcNow()));
                return ExitCode.Ok;
            }

            var name = parse.GetValue(common.Node)!.Authority;
            await new TopScreen(token => node.GetAsync("/status", token), name, parse.GetValue(interval), TopTerminal.OfThisProcess(environment), environment.Time).RunAsync(cancel);
            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary>A frame without a past: no graphs, every queue, no colours.</summary>
    internal static string Once(JsonNode status, DateTimeOffset now) =>
        string.Join('\n', FrameText.Render(TopFrame.Of(status, new TopView(QueueOrder.Worst, false, true), PipeColumns, 0, null, now), PipeColumns, withColours: false));

    private static Command List(CommonOptions common, CtlEnvironment environment, string kind, string description)
    {
        var limit = new Option<int>("--limit") { Description = "at most so many, 1 to 1000", DefaultValueFactory = _ => 20, HelpName = "COUNT" };
        var names = new Option<string>("--names") { Description = "plain: addresses in place of pseudonyms, which takes the secret", DefaultValueFactory = _ => "pseudonym", HelpName = "pseudonym|plain" };
        names.AcceptOnlyFromAmong("pseudonym", "plain");
        var command = new Command(kind, description) { limit, names };
        command.SetAction(async (parse, cancel) =>
        {
            var plain = parse.GetValue(names) == "plain";
            using var node = plain ? common.OperatorOf(parse, environment) : common.LookingOf(parse, environment);
            var answer = await node.GetAsync(
                string.Create(CultureInfo.InvariantCulture, $"/ops/top?kind={kind}&limit={parse.GetValue(limit)}{(plain ? "&names=plain" : "")}"), cancel);
            common.OutputOf(parse, environment).WriteTable(answer, TableOf(answer));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Table TableOf(JsonNode answer)
    {
        var table = Rows("who", "value", "too great by at most", "reactor", "");
        foreach (var entry in answer["entries"]!.AsArray())
        {
            var unit = (string)entry!["unit"]!;
            var error = (double)entry["error"]!;
            table.AddRow(
                Markup.Escape((string)entry["who"]!), Markup.Escape(Figures.Measured((double)entry["value"]!, unit)), Markup.Escape(error == 0 ? "" : Figures.Measured(error, unit)),
                Number(entry["reactor"]), Markup.Escape((string)entry["detail"]!));
        }

        table.Caption = new TableTitle(Markup.Escape((string)answer["errorBound"]!));
        return table;
    }
}
