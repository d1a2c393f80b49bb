using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Gateway.Protocol;

/// <summary>What an <see cref="Address"/> names.</summary>
public enum AddressKind : byte
{
    None = 0,
    User = 1,
    Group = 2,
    Service = 3,
}

/// <summary>
/// Names one device of a user, a group, or a service in 64 bits:
/// <code>
/// 63    60 59                                    10 9        0
/// +-------+----------------------------------------+----------+
/// | kind  | number (50 bits, an E.164 number fits) |  device  |
/// +-------+----------------------------------------+----------+
/// </code>
/// Text form: <c>15550001</c> is user 15550001, device 0; <c>15550001:3</c> its device 3; <c>group/42</c>, <c>service/7</c>.
/// The value 0 names nobody. PROTOCOL.md, "Addresses".
/// </summary>
public readonly record struct Address(ulong Value) : ISpanFormattable
{
    public const int KindShift = 60;
    public const int NumberShift = 10;
    public const ulong MaxNumber = (1UL << 50) - 1;
    public const int MaxDevice = (1 << 10) - 1;

    /// <exception cref="ArgumentOutOfRangeException">A part does not fit its field.</exception>
    public Address(AddressKind kind, ulong number, int device = 0)
        : this(Pack(kind, number, device))
    {
    }

    public AddressKind Kind => (AddressKind)(Value >> KindShift);
    public ulong Number => (Value >> NumberShift) & MaxNumber;
    public int Device => (int)(Value & MaxDevice);

    /// <summary>True when the kind is a defined one and the number is not 0. Groups have no devices.</summary>
    public bool IsValid => Number != 0 && (Kind is AddressKind.User or AddressKind.Service || (Kind == AddressKind.Group && Device == 0));

    /// <summary>True for what can hold a key and log in: a user's or a service's device.</summary>
    public bool IsDevice => IsValid && Kind != AddressKind.Group;

    private static ulong Pack(AddressKind kind, ulong number, int device)
    {
        if (kind is < AddressKind.User or > AddressKind.Service) throw new ArgumentOutOfRangeException(nameof(kind));
        ArgumentOutOfRangeException.ThrowIfZero(number);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(number, MaxNumber);
        ArgumentOutOfRangeException.ThrowIfNegative(device);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(device, kind == AddressKind.Group ? 0 : MaxDevice);
        return (ulong)kind << KindShift | number << NumberShift | (uint)device;
    }

    /// <summary>
    /// Reads the text form; blanks around it are ignored. <paramref name="error"/> says what is wrong in a sentence a person can act on.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Address address, [NotNullWhen(false)] out string? error)
    {
        address = default;
        var rest = text.Trim(' ');
        var kind = AddressKind.User;
        if (rest.StartsWith("group/", StringComparison.Ordinal))
        {
            kind = AddressKind.Group;
            rest = rest["group/".Length..];
        }
        else if (rest.StartsWith("service/", StringComparison.Ordinal))
        {
            kind = AddressKind.Service;
            rest = rest["service/".Length..];
        }

        var device = 0;
        var colon = rest.IndexOf(':');
        if (colon >= 0)
        {
            if (kind == AddressKind.Group) return Fail($"'{text}': a group has no devices", out error);
            if (!TryParseDigits(rest[(colon + 1)..], MaxDevice, out var parsed))
                return Fail($"'{text}': the device after ':' is a number from 0 to {MaxDevice}", out error);
            device = (int)parsed;
            rest = rest[..colon];
        }

        if (!TryParseDigits(rest, MaxNumber, out var number) || number == 0)
        {
            return Fail(
                $"'{text}': an address is a number from 1 to {MaxNumber}, as in 15550001, 15550001:3, group/42 or service/7", out error);
        }

        address = new Address(kind, number, device);
        error = null;
        return true;
    }

    /// <summary>ASCII digits and nothing else: the framework's own parser lets trailing NUL characters pass.</summary>
    private static bool TryParseDigits(ReadOnlySpan<char> digits, ulong max, out ulong number)
    {
        number = 0;
        return !digits.ContainsAnyExceptInRange('0', '9')
            && ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out number)
            && number <= max;
    }

    private static bool Fail(string message, out string error)
    {
        error = message;
        return false;
    }

    public override string ToString() => ToString(null, null);

    public string ToString(string? format, IFormatProvider? formatProvider)
    {
        var prefix = Kind switch
        {
            AddressKind.User => "",
            AddressKind.Group => "group/",
            AddressKind.Service => "service/",
            _ => "invalid/",
        };
        return Device == 0
            ? string.Create(CultureInfo.InvariantCulture, $"{prefix}{Number}")
            : string.Create(CultureInfo.InvariantCulture, $"{prefix}{Number}:{Device}");
    }

    public bool TryFormat(Span<char> destination, out int charsWritten, ReadOnlySpan<char> format, IFormatProvider? provider)
    {
        var text = ToString();
        charsWritten = text.TryCopyTo(destination) ? text.Length : 0;
        return charsWritten != 0;
    }
}
