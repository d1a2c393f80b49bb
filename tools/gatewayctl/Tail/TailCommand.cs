using System.CommandLine;
using System.Globalization;
using System.Text;
using Gateway.Client;
using Gateway.Ctl.Messaging;
using Gateway.Protocol;

namespace Gateway.Ctl.Tail;

/// <summary><c>tail --as B [--out FILE]</c>: takes what comes for a device, into a file exactly once and in order, or onto the output.</summary>
internal static class TailCommand
{
    private const int Credit = 1024;

    public static Command Create(CommonOptions common, CtlEnvironment environment)
    {
        var messaging = new MessagingOptions("--as", "who receives", "--key-file");
        var file = new Option<string?>("--out")
        {
            Description = "append each message as a line to this file, exactly once and in order, even over a kill; without it to the output",
            HelpName = "FILE",
        };
        var count = new Option<long?>("--count") { Description = "end after so many messages; with --out those of earlier runs count", HelpName = "COUNT" };
        var idle = new Option<TimeSpan?>("--idle")
        {
            Description = "end after so long without a message while connected, as in 5s",
            HelpName = "DURATION",
            CustomParser = result => Durations.TryParse(result.Tokens[0].Value, out var value)
                ? value
                : CommonOptions.Fail<TimeSpan?>(result, $"--idle: '{result.Tokens[0].Value}' is not a duration: a number and one of ms, s, m, h, d, as in 5s"),
        };
        count.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<long?>() < 1) result.AddError("--count: at least 1");
        });
        var command = new Command("tail", "takes and acknowledges the messages of a device") { file, count, idle };
        messaging.AddTo(command);
        command.SetAction((parse, cancel) =>
        {
            var state = messaging.OpenState(parse, environment);
            var end = new TailEnd(parse.GetValue(count), parse.GetValue(idle), environment.Time);
            var output = common.OutputOf(parse, environment);
            return RunAsync(
                environment, output, parse.GetValue(file), messaging.ReadKey(parse, environment), state, parse.GetValue(messaging.Server)!, end, cancel);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        CtlEnvironment environment, Output output, string? file, KeyFile key, DeviceState state, Endpoint server, TailEnd end, CancellationToken cancel)
    {
        using var ends = end;
        var path = file is null ? null : Path.GetFullPath(environment.Resolve(file));
        var files = path is null ? null : new TailStore(state.OpenStore(), state, path, end.OnSafe);
        var store = files ?? (IMessageStore)new SettlingStore(state.OpenStore(), state);
        await using var client = DeviceClient.Create(
            server, key, store, environment.Time, files is null ? null : _ => ValueTask.FromResult(files.Resume), Credit);

        long handled = 0;
        client.MessageReceived = async (message, stopping) =>
        {
            // One too many stays unacknowledged in the mailbox, for whoever comes next.
            if (end.IsEnough((files?.CountBefore ?? 0) + handled)) await Task.Delay(Timeout.InfiniteTimeSpan, stopping);
            handled++;
            end.OnMessage();
            if (files is not null) return;
            // Onto the output before the store has it: after a kill the last ones may be printed again.
            Print(output, message);
            end.OnSafe(handled);
        };
        DeviceClient.NoteStates(client, output);
        client.StateChanged += end.OnState;
        await DeviceClient.StartAsync(client, cancel);
        if (files is not null) end.OnSafe(files.CountBefore);

        await Task.WhenAny(end.Reached, client.Completion, Task.Delay(Timeout.InfiniteTimeSpan, cancel));
        if (client.Completion.IsCompleted) throw DeviceClient.Ended(await client.Completion);

        // The node has to hear how far the device is, or the senders wait for their double checks until its next login: after a kill
        // all may be in the file already, and a connection may be down just now.
        await TellNodeAsync(client, cancel);
        await client.StopAsync(CancellationToken.None);
        cancel.ThrowIfCancellationRequested();
        var total = (files?.CountBefore ?? 0) + handled;
        if (path is not null) output.Write(new { messages = total, file = path }, () => string.Create(CultureInfo.InvariantCulture, $"{total} messages in {path}"));
        return ExitCode.Ok;
    }

    private static async Task TellNodeAsync(GatewayClient client, CancellationToken cancel)
    {
        try
        {
            await client.WaitForConnectionAsync(cancel);
        }
        catch (ClientStoppedException e)
        {
            throw DeviceClient.Ended(e.Change);
        }
        catch (OperationCanceledException)
        {
            // The person does not want to wait for the node; what is in the file is told at the next login.
        }
    }

    private static void Print(Output output, ReceivedMessage message)
    {
        output.Write(
            new
            {
                sequence = message.Sequence, from = message.From.ToString(), at = message.EnqueuedAt, redelivered = message.Redelivered,
                body = Encoding.UTF8.GetString(message.Body.Span),
            },
            () => $"{message.From}: {BodyText.Printable(message.Body.Span)}");
        output.Flush();
    }
}
