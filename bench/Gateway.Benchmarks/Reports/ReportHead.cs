using System.Text;

namespace Gateway.Benchmarks.Reports;

/// <summary>How a report of rounds begins: its title, what makes its figures doubtful, and where and how they were measured. Immutable.</summary>
internal sealed record ReportHead
{
    /// <summary>Cores of other work from which on the figures count as provisional.</summary>
    private const double NoisyCores = 0.1;

    public required RunFacts Facts { get; init; }

    /// <summary>Behind the date.</summary>
    public required string Title { get; init; }

    /// <summary>What was measured beside .NET programs, and its versions.</summary>
    public required (string Name, string Versions) Beside { get; init; }

    /// <summary>Cores that were busy with other work during the measurements.</summary>
    public required Spread? OtherCores { get; init; }

    /// <summary>Whether they have a row also when they make nothing doubtful.</summary>
    public bool ListsOtherCores { get; init; }

    /// <summary>How many, and what one does.</summary>
    public required string Rounds { get; init; }

    public void WriteTo(StringBuilder text)
    {
        var m = Facts.Machine;
        text.Line($"# {Facts.Date}: {Title}");
        text.AppendLine();
        if (BenchPaths.Configuration != "Release") text.Line($"**A {BenchPaths.Configuration} build: the figures mean nothing.**\n");
        if (OtherCores is { Median: > NoisyCores } noise)
            text.Line($"**Provisional**: other work kept a median of {noise.Median:0.00} cores busy (at most {noise.Most:0.00}) while this was measured.\n");
        text.Line($"| | |\n|---|---|");
        text.Line($"| commit | {m.Commit} |");
        text.Line($"| kernel, CPU, cores, memory | {m.Kernel}; {m.Cpu}; {m.Cores} cores for server and load end together; {m.MemoryGiB:0} GiB |");
        text.Line($"| .NET, {Beside.Name} | {m.DotNet}, {BenchPaths.Configuration}; {Beside.Versions} |");
        text.Line($"| disk | {m.Disk}, fdatasync for real |");
        text.Line($"| load average and steal before and after | {Facts.LoadAverageBefore} and {Facts.LoadAverageAfter}; {Facts.StolenSeconds:0.0} s stolen |");
        if (ListsOtherCores && OtherCores is { } o) text.Line($"| other work during a measurement | median {o.Median:0.00} cores, at most {o.Most:0.00} |");
        text.Line($"| command | `{Facts.Command}` |");
        text.Line($"| rounds | {Rounds} |");
        text.AppendLine();
    }
}
