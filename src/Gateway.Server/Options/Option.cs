using System.Diagnostics.CodeAnalysis;

namespace Gateway.Server.Options;

/// <summary>
/// One option: everything that parsing, checking, <c>--help</c> and <c>check-config</c> need to know about it. Immutable.
/// The same name serves all sources: <c>--idle-timeout</c>, <c>GATEWAY__IDLE_TIMEOUT</c>, and <c>"idle-timeout"</c> in gateway.json.
/// </summary>
public abstract class Option
{
    public required string Name { get; init; }

    /// <summary>What a value looks like, as in <c>DURATION</c> or <c>on|off</c>.</summary>
    public required string Placeholder { get; init; }

    /// <summary>One line for <c>--help</c>.</summary>
    public required string Help { get; init; }

    /// <summary>Shown by <c>--help</c>; itself a value that the option accepts.</summary>
    public required string DefaultText { get; init; }

    /// <summary>The range, for <c>--help</c>; empty when any value of the kind will do.</summary>
    public string Range { get; init; } = "";

    /// <summary>True when an operator may change it while the node runs (PUT /ops/...).</summary>
    public bool ChangeableAtRunTime { get; init; }

    public string CommandLineName => "--" + Name;
    public string EnvironmentName => EnvironmentPrefix + Name.Replace('-', '_').ToUpperInvariant();

    public const string EnvironmentPrefix = "GATEWAY__";

    /// <summary>Reads a value; <paramref name="error"/> completes the sentence that begins with the option's name.</summary>
    public abstract bool TryParse(string text, [NotNullWhen(true)] out object? value, [NotNullWhen(false)] out string? error);

    /// <summary>Writes a value so that <see cref="TryParse"/> reads it back.</summary>
    public abstract string Format(object value);
}

/// <summary>An option whose values are of type <typeparamref name="T"/>.</summary>
public sealed class Option<T> : Option
    where T : notnull
{
    public required OptionParser<T> Parser { get; init; }
    public required Func<T, string> Formatter { get; init; }

    public override bool TryParse(string text, [NotNullWhen(true)] out object? value, [NotNullWhen(false)] out string? error)
    {
        if (Parser(text, out var typed, out error))
        {
            value = typed;
            return true;
        }

        value = null;
        return false;
    }

    public override string Format(object value) => Formatter((T)value);
}

/// <summary>Reads one kind of value; the error completes a sentence and quotes the text.</summary>
public delegate bool OptionParser<T>(string text, [NotNullWhen(true)] out T? value, [NotNullWhen(false)] out string? error);
