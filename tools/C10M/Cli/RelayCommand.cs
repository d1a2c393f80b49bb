using System.CommandLine;
using Gateway.Load.Conduct;
using Gateway.Load.Devices;

namespace Gateway.Load.Cli;

internal static class RelayCommand
{
    public static Command Create(LoadEnvironment environment, CancellationToken interrupt)
    {
        var common = new CommonOptions();
        var pairs = Units.Count("--pairs", "pairs of devices; the first of each sends to the second", 100, 1, 1_000_000);
        var window = Units.Count("--window", "messages of one sender without their double check", 16, 1, 1024);
        var rate = Units.Count("--rate", "messages a second over all pairs, open loop: latency counts from the intended time; 0: closed loop", 0, 0, 10_000_000);
        var time = Units.Duration("--time", "how long to measure", TimeSpan.FromSeconds(30), CommonOptions.LongestRun);
        var messages = Units.Count("--messages", "measure this many messages instead", 0, 0, 100_000_000_000);
        var warmupMessages = Units.Count("--warmup-messages", "messages before measuring begins", 0, 0, 10_000_000_000);
        var warmup = Units.Duration("--warmup", "time before measuring begins", TimeSpan.Zero, TimeSpan.FromHours(1));
        var loginRate = Units.Count("--login-rate", "logins a second; 0: as fast as it goes", 0, 0, 1_000_000);
        var drain = Units.Duration("--drain", "for what is under way when sending ends", TimeSpan.FromSeconds(60), TimeSpan.FromHours(1));
        var command = new Command("relay", "Send messages through the node and wait for their double checks.")
        {
            pairs, window, rate, time, messages, warmupMessages, warmup, loginRate, drain,
        };
        common.AddTo(command, sends: true);
        common.AddProtocolTo(command);
        command.SetAction(parse =>
        {
            var settings = common.SettingsOf(parse, Shape.Pairs(CommonOptions.CountOf(parse, pairs)), environment) with
            {
                Window = CommonOptions.CountOf(parse, window),
                OpenLoop = parse.GetValue(rate) > 0,
            };
            var plan = new RelayPlan
            {
                Messages = parse.GetValue(messages),
                Time = parse.GetValue(time),
                WarmupMessages = parse.GetValue(warmupMessages),
                Warmup = parse.GetValue(warmup),
                Rate = parse.GetValue(rate),
                LoginRate = parse.GetValue(loginRate),
                DrainLimit = parse.GetValue(drain),
            };
            return LoadHost.Run(common, parse, settings, environment, conductor => RelayRun.Run(conductor, settings, plan), interrupt);
        });
        return command;
    }
}
