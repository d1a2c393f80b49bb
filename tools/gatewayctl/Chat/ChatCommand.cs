using System.CommandLine;
using System.Text;
using Gateway.Client;
using Gateway.Ctl.Messaging;
using Gateway.Protocol;

namespace Gateway.Ctl.Chat;

/// <summary>
/// <c>chat --as A --to B</c>: a conversation on the terminal; with the input or output redirected, line by line. What is typed is in the
/// outbox before it is shown, so that a kill loses nothing that was seen.
/// </summary>
internal static class ChatCommand
{
    private const int HistoryShown = 200;

    /// <summary>At the end of a redirected input: how long what was sent may take to be accepted.</summary>
    private static readonly TimeSpan FlushLimit = TimeSpan.FromSeconds(30);

    public static Command Create(CommonOptions common, CtlEnvironment environment)
    {
        var messaging = new MessagingOptions("--as", "who you are", "--key-file");
        var to = CommonOptions.AddressOption("--to", "whom you talk to");
        var command = new Command("chat", "talks with a device: ✓ accepted by the node, ✓✓ delivered; Ctrl-D or Escape leaves") { to };
        messaging.AddTo(command);
        command.SetAction((parse, cancel) => RunAsync(
            environment, common.OutputOf(parse, environment), messaging.ReadKey(parse, environment), messaging.OpenState(parse, environment),
            parse.GetValue(messaging.Server)!, parse.GetValue(to), cancel));
        return command;
    }

    private static async Task<int> RunAsync(
        CtlEnvironment environment, Output output, KeyFile key, DeviceState state, Endpoint server, Address peer, CancellationToken cancel)
    {
        var conversation = new Conversation(peer, environment.Time);
        var store = new ObservedStore(new HistoryStore(new SettlingStore(state.OpenStore(), state), conversation), conversation);
        await using var client = DeviceClient.Create(server, key, store, environment.Time);
        client.MessageReceived = (message, _) =>
        {
            conversation.OnReceived(message);
            return ValueTask.CompletedTask;
        };
        client.EphemeralReceived += conversation.OnEphemeral;
        client.StateChanged += conversation.OnState;
        await DeviceClient.StartAsync(client, cancel);

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var ending = EndWithAsync(client, ended);
        var terminal = ReferenceEquals(environment.Output, Console.Out) && !Console.IsInputRedirected && !Console.IsOutputRedirected && output.Format == OutputFormat.Text;
        Task SendAsync(string line) => client.SendAsync(peer, Encoding.UTF8.GetBytes(line), cancellationToken: CancellationToken.None);
        try
        {
            if (terminal)
            {
                using var screen = new ChatScreen(conversation, environment.Output, $"{key.Address} ↔ {peer}");
                await screen.RunAsync(SendAsync, new TypingNotes(client, peer, environment.Time), ended.Token);
            }
            else
            {
                await new ChatLog(conversation, output).RunAsync(environment.Input, SendAsync, ended.Token);
                await client.FlushAsync(ended.Token).WaitAsync(FlushLimit, environment.Time, ended.Token);
            }
        }
        catch (TimeoutException e)
        {
            throw new CtlException(ExitCode.Unreachable, $"not everything was accepted within {FlushLimit.TotalSeconds} s; it stays in the outbox: {client.State.Detail}", e);
        }
        catch (Exception e) when (e is OperationCanceledException or ClientStoppedException && client.Completion.IsCompleted)
        {
            // Said below.
        }

        if (client.Completion.IsCompleted) throw DeviceClient.Ended(await client.Completion);
        await client.StopAsync(CancellationToken.None);
        await ending;
        cancel.ThrowIfCancellationRequested();
        return ExitCode.Ok;
    }

    /// <summary>A client that has ended ends the reading of keys and lines.</summary>
    private static async Task EndWithAsync(GatewayClient client, CancellationTokenSource ended)
    {
        await client.Completion;
        await ended.CancelAsync();
    }

    /// <summary>Reads the history before the client begins, so that nothing new comes in between.</summary>
    private sealed class HistoryStore(IMessageStore inner, Conversation conversation) : ForwardingStore(inner)
    {
        public override async Task<StoreSnapshot> OpenAsync(Address owner, CancellationToken cancellationToken)
        {
            var snapshot = await Inner.OpenAsync(owner, cancellationToken);
            conversation.Restore((await Inner.ReadHistoryAsync(conversation.Peer, long.MaxValue, HistoryShown)).Reverse());
            return snapshot;
        }
    }
}
