using System.Buffers;
using System.Globalization;
using System.Text;

namespace Gateway.Server.Metrics;

/// <summary>
/// The lines of both text formats; where they differ, it is only in what stands above a family's samples.
/// <code>
/// Prometheus 0.0.4                            OpenMetrics 1.0
/// # HELP gateway_x_bytes_total What it is.    # TYPE gateway_x_bytes counter
/// # TYPE gateway_x_bytes_total counter        # UNIT gateway_x_bytes bytes
/// gateway_x_bytes_total{a="b"} 12             # HELP gateway_x_bytes What it is.
///                                             gateway_x_bytes_total{a="b"} 12
///                                             # EOF
/// </code>
/// A gauge whose name ends in _info is an info in OpenMetrics. Both formats escape \, " and line feed in a label's value, and \ and line feed in
/// help; OpenMetrics also " in help. Lines end with a line feed.
/// </summary>
internal static class ExpositionText
{
    private const string TotalSuffix = "_total";
    private const string InfoSuffix = "_info";

    /// <summary>As prometheus-net's MeterAdapter translates: the meter's name, _, the instrument's; lower case; what is no letter, digit or _ becomes _.</summary>
    public static string FullName(string meter, string instrument)
    {
        var name = new StringBuilder();
        foreach (var given in $"{meter}_{instrument}")
        {
            var c = char.ToLowerInvariant(given);
            if (name.Length == 0 && !char.IsAsciiLetter(c) && c != '_') name.Append('_');
            name.Append(char.IsAsciiLetterOrDigit(c) || (c == '_') ? c : '_');
        }

        return name.ToString();
    }

    public static void WriteHeader(IBufferWriter<byte> into, ExpositionFormat format, string name, string type, string unit, string help)
    {
        if (format == ExpositionFormat.Prometheus)
        {
            Write(into, $"# HELP {name} {Escape(help, quotes: false)}\n# TYPE {name} {type}\n");
            return;
        }

        var family = name;
        if (type == "counter" && name.EndsWith(TotalSuffix, StringComparison.Ordinal)) family = name[..^TotalSuffix.Length];
        if (type == "gauge" && name.EndsWith(InfoSuffix, StringComparison.Ordinal)) (family, type) = (name[..^InfoSuffix.Length], "info");
        Write(into, $"# TYPE {family} {type}\n");
        // The unit must be the name's end, or be left out.
        if (unit.Length > 0 && family.EndsWith("_" + unit, StringComparison.Ordinal)) Write(into, $"# UNIT {family} {unit}\n");
        Write(into, $"# HELP {family} {Escape(help, quotes: true)}\n");
    }

    public static void WriteEnd(IBufferWriter<byte> into, ExpositionFormat format)
    {
        if (format == ExpositionFormat.OpenMetrics) Write(into, "# EOF\n");
    }

    /// <param name="into">Appended to.</param>
    /// <param name="name">With its suffix.</param>
    /// <param name="labels">As <see cref="Labels"/> wrote them, or empty.</param>
    /// <param name="value">A number as <see cref="Number(double)"/> or <see cref="Number(long)"/> wrote it.</param>
    public static void WriteSample(IBufferWriter<byte> into, string name, string labels, string value) =>
        Write(into, labels.Length == 0 ? $"{name} {value}\n" : $"{name}{{{labels}}} {value}\n");

    public static string Labels(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (tags.IsEmpty) return "";
        var labels = new StringBuilder();
        foreach (var (key, value) in tags)
        {
            if (labels.Length > 0) labels.Append(',');
            labels.Append(key).Append("=\"").Append(Escape(Convert.ToString(value, CultureInfo.InvariantCulture) ?? "", quotes: true)).Append('"');
        }

        return labels.ToString();
    }

    public static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    public static string Number(double value) => value switch
    {
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        _ => value.ToString("R", CultureInfo.InvariantCulture).Replace('E', 'e'),
    };

    /// <summary>A bucket's bound: OpenMetrics wants it to look like the floating-point number it is.</summary>
    public static string Bound(double value)
    {
        var number = Number(value);
        return number.AsSpan().ContainsAny('.', 'e', 'I') ? number : number + ".0";
    }

    private static string Escape(string text, bool quotes)
    {
        if (!text.AsSpan().ContainsAny('\\', '\n', '"')) return text;
        text = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        return quotes ? text.Replace("\"", "\\\"", StringComparison.Ordinal) : text;
    }

    private static void Write(IBufferWriter<byte> into, string text) => Encoding.UTF8.GetBytes(text, into);
}
