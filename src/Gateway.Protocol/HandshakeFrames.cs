using System.Buffers.Binary;

namespace Gateway.Protocol;

/// <summary>
/// The first frame of a connection, client to node: what the client speaks, and its nonce.
/// <code>magic u32 | min version u8 | max version u8 | reserved u16 = 0 | features u32 | client nonce 16 bytes</code>
/// </summary>
public readonly ref struct HelloFrame
{
    public const int PayloadBytes = 28;
    public const int FrameBytes = Wire.HeaderBytes + PayloadBytes;

    public byte MinVersion { get; private init; }
    public byte MaxVersion { get; private init; }
    public uint Features { get; private init; }
    public ReadOnlySpan<byte> ClientNonce { get; private init; }

    public static bool TryParse(ReadOnlySpan<byte> payload, out HelloFrame frame, out ErrorCode error)
    {
        frame = default;
        // The magic is judged first and as far as it came, so that a stray protocol is told what it reached.
        if (payload.Length >= 4 && BinaryPrimitives.ReadUInt32LittleEndian(payload) != Wire.Magic)
            return Fail.With(ErrorCode.BadMagic, out error);
        if (payload.Length != PayloadBytes || BinaryPrimitives.ReadUInt16LittleEndian(payload[6..]) != 0 || payload[4] > payload[5])
            return Fail.With(ErrorCode.MalformedFrame, out error);
        if (payload[4] > Wire.Version || payload[5] < Wire.Version) return Fail.With(ErrorCode.UnsupportedVersion, out error);
        frame = new HelloFrame
        {
            MinVersion = payload[4],
            MaxVersion = payload[5],
            Features = BinaryPrimitives.ReadUInt32LittleEndian(payload[8..]),
            ClientNonce = payload.Slice(12, Wire.NonceBytes),
        };
        error = ErrorCode.None;
        return true;
    }

    /// <summary>Writes the frame, header included; returns its length.</summary>
    public static int Write(
        Span<byte> destination, ReadOnlySpan<byte> clientNonce, uint features = 0, byte minVersion = Wire.Version,
        byte maxVersion = Wire.Version)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(clientNonce.Length, Wire.NonceBytes);
        Wire.WriteHeader(destination, FrameType.Hello, PayloadBytes);
        var p = destination.Slice(Wire.HeaderBytes, PayloadBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(p, Wire.Magic);
        p[4] = minVersion;
        p[5] = maxVersion;
        BinaryPrimitives.WriteUInt16LittleEndian(p[6..], 0);
        BinaryPrimitives.WriteUInt32LittleEndian(p[8..], features);
        clientNonce.CopyTo(p[12..]);
        return FrameBytes;
    }
}

