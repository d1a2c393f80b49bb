using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;

namespace Gateway.Server.Options;

/// <summary>The words for log levels, the same in the options and in the operator's HTTP interface.</summary>
public static class LogLevels
{
    private static readonly (string Word, LogLevel Level)[] Words =
    [
        ("trace", LogLevel.Trace), ("debug", LogLevel.Debug), ("information", LogLevel.Information), ("warning", LogLevel.Warning),
        ("error", LogLevel.Error), ("critical", LogLevel.Critical),
    ];

    public static string Placeholder { get; } = string.Join('|', Words.Select(w => w.Word));

    public static bool TryParse(string text, out LogLevel level, [NotNullWhen(false)] out string? error)
    {
        foreach (var (word, candidate) in Words)
        {
            if (word != text) continue;
            level = candidate;
            error = null;
            return true;
        }

        level = LogLevel.None;
        error = $"'{text}' is none of {string.Join(", ", Words.Select(w => w.Word))}";
        return false;
    }

    public static string Format(LogLevel level) => Words.First(w => w.Level == level).Word;
}
