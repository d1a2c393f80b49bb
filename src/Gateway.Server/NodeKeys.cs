using System.Buffers.Binary;
using System.Security.Cryptography;
using Gateway.Protocol;

namespace Gateway.Server;

/// <summary>
/// What is derived from the node's secret: device keys, the operator's token, and the pseudonyms that stand for addresses in logs. Each
/// derivation has its label, so that none gives away another. Immutable, any thread. It never prints the secret.
/// </summary>
public sealed class NodeKeys
{
    /// <summary>Characters of a pseudonym after its sign: 40 bits, so that two of a million devices rarely share one.</summary>
    private const int PseudonymCharacters = 8;
    private const string Base32 = "abcdefghijklmnopqrstuvwxyz234567";

    private readonly byte[] _secret;

    /// <exception cref="ArgumentException">The secret is not 32 bytes long.</exception>
    public NodeKeys(ReadOnlySpan<byte> secret)
    {
        if (secret.Length != 32) throw new ArgumentException("a node secret is 32 bytes long", nameof(secret));
        _secret = secret.ToArray();
    }

    /// <summary>Derives a device's key (32 bytes) of one epoch. PROTOCOL.md, "Keys".</summary>
    public void DeriveDeviceKey(Address address, uint epoch, Span<byte> key) => DeviceKey.Derive(_secret, address, epoch, key);

    /// <summary>The bearer token of <c>/ops</c>, which may do everything there: 64 hex digits.</summary>
    public string OperatorToken() => Convert.ToHexStringLower(HMACSHA256.HashData(_secret, "gateway operator token v1"u8));

    /// <summary>A bearer token that may read <c>/metrics</c> and nothing else: 64 hex digits.</summary>
    public string ScrapeToken() => Convert.ToHexStringLower(HMACSHA256.HashData(_secret, "gateway scrape token v1"u8));

    /// <summary>One that may look at the node as well, with devices by pseudonym, and change nothing.</summary>
    public string LookToken() => Convert.ToHexStringLower(HMACSHA256.HashData(_secret, "gateway look token v1"u8));

    /// <summary>What a log line, an alert or <c>/status</c> calls a device: the same for one node's life, meaningless elsewhere. <c>~k7m2qf3x</c></summary>
    public string Pseudonym(Address address)
    {
        ReadOnlySpan<byte> label = "gateway pseudonym v1"u8;
        Span<byte> input = stackalloc byte[label.Length + 8];
        label.CopyTo(input);
        BinaryPrimitives.WriteUInt64LittleEndian(input[label.Length..], address.Value);
        Span<byte> hash = stackalloc byte[32];
        HMACSHA256.HashData(_secret, input, hash);
        var bits = BinaryPrimitives.ReadUInt64LittleEndian(hash);
        Span<char> text = stackalloc char[1 + PseudonymCharacters];
        text[0] = '~';
        for (var i = 1; i < text.Length; i++, bits >>= 5) text[i] = Base32[(int)(bits & 31)];
        return new string(text);
    }

    public override string ToString() => "node keys";
}
