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

        using var gauges = GaugesOf(common, parse);
        var watch = new ServerWatch(WatchesServer(common, parse) ? server : null, gauges);
        var json = parse.GetValue(common.Json);
        var html = parse.GetValue(common.Html);
        var view = quiet ? null : new LiveView(environment.Errors, environment.IsTerminal, TitleOf(parse, settings));
        var recorder = new RunRecorder(view is null ? null : view.Show);
        if (!quiet) environment.Errors.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seed {settings.Seed}"));
        var shards = new List<IShard>();
        LoadResult result;
        try
        {
            Open(shards, settings, environment);
            result = run(new Conductor(shards, environment.Time, server, recorder, parse.GetValue(common.Stall), interrupt) { Watch = watch });
        }
        finally
        {
            view?.Erase();
            foreach (var shard in shards) shard.Dispose();
        }

        result.ServerSamples = watch.Samples;
        // Standard output is one thing or the other.
        if (!quiet) (json == "-" ? environment.Errors : environment.Output).Write(Summary.TextOf(result));
        if (json is not null) Write(json, JsonReport.TextOf(result), environment);
        if (html is not null) Write(html, HtmlReport.TextOf(result, recorder.Moments), environment);
        return result.ExitCode;
    }

    private static void Open(List<IShard> shards, LoadSettings settings, LoadEnvironment environment)
    {
        if (settings.Processes == 1)
        {
            shards.Add(new LocalShard(settings, environment.Time));
            return;
        }

        for (var i = 0; i < settings.Processes; i++) shards.Add(new WorkerShard(settings with { Process = i }, environment.Program));
        foreach (var shard in shards) ((WorkerShard)shard).AwaitReady();
    }

    /// <summary>The other commands look at the server's memory themselves.</summary>
    private static bool WatchesServer(CommonOptions common, ParseResult parse) => parse.CommandResult.Command.Options.Contains(common.Operator);

    /// <exception cref="LoadException">The endpoint cannot be understood, or nobody answers there.</exception>
    private static OperatorGauges? GaugesOf(CommonOptions common, ParseResult parse)
    {
        if (!WatchesServer(common, parse) || parse.GetValue(common.Operator) is not { } text) return null;
        var gauges = new OperatorGauges(new Uri($"http://{CommonOptions.ParseTarget(text, "--operator")}"));
        if (gauges.Read() is not null) return gauges;
        gauges.Dispose();
        throw new LoadException(ExitCode.Usage, $"--operator: no gateway tells its status at {text}");
    }

    private static string TitleOf(ParseResult parse, LoadSettings settings) => string.Create(
        CultureInfo.InvariantCulture, $"C10M {parse.CommandResult.Command.Name}  {settings.TargetAddress}:{settings.TargetPort}  seed {settings.Seed}");

    private static void Write(string path, string text, LoadEnvironment environment)
    {
        if (path == "-") environment.Output.Write(text);
        else File.WriteAllText(Path.GetFullPath(path, environment.Folder), text);
    }
}
