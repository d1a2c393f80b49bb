using System.Globalization;

namespace Gateway.Benchmarks.Reports;

/// <summary>Median and range of what the rounds measured.</summary>
internal readonly record struct Spread(double Median, double Least, double Most)
{
    public static Spread? Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? null : new Spread(Statistics.Median(sorted), sorted[0], sorted[^1]);
    }

    /// <summary>The median, and the range in brackets.</summary>
    public string ToString(string format)
    {
        return $"{Text(Median)} ({Text(Least)} to {Text(Most)})";

        string Text(double value) => value.ToString(format, CultureInfo.InvariantCulture);
    }
}

internal static class Statistics
{
    /// <summary>Of sorted values, at least one.</summary>
    public static double Median(ReadOnlySpan<double> sorted) =>
        sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[sorted.Length / 2 - 1] + sorted[sorted.Length / 2]) / 2;
}
