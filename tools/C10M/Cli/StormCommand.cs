using System.CommandLine;
using Gateway.Load.Conduct;
using Gateway.Load.Devices;

namespace Gateway.Load.Cli;

internal static class StormCommand
{
    public static Command Create(LoadEnvironment environment, CancellationToken interrupt)
    {
        var common = new CommonOptions();
        var connections = Units.Count("--connections", "devices that come and go", 1000, 1, 4_000_000);
        var times = Units.Count("--times", "how often they all come", 3, 1, 10_000);
        var rate = Units.Count("--rate", "logins a second; 0: as fast as it goes", 0, 0, 1_000_000);
        var ramp = Units.Count("--ramp-rate", "logins a second of a quiet round before the storm, to compare the node's memory with; 0: none", 0, 0, 1_000_000);
        var hold = Units.Duration("--hold", "how long each round stays", TimeSpan.Zero, TimeSpan.FromHours(1));
        var command = new Command("storm", "Log in everybody at once, drop them all, and again.") { connections, times, rate, ramp, hold };
        common.AddTo(command, sends: false);
        command.SetAction(parse =>
        {
            var settings = common.SettingsOf(parse, Shape.Idle(CommonOptions.CountOf(parse, connections)), environment, CommonOptions.StormLoginsInFlight);
            var plan = new StormPlan
            {
                Times = CommonOptions.CountOf(parse, times),
                Rate = parse.GetValue(rate),
                RampRate = parse.GetValue(ramp),
                Hold = parse.GetValue(hold),
            };
            return LoadHost.Run(common, parse, settings, environment, conductor => StormRun.Run(conductor, settings, plan), interrupt);
        });
        return command;
    }
}
