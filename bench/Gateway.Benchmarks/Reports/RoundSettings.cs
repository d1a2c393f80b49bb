namespace Gateway.Benchmarks.Reports;

/// <summary>What every measurement in rounds is told. Immutable.</summary>
/// <param name="Count">Of rounds; each measures everything once.</param>
/// <param name="Time">Of a measurement.</param>
/// <param name="Warmup">Before it, under the same load.</param>
internal sealed record RoundSettings(int Count, TimeSpan Time, TimeSpan Warmup);
