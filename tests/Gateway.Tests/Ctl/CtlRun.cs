using Gateway.Ctl;

namespace Gateway.Tests.Ctl;

/// <summary>One run of gatewayctl in this process: its exit code and what it printed.</summary>
internal sealed record CtlRun(int ExitCode, string Output, string Errors)
{
    /// <param name="folder">The working folder.</param>
    /// <param name="input">What is typed.</param>
    /// <param name="arguments">As on a command line.</param>
    public static async Task<CtlRun> OfAsync(TemporaryFolder folder, string input, params string[] arguments)
    {
        var output = new StringWriter();
        var errors = new StringWriter();
        var environment = new CtlEnvironment(
            folder.Path, new StringReader(input), TextWriter.Synchronized(output), TextWriter.Synchronized(errors), _ => null, TimeProvider.System);
        var code = await CtlProgram.RunAsync(arguments, environment, CancellationToken.None);
        return new CtlRun(code, output.ToString(), errors.ToString());
    }
}
