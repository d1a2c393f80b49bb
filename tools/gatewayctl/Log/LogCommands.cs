using System.CommandLine;
using System.Text.Json.Nodes;
using Gateway.Mailbox;
using Gateway.Mailbox.Inspection;

namespace Gateway.Ctl.Log;

/// <summary>Looks at, checks, exports and repairs the mailbox log of a node that does not run. None of them needs the node's secret; all need its files.</summary>
internal static class LogCommands
{
    public static Command Create(CommonOptions common, CtlEnvironment environment) => new("log", "the mailbox log of a stopped node")
    {
        Inspect(common, environment), Verify(common, environment), ExportCommand.Create(environment), Repair(common, environment),
    };

    /// <summary>The data folder.</summary>
    public static Option<string> DataOption() => new("--data") { Description = "the node's data folder; no node may run on it", Required = true, HelpName = "DIR" };

    /// <summary>Opens the log, does the work, and gives what goes wrong with it its exit code.</summary>
    public static int OnLog(CtlEnvironment environment, string folder, Func<StoppedLog, ReadingProgress, int> work)
    {
        try
        {
            using var log = StoppedLog.Open(environment.Resolve(folder));
            return work(log, new ReadingProgress(environment));
        }
        catch (LogLockedException e)
        {
            throw new CtlException(ExitCode.Local, $"{e.Message} Stop it first: this looks at a stopped node's log.", e);
        }
        catch (LogAbsentException e)
        {
            throw new CtlException(ExitCode.NotFound, e.Message, e);
        }
        catch (LogCorruptException e)
        {
            throw new CtlException(ExitCode.Damaged, $"{e.Path} at offset {e.Offset}: {e.What}. This cannot be repaired here; restore the file, or begin with an empty folder.", e);
        }
        catch (Exception e) when (e is LogVersionException or IOException or UnauthorizedAccessException)
        {
            throw new CtlException(ExitCode.Local, e.Message, e);
        }
    }

    private static Command Inspect(CommonOptions common, CtlEnvironment environment)
    {
        var data = DataOption();
        var from = new Option<long>("--from") { Description = "list records from this log address on (default: the log's begin)", HelpName = "ADDRESS" };
        var records = new Option<int>("--records") { Description = "list at most so many records; bodies are never shown", HelpName = "COUNT" };
        from.Validators.Add(r => { if (r.GetValue(from) < 0) r.AddError("--from: at least 0"); });
        records.Validators.Add(r => { if (r.GetValue(records) < 0) r.AddError("--records: at least 0"); });
        var command = new Command("inspect", "superblock, segments, where the log ends and why, records by type, what is pending") { data, from, records };
        command.SetAction(parse => OnLog(environment, parse.GetValue(data)!, (log, progress) =>
        {
            var survey = log.Survey(progress.Tell);
            var count = parse.GetValue(records) is var given and > 0 ? given : parse.GetResult(from) is null ? 0 : 100;
            var listing = count == 0 ? [] : log.List(parse.GetValue(from), count);
            var json = LogJson.Of(survey);
            if (count > 0) json["listing"] = new JsonArray([.. listing.Select(LogJson.Of)]);
            common.OutputOf(parse, environment).Write(json, () => LogText.Inspection(survey, listing));
            return ExitCode.Ok;
        }));
        return command;
    }

    private static Command Verify(CommonOptions common, CtlEnvironment environment)
    {
        var data = DataOption();
        var command = new Command("verify", $"reads all of the log as a start would; {ExitCode.TornTail}: a torn end that a start cuts off, {ExitCode.Damaged}: damaged") { data };
        command.SetAction(parse => OnLog(environment, parse.GetValue(data)!, (log, progress) =>
        {
            var survey = log.Survey(progress.Tell);
            common.OutputOf(parse, environment).Write(LogJson.Of(survey), () => LogText.Verdict(survey));
            return CodeOf(survey.State);
        }));
        return command;
    }

    private static Command Repair(CommonOptions common, CtlEnvironment environment)
    {
        var data = DataOption();
        var accept = new Option<bool>("--accept-loss") { Description = "do it; without this it says what would be lost and changes nothing" };
        var command = new Command("repair", "makes a damaged log open again, with a copy of what it takes out") { data, accept };
        command.SetAction(parse => OnLog(environment, parse.GetValue(data)!, (log, progress) =>
        {
            var output = common.OutputOf(parse, environment);
            var before = log.Survey(progress.Tell);
            var json = LogJson.Of(before);
            json["repaired"] = false;
            if (before.State != LogState.Damaged)
            {
                output.Write(json, () => $"There is nothing to repair.\n{LogText.Verdict(before)}");
                return ExitCode.Ok;
            }

            if (!parse.GetValue(accept))
            {
                output.Write(json, () => LogText.Plan(before));
                return ExitCode.Damaged;
            }

            var outcome = log.Repair(environment.Time, progress.Tell);
            json["repaired"] = true;
            json["quarantine"] = new JsonObject { ["bytes"] = outcome.QuarantinedBytes, ["index"] = outcome.QuarantineIndex };
            json["after"] = LogJson.Of(outcome.After);
            output.Write(json, () => LogText.Repaired(before, outcome));
            return outcome.After.State == LogState.Damaged ? ExitCode.Damaged : ExitCode.Ok;
        }));
        return command;
    }

    private static int CodeOf(LogState state) => state switch
    {
        LogState.Sound => ExitCode.Ok,
        LogState.TornTail => ExitCode.TornTail,
        _ => ExitCode.Damaged,
    };
}
