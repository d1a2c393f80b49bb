using System.Globalization;
using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>
/// Who the device is, and the key that proves it. Text form, one line: <c>address epoch key</c>, as in
/// <c>15550001:3 0 9f86d081884c7d65…</c> (the key is 64 hexadecimal digits); empty lines and lines that begin with <c>#</c> are skipped.
/// A key belongs in a file or the environment, never on a command line. <see cref="ToString"/> leaves it out.
/// </summary>
public sealed class DeviceCredentials
{
    private readonly byte[] _key;

    /// <param name="address">A user's or a service's device.</param>
    /// <param name="keyEpoch">The device's key epoch, which the node raises when it revokes a key.</param>
    /// <param name="key">32 bytes; copied.</param>
    /// <exception cref="ArgumentException">The address is no device's, or the key is not 32 bytes long.</exception>
    public DeviceCredentials(Address address, uint keyEpoch, ReadOnlySpan<byte> key)
    {
        if (!address.IsValid || address.Kind == AddressKind.Group) throw new ArgumentException($"'{address}' is not a device's address.", nameof(address));
        if (key.Length != DeviceKey.KeyBytes) throw new ArgumentException($"A device key has {DeviceKey.KeyBytes} bytes, this one {key.Length}.", nameof(key));
        Address = address;
        KeyEpoch = keyEpoch;
        _key = key.ToArray();
    }

    public Address Address { get; }
    public uint KeyEpoch { get; }
    internal ReadOnlySpan<byte> Key => _key;

    /// <summary>Reads the text form.</summary>
    /// <exception cref="FormatException">Says which field is wrong; never quotes the key.</exception>
    public static DeviceCredentials Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var line = text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).FirstOrDefault(l => !l.StartsWith('#'))
            ?? throw new FormatException("No credentials: one line 'address epoch key' is expected.");
        var fields = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length != 3) throw new FormatException($"Credentials have three fields, 'address epoch key'; these have {fields.Length}.");
        if (!Address.TryParse(fields[0], out var address, out var error)) throw new FormatException(error);
        if (!uint.TryParse(fields[1], NumberStyles.None, CultureInfo.InvariantCulture, out var epoch)) throw new FormatException($"'{fields[1]}': the epoch is a number from 0 to {uint.MaxValue}.");
        byte[] key;
        try
        {
            key = Convert.FromHexString(fields[2]);
        }
        catch (FormatException)
        {
            throw new FormatException("The key is not hexadecimal.");
        }

        if (key.Length != DeviceKey.KeyBytes) throw new FormatException($"The key has {2 * DeviceKey.KeyBytes} hexadecimal digits, this one {fields[2].Length}.");
        return new DeviceCredentials(address, epoch, key);
    }

    /// <summary>Reads the text form from a file.</summary>
    /// <exception cref="FormatException">See <see cref="Parse"/>.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static DeviceCredentials Load(string path) => Parse(File.ReadAllText(path));

    /// <summary>The line that <see cref="Parse"/> reads, key included: for writing a key file.</summary>
    public string ToFileText() => string.Create(CultureInfo.InvariantCulture, $"{Address} {KeyEpoch} {Convert.ToHexStringLower(_key)}\n");

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Address} (key epoch {KeyEpoch})");
}
