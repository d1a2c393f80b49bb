using System.CommandLine;
using System.CommandLine.Invocation;
using Gateway.Load.Conduct;

namespace Gateway.Load.Cli;

/// <summary>The program from arguments to exit code.</summary>
internal static class LoadProgram
{
    public static int Run(IReadOnlyList<string> arguments, LoadEnvironment environment, CancellationToken interrupt)
    {
        if (arguments is ["worker"]) return WorkerProcess.Run(Console.In, environment.Output, environment.Time);
        var root = new RootCommand($"Loads a gateway, checks every message, and measures.\n\n{ExitCode.Help}")
        {
            ConnectCommand.Create(environment, interrupt),
            RelayCommand.Create(environment, interrupt),
            OfflineCommand.Create(environment, interrupt),
            StormCommand.Create(environment, interrupt),
            PhasesCommand.Create(environment, interrupt),
            ChurnCommand.Create(environment, interrupt),
            EchoCommand.Create(environment, interrupt),
        };
        var parse = root.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parse.Action is ParseErrorAction)
        {
            foreach (var error in parse.Errors) environment.Errors.WriteLine($"C10M: {error.Message}");
            return ExitCode.Usage;
        }

        try
        {
            return parse.Invoke(new InvocationConfiguration
            {
                Output = environment.Output,
                Error = environment.Errors,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
        }
        catch (LoadException e)
        {
            environment.Errors.WriteLine($"C10M: {e.Message}");
            return e.ExitCode;
        }
    }
}
