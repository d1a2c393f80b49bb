using System.CommandLine;
using Gateway.Load.Conduct;
using Gateway.Load.Devices;
using Gateway.Protocol;

namespace Gateway.Load.Cli;

internal static class OfflineCommand
{
    private const long MostMessages = 1_000_000_000;

    public static Command Create(LoadEnvironment environment, CancellationToken interrupt)
    {
        var common = new CommonOptions();
        var mailboxes = Units.Count("--mailboxes", "recipients, absent while their mailboxes fill", 1000, 1, 4_000_000);
        var messages = Units.Count("--messages", "messages to each", 100, 1, 10_000_000);
        var senders = Units.Count("--senders", "devices that fill them", 50, 1, 100_000);
        var window = Units.Count("--window", "messages of one sender that are not yet accepted", Wire.WindowSize, 1, Wire.WindowSize);
        var rate = Units.Count("--rate", "recipients' logins a second; 0: as fast as it goes", 0, 0, 1_000_000);
        var wait = Units.Duration("--wait", "between filling and draining", TimeSpan.Zero, CommonOptions.LongestRun);
        var command = new Command("offline", "Fill mailboxes of absent recipients, then log them in and drain them.") { mailboxes, messages, senders, window, rate, wait };
        common.AddTo(command, sends: true);
        CommonOptions.Require(
            command,
            result => result.GetValue(mailboxes) * result.GetValue(messages) > MostMessages ? $"--messages: at most {MostMessages} for all mailboxes together" : null);
        command.SetAction(parse =>
        {
            var recipients = CommonOptions.CountOf(parse, mailboxes);
            var shape = Shape.Fan(Math.Min(CommonOptions.CountOf(parse, senders), recipients), recipients);
            var settings = common.SettingsOf(parse, shape, environment) with { Window = CommonOptions.CountOf(parse, window), TracksDoubleChecks = false };
            var plan = new OfflinePlan
            {
                Mailboxes = recipients,
                Messages = CommonOptions.CountOf(parse, messages),
                Rate = parse.GetValue(rate),
                Wait = parse.GetValue(wait),
            };
            return LoadHost.Run(common, parse, settings, environment, conductor => OfflineRun.Run(conductor, settings, plan), interrupt);
        });
        return command;
    }
}
