using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Gateway.Load.Cli;

/// <summary>Options whose values have units and bounds. Every count and time a run takes is bounded here: a slip of the finger must not load a machine for a day.</summary>
internal static class Units
{
    /// <summary>A duration: 250ms, 30s, 5m, 2h; a bare number is seconds. At most <paramref name="most"/>.</summary>
    public static Option<TimeSpan> Duration(string name, string description, TimeSpan otherwise, TimeSpan most) => new(name)
    {
        Description = description,
        HelpName = "TIME",
        DefaultValueFactory = _ => otherwise,
        CustomParser = result => TryParseDuration(result.Tokens[0].Value, out var time) && time <= most
            ? time
            : Fail<TimeSpan>(result, $"{name}: '{result.Tokens[0].Value}' is no duration up to {Text(most)}, as in 250ms, 30s or 5m"),
    };

    /// <summary>A whole number from <paramref name="least"/> to <paramref name="most"/>; k and M may follow it for thousands and millions.</summary>
    public static Option<long> Count(string name, string description, long otherwise, long least, long most) => new(name)
    {
        Description = description,
        HelpName = "N",
        DefaultValueFactory = _ => otherwise,
        CustomParser = result => TryParseCount(result.Tokens[0].Value, out var count) && count >= least && count <= most
            ? count
            : Fail<long>(result, string.Create(CultureInfo.InvariantCulture, $"{name}: '{result.Tokens[0].Value}' is no whole number from {least} to {most}")),
    };

    /// <summary>A share of a whole, above 0 and at most 1: 1%, 0.5% or 0.01.</summary>
    public static Option<double> Share(string name, string description, double otherwise) => new(name)
    {
        Description = description,
        HelpName = "SHARE",
        DefaultValueFactory = _ => otherwise,
        CustomParser = result => TryParseShare(result.Tokens[0].Value, out var share)
            ? share
            : Fail<double>(result, $"{name}: '{result.Tokens[0].Value}' is no share above 0 and up to 100%, as in 1% or 0.01"),
    };

    public static T Fail<T>(ArgumentResult result, string error)
    {
        result.AddError(error);
        return default!;
    }

    internal static bool TryParseDuration(string text, out TimeSpan time)
    {
        time = default;
        var (digits, factor) = text switch
        {
            _ when text.EndsWith("ms", StringComparison.Ordinal) => (text[..^2], 0.001),
            _ when text.EndsWith('s') => (text[..^1], 1.0),
            _ when text.EndsWith('m') => (text[..^1], 60.0),
            _ when text.EndsWith('h') => (text[..^1], 3600.0),
            _ => (text, 1.0),
        };
        if (!double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)) return false;
        if (number * factor > TimeSpan.FromDays(365).TotalSeconds) return false;
        time = TimeSpan.FromSeconds(number * factor);
        return true;
    }

    internal static bool TryParseShare(string text, out double share)
    {
        var percent = text.EndsWith('%');
        var ok = double.TryParse(percent ? text[..^1] : text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out share);
        if (percent) share /= 100;
        return ok && share is > 0 and <= 1;
    }

    internal static bool TryParseCount(string text, out long count)
    {
        var (digits, factor) = text switch
        {
            _ when text.EndsWith('k') => (text[..^1], 1_000),
            _ when text.EndsWith('M') => (text[..^1], 1_000_000),
            _ => (text, 1),
        };
        var ok = long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count <= long.MaxValue / factor;
        count *= factor;
        return ok;
    }

    private static string Text(TimeSpan time) => time.TotalHours >= 1
        ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:0}h")
        : string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0}s");
}
