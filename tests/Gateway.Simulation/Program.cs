using Gateway.Simulation;

return SweepCommand.Run(args, Console.Out, Console.Error);
