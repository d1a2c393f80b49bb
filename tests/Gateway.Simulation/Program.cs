namespace Gateway.Simulation;

internal static class Program
{
    private static int Main(string[] arguments) => SweepCommand.Run(arguments, Console.Out, Console.Error);
}
