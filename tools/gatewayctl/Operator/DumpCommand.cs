using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Gateway.Ctl.Operator;

/// <summary><c>dump</c>: what lately happened on the node, written there or printed here.</summary>
internal static class DumpCommand
{
    public static Command Create(CommonOptions common, CtlEnvironment environment)
    {
        var print = new Option<bool>("--print") { Description = "prints what happened here, oldest first, in place of a file on the node; takes no secret on the node's own machine" };
        var seconds = new Option<int>("--seconds") { Description = "with --print: how far back, 1 to 86400", DefaultValueFactory = _ => 60, HelpName = "COUNT" };
        var command = new Command("dump", "has the node write its flight recorder to a file there, and prints its path") { print, seconds };
        command.SetAction(async (parse, cancel) =>
        {
            var output = common.OutputOf(parse, environment);
            if (parse.GetValue(print))
            {
                using var looking = common.LookingOf(parse, environment);
                var flight = await looking.GetAsync(string.Create(CultureInfo.InvariantCulture, $"/ops/flight?seconds={parse.GetValue(seconds)}"), cancel);
                output.Write(flight, () => TextOf(flight["events"]!.AsArray(), parse.GetValue(seconds)));
                return ExitCode.Ok;
            }

            using var node = common.OperatorOf(parse, environment);
            var answer = await node.PostAsync("/ops/dump", cancel);
            output.Write(answer, () => $"{answer["path"]}");
            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary>A line an event, as in the node's own dumps: the time (UTC), the thread, what happened.</summary>
    private static string TextOf(JsonArray events, int seconds)
    {
        if (events.Count == 0) return string.Create(CultureInfo.InvariantCulture, $"nothing worth a line happened in the last {seconds} s");
        var text = new StringBuilder();
        foreach (var e in events)
        {
            var at = ((DateTimeOffset)e!["at"]!).UtcDateTime;
            text.Append(CultureInfo.InvariantCulture, $"{at:HH:mm:ss.fff} {e["thread"],-10} {e["text"]}\n");
        }

        return text.ToString().TrimEnd('\n');
    }
}
