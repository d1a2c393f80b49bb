using System.CommandLine;
using Gateway.Load.Conduct;
using Gateway.Load.Devices;

namespace Gateway.Load.Cli;

internal static class PhasesCommand
{
    public static Command Create(LoadEnvironment environment, CancellationToken interrupt)
    {
        var common = new CommonOptions();
        var connections = Units.Count("--connections", "devices", 1000, 2, 4_000_000);
        var rate = Units.Count("--rate", "logins a second of the ramp; 0: as fast as it goes", 0, 0, 1_000_000);
        var idle = Units.Duration("--idle", "how long nothing happens then", TimeSpan.FromSeconds(10), CommonOptions.LongestRun);
        var chatting = Units.Share("--chatting", "the share of the devices, drawn by the seed, that chat in pairs", 0.01);
        var chatRate = Units.Count("--chat-rate", "messages a second over all who chat, open loop; 0: nobody chats", 100, 0, 10_000_000);
        var chatTime = Units.Duration("--chat-time", "how long they chat", TimeSpan.FromSeconds(30), CommonOptions.LongestRun);
        var warmup = Units.Duration("--warmup", "time of chatting before it is measured", TimeSpan.FromSeconds(5), TimeSpan.FromHours(1));
        var window = Units.Count("--window", "messages of one sender without their double check", 16, 1, 1024);
        var storm = Units.Count("--storm", "devices that lose the network at once and come back as fast as it goes; 0: none", 0, 0, 4_000_000);
        var drain = new Option<bool>("--drain") { Description = "all close in order at the end" };
        var drainRate = Units.Count("--drain-rate", "so many a second; 0: as fast as it goes", 0, 0, 1_000_000);
        var command = new Command("phases", "Ramp up, stay idle, let a random share chat, lose many at once, and leave: one report a phase.")
        {
            connections, rate, idle, chatting, chatRate, chatTime, warmup, window, storm, drain, drainRate,
        };
        common.AddTo(command, sends: true);
        common.AddOperatorTo(command);
        CommonOptions.Require(command, result => result.GetValue(storm) > result.GetValue(connections) ? "--storm: no more devices than there are connections" : null);
        command.SetAction(parse =>
        {
            var shape = Shape.Chatting(CommonOptions.CountOf(parse, connections), parse.GetValue(chatting));
            var settings = common.SettingsOf(parse, shape, environment, CommonOptions.StormLoginsInFlight) with
            {
                Window = CommonOptions.CountOf(parse, window),
                OpenLoop = parse.GetValue(chatRate) > 0,
                HeedsGoAway = true,
            };
            var plan = new PhasesPlan
            {
                Rate = parse.GetValue(rate),
                Idle = parse.GetValue(idle),
                ChatRate = parse.GetValue(chatRate),
                ChatTime = parse.GetValue(chatTime),
                Warmup = parse.GetValue(warmup),
                Storm = parse.GetValue(storm),
                Drain = parse.GetValue(drain),
                DrainRate = parse.GetValue(drainRate),
            };
            return LoadHost.Run(common, parse, settings, environment, conductor => PhasesRun.Run(conductor, settings, plan), interrupt);
        });
        return command;
    }
}
