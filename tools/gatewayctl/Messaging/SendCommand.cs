using System.CommandLine;
using System.Text;
using Gateway.Client;
using Gateway.Protocol;

namespace Gateway.Ctl.Messaging;

/// <summary><c>send --as A --to B TEXT</c>: one message, and what became of it.</summary>
internal static class SendCommand
{
    private enum Until
    {
        Queued = 0,
        Accepted = 1,
        Delivered = 2,
    }

    public static Command Create(CommonOptions common, CtlEnvironment environment)
    {
        var text = new Argument<string[]>("TEXT") { Arity = ArgumentArity.ZeroOrMore, Description = "the message, its words joined by blanks; without it the input is sent, as it is" };
        var messaging = new MessagingOptions("--as", "who sends", "--key-file");
        var to = CommonOptions.AddressOption("--to", "who receives");
        var until = new Option<Until>("--until")
        {
            Description = "wait until it is durable here, accepted by the node (✓) or delivered (✓✓)",
            DefaultValueFactory = _ => Until.Accepted,
            HelpName = "queued|accepted|delivered",
            CustomParser = result => result.Tokens[0].Value switch
            {
                "queued" => Until.Queued,
                "accepted" => Until.Accepted,
                "delivered" => Until.Delivered,
                var other => CommonOptions.Fail<Until>(result, $"--until: '{other}' is none of queued, accepted, delivered"),
            },
        };
        var timeout = new Option<TimeSpan>("--timeout")
        {
            Description = "wait at most so long; the message stays in the outbox and goes with the next command of this device",
            DefaultValueFactory = _ => TimeSpan.FromSeconds(30),
            HelpName = "DURATION",
            CustomParser = result => Durations.TryParse(result.Tokens[0].Value, out var value)
                ? value
                : CommonOptions.Fail<TimeSpan>(result, $"--timeout: '{result.Tokens[0].Value}' is not a duration: a number and one of ms, s, m, h, d, as in 30s"),
        };
        var command = new Command("send", "sends one message and waits for its single or double check") { text, to, until, timeout };
        messaging.AddTo(command);
        command.SetAction(async (parse, cancel) =>
        {
            var words = parse.GetValue(text)!;
            var body = Encoding.UTF8.GetBytes(words.Length > 0 ? string.Join(' ', words) : await environment.Input.ReadToEndAsync(cancel));
            if (body.Length > Wire.MaxBodyBytesCeiling) throw new CtlException(ExitCode.Usage, $"the message has {body.Length} bytes; at most {Wire.MaxBodyBytesCeiling}");
            var key = messaging.ReadKey(parse, environment);
            var state = messaging.OpenState(parse, environment);
            await using var client = DeviceClient.Create(parse.GetValue(messaging.Server)!, key, new SettlingStore(state.OpenStore(), state), environment.Time);

            // The double check comes through the mailbox, after whatever else waits there: that goes into the history.
            if (parse.GetValue(until) == Until.Delivered) client.MessageReceived = (_, _) => ValueTask.CompletedTask;
            await DeviceClient.StartAsync(client, cancel);
            return await SendAsync(
                client, common.OutputOf(parse, environment), parse.GetValue(to), body, parse.GetValue(until), parse.GetValue(timeout), environment.Time, cancel);
        });
        return command;
    }

    private static async Task<int> SendAsync(
        GatewayClient client, Output output, Address to, byte[] body, Until until, TimeSpan timeout, TimeProvider time, CancellationToken cancel)
    {
        var message = await client.SendAsync(to, body, cancellationToken: cancel);
        var outcome = new SendOutcome(MessageState.Open);
        if (until != Until.Queued)
        {
            try
            {
                outcome = await message.Accepted.WaitAsync(timeout, time, cancel);
                if (until == Until.Delivered && outcome.IsAccepted) outcome = await message.Delivered.WaitAsync(timeout, time, cancel);
            }
            catch (TimeoutException e)
            {
                throw new CtlException(
                    ExitCode.Unreachable,
                    outcome.IsAccepted
                        ? $"accepted, but not delivered within {timeout.TotalSeconds} s; message {message.Id}"
                        : $"not accepted within {timeout.TotalSeconds} s; message {message.Id} stays in the outbox: {client.State.Detail}",
                    e);
            }
            catch (ClientStoppedException e)
            {
                throw DeviceClient.Ended(e.Change);
            }
        }

        output.Write(
            new { id = message.Id, to = to.ToString(), state = outcome.State.ToString().ToLowerInvariant(), reason = outcome.Refusal == RefusalReason.None ? null : outcome.Refusal.ToString() },
            () => $"{Checks.Of(outcome.State)} {outcome}, message {message.Id}");
        return outcome.State == MessageState.Open || outcome.IsDelivered || (outcome.IsAccepted && until == Until.Accepted) ? ExitCode.Ok : ExitCode.Refused;
    }
}

/// <summary>How a message's state is shown beside it.</summary>
internal static class Checks
{
    public static string Of(MessageState state) => state switch
    {
        MessageState.Open => "…",
        MessageState.Accepted => "✓",
        MessageState.Delivered or MessageState.Read => "✓✓",
        MessageState.Received or MessageState.ReadHere or MessageState.RejectedHere => "",
        MessageState.OutcomeUnknown => "?",
        _ => "✗",
    };
}
