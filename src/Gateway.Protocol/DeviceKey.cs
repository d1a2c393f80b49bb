using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Gateway.Protocol;

/// <summary>
/// Device keys: derived, never stored by the node.
/// <code>key = HMAC-SHA256(node secret, "gateway device key v1" | address u64 | epoch u32)</code>
/// Revoking a device raises its epoch. PROTOCOL.md, "Keys".
/// </summary>
public static class DeviceKey
{
    public const int KeyBytes = 32;

    /// <summary>Derives the key of <paramref name="address"/> at <paramref name="epoch"/> into <paramref name="key"/> (32 bytes).</summary>
    public static void Derive(ReadOnlySpan<byte> nodeSecret, Address address, uint epoch, Span<byte> key)
    {
        ReadOnlySpan<byte> label = "gateway device key v1"u8;
        Span<byte> input = stackalloc byte[label.Length + 12];
        label.CopyTo(input);
        BinaryPrimitives.WriteUInt64LittleEndian(input[label.Length..], address.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(input[(label.Length + 8)..], epoch);
        HMACSHA256.HashData(nodeSecret, input, key[..KeyBytes]);
    }
}

/// <summary>
/// The proofs of the handshake: <c>HMAC-SHA256(device key, label | client nonce | node nonce | proven fields)</c>, one label a direction,
/// so that neither side's proof can be played back as the other's. PROTOCOL.md, "Handshake".
/// </summary>
public static class HandshakeProof
{
    /// <summary>The device's proof of <paramref name="proven"/> (its authenticate) into <paramref name="proof"/>, 32 bytes.</summary>
    public static void OfDevice(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> clientNonce, ReadOnlySpan<byte> nodeNonce, ReadOnlySpan<byte> proven,
        Span<byte> proof) =>
        Compute("gateway device proof v1"u8, key, clientNonce, nodeNonce, proven, proof);

    /// <summary>The node's proof of <paramref name="proven"/> (its welcome) into <paramref name="proof"/>, 32 bytes.</summary>
    public static void OfNode(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> clientNonce, ReadOnlySpan<byte> nodeNonce, ReadOnlySpan<byte> proven,
        Span<byte> proof) =>
        Compute("gateway node proof v1"u8, key, clientNonce, nodeNonce, proven, proof);

    /// <summary>Compares in constant time.</summary>
    public static bool Matches(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> actual) =>
        CryptographicOperations.FixedTimeEquals(expected, actual);

    private static void Compute(
        ReadOnlySpan<byte> label, ReadOnlySpan<byte> key, ReadOnlySpan<byte> clientNonce, ReadOnlySpan<byte> nodeNonce,
        ReadOnlySpan<byte> proven, Span<byte> proof)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(clientNonce.Length, Wire.NonceBytes);
        ArgumentOutOfRangeException.ThrowIfNotEqual(nodeNonce.Length, Wire.NonceBytes);
        Span<byte> input = stackalloc byte[128];
        label.CopyTo(input);
        var length = label.Length;
        clientNonce.CopyTo(input[length..]);
        length += Wire.NonceBytes;
        nodeNonce.CopyTo(input[length..]);
        length += Wire.NonceBytes;
        proven.CopyTo(input[length..]);
        length += proven.Length;
        HMACSHA256.HashData(key, input[..length], proof[..Wire.ProofBytes]);
    }
}
