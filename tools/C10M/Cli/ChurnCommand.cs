using System.CommandLine;
using Gateway.Load.Conduct;
using Gateway.Load.Devices;

namespace Gateway.Load.Cli;

internal static class ChurnCommand
{
    /// <summary>
    /// Who closes first keeps the port for a minute (TIME_WAIT); so connections come from more addresses than those open at once would need.
    /// </summary>
    private const int LeastSources = 20 * SourceAddresses.PortsEach;

    public static Command Create(LoadEnvironment environment, CancellationToken interrupt)
    {
        var common = new CommonOptions();
        var kind = new Option<ChurnKind>("--kind")
        {
            Description = "close: connect, and close without a word; abort: half a handshake, then a reset; login: log in, and leave; "
                + "mailboxes: devices that never were before get messages while they are away, fetch them, and never come again",
            HelpName = "close|abort|login|mailboxes",
            DefaultValueFactory = _ => ChurnKind.Close,
            CustomParser = result => result.Tokens[0].Value switch
            {
                "close" => ChurnKind.Close,
                "abort" => ChurnKind.Abort,
                "login" => ChurnKind.Login,
                "mailboxes" => ChurnKind.Mailboxes,
                var other => Units.Fail<ChurnKind>(result, $"--kind: '{other}' is none of close, abort, login, mailboxes"),
            },
        };
        var connections = Units.Count("--connections", "connections, or mailboxes, of a round", 1000, 1, 1_000_000);
        var count = Units.Count("--count", "connections, or mailboxes, in all: whole rounds; 0: as many as --time has room for", 0, 0, 1_000_000_000);
        var time = Units.Duration("--time", "how long, when there is no --count", TimeSpan.FromSeconds(30), CommonOptions.LongestRun);
        var rate = Units.Count("--rate", "connections a second; 0: as fast as it goes", 0, 0, 1_000_000);
        var messages = Units.Count("--messages", "mailboxes: messages to each", 3, 1, 10_000);
        var senders = Units.Count("--senders", "mailboxes: devices that fill them", 10, 1, 100_000);
        var command = new Command("churn", "Connections or devices that come and go, over and over, and what the server keeps of them.")
        {
            kind, connections, count, time, rate, messages, senders,
        };
        common.AddTo(command, sends: true);
        common.AddOperatorTo(command);
        command.SetAction(parse =>
        {
            var chosen = parse.GetValue(kind);
            var each = CommonOptions.CountOf(parse, connections);
            var shape = chosen == ChurnKind.Mailboxes ? Shape.Fan(Math.Min(CommonOptions.CountOf(parse, senders), each), each) : Shape.Idle(each);
            var settings = common.SettingsOf(parse, shape, environment) with
            {
                Window = 64,
                TracksDoubleChecks = chosen != ChurnKind.Mailboxes,
                Sources = Math.Max(shape.Devices, LeastSources),
            };
            var plan = new ChurnPlan
            {
                Kind = chosen,
                Count = parse.GetValue(count),
                Time = parse.GetValue(time),
                Rate = parse.GetValue(rate),
                Messages = CommonOptions.CountOf(parse, messages),
            };
            return LoadHost.Run(common, parse, settings, environment, conductor => ChurnRun.Run(conductor, settings, plan), interrupt);
        });
        return command;
    }
}
