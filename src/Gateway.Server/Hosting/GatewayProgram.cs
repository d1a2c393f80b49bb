using System.Collections;
using Gateway.Server.Options;

namespace Gateway.Server.Hosting;

/// <summary>
/// The program <c>gateway</c> from arguments to exit code, with everything it touches of its process passed in.
/// </summary>
/// <param name="Environment">All variables.</param>
/// <param name="Folder">The working folder.</param>
/// <param name="Limits">Of the process.</param>
/// <param name="Machine">Of the machine, read when a node has started.</param>
/// <param name="Output">What was asked for: help, effective options, endpoint lines.</param>
/// <param name="Errors">Why not.</param>
/// <param name="CreateNode">Builds the node.</param>
/// <param name="Signals">Registered only when a node starts, so that everything else ends at the first Ctrl-C.</param>
/// <param name="Time">For uptime and limits.</param>
internal sealed record GatewayProgram(
    IReadOnlyDictionary<string, string> Environment, string Folder, ProcessLimits Limits, Func<MachineFacts> Machine, TextWriter Output, TextWriter Errors,
    NodeBuilder CreateNode, TerminationSignals Signals, TimeProvider Time)
{
    public static GatewayProgram OfThisProcess(NodeBuilder createNode, TerminationSignals signals)
    {
        var environment = System.Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .ToDictionary(v => (string)v.Key, v => (string?)v.Value ?? "", StringComparer.Ordinal);
        return new GatewayProgram(
            environment, Directory.GetCurrentDirectory(), ProcessLimits.Read(), () => MachineFacts.Read("/"), Console.Out, Console.Error, createNode, signals, TimeProvider.System);
    }

    public async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        var commandLine = CommandLine.Parse(arguments);
        if (commandLine.Verb == GatewayVerb.Help) return await PrintAsync(OptionText.Help());
        if (commandLine.Verb == GatewayVerb.Version) return await PrintAsync($"gateway {NodeHost.Version}\n");

        var resolution = OptionResolution.Of(commandLine, Environment, Folder, Limits);
        if (resolution.Options is not { } options)
        {
            foreach (var error in resolution.Errors) await Errors.WriteLineAsync($"gateway: {error}");
            return ExitCode.BadOptions;
        }

        if (commandLine.Verb == GatewayVerb.CheckConfig)
        {
            var notes = string.Concat(resolution.Notes.Select(n => $"note: {n}\n"));
            return await PrintAsync($"{OptionText.Effective(resolution.Values)}{notes}the options are valid\n");
        }

        try
        {
            Signals.Register();
            using var manager = ServiceNotifier.Of(Environment, System.Environment.ProcessId, Time);
            var host = new NodeHost(options, CreateNode, Signals, Output, Errors, manager, Time, Machine)
            {
                Configuration = (resolution.Values, () => OptionResolution.Of(commandLine, Environment, Folder, Limits)),
            };
            return await host.RunAsync(resolution.Notes);
        }
        catch (Exception e)
        {
            await Errors.WriteLineAsync($"gateway: an error in the program itself: {e}");
            return ExitCode.Unexpected;
        }
    }

    private async Task<int> PrintAsync(string text)
    {
        await Output.WriteAsync(text);
        await Output.FlushAsync();
        return ExitCode.Ok;
    }
}
