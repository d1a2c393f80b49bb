using System.CommandLine;
using System.Globalization;
using Gateway.Load.Conduct;
using Gateway.Load.Measure;
using Gateway.Load.Report;

namespace Gateway.Load.Cli;

/// <summary>Puts a run together, lets it go, and reports.</summary>
internal static class LoadHost
{
    public static int Run(
        CommonOptions common, ParseResult parse, LoadSettings settings, LoadEnvironment environment, Func<Conductor, LoadResult> run,
        CancellationToken interrupt)
    {
        var quiet = parse.GetValue(common.Quiet);
        var pid = CommonOptions.CountOf(parse, common.ServerPid);
        var server = pid == 0 ? null : new ServerProcess(pid);
        if (server is not null && server.CpuSeconds() is null)
            throw new LoadException(ExitCode.Usage, string.Create(CultureInfo.InvariantCulture, $"--server-pid: there is no process {pid} that may be looked at"));

        var shards = new List<IShard>();
        LoadResult result;
        try
        {
            shards.Add(new LocalShard(settings, environment.Time));
            var conductor = new Conductor(shards, environment.Time, server, new NoObserver(), parse.GetValue(common.Stall), interrupt);
            result = run(conductor);
        }
        finally
        {
            foreach (var shard in shards) shard.Dispose();
        }

        if (parse.GetValue(common.Json) is { } json) Write(json, JsonReport.TextOf(result), environment);
        if (!quiet) environment.Output.WriteLine(JsonReport.TextOf(result));
        return result.ExitCode;
    }

    private static void Write(string path, string text, LoadEnvironment environment)
    {
        if (path == "-") environment.Output.Write(text);
        else File.WriteAllText(Path.GetFullPath(path, environment.Folder), text);
    }

    private sealed class NoObserver : IRunObserver
    {
        public void OnSnapshot(string phase, long nowUs, LoadSnapshot snapshot, ServerProcess? server)
        {
        }
    }
}
