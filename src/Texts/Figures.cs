using System.Globalization;

#if TEXTS_OF_CTL
namespace Gateway.Ctl.Texts;
#else
namespace Gateway.Server.Texts;
#endif

/// <summary>
/// Figures as a person reads them aloud: two or three digits and a word for their size; in the node's sentences and in <c>gatewayctl top</c> alike. The
/// operator's page has the same in JavaScript (Gateway.Server/Operator/Page/format.js). Stateless.
/// </summary>
internal static class Figures
{
    public static string Count(double value) => value switch
    {
        < 9.95 => Text(value, "0.#"),
        < 9_999.5 => Text(value, "#,0"),
        < 999_500 => Text(value / 1e3, "0") + " k",
        < 9_950_000 => Text(value / 1e6, "0.#") + " M",
        < 999_500_000 => Text(value / 1e6, "0") + " M",
        _ => Text(value / 1e9, "0.#") + " G",
    };

    public static string Time(double seconds) => seconds switch
    {
        0 => "0 s",
        >= 1e9 => "never",
        < 0.0095 => Text(seconds * 1e3, "0.#") + " ms",
        < 0.9995 => Text(seconds * 1e3, "0") + " ms",
        < 9.95 => Text(seconds, "0.#") + " s",
        < 119.5 => Text(seconds, "0") + " s",
        < 7_170 => Text(seconds / 60, "0") + " min",
        < 172_800 => Text(seconds / 3600, "0.#") + " h",
        _ => Text(seconds / 86_400, "0") + " d",
    };

    public static string Bytes(double bytes) => bytes switch
    {
        < 1024 => Text(bytes, "0") + " B",
        < 1 << 20 => Text(bytes / (1 << 10), "0") + " KiB",
        < 1 << 30 => Text(bytes / (1 << 20), "0.#") + " MiB",
        _ => Text(bytes / (1 << 30), "0.##") + " GiB",
    };

    /// <summary>With its unit, as alerts and top lists give it.</summary>
    public static string Measured(double value, string unit) => unit switch
    {
        "seconds" => Time(value),
        "bytes" => Bytes(value),
        _ => $"{Count(value)} {unit}",
    };

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
