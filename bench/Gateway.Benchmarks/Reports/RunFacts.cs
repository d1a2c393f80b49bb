
namespace Gateway.Benchmarks.Reports;

/// <summary>What a report says of the run beside its settings and samples. Immutable. It names no place on the machine.</summary>
/// <param name="Date">Of the run.</param>
/// <param name="Command">That repeats it.</param>
/// <param name="Machine">Where.</param>
/// <param name="LoadAverageBefore">And after: of the machine.</param>
/// <param name="LoadAverageAfter">See before.</param>
/// <param name="StolenSeconds">CPU time that the hypervisor gave to others meanwhile.</param>
internal sealed record RunFacts(string Date, string Command, Machine Machine, string LoadAverageBefore, string LoadAverageAfter, double StolenSeconds);
