using System.CommandLine;
using System.Globalization;
using Gateway.Ctl.Messaging;
using Gateway.Protocol;

namespace Gateway.Ctl.Replay;

/// <summary><c>replay FILE --from A --to B</c>: each line a message; ends when every line has its double check. Restartable at any point.</summary>
internal static class ReplayCommand
{
    public static Command Create(CommonOptions common, CtlEnvironment environment)
    {
        var file = new Argument<string>("FILE") { Description = "each line is a message, sent as it is" };
        var messaging = new MessagingOptions("--from", "who sends", "--from-key");
        var to = CommonOptions.AddressOption("--to", "who receives");
        var quiet = new Option<bool>("--quiet", "-q") { Description = "show no progress" };
        var command = new Command("replay", "sends a file line by line and waits until each line is delivered; run again after a kill it goes on") { file, to, quiet };
        messaging.AddTo(command);
        command.SetAction((parse, cancel) => RunAsync(
            environment, common.OutputOf(parse, environment), parse.GetValue(file)!, parse.GetValue(to), messaging.ReadKey(parse, environment),
            messaging.OpenState(parse, environment), parse.GetValue(messaging.Server)!, parse.GetValue(quiet), cancel));
        return command;
    }

    private static async Task<int> RunAsync(
        CtlEnvironment environment, Output output, string file, Address to, KeyFile key, DeviceState state, Endpoint server, bool quiet, CancellationToken cancel)
    {
        var path = Path.GetFullPath(environment.Resolve(file));
        var total = Count(path);
        var began = environment.Time.GetTimestamp();

        using var lines = Open(path);
        var tracker = new ReplayTracker();
        var store = new ReplayStore(state.OpenStore(), state, tracker, path, to);
        await using var client = DeviceClient.Create(server, key, store, environment.Time);

        // Receipts come through the mailbox, in order with messages for this device: those go into the history.
        client.MessageReceived = (_, _) => ValueTask.CompletedTask;
        if (!quiet) DeviceClient.NoteStates(client, output);
        await DeviceClient.StartAsync(client, cancel);
        if (store.LinesBefore > 0) output.Note($"going on after line {store.LinesBefore} of {total}");

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var work = new ReplayRunner(client, store, tracker, lines, to).RunAsync(stop.Token);
        var shown = ReplayProgress.ShowAsync(work, tracker, total, environment, quiet);
        if (await Task.WhenAny(work, client.Completion) != work)
        {
            await stop.CancelAsync();
            await shown.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw DeviceClient.Ended(await client.Completion);
        }

        await shown;
        await client.StopAsync(CancellationToken.None);
        store.Forget();
        return Report(output, tracker.Counts, environment.Time.GetElapsedTime(began));
    }

    private static int Report(Output output, ReplayCounts counts, TimeSpan elapsed)
    {
        var seconds = Math.Round(elapsed.TotalSeconds, 3);
        output.Write(
            new { lines = counts.Sent, accepted = counts.Accepted, delivered = counts.Delivered, failed = counts.Failed, seconds },
            () => string.Create(
                CultureInfo.InvariantCulture,
                $"{counts.Sent} lines: {counts.Accepted} accepted, {counts.Delivered} delivered, {counts.Failed} not delivered, in {seconds} s"));
        return counts.Failed == 0 ? ExitCode.Ok : ExitCode.Refused;
    }

    private static long Count(string path)
    {
        using var lines = Open(path);
        var count = lines.Skip(long.MaxValue);
        return count <= DeviceState.MaxHistory
            ? count
            : throw new CtlException(ExitCode.Usage, $"{path}: {count} lines; a replay has at most {DeviceState.MaxHistory}");
    }

    private static LineReader Open(string path)
    {
        try
        {
            return new LineReader(File.OpenRead(path), Wire.MaxBodyBytesCeiling);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CtlException(ExitCode.Usage, $"{path}: cannot be read: {e.Message}", e);
        }
    }
}
