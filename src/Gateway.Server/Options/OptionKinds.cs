using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using Gateway.Server.Health.Alerts;

namespace Gateway.Server.Options;

/// <summary>The kinds of values an option can have: how each is written, what is wrong with a text that is none, and how it is shown.</summary>
internal static class OptionKinds
{
    // Largest unit first: the formatter takes the first that divides the value.
    private static readonly (string Unit, long Ticks)[] DurationUnits =
    [
        ("d", TimeSpan.TicksPerDay), ("h", TimeSpan.TicksPerHour), ("m", TimeSpan.TicksPerMinute), ("s", TimeSpan.TicksPerSecond),
        ("ms", TimeSpan.TicksPerMillisecond), ("us", TimeSpan.TicksPerMicrosecond),
    ];

    private const int LongestWord = 255;

    private static readonly SearchValues<char> NumberCharacters = SearchValues.Create("0123456789.");

    private static readonly (string Unit, long Bytes)[] SizeUnits = [("GiB", 1L << 30), ("MiB", 1L << 20), ("KiB", 1L << 10), ("B", 1)];

    public static Option<TimeSpan> Duration(string name, string @default, string min, string max, string help) => new()
    {
        Name = name,
        Placeholder = "DURATION",
        Help = help,
        DefaultText = @default,
        Range = $"{min} to {max}",
        Formatter = FormatDuration,
        Parser = (string text, out TimeSpan value, [NotNullWhen(false)] out string? error) =>
            TryParseDuration(text, out value, out error) && InRange(text, value, Exact(min), Exact(max), FormatDuration, out error),
    };

    public static Option<long> Size(string name, string @default, string min, string max, string help, bool powerOfTwo = false) => new()
    {
        Name = name,
        Placeholder = "SIZE",
        Help = help,
        DefaultText = @default,
        Range = $"{min} to {max}" + (powerOfTwo ? ", a power of two" : ""),
        Formatter = FormatSize,
        Parser = (string text, out long value, [NotNullWhen(false)] out string? error) =>
        {
            if (!TryParseSize(text, out value, out error) || !InRange(text, value, ExactSize(min), ExactSize(max), FormatSize, out error)) return false;
            if (!powerOfTwo || long.IsPow2(value)) return true;
            error = $"'{text}' is not a power of two, as 64MiB and 128MiB are";
            return false;
        },
    };

