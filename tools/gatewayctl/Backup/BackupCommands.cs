using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Gateway.Mailbox;
using Gateway.Mailbox.Backup;
using Gateway.Mailbox.Inspection;

namespace Gateway.Ctl.Backup;

/// <summary>Copies a node's data away, while it runs or not, and makes a data folder of such a copy. Both need the node's files, neither asks it.</summary>
internal static class BackupCommands
{
    /// <summary>What a node keeps beside its log: without its secret every device's key would be another.</summary>
    private const string SecretName = "secret";

    public static IEnumerable<Command> Create(CommonOptions common, CtlEnvironment environment) => [Backup(common, environment), Restore(common, environment)];

    private static Command Backup(CommonOptions common, CtlEnvironment environment)
    {
        var data = new Option<string>("--data") { Description = "the node's data folder; the node may run", Required = true, HelpName = "DIR" };
        var to = new Option<string>("--to") { Description = "the folder to make; it must not exist, or be empty", Required = true, HelpName = "DIR" };
        var without = new Option<bool>("--without-secret") { Description = "leave the node's secret out; whoever restores must put it back" };
        var command = new Command("backup", "copies the log and the node's secret, of a running node up to what is durable at that moment") { data, to, without };
        command.SetAction(parse => OnFiles(() =>
        {
            var folder = environment.Resolve(parse.GetValue(data)!);
            var target = environment.Resolve(parse.GetValue(to)!);
            var output = common.OutputOf(parse, environment);
            string[] beside = parse.GetValue(without) ? [] : [SecretName];
            try
            {
                var manifest = LogBackup.Take(folder, target, beside, environment.Time, new BackupWork(environment).Tell);
                output.Write(JsonOf(manifest, target), () => BackupText.Taken(manifest, target));
                return ExitCode.Ok;
            }
            catch (LogCorruptException e)
            {
                throw new CtlException(
                    ExitCode.Damaged,
                    $"The log is damaged, and no backup was made: {e.Path} at offset {e.Offset}: {e.What}. Earlier backups are worth more than this log now: keep them. "
                    + $"Next: stop the node, then gatewayctl log verify --data {folder}", e);
            }
        }));
        return command;
    }

    private static Command Restore(CommonOptions common, CtlEnvironment environment)
    {
        var from = new Option<string>("--from") { Description = "a backup", Required = true, HelpName = "DIR" };
        var data = new Option<string>("--data") { Description = "the data folder to make; it must not exist, or be empty", Required = true, HelpName = "DIR" };
        var command = new Command("restore", "makes a data folder from a backup, in a new generation: devices are told that something may be lost") { from, data };
        command.SetAction(parse => OnFiles(() =>
        {
            var (source, folder) = (environment.Resolve(parse.GetValue(from)!), environment.Resolve(parse.GetValue(data)!));
            try
            {
                var outcome = LogRestore.Restore(source, folder, environment.Time, new BackupWork(environment).Tell);
                var json = JsonOf(outcome.Manifest, source);
                json["data"] = folder;
                json["newGeneration"] = outcome.Generation;
                json["sequencesAbove"] = outcome.SequencesAbove;
                common.OutputOf(parse, environment).Write(json, () => BackupText.Restored(outcome, folder, environment.Time.GetUtcNow()));
                return ExitCode.Ok;
            }
            catch (BackupDamagedException e)
            {
                throw new CtlException(ExitCode.Damaged, $"The backup is damaged, and nothing was restored: {e.Message}. Use another backup.", e);
            }
            catch (LogCorruptException e)
            {
                throw new CtlException(ExitCode.Damaged, $"The backup is damaged, and nothing was restored: {e.Path}: {e.What}. Use another backup.", e);
            }
        }));
        return command;
    }

    private static int OnFiles(Func<int> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is LogAbsentException or BackupAbsentException)
        {
            throw new CtlException(ExitCode.NotFound, e.Message, e);
        }
        catch (Exception e) when (e is LogLockedException or LogVersionException or IOException or UnauthorizedAccessException)
        {
            throw new CtlException(ExitCode.Local, e.Message, e);
        }
    }

    // Without the log's identity: who knows it can pose as a mark.
    private static JsonObject JsonOf(BackupManifest manifest, string folder) => new()
    {
        ["backup"] = folder,
        ["takenAt"] = manifest.TakenAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        ["nodeWasRunning"] = manifest.NodeWasRunning,
        ["logFormat"] = manifest.LogFormat,
        ["generation"] = manifest.Generation,
        ["beginAddress"] = manifest.BeginAddress,
        ["completeThrough"] = manifest.CompleteThrough,
        ["files"] = manifest.Files.Count,
        ["bytes"] = manifest.Files.Sum(f => f.Bytes),
        ["hasSecret"] = BackupText.HasSecret(manifest),
    };
}
