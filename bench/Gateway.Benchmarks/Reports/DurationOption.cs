using System.CommandLine;
using System.Globalization;

namespace Gateway.Benchmarks.Reports;

/// <summary>An option that takes a time as 500ms, 5s or 5, from 100 ms to 10 minutes. Stateless.</summary>
internal static class DurationOption
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(10);

    public static Option<TimeSpan> Create(string name, string description, TimeSpan otherwise) => new(name)
    {
        Description = description,
        HelpName = "TIME",
        DefaultValueFactory = _ => otherwise,
        CustomParser = result =>
        {
            if (TryParse(result.Tokens[0].Value, out var time)) return time;
            result.AddError($"{name}: '{result.Tokens[0].Value}' is no duration from 100ms to {Longest.TotalSeconds:0}s, as in 500ms or 5s");
            return default;
        },
    };

    private static bool TryParse(string text, out TimeSpan time)
    {
        var isMillis = text.EndsWith("ms", StringComparison.Ordinal);
        var digits = isMillis ? text[..^2] : text.TrimEnd('s');
        time = default;
        if (!double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)) return false;
        var seconds = isMillis ? number / 1000 : number;
        if (seconds < 0.1 || seconds > Longest.TotalSeconds) return false;
        time = TimeSpan.FromSeconds(seconds);
        return true;
    }
}
