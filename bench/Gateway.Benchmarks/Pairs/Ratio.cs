using System.Globalization;
using Gateway.Benchmarks.Reports;

namespace Gateway.Benchmarks.Pairs;

/// <summary>
/// The median of the rounds' ratios, with an interval that holds the true median in 95 of 100 such runs, whatever the ratios' distribution: between two order
/// statistics, by the sign test (Conover, "Practical Nonparametric Statistics", 3.2). Below 6 rounds there is none so sure, and it is the range.
/// </summary>
internal readonly record struct Ratio(double Median, double Low, double High, double Least, double Most)
{
    private const double Doubt = 0.05;

    public static Ratio? Of(IEnumerable<double> ratios)
    {
        var sorted = ratios.Order().ToArray();
        if (sorted.Length == 0) return null;
        var outside = OutsideOf(sorted.Length);
        return new Ratio(Statistics.Median(sorted), sorted[outside], sorted[^(outside + 1)], sorted[0], sorted[^1]);
    }

    /// <summary>How many of n values may be left out at each end: the most for which both ends together are less likely than the doubt.</summary>
    internal static int OutsideOf(int n)
    {
        // The median lies outside when at most k of n fall on one side of it: twice the binomial's tail.
        var chance = Math.Pow(0.5, n);
        double tail = 0;
        for (var k = 0; ; k++)
        {
            tail += chance;
            if (2 * tail > Doubt) return Math.Max(0, k - 1);
            chance *= (double)(n - k) / (k + 1);
        }
    }

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"**{Median:0.000}** | {Low:0.000} to {High:0.000} | {Least:0.000} to {Most:0.000}");
}
