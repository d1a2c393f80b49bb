using System.CommandLine;
using Gateway.Load.Conduct;
using Gateway.Load.Devices;

namespace Gateway.Load.Cli;

internal static class EchoCommand
{
    public static Command Create(LoadEnvironment environment, CancellationToken interrupt)
    {
        var common = new CommonOptions();
        var connections = Units.Count("--connections", "connections", 256, 1, 1_000_000);
        var window = Units.Count("--window", "messages of one connection that have not come back", 1, 1, 1024);
        var time = Units.Duration("--time", "how long to measure", TimeSpan.FromSeconds(30), CommonOptions.LongestRun);
        var warmup = Units.Duration("--warmup", "time before measuring begins", TimeSpan.Zero, TimeSpan.FromHours(1));
        var command = new Command("echo", "Send messages to a server that sends every byte back, which a gateway is not: it measures a transport.")
        {
            connections, window, time, warmup, common.Size,
        };
        common.AddTo(command, sends: false, logsIn: false);
        command.SetAction(parse =>
        {
            var settings = common.SettingsOf(parse, Shape.Echo(CommonOptions.CountOf(parse, connections)), environment) with
            {
                Window = CommonOptions.CountOf(parse, window),
                SizeBytes = CommonOptions.CountOf(parse, common.Size),
            };
            var plan = new RelayPlan { Time = parse.GetValue(time), Warmup = parse.GetValue(warmup) };
            return LoadHost.Run(common, parse, settings, environment, conductor => RelayRun.Run(conductor, settings, plan, "echo"), interrupt);
        });
        return command;
    }
}
