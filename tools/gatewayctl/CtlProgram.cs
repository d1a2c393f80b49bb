using System.CommandLine;
using System.CommandLine.Invocation;
using Gateway.Ctl.Backup;
using Gateway.Ctl.Chat;
using Gateway.Ctl.Devices;
using Gateway.Ctl.Log;
using Gateway.Ctl.Messaging;
using Gateway.Ctl.Operator;
using Gateway.Ctl.Replay;
using Gateway.Ctl.Tail;
using Gateway.Ctl.Top;

namespace Gateway.Ctl;

/// <summary>The program from arguments to exit code.</summary>
internal static class CtlProgram
{
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, CtlEnvironment environment, CancellationToken cancel)
    {
        var common = new CommonOptions();
        var root = Root(common, environment);

        // A message that begins with '@' is a message, not the name of a response file.
        var parse = root.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parse.Action is ParseErrorAction)
        {
            var usage = new Output(WantedFormat(arguments), environment.Output, environment.Errors);
            foreach (var error in parse.Errors) usage.Error(error.Message, ExitCode.Usage);
            return ExitCode.Usage;
        }

        var output = common.OutputOf(parse, environment);
        try
        {
            var invocation = new InvocationConfiguration
            {
                Output = environment.Output,
                Error = environment.Errors,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            };
            return await parse.InvokeAsync(invocation, cancel);
        }
        catch (CtlException e)
        {
            output.Error(e.Message, e.ExitCode);
            return e.ExitCode;
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            output.Error("interrupted", ExitCode.Interrupted);
            return ExitCode.Interrupted;
        }
        catch (Exception e)
        {
            output.Error($"an error in the program itself: {e}", ExitCode.Unexpected);
            return ExitCode.Unexpected;
        }
        finally
        {
            output.Flush();
        }
    }

    private static RootCommand Root(CommonOptions common, CtlEnvironment environment)
    {
        var root = new RootCommand($"Operates a gateway, and talks through it.\n\n{ExitCode.Help}")
        {
            common.Output, common.Node, common.Secret,
            DeviceCommands.Create(common, environment),
            ChatCommand.Create(common, environment),
            SendCommand.Create(common, environment),
            TailCommand.Create(common, environment),
            ReplayCommand.Create(common, environment),
            LogCommands.Create(common, environment),
            TopCommand.Create(common, environment),
            DumpCommand.Create(common, environment),
            TokenCommand.Create(common, environment),
        };
        foreach (var command in BackupCommands.Create(common, environment)) root.Add(command);
        foreach (var command in OperatorCommands.Create(common, environment)) root.Add(command);
        return root;
    }

    /// <summary>The form of an error about arguments that could not be parsed.</summary>
    private static OutputFormat WantedFormat(IReadOnlyList<string> arguments)
    {
        for (var i = 0; i < arguments.Count; i++)
        {
            if (arguments[i] is "-o=json" or "--output=json") return OutputFormat.Json;
            if (arguments[i] is "-o" or "--output" && i + 1 < arguments.Count && arguments[i + 1] == "json") return OutputFormat.Json;
        }

        return OutputFormat.Text;
    }
}
