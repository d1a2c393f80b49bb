
namespace Gateway.Benchmarks.Reports;

/// <summary>What a <see cref="MeasuringCommand"/> measures and reports: each member is called once, in the order they stand here.</summary>
internal interface IMeasurement
{
    /// <summary>Builds or installs what it needs; nothing is measured yet.</summary>
    /// <exception cref="MeasuringException">It cannot.</exception>
    Task PrepareAsync(CancellationToken stop);

    /// <summary>Goes through the rounds.</summary>
    /// <param name="dataFolder">On a real disk and empty: the servers' data goes there. It belongs in no report.</param>
    /// <param name="stop">Gives up.</param>
    /// <returns>Whether every measurement added up.</returns>
    /// <exception cref="MeasuringException">A program could not be run.</exception>
    Task<bool> RunAsync(string dataFolder, CancellationToken stop);

    string MarkdownOf(RunFacts facts);

    string JsonOf(RunFacts facts);
}
