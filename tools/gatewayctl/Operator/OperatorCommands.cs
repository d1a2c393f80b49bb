using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Spectre.Console;
using static Gateway.Ctl.Operator.Cells;

namespace Gateway.Ctl.Operator;

/// <summary>Questions and orders to the node: what it holds, who is connected, how it is. As JSON each prints the node's own answer.</summary>
internal static class OperatorCommands
{
    private static readonly string[] LedgerTerms = ["accepted", "delivered", "pending", "rejected", "expired", "discarded", "lost"];

    public static IEnumerable<Command> Create(CommonOptions common, CtlEnvironment environment) =>
        [Status(common, environment), ConnectionCommand.Create(common, environment), Mailbox(common, environment), Ledger(common, environment), Kick(common, environment), Expiry(common, environment), Collect(common, environment), LogLevel(common, environment)];

    private static Command Status(CommonOptions common, CtlEnvironment environment)
    {
        var command = new Command("status", "readiness, version, uptime, durability; needs no secret on the node's own machine");
        command.SetAction(async (parse, cancel) =>
        {
            using var node = common.LookingOf(parse, environment);
            var status = await node.GetAsync("/status", cancel);
            var reasons = string.Join("; ", status["reasons"]!.AsArray().Select(r => (string)r!));
            var rows = Rows("", "");
            rows.HideHeaders();
            rows.AddRow("state", Markup.Escape(reasons.Length == 0 ? $"{status["state"]}" : $"{status["state"]}: {reasons}"));
            rows.AddRow("version", Markup.Escape($"{status["version"]}"));
            rows.AddRow("uptime", TimeSpan.FromSeconds((long)(double)status["uptimeSeconds"]!).ToString("c", CultureInfo.InvariantCulture));
            rows.AddRow("durability", Markup.Escape($"{status["durability"]!["mode"]}: {status["durability"]!["meaning"]}"));
            foreach (var endpoint in status["endpoints"]!.AsArray()) rows.AddRow("endpoint", Markup.Escape($"{endpoint}"));
            foreach (var (name, value) in status["totals"]!.AsObject()) rows.AddRow(Markup.Escape(name), Number(value));
            common.OutputOf(parse, environment).WriteTable(status, rows);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Mailbox(CommonOptions common, CtlEnvironment environment)
    {
        var address = CommonOptions.AddressArgument();
        var command = new Command("mailbox", "what waits for a device, and whether it is connected") { address };
        command.SetAction(async (parse, cancel) =>
        {
            using var node = common.OperatorOf(parse, environment);
            var mailbox = await node.GetAsync($"/ops/mailboxes/{OperatorClient.InPath(parse.GetValue(address))}", cancel);
            var rows = Rows("", "");
            rows.HideHeaders();
            foreach (var name in (string[])["address", "pendingEntries", "pendingBytes", "firstSequence", "lastSequence", "keyEpoch"])
                rows.AddRow(name, Markup.Escape($"{mailbox[name]}"));
            rows.AddRow("session", mailbox["session"] is { } s ? Markup.Escape($"{s["remote"]}, {s["unacknowledged"]} unacknowledged") : "none");
            common.OutputOf(parse, environment).WriteTable(mailbox, rows);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Ledger(CommonOptions common, CtlEnvironment environment)
    {
        var command = new Command("ledger", "what became of every message since the log began, and whether it adds up");
        command.SetAction(async (parse, cancel) =>
        {
            using var node = common.OperatorOf(parse, environment);
            var ledger = await node.GetAsync("/ops/ledger", cancel);
            var table = Rows("", "messages", "receipts");
            foreach (var term in LedgerTerms) table.AddRow(term, Number(ledger[term]), Number(ledger["receipts"]?[term]));
            table.AddRow("balanced", YesOrNo(ledger["balanced"]), YesOrNo(ledger["receipts"]?["balanced"]));
            common.OutputOf(parse, environment).WriteTable(ledger, table);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Kick(CommonOptions common, CtlEnvironment environment)
    {
        var address = CommonOptions.AddressArgument();
        var command = new Command("kick", "closes a device's session; it may come back at once") { address };
        command.SetAction(async (parse, cancel) =>
        {
            using var node = common.OperatorOf(parse, environment);
            var answer = await node.PostAsync($"/ops/connections/{OperatorClient.InPath(parse.GetValue(address))}/kick", cancel);
            common.OutputOf(parse, environment).Write(answer, () => $"{answer["address"]}: {answer["closed"]} closed");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Expiry(CommonOptions common, CtlEnvironment environment)
    {
        var resume = new Command("resume", "says that the node's clock is right after it suspended expiry; see the reasons of status");
        resume.SetAction(async (parse, cancel) =>
        {
            using var node = common.OperatorOf(parse, environment);
            var answer = await node.PostAsync("/ops/expiry/resume", cancel);
            common.OutputOf(parse, environment).Write(answer, () => (bool)answer["resumed"]! ? "expiry goes on" : "expiry was not suspended");
            return ExitCode.Ok;
        });
        return new Command("expiry", "what becomes of messages that nobody fetches") { resume };
    }

    private static Command Collect(CommonOptions common, CtlEnvironment environment)
    {
        var times = new Option<int>("--times") { Description = "how many", HelpName = "N", DefaultValueFactory = _ => 1 };
        times.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > 1000) result.AddError("--times is 1 to 1000.");
        });
        var every = new Option<TimeSpan>("--every")
        {
            Description = "the time from one's end to the next, e.g. 500ms, 10s",
            HelpName = "TIME",
            DefaultValueFactory = _ => TimeSpan.FromSeconds(1),
            CustomParser = result => Durations.TryParse(result.Tokens[0].Value, out var value) && value <= TimeSpan.FromHours(1)
                ? value
                : CommonOptions.Fail<TimeSpan>(result, $"'{result.Tokens[0].Value}' is no time up to an hour; write 500ms, 10s or 5m."),
        };
        var command = new Command("gc", "forces a full blocking collection and says how long it stopped the node's managed threads") { times, every };
        command.SetAction(async (parse, cancel) =>
        {
            using var node = common.OperatorOf(parse, environment);
            for (var done = 0; done < parse.GetValue(times); done++)
            {
                if (done != 0) await Task.Delay(parse.GetValue(every), environment.Time, cancel);
                var answer = await node.PostAsync("/ops/gc", cancel);
                common.OutputOf(parse, environment).Write(answer, () => string.Create(
                    CultureInfo.InvariantCulture,
                    $"heap {Mebibytes(answer["heapBeforeBytes"])} MiB before, {Mebibytes(answer["heapAfterBytes"])} MiB after; paused {(double)answer["pauseMs"]!:0.000} ms{((bool)answer["compacted"]! ? ", compacted" : "")}"));
            }

            return ExitCode.Ok;
        });
        return command;
    }

    private static string Mebibytes(JsonNode? bytes) => ((long)bytes! / 1048576.0).ToString("0.0", CultureInfo.InvariantCulture);

    private static Command LogLevel(CommonOptions common, CtlEnvironment environment)
    {
        var level = new Argument<string?>("LEVEL")
        {
            Arity = ArgumentArity.ZeroOrOne,
            Description = "trace, debug, information, warning, error, critical; without it the level is shown",
        };
        var command = new Command("log-level", "shows or changes what the running node logs") { level };
        command.SetAction(async (parse, cancel) =>
        {
            using var node = common.OperatorOf(parse, environment);
            var answer = parse.GetValue(level) is { } wanted
                ? await node.PutAsync("/ops/log-level", new { level = wanted }, cancel)
                : await node.GetAsync("/ops/log-level", cancel);
            common.OutputOf(parse, environment).Write(answer, () => $"{answer["level"]}");
            return ExitCode.Ok;
        });
        return command;
    }
}
