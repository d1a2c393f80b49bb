using System.Globalization;

namespace Gateway.Server.Options;

/// <summary>Where an option's value came from, in rising precedence.</summary>
public enum OptionSource
{
    Default = 0,
    File = 1,
    Environment = 2,
    CommandLine = 3,
}

/// <summary>A parsed value for each option that has one, with its source; the table's default stands for the others. Immutable once built.</summary>
internal sealed class OptionValues
{
    private readonly Dictionary<Option, (object Value, OptionSource Source, string Origin)> _given = [];

    public static OptionValues Defaults { get; } = new();

    public T Get<T>(Option<T> option)
        where T : notnull => (T)Value(option);

    public object Value(Option option)
    {
        if (_given.TryGetValue(option, out var given)) return given.Value;
        return option.TryParse(option.DefaultText, out var value, out var error)
            ? value
            : throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"The default of {option.Name} is wrong: {error}"));
    }

    public OptionSource Source(Option option) => _given.TryGetValue(option, out var given) ? given.Source : OptionSource.Default;

    /// <summary>How the source calls the option, as in <c>--reactors</c>, <c>GATEWAY__REACTORS</c> or <c>gateway.json: reactors</c>.</summary>
    public string Origin(Option option) => _given.TryGetValue(option, out var given) ? given.Origin : $"default of {option.Name}";

    /// <summary>Takes the value unless one of a higher source is there.</summary>
    public void Offer(Option option, object value, OptionSource source, string origin)
    {
        if (source > Source(option)) _given[option] = (value, source, origin);
    }

    /// <summary>Replaces a value in place, its source kept.</summary>
    public void Adjust<T>(Option<T> option, T value)
        where T : notnull => _given[option] = (value, Source(option), Origin(option));
}