    public static Option<int> Count(string name, string @default, int min, int max, string help, string placeholder = "COUNT") => new()
    {
        Name = name,
        Placeholder = placeholder,
        Help = help,
        DefaultText = @default,
        Range = string.Create(CultureInfo.InvariantCulture, $"{min} to {max}"),
        Formatter = Invariant,
        Parser = (string text, out int value, [NotNullWhen(false)] out string? error) =>
        {
            value = 0;
            error = null;
            // A number too long for the type is out of range, not "no number".
            if (text.Length == 0 || text.AsSpan().ContainsAnyExceptInRange('0', '9'))
            {
                error = $"'{text}' is not a whole number, as in {@default}";
                return false;
            }

            var wide = long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) ? parsed : long.MaxValue;
            if (!InRange(text, wide, min, max, w => Invariant((int)w), out error)) return false;
            value = (int)wide;
            return true;
        },
    };

    public static Option<IPEndPoint> Endpoint(string name, string @default, string help) => new()
    {
        Name = name,
        Placeholder = "IP:PORT",
        Help = help,
        DefaultText = @default,
        Formatter = endpoint => endpoint.ToString(),
        Parser = TryParseEndpoint,
    };

    public static Option<string> Path(string name, string @default, string help) => new()
    {
        Name = name,
        Placeholder = "PATH",
        Help = help,
        DefaultText = @default,
        Formatter = path => path,
        Parser = (string text, [NotNullWhen(true)] out string? value, [NotNullWhen(false)] out string? error) =>
        {
            value = text;
            error = text.Length == 0 ? "a path is missing" : text.Contains('\0') ? "a path holds no NUL" : null;
            return error is null;
        },
    };

    /// <summary>One of a few words, each standing for a value; the first word of a value is the one shown.</summary>
    public static Option<T> Choice<T>(string name, string @default, string help, params (string Word, T Value)[] choices)
        where T : struct => new()
    {
        Name = name,
        Placeholder = string.Join('|', choices.Select(c => c.Word)),
        Help = help,
        DefaultText = @default,
        Formatter = value => choices.First(c => EqualityComparer<T>.Default.Equals(c.Value, value)).Word,
        Parser = (string text, out T value, [NotNullWhen(false)] out string? error) =>
        {
            foreach (var (word, candidate) in choices)
            {
                if (word != text) continue;
                value = candidate;
                error = null;
                return true;
            }

            value = default;
            error = $"'{text}' is none of {string.Join(", ", choices.Select(c => c.Word))}";
            return false;
        },
    };

    /// <summary>A limit for all queues, and others for some of them.</summary>
    public static Option<QueueLimits<T>> QueueLimit<T>(string name, string @default, string help, OptionParser<T> one)
        where T : struct => new()
    {
        Name = name,
        Placeholder = "LIMIT[,QUEUE=LIMIT...]",
        Help = help,
        DefaultText = @default,
        Range = "off, for no limit",
        ChangeableAtRunTime = true,
        Formatter = limits => limits.ToString(),
        Parser = (string text, [NotNullWhen(true)] out QueueLimits<T>? value, [NotNullWhen(false)] out string? error) => QueueLimits<T>.TryParse(text, one, out value, out error),
    };

    /// <summary>Where HTTP is spoken, or empty for nowhere.</summary>
    public static Option<string> Url(string name, string help) => new()
    {
        Name = name,
        Placeholder = "URL",
        Help = help,
        DefaultText = "",
        ChangeableAtRunTime = true,
        Formatter = url => url,
        Parser = (string text, [NotNullWhen(true)] out string? value, [NotNullWhen(false)] out string? error) =>
        {
            value = text;
            error = text.Length == 0 || (Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https")
                ? null
                : $"'{text}' is not an address of HTTP, as in http://127.0.0.1:9093";
            return error is null;
        },
    };

    /// <summary>A name of one word, or empty for none.</summary>
    public static Option<string> Word(string name, string help) => new()
    {
        Name = name,
        Placeholder = "NAME",
        Help = help,
        DefaultText = "",
        Formatter = word => word,
        Parser = (string text, [NotNullWhen(true)] out string? value, [NotNullWhen(false)] out string? error) =>
        {
            value = text;
            error = text.Length <= LongestWord && !text.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)) ? null : $"'{text}' is not a name of one word, as in gateway-1:5249";
            return error is null;
        },
    };

    /// <summary>The same option, which an operator may change while the node runs.</summary>
    public static Option<T> Live<T>(Option<T> option)
        where T : notnull => new()
    {
        Name = option.Name,
        Placeholder = option.Placeholder,
        Help = option.Help,
        DefaultText = option.DefaultText,
        Range = option.Range,
        ChangeableAtRunTime = true,
        Formatter = option.Formatter,
        Parser = option.Parser,
    };

    public static Option<bool> Switch(string name, string @default, string help) => Choice(name, @default, help, ("on", true), ("off", false));

    internal static bool TryParseDuration(string text, out TimeSpan value, [NotNullWhen(false)] out string? error)
    {
        value = default;
        error = $"'{text}' is not a duration: a number and one of us, ms, s, m, h, d, as in 30s";
        if (!TryUnit(text, DurationUnits, out var number, out var ticks)) return false;
        if (number * ticks > TimeSpan.MaxValue.Ticks) number = TimeSpan.MaxValue.Ticks / ticks;
        value = TimeSpan.FromTicks((long)(number * ticks));
        error = null;
        return true;
    }

    internal static bool TryParseSize(string text, out long value, [NotNullWhen(false)] out string? error)
    {
        value = 0;
        error = $"'{text}' is not a size: a number and one of B, KiB, MiB, GiB, as in 64KiB";
        if (!TryUnit(text, SizeUnits, out var number, out var bytes)) return false;
        if (number * bytes > long.MaxValue) number = long.MaxValue / bytes;
        value = (long)(number * bytes);
        if (number * bytes != value)
        {
            error = $"'{text}' is not a whole number of bytes";
            return false;
        }

        error = null;
        return true;
    }

    internal static bool TryParseEndpoint(string text, [NotNullWhen(true)] out IPEndPoint? value, [NotNullWhen(false)] out string? error)
    {
        value = null;
        error = $"'{text}' is not an endpoint: an IP address and a port, as in 127.0.0.1:5240 or [::1]:5240";
        var colon = text.LastIndexOf(':');
        if (colon < 0) return false;
        var host = text.AsSpan(0, colon);
        var bracketed = host.Length > 2 && host[0] == '[' && host[^1] == ']';
        if (bracketed) host = host[1..^1];

        // The framework also reads "127.1" and bare numbers as IPv4 addresses; here those are slips of the pen.
        if (!bracketed && host.Count('.') != 3) return false;
        if (!IPAddress.TryParse(host, out var address) || bracketed != (address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6)) return false;
        if (!ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port)) return false;
        value = new IPEndPoint(address, port);
        error = null;
        return true;
    }

    internal static string FormatDuration(TimeSpan value)
    {
        foreach (var (unit, ticks) in DurationUnits)
        {
            if (value.Ticks % ticks == 0 && value.Ticks != 0) return string.Create(CultureInfo.InvariantCulture, $"{value.Ticks / ticks}{unit}");
        }

        return string.Create(CultureInfo.InvariantCulture, $"{value.TotalMilliseconds}ms");
    }

    internal static string FormatSize(long value)
    {
        var (unit, bytes) = SizeUnits.First(u => value % u.Bytes == 0 && (value != 0 || u.Bytes == 1));
        return string.Create(CultureInfo.InvariantCulture, $"{value / bytes}{unit}");
    }

    private static bool TryUnit(string text, (string Unit, long Factor)[] units, out decimal number, out long factor)
    {
        var digits = text.AsSpan().IndexOfAnyExcept(NumberCharacters);
        number = 0;
        factor = 0;
        if (digits <= 0) return false;
        foreach (var (unit, candidate) in units)
        {
            if (text.AsSpan(digits).SequenceEqual(unit)) factor = candidate;
        }

        // Eighteen characters keep number * factor inside a decimal.
        return factor != 0 && digits <= 18 && decimal.TryParse(text.AsSpan(0, digits), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out number);
    }

    private static bool InRange<T>(string text, T value, T min, T max, Func<T, string> format, [NotNullWhen(false)] out string? error)
        where T : IComparable<T>
    {
        error = value.CompareTo(min) < 0 ? $"'{text}' is too small: at least {format(min)}"
            : value.CompareTo(max) > 0 ? $"'{text}' is too large: at most {format(max)}"
            : null;
        return error is null;
    }

    private static TimeSpan Exact(string text) => TryParseDuration(text, out var value, out var error) ? value : throw new FormatException(error);

    private static long ExactSize(string text) => TryParseSize(text, out var value, out var error) ? value : throw new FormatException(error);

    private static string Invariant(int value) => value.ToString(CultureInfo.InvariantCulture);
}
