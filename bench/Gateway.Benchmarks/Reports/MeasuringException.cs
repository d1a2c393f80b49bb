namespace Gateway.Benchmarks.Reports;

/// <summary>Ends a measurement with a sentence for the person who ran it.</summary>
internal sealed class MeasuringException(string message, Exception? cause = null) : Exception(message, cause);
