using System.Globalization;

namespace Gateway.Ctl;

/// <summary>Durations much as the node takes them: a whole number and one of ms, s, m, h, d.</summary>
internal static class Durations
{
    private static readonly (string Unit, long Milliseconds)[] Units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

    public static bool TryParse(string text, out TimeSpan value)
    {
        value = default;
        foreach (var (unit, milliseconds) in Units)
        {
            var number = text.AsSpan();
            if (!number.EndsWith(unit, StringComparison.Ordinal)) continue;
            if (!uint.TryParse(number[..^unit.Length], NumberStyles.None, CultureInfo.InvariantCulture, out var count)) continue;
            value = TimeSpan.FromMilliseconds(count * (double)milliseconds);
            return true;
        }

        return false;
    }
}
