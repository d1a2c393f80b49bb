using System.Globalization;
using System.Text;

namespace Gateway.Load.Report;

/// <summary>A line of a chart. Points where y is null are left out.</summary>
internal sealed record Series(string Name, string Color, IReadOnlyList<(double X, double? Y)> Points);

/// <summary>Line charts as SVG text, without script and without network.</summary>
internal static class SvgChart
{
    private const int Width = 860;
    private const int Height = 240;
    private const int Left = 80;
    private const int Right = 20;
    private const int Top = 16;
    private const int Bottom = 34;

    /// <param name="xLabel">Below the axis.</param>
    /// <param name="unit">Of y, behind the tick labels.</param>
    /// <param name="logarithmic">Of y; values below 1 then count as 1.</param>
    /// <param name="series">At least one; nothing is drawn when none has a point.</param>
    /// <param name="xTicks">Labels at places of x; null: evenly.</param>
    public static string Draw(string xLabel, string unit, bool logarithmic, IReadOnlyList<Series> series, IReadOnlyList<(double X, string Label)>? xTicks = null)
    {
        var points = series.SelectMany(s => s.Points).Where(p => p.Y is not null).ToList();
        if (points.Count == 0) return "<p>no data</p>";
        var (x0, x1) = (points.Min(p => p.X), Math.Max(points.Max(p => p.X), points.Min(p => p.X) + 1e-9));
        var top = Math.Max(points.Max(p => p.Y!.Value), 1);
        var (y0, y1) = logarithmic ? (Math.Floor(Math.Log10(Math.Max(1, points.Min(p => p.Y!.Value)))), Math.Ceiling(Math.Log10(top) + 1e-9)) : (0.0, NiceAbove(top));
        if (y1 <= y0) y1 = y0 + 1;

        var svg = new StringBuilder();
        Add($"<svg viewBox=\"0 0 {Width} {Height}\" role=\"img\">");
        var steps = logarithmic ? (int)(y1 - y0) : 4;
        for (var i = 0; i <= steps; i++)
        {
            var at = y0 + (y1 - y0) * i / steps;
            var y = PixelOf(at);
            Add($"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{y:0.0}\" y2=\"{y:0.0}\"/>");
            Add($"<text x=\"{Left - 8}\" y=\"{y + 4:0.0}\" text-anchor=\"end\">{Short(logarithmic ? Math.Pow(10, at) : at)}{unit}</text>");
        }

        xTicks ??= [.. Enumerable.Range(0, 6).Select(i => x0 + (x1 - x0) * i / 5).Select(x => (x, Short(x)))];
        foreach (var (x, label) in xTicks) Add($"<text x=\"{AcrossOf(x):0.0}\" y=\"{Height - 16}\" text-anchor=\"middle\">{label}</text>");
        Add($"<text x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 2}\" text-anchor=\"middle\">{xLabel}</text>");
        foreach (var line in series)
        {
            var path = string.Join(' ', line.Points.Where(p => p.Y is not null).Select(p => string.Create(
                CultureInfo.InvariantCulture, $"{AcrossOf(p.X):0.0},{PixelOf(logarithmic ? Math.Log10(Math.Max(1, p.Y!.Value)) : p.Y!.Value):0.0}")));
            Add($"<polyline fill=\"none\" stroke=\"{line.Color}\" stroke-width=\"1.6\" points=\"{path}\"/>");
        }

        svg.Append("</svg><p class=\"legend\">");
        foreach (var line in series) Add($"<span style=\"color:{line.Color}\">&#9644;</span> {line.Name} ");
        return svg.Append("</p>").ToString();

        double AcrossOf(double x) => Left + (x - x0) / (x1 - x0) * (Width - Left - Right);
        double PixelOf(double y) => Height - Bottom - (y - y0) / (y1 - y0) * (Height - Top - Bottom);
        void Add(FormattableString text) => svg.Append(text.ToString(CultureInfo.InvariantCulture));
    }

    private static double NiceAbove(double value)
    {
        var power = Math.Pow(10, Math.Floor(Math.Log10(value)));
        foreach (var step in (ReadOnlySpan<double>)[1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10])
        {
            if (step * power >= value) return step * power;
        }

        return 10 * power;
    }

    private static string Short(double value) => value switch
    {
        >= 1e9 => (value / 1e9).ToString("0.##", CultureInfo.InvariantCulture) + "G",
        >= 1e6 => (value / 1e6).ToString("0.##", CultureInfo.InvariantCulture) + "M",
        >= 1e4 => (value / 1e3).ToString("0.#", CultureInfo.InvariantCulture) + "k",
        _ => value.ToString("0.##", CultureInfo.InvariantCulture),
    };
}
