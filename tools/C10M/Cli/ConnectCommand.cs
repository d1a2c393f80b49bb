using System.CommandLine;
using Gateway.Load.Conduct;
using Gateway.Load.Devices;

namespace Gateway.Load.Cli;

internal static class ConnectCommand
{
    public static Command Create(LoadEnvironment environment, CancellationToken interrupt)
    {
        var common = new CommonOptions();
        var connections = Units.Count("--connections", "connections to establish and keep", 1000, 1, 4_000_000);
        var rate = Units.Count("--rate", "logins a second; 0: as fast as it goes", 0, 0, 1_000_000);
        var hold = Units.Duration("--hold", "how long they stay", TimeSpan.FromSeconds(30), CommonOptions.LongestRun);
        var exchange = Units.Count("--exchange", "messages that each sends to its partner before it stays idle (an even number of connections)", 0, 0, 1_000_000);
        var command = new Command("connect", "Establish many connections, keep them, and see that they live.") { connections, rate, hold, exchange };
        common.AddTo(command, sends: true);
        common.AddProtocolTo(command);
        CommonOptions.Require(
            command, result => result.GetValue(exchange) > 0 && result.GetValue(connections) % 2 != 0 ? "--connections: with --exchange their number is even" : null);
        command.SetAction(parse =>
        {
            var devices = CommonOptions.CountOf(parse, connections);
            var each = CommonOptions.CountOf(parse, exchange);
            var settings = common.SettingsOf(parse, each > 0 ? Shape.Exchange(devices) : Shape.Idle(devices), environment) with
            {
                Window = 1,
                StartBelow = 1024,
            };
            var plan = new ConnectPlan { Rate = parse.GetValue(rate), Exchange = each, Hold = parse.GetValue(hold) };
            return LoadHost.Run(common, parse, settings, environment, conductor => ConnectRun.Run(conductor, settings, plan), interrupt);
        });
        return command;
    }
}
