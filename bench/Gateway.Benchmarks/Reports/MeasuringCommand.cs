using System.CommandLine;
using System.Globalization;

namespace Gateway.Benchmarks.Reports;

/// <summary>
/// A verb that measures servers in rounds and reports: it prepares, makes a data folder on a real disk, looks at the machine, measures,
/// writes Markdown and beside it JSON, and takes the folder away. Exit code 0 when every measurement added up, 1 when not or when it could
/// not measure, 130 when it was interrupted. Invariant: what it puts into its data folder goes with it, and no report names the folder.
/// </summary>
internal sealed class MeasuringCommand
{
    private readonly string _name;
    private readonly string _description;
    private readonly Option<int> _rounds;
    private readonly Option<TimeSpan> _time;
    private readonly Option<TimeSpan> _warmup;
    private readonly Option<string?> _data;
    private readonly Option<string?> _report;

    /// <param name="name">Of the verb, of its folder below data and of its reports.</param>
    /// <param name="description">Of the verb.</param>
    /// <param name="rounds">That it measures when it is not told.</param>
    /// <param name="time">Of one measurement, likewise; 5 s.</param>
    /// <param name="warmup">Before it; 2 s.</param>
    public MeasuringCommand(string name, string description, int rounds, TimeSpan? time = null, TimeSpan? warmup = null)
    {
        _name = name;
        _description = description;
        _time = DurationOption.Create("--time", "of one measurement", time ?? TimeSpan.FromSeconds(5));
        _warmup = DurationOption.Create("--warmup", "before each, under its load", warmup ?? TimeSpan.FromSeconds(2));
        _rounds = new Option<int>("--rounds") { Description = "of interleaved measurements; a report wants no fewer than the default", HelpName = "N", DefaultValueFactory = _ => rounds };
        _rounds.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<int>() is < 1 or > 100) r.AddError("--rounds: from 1 to 100");
        });
        _data = new Option<string?>("--data")
        {
            Description = $"a folder on a real disk for the servers' data; bench/data/{name} of the source tree otherwise. What the run puts there it takes away again",
            HelpName = "FOLDER",
        };
        _report = new Option<string?>("--report")
        {
            Description = $"Markdown; the samples go beside it as JSON. perf-reports/DATE-{name}.md otherwise",
            HelpName = "FILE",
        };
    }

    /// <param name="own">Options that only this verb has.</param>
    /// <param name="measurement">What the command line asks for.</param>
    public Command Create(IEnumerable<Option> own, Func<ParseResult, RoundSettings, IMeasurement> measurement)
    {
        var command = new Command(_name, _description);
        foreach (var option in (IEnumerable<Option>)[_rounds, _time, _warmup, .. own, _data, _report]) command.Options.Add(option);
        command.SetAction(async (parse, stop) =>
        {
            var rounds = new RoundSettings(parse.GetValue(_rounds), parse.GetValue(_time), parse.GetValue(_warmup));
            try
            {
                return await RunAsync(measurement(parse, rounds), parse, stop);
            }
            catch (MeasuringException e)
            {
                await Console.Error.WriteLineAsync($"{_name}: {e.Message}");
                return 1;
            }
            catch (OperationCanceledException)
            {
                return 130;
            }
        });
        return command;
    }

    private async Task<int> RunAsync(IMeasurement measurement, ParseResult parse, CancellationToken stop)
    {
        var date = TimeProvider.System.GetLocalNow().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        var data = Path.Combine(Path.GetFullPath(parse.GetValue(_data) ?? Path.Combine(BenchPaths.Root, "bench", "data", _name)), $"run-{Environment.ProcessId}");
        var report = Path.GetFullPath(parse.GetValue(_report) ?? Path.Combine(BenchPaths.Root, "perf-reports", $"{date}-{_name}.md"));
        await measurement.PrepareAsync(stop);
        Directory.CreateDirectory(data);
        Directory.CreateDirectory(Path.GetDirectoryName(report)!);
        try
        {
            var machine = Machine.Look(data);
            if (machine.Disk is "tmpfs" or "ramfs") throw new MeasuringException($"--data: {data} is on {machine.Disk}, where fdatasync costs nothing");
            var (loadBefore, cpuBefore) = (Machine.LoadAverage(), CpuClock.Now());
            var addsUp = await measurement.RunAsync(data, stop);
            var facts = new RunFacts(date, CommandOf(parse), machine, loadBefore, Machine.LoadAverage(), CpuClock.Now().Stolen - cpuBefore.Stolen);
            await File.WriteAllTextAsync(report, measurement.MarkdownOf(facts), CancellationToken.None);
            await File.WriteAllTextAsync(Path.ChangeExtension(report, ".json"), measurement.JsonOf(facts), CancellationToken.None);
            Console.WriteLine($"report: {report}");
            return addsUp ? 0 : 1;
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    /// <summary>The line that repeats the run; where it put things does not belong to it.</summary>
    private string CommandOf(ParseResult parse)
    {
        var words = parse.Tokens.Select(t => t.Value).ToList();
        foreach (var option in (ReadOnlySpan<string>)[_data.Name, _report.Name])
        {
            if (words.IndexOf(option) is >= 0 and var at) words.RemoveRange(at, Math.Min(2, words.Count - at));
        }

        return $"dotnet run -c {BenchPaths.Configuration} --project bench/Gateway.Benchmarks -- {string.Join(' ', words)}";
    }
}