/// <summary>
/// The node's answer to hello: the version it chose, and its nonce.
/// <code>version u8 | reserved 3 bytes = 0 | features u32 | node nonce 16 bytes</code>
/// </summary>
public readonly ref struct ChallengeFrame
{
    public const int PayloadBytes = 24;
    public const int FrameBytes = Wire.HeaderBytes + PayloadBytes;

    public byte Version { get; private init; }
    public uint Features { get; private init; }
    public ReadOnlySpan<byte> NodeNonce { get; private init; }

    public static bool TryParse(ReadOnlySpan<byte> payload, out ChallengeFrame frame, out ErrorCode error)
    {
        frame = default;
        if (payload.Length != PayloadBytes || payload[1] != 0 || payload[2] != 0 || payload[3] != 0)
            return Fail.With(ErrorCode.MalformedFrame, out error);
        if (payload[0] != Wire.Version) return Fail.With(ErrorCode.UnsupportedVersion, out error);
        frame = new ChallengeFrame
        {
            Version = payload[0],
            Features = BinaryPrimitives.ReadUInt32LittleEndian(payload[4..]),
            NodeNonce = payload.Slice(8, Wire.NonceBytes),
        };
        error = ErrorCode.None;
        return true;
    }

    /// <summary>Writes the frame, header included; returns its length.</summary>
    public static int Write(Span<byte> destination, ReadOnlySpan<byte> nodeNonce, uint features = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(nodeNonce.Length, Wire.NonceBytes);
        Wire.WriteHeader(destination, FrameType.Challenge, PayloadBytes);
        var p = destination.Slice(Wire.HeaderBytes, PayloadBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(p, Wire.Version);
        BinaryPrimitives.WriteUInt32LittleEndian(p[4..], features);
        nodeNonce.CopyTo(p[8..]);
        return FrameBytes;
    }
}

/// <summary>
/// Who the client is, what it still knows, and the proof. Everything before the proof is covered by it.
/// <code>
/// address u64 | key epoch u32 | incarnation u32 (0: give me a fresh one) | resume position u64 (0: none)
/// | credit messages u32 | credit bytes u32 | proof 32 bytes
/// </code>
/// </summary>
public readonly ref struct AuthenticateFrame
{
    public const int ProvenBytes = 32;
    public const int PayloadBytes = ProvenBytes + Wire.ProofBytes;
    public const int FrameBytes = Wire.HeaderBytes + PayloadBytes;

    public Address Address { get; private init; }
    public uint KeyEpoch { get; private init; }
    public uint Incarnation { get; private init; }

    /// <summary>The highest mailbox sequence the device has processed durably.</summary>
    public ulong Resume { get; private init; }
    public uint CreditMessages { get; private init; }
    public uint CreditBytes { get; private init; }

    /// <summary>The fields in front of the proof, as they came.</summary>
    public ReadOnlySpan<byte> Proven { get; private init; }
    public ReadOnlySpan<byte> Proof { get; private init; }

    public static bool TryParse(ReadOnlySpan<byte> payload, out AuthenticateFrame frame, out ErrorCode error)
    {
        frame = default;
        if (payload.Length != PayloadBytes) return Fail.With(ErrorCode.MalformedFrame, out error);
        var address = new Address(BinaryPrimitives.ReadUInt64LittleEndian(payload));
        if (!address.IsDevice) return Fail.With(ErrorCode.BadAddress, out error);
        frame = new AuthenticateFrame
        {
            Address = address,
            KeyEpoch = BinaryPrimitives.ReadUInt32LittleEndian(payload[8..]),
            Incarnation = BinaryPrimitives.ReadUInt32LittleEndian(payload[12..]),
            Resume = BinaryPrimitives.ReadUInt64LittleEndian(payload[16..]),
            CreditMessages = BinaryPrimitives.ReadUInt32LittleEndian(payload[24..]),
            CreditBytes = BinaryPrimitives.ReadUInt32LittleEndian(payload[28..]),
            Proven = payload[..ProvenBytes],
            Proof = payload.Slice(ProvenBytes, Wire.ProofBytes),
        };
        error = ErrorCode.None;
        return true;
    }

    /// <summary>Writes the frame, header included, proved with <paramref name="key"/> over both nonces; returns its length.</summary>
    public static int Write(
        Span<byte> destination, Address address, uint keyEpoch, uint incarnation, ulong resume, uint creditMessages, uint creditBytes,
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> clientNonce, ReadOnlySpan<byte> nodeNonce)
    {
        Wire.WriteHeader(destination, FrameType.Authenticate, PayloadBytes);
        var p = destination.Slice(Wire.HeaderBytes, PayloadBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(p, address.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(p[8..], keyEpoch);
        BinaryPrimitives.WriteUInt32LittleEndian(p[12..], incarnation);
        BinaryPrimitives.WriteUInt64LittleEndian(p[16..], resume);
        BinaryPrimitives.WriteUInt32LittleEndian(p[24..], creditMessages);
        BinaryPrimitives.WriteUInt32LittleEndian(p[28..], creditBytes);
        HandshakeProof.OfDevice(key, clientNonce, nodeNonce, p[..ProvenBytes], p[ProvenBytes..]);
        return FrameBytes;
    }
}

/// <summary>
/// The node's acceptance: the session, the send window as the node knows it, the limits, and the node's own proof that it knows the key.
/// <code>
/// session epoch u32 | incarnation u32 | window low u64 | window settled u64 (bit i: low + i) | node time u64 (µs since 1970)
/// | generation u32 | max body bytes u32 | idle timeout ms u32 | pending messages u32 | proof 32 bytes
/// </code>
/// </summary>
public readonly ref struct WelcomeFrame
{
    public const int ProvenBytes = 48;
    public const int PayloadBytes = ProvenBytes + Wire.ProofBytes;
    public const int FrameBytes = Wire.HeaderBytes + PayloadBytes;

    public uint SessionEpoch { get; init; }
    public uint Incarnation { get; init; }
    public ulong WindowLow { get; init; }
    public ulong WindowSettled { get; init; }
    public ulong NodeTimeMicros { get; init; }

    /// <summary>Rises when the node was restored from a backup: messages accepted since that backup may be lost.</summary>
    public uint Generation { get; init; }
    public uint MaxBodyBytes { get; init; }
    public uint IdleTimeoutMs { get; init; }

    /// <summary>Messages waiting in the mailbox at login, as a hint.</summary>
    public uint Pending { get; init; }

    public ReadOnlySpan<byte> Proven { get; private init; }
    public ReadOnlySpan<byte> Proof { get; private init; }

    public static bool TryParse(ReadOnlySpan<byte> payload, out WelcomeFrame frame, out ErrorCode error)
    {
        frame = default;
        if (payload.Length != PayloadBytes) return Fail.With(ErrorCode.MalformedFrame, out error);
        frame = new WelcomeFrame
        {
            SessionEpoch = BinaryPrimitives.ReadUInt32LittleEndian(payload),
            Incarnation = BinaryPrimitives.ReadUInt32LittleEndian(payload[4..]),
            WindowLow = BinaryPrimitives.ReadUInt64LittleEndian(payload[8..]),
            WindowSettled = BinaryPrimitives.ReadUInt64LittleEndian(payload[16..]),
            NodeTimeMicros = BinaryPrimitives.ReadUInt64LittleEndian(payload[24..]),
            Generation = BinaryPrimitives.ReadUInt32LittleEndian(payload[32..]),
            MaxBodyBytes = BinaryPrimitives.ReadUInt32LittleEndian(payload[36..]),
            IdleTimeoutMs = BinaryPrimitives.ReadUInt32LittleEndian(payload[40..]),
            Pending = BinaryPrimitives.ReadUInt32LittleEndian(payload[44..]),
            Proven = payload[..ProvenBytes],
            Proof = payload.Slice(ProvenBytes, Wire.ProofBytes),
        };
        if (frame.Incarnation == 0 || frame.WindowLow == 0) return Fail.With(ErrorCode.MalformedFrame, out error);
        error = ErrorCode.None;
        return true;
    }

    /// <summary>Writes the frame, header included, proved with <paramref name="key"/> over both nonces; returns its length.</summary>
    public int Write(Span<byte> destination, ReadOnlySpan<byte> key, ReadOnlySpan<byte> clientNonce, ReadOnlySpan<byte> nodeNonce)
    {
        Wire.WriteHeader(destination, FrameType.Welcome, PayloadBytes);
        var p = destination.Slice(Wire.HeaderBytes, PayloadBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(p, SessionEpoch);
        BinaryPrimitives.WriteUInt32LittleEndian(p[4..], Incarnation);
        BinaryPrimitives.WriteUInt64LittleEndian(p[8..], WindowLow);
        BinaryPrimitives.WriteUInt64LittleEndian(p[16..], WindowSettled);
        BinaryPrimitives.WriteUInt64LittleEndian(p[24..], NodeTimeMicros);
        BinaryPrimitives.WriteUInt32LittleEndian(p[32..], Generation);
        BinaryPrimitives.WriteUInt32LittleEndian(p[36..], MaxBodyBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(p[40..], IdleTimeoutMs);
        BinaryPrimitives.WriteUInt32LittleEndian(p[44..], Pending);
        HandshakeProof.OfNode(key, clientNonce, nodeNonce, p[..ProvenBytes], p[ProvenBytes..]);
        return FrameBytes;
    }
}

internal static class Fail
{
    public static bool With(ErrorCode code, out ErrorCode error)
    {
        error = code;
        return false;
    }
}
