using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Spectre.Console;
using static Gateway.Ctl.Operator.Cells;

namespace Gateway.Ctl.Operator;

/// <summary>
/// Who is connected: some sessions, or the first of all connections by a rank. The kernel's own tools cannot say it of a node on io_uring, whose
/// sockets stand in no list of the process's files.
/// </summary>
internal static class ConnectionCommand
{
    private static readonly string[] Ranks = ["queue", "bytes", "age"];

    public static Command Create(CommonOptions common, CtlEnvironment environment)
    {
        var limit = new Option<int>("--limit") { Description = "at most so many, 1 to 10000; with --top 1 to 1000, and 20 unless said", DefaultValueFactory = _ => 100, HelpName = "COUNT" };
        var top = new Option<string?>("--top")
        {
            Description = "the first of all connections by what waits in their mailbox (queue), by bytes held for them, or by how long ago they logged in",
            HelpName = "queue|bytes|age",
        };
        top.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !Ranks.Contains(result.Tokens[0].Value)) result.AddError($"--top: '{result.Tokens[0].Value}' is none of queue, bytes, age");
        });
        var addresses = new Option<bool>("--addresses") { Description = "with --top: the devices' addresses in place of their pseudonyms" };
        var command = new Command("connections", "sessions that are open now, or the first of all connections by a rank") { limit, top, addresses };
        command.SetAction(async (parse, cancel) =>
        {
            using var node = common.OperatorOf(parse, environment);
            var output = common.OutputOf(parse, environment);
            var given = parse.GetResult(limit) is { Implicit: false };
            if (parse.GetValue(top) is { } rank)
            {
                var path = string.Create(
                    CultureInfo.InvariantCulture, $"/ops/connections/top?by={rank}&count={(given ? parse.GetValue(limit) : 20)}{(parse.GetValue(addresses) ? "&addresses=true" : "")}");
                var answer = await node.GetAsync(path, cancel);
                output.WriteTable(answer, Top(answer));
            }
            else
            {
                var answer = await node.GetAsync($"/ops/connections?limit={parse.GetValue(limit).ToString(CultureInfo.InvariantCulture)}", cancel);
                output.WriteTable(answer, Sessions(answer));
            }

            return ExitCode.Ok;
        });
        return command;
    }

    private static Table Sessions(JsonNode answer)
    {
        var table = Rows("address", "remote", "reactor", "since (UTC)", "unacknowledged", "unsent bytes");
        foreach (var c in answer["connections"]!.AsArray())
        {
            table.AddRow(
                Markup.Escape($"{c!["address"]}"), Markup.Escape($"{c["remote"]}"), Number(c["reactor"]), Moment(c["connectedAt"]),
                Number(c["unacknowledged"]), Number(c["unsentBytes"]));
        }

        table.Caption = new TableTitle($"{answer["connections"]!.AsArray().Count} of {answer["total"]}");
        return table;
    }

    private static Table Top(JsonNode answer)
    {
        var table = Rows("device", "remote", "reactor", "connection", "login (UTC)", "pending", "unacknowledged", "unsent bytes", "kept bytes", "silent s", "not read for");
        foreach (var c in answer["connections"]!.AsArray())
        {
            var why = string.Join(", ", c!["paused"]!.AsArray().Select(p => (string)p!));
            table.AddRow(
                Markup.Escape(c["device"] is { } device ? $"{device}" : "not logged in"), Markup.Escape(c["remote"] is { } remote ? $"{remote}" : "gone"), Number(c["reactor"]),
                Markup.Escape($"{c["connection"]}"), Moment(c["loggedInAt"]), Number(c["pendingEntries"]), Number(c["unacknowledged"]), Number(c["unsentBytes"]),
                Number(c["keptBytes"]), ((double)c["silentSeconds"]!).ToString("N1", CultureInfo.InvariantCulture), (bool)c["closing"]! ? "closing" : why);
        }

        table.Caption = new TableTitle($"{answer["connections"]!.AsArray().Count} of {answer["walked"]}");
        return table;
    }
}
