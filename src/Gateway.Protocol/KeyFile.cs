using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Gateway.Protocol;

/// <summary>
/// What a device needs to prove who it is, as the text that gatewayctl writes and every client reads:
/// <code>
/// gateway-key 1
/// address 15550001:3
/// epoch 0
/// key 4d7cbb1b5a4f...          (64 hex digits)
/// </code>
/// The same four lines joined by ';' fit an environment variable. Pure text: who reads the file or the variable is the caller's matter.
/// No error and no <see cref="object.ToString"/> ever shows the key. Immutable but for the bytes of <see cref="Key"/>, which belong to
/// the caller. PROTOCOL.md, "Key file".
/// </summary>
public sealed class KeyFile
{
    private const string FirstLine = "gateway-key 1";

    /// <summary>Lines longer than this are not quoted in errors: they may hold a key.</summary>
    private const int LongestQuoted = 32;

    /// <exception cref="ArgumentException">The address cannot log in, or the key is not 32 bytes long.</exception>
    public KeyFile(Address address, uint epoch, byte[] key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (!address.IsDevice) throw new ArgumentException($"{address} is not a user's or service's device", nameof(address));
        if (key.Length != DeviceKey.KeyBytes) throw new ArgumentException($"a device key is {DeviceKey.KeyBytes} bytes long", nameof(key));
        Address = address;
        Epoch = epoch;
        Key = key;
    }

    public Address Address { get; }
    public uint Epoch { get; }

    /// <summary>32 bytes.</summary>
    public byte[] Key { get; }

    /// <summary>Reads the text form. <paramref name="error"/> names the line and says what belongs there.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out KeyFile? file, [NotNullWhen(false)] out string? error)
    {
        file = null;
        var lines = new LineCutter(text);

        if (!lines.TryNext(out var line)) return Fail($"the key file is empty; it begins with '{FirstLine}'", out error);
        if (!line.SequenceEqual(FirstLine))
        {
            return Fail(
                line.StartsWith("gateway-key ", StringComparison.Ordinal)
                    ? $"line {lines.Number}: this reads version 1 of the key file; another is announced"
                    : $"line {lines.Number}: a key file begins with '{FirstLine}'",
                out error);
        }

        if (!TryValue(ref lines, "address", out var value, out error)) return false;
        if (!Address.TryParse(value, out var address, out var addressError))
        {
            var why = value.Length <= LongestQuoted ? addressError : "an address is a number, as in 15550001, 15550001:3 or service/7";
            return Fail($"line {lines.Number}: {why}", out error);
        }

        if (!address.IsDevice)
            return Fail($"line {lines.Number}: {address} is a group; only a user's or service's device has a key", out error);

        if (!TryValue(ref lines, "epoch", out value, out error)) return false;
        var digitsOnly = !value.ContainsAnyExceptInRange('0', '9');
        if (!uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var epoch) || !digitsOnly)
            return Fail($"line {lines.Number}: the epoch is a number from 0 to {uint.MaxValue}", out error);

        if (!TryValue(ref lines, "key", out value, out error)) return false;
        var key = new byte[DeviceKey.KeyBytes];
        if (!Hex32.TryParse(value, key, out var keyError)) return Fail($"line {lines.Number}: the key is {keyError}", out error);

        if (lines.TryNext(out _)) return Fail($"line {lines.Number}: nothing follows the key", out error);

        file = new KeyFile(address, epoch, key);
        error = null;
        return true;
    }

    /// <summary>The file's text: four lines, each ended by a line feed; hex digits in lower case.</summary>
    public string Format() => Join('\n') + "\n";

    /// <summary>The same as one line for an environment variable: joined by ';', none at the end.</summary>
    public string FormatOneLine() => Join(';');

    private string Join(char separator) => string.Create(
        CultureInfo.InvariantCulture,
        $"{FirstLine}{separator}address {Address}{separator}epoch {Epoch}{separator}key {Convert.ToHexStringLower(Key)}");

    private static bool TryValue(ref LineCutter lines, string name, out ReadOnlySpan<char> value, [NotNullWhen(false)] out string? error)
    {
        value = default;
        if (!lines.TryNext(out var line)) return Fail($"the key file ends before its '{name}' line", out error);
        if (!line.StartsWith(name, StringComparison.Ordinal) || line.Length <= name.Length || line[name.Length] is not (' ' or '\t'))
            return Fail($"line {lines.Number}: '{name}' and its value belong here", out error);
        value = line[name.Length..].Trim(" \t");
        error = null;
        return true;
    }

    private static bool Fail(string message, out string error)
    {
        error = message;
        return false;
    }

    /// <summary>Cuts lines at LF, CR LF or ';', trims blanks and tabs, passes over empty ones and counts them all.</summary>
    private ref struct LineCutter(ReadOnlySpan<char> text)
    {
        private static readonly SearchValues<char> Separators = SearchValues.Create("\n;");
        private ReadOnlySpan<char> _rest = text;

        /// <summary>Of the line that came last, from 1.</summary>
        public int Number { get; private set; }

        public bool TryNext(out ReadOnlySpan<char> line)
        {
            while (!_rest.IsEmpty)
            {
                var end = _rest.IndexOfAny(Separators);
                line = (end < 0 ? _rest : _rest[..end]).Trim(" \t\r");
                _rest = end < 0 ? default : _rest[(end + 1)..];
                Number++;
                if (!line.IsEmpty) return true;
            }

            line = default;
            return false;
        }
    }
}
