using System.Runtime.CompilerServices;
using System.Text;

namespace Gateway.Simulation;

/// <summary>What to say of a broken promise, put into words only when it is broken.</summary>
[InterpolatedStringHandler]
internal readonly ref struct Broken
{
    private readonly StringBuilder? _text;

    public Broken(int literalLength, int formattedCount, bool holds, out bool isNeeded)
    {
        isNeeded = !holds;
        _text = holds ? null : new StringBuilder(literalLength + formattedCount * 8);
    }

    public void AppendLiteral(string literal) => _text!.Append(literal);

    public void AppendFormatted<T>(T value) => _text!.Append(value);

    public void AppendFormatted<T>(T value, string format) where T : IFormattable =>
        _text!.Append(value.ToString(format, System.Globalization.CultureInfo.InvariantCulture));

    public override string ToString() => _text?.ToString() ?? "";
}
