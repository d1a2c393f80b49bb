using System.Buffers.Binary;
using Gateway.Protocol;

namespace Gateway.Tests.Protocol;

/// <summary>
/// What a session fuzz knows and wants frames to be near: a send near the window's edge reaches more code than one of a random number.
/// Everything is used in one part of the frames only; the rest roams the whole range.
/// </summary>
internal sealed class FrameHints
{
    public Address Self { get; set; } = new(AddressKind.User, 15550001);
    public Address[] Peers { get; set; } = [new(AddressKind.User, 15550002), new(AddressKind.User, 15550003, 3)];
    public uint KeyEpoch { get; set; }
    public uint Incarnation { get; set; } = 1;
    public ulong WindowLow { get; set; } = 1;

    /// <summary>A sequence that was delivered to the device, if one was.</summary>
    public ulong Sequence { get; set; } = 1;
    public byte[] Key { get; set; } = new byte[DeviceKey.KeyBytes];
    public byte[] ClientNonce { get; set; } = new byte[Wire.NonceBytes];
    public byte[] NodeNonce { get; set; } = new byte[Wire.NonceBytes];
    public int MaxBodyBytes { get; set; } = 512;
}

/// <summary>What <see cref="FrameGrammar.Mutate"/> did to a frame.</summary>
internal enum Mutation : byte
{
    None,
    /// <summary>Another type byte; the payload stays.</summary>
    Type,
    /// <summary>The header's length is wrong by a little: what follows is cut at the wrong place.</summary>
    LengthOffByLittle,
    /// <summary>The header's length is anything.</summary>
    LengthAnything,
    /// <summary>Some bit of the payload is turned over.</summary>
    Bit,
    /// <summary>A byte that is reserved in most frames, or an enumeration, is something else.</summary>
    Byte,
    /// <summary>Eight bytes become an extreme: 0, 1, all ones.</summary>
    Extreme,
    /// <summary>The payload is shorter, and the header says so.</summary>
    Shorter,
    /// <summary>The payload is longer, and the header says so.</summary>
    Longer,
    /// <summary>The frame breaks off; the header promises more.</summary>
    Truncated,
    /// <summary>Bytes without any sense.</summary>
    Nonsense,
}

/// <summary>
/// Writes frames that obey the grammar of PROTOCOL.md, and damages them as a peer with a defect or an attacker would. Repeatable from
/// its seed, allocates nothing a frame, needs a buffer of <see cref="MaxFrameBytes"/>. For the codec's fuzz and for any session's.
/// </summary>
internal sealed class FrameGrammar
{
    /// <summary>Frames are no longer, with hints of at most 512 bytes of body, whatever is done to them.</summary>
    public const int MaxFrameBytes = 1024;

    private static readonly FrameType[] All = [.. Enum.GetValues<FrameType>().Where(ConnectionRules.IsKnown)];
    private static readonly FrameType[] Client =
        [.. All.Where(t => ConnectionRules.ClientMaySend(ConnectionPhase.Established, t) == ErrorCode.None)];

    private readonly byte[] _noise = new byte[4096];

    public FrameGrammar(ulong seed, FrameHints? hints = null)
    {
        Dice = new Dice(seed);
        Hints = hints ?? new FrameHints();
        for (var i = 0; i < _noise.Length; i += 8) BinaryPrimitives.WriteUInt64LittleEndian(_noise.AsSpan(i), Dice.Next());
    }

    public Dice Dice { get; }
    public FrameHints Hints { get; }

    /// <summary>Any type of this version.</summary>
    public FrameType AnyType() => All[Dice.Below(All.Length)];

    /// <summary>A type that a client may send in an established session.</summary>
    public FrameType ClientType() => Client[Dice.Below(Client.Length)];

    /// <summary>Writes a frame that parses; returns its length.</summary>
    public int WriteValid(Span<byte> destination, FrameType type)
    {
        switch (type)
        {
            case FrameType.Hello:
                return HelloFrame.Write(destination, Nonce(Hints.ClientNonce), U32(), (byte)Dice.Below(2), (byte)(1 + Dice.Edgy(254)));
            case FrameType.Challenge:
                return ChallengeFrame.Write(destination, Nonce(Hints.NodeNonce), U32());
            case FrameType.Authenticate:
                return AuthenticateFrame.Write(
                    destination, Near() ? Hints.Self : Device(), Near() ? Hints.KeyEpoch : U32(), Near() ? Hints.Incarnation : U32(),
                    Near() ? Hints.Sequence : U64(), U32(), U32(), Hints.Key, Hints.ClientNonce, Hints.NodeNonce);
            case FrameType.Welcome:
                return new WelcomeFrame
                {
                    SessionEpoch = U32(),
                    Incarnation = Math.Max(1, U32()),
                    WindowLow = Math.Max(1, U64()),
                    WindowSettled = U64(),
                    NodeTimeMicros = U64(),
                    Generation = U32(),
                    MaxBodyBytes = U32(),
                    IdleTimeoutMs = U32(),
                    Pending = U32(),
                }.Write(destination, Hints.Key, Hints.ClientNonce, Hints.NodeNonce);
            case FrameType.Send:
                var number = Near() ? Hints.WindowLow + (ulong)Dice.Below(66) : 1 + Dice.Edgy(long.MaxValue - 1);
                var lowest = Near() ? Math.Min(number, Hints.WindowLow + (ulong)Dice.Below(4)) : 1 + Dice.Edgy(number - 1);
                return SendFrame.Write(
                    destination, Anyone(), number, lowest, U32(), (SendKind)(Near() ? Dice.Below(2) : Dice.Below(256)),
                    Noise(Dice.Below(Hints.MaxBodyBytes + 1)));
            case FrameType.Accepted:
                return AcceptedFrame.Write(destination, Math.Max(1, U64()));
            case FrameType.Refused:
                return RefusedFrame.Write(destination, Math.Max(1, U64()), (RefusalReason)Math.Max(1, Dice.Edgy(ushort.MaxValue)), U32());
            case FrameType.Deliver:
                var sequence = Math.Max(1, U64());
                return DeliverFrame.Write(
                    destination, sequence, Dice.Edgy(sequence - 1), Anyone(), U32(), U64(), U32(), (DeliverFlags)Dice.Below(256),
                    Noise(Dice.Below(Hints.MaxBodyBytes + 1)));
            case FrameType.Acknowledge:
                return AcknowledgeFrame.Write(destination, Sequence());
            case FrameType.Reject:
                return RejectFrame.Write(destination, Sequence(), (ushort)U32());
            case FrameType.Receipt:
                sequence = Math.Max(1, U64());
                return ReceiptFrame.Write(
                    destination, sequence, Dice.Edgy(sequence - 1), Anyone(), U32(), (ReceiptKind)(1 + Dice.Below(5)),
                    (DeliverFlags)Dice.Below(256), (ushort)U32(), Noise(8 * (1 + Dice.Below(Wire.MaxReceiptNumbers))));
            case FrameType.Ephemeral:
                return EphemeralFrame.Write(
                    destination, Anyone(), (EphemeralKind)(1 + Dice.Below(255)), Noise(Dice.Below(Wire.MaxEphemeralBytes + 1)));
            case FrameType.Ping:
                return PingFrame.Write(destination, U64());
            case FrameType.Pong:
                return PingFrame.WritePong(destination, U64());
            case FrameType.Credit:
                return CreditFrame.Write(destination, U32(), U32());
            case FrameType.GoAway:
                return GoAwayFrame.Write(destination, (ErrorCode)(ushort)U32(), U32());
            case FrameType.Error:
                return ErrorFrame.Write(destination, (ErrorCode)(1 + Dice.Below(255)), U32(), Noise(Dice.Below(Wire.MaxErrorTextBytes)));
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "not a frame of version 1");
        }
    }

    /// <summary>
    /// Damages a whole frame in place; <paramref name="length"/> becomes what is left or was added. The buffer has room for
    /// <see cref="MaxFrameBytes"/>.
    /// </summary>
    public Mutation Mutate(Span<byte> frame, ref int length)
    {
        var payload = length - Wire.HeaderBytes;
        var mutation = (Mutation)(1 + Dice.Below(10));
        // Without a payload only the header can suffer.
        if (payload == 0 && mutation is Mutation.Bit or Mutation.Byte or Mutation.Extreme or Mutation.Shorter) mutation = Mutation.Type;
        switch (mutation)
        {
            case Mutation.Type:
                frame[3] = (byte)(Dice.OneIn(2) ? Dice.Below(256) : Dice.Below(0x30));
                break;
            case Mutation.LengthOffByLittle:
                SetLength(frame, Math.Max(0, payload + Dice.Below(17) - 8));
                break;
            case Mutation.LengthAnything:
                SetLength(frame, (int)Dice.Edgy(0xFF_FFFF));
                break;
            case Mutation.Bit:
                frame[Wire.HeaderBytes + Dice.Below(payload)] ^= (byte)(1 << Dice.Below(8));
                break;
            case Mutation.Byte:
                // Most fields that must be 0 lie among the first 48 bytes.
                frame[Wire.HeaderBytes + Dice.Below(Math.Min(48, payload))] = (byte)Dice.Next();
                break;
            case Mutation.Extreme:
                var at = 8 * Dice.Below((Math.Min(56, payload) + 7) / 8);
                var extreme = frame.Slice(Wire.HeaderBytes + at, Math.Min(8, payload - at));
                extreme.Fill((byte)(Dice.OneIn(2) ? 0 : 0xFF));
                if (Dice.OneIn(3)) extreme[0] = 1;
                break;
            case Mutation.Shorter:
                length -= 1 + Dice.Below(Math.Min(payload, 64));
                SetLength(frame, length - Wire.HeaderBytes);
                break;
            case Mutation.Longer:
                var more = Noise(Math.Min(1 + Dice.Below(64), MaxFrameBytes - length));
                more.CopyTo(frame[length..]);
                length += more.Length;
                SetLength(frame, length - Wire.HeaderBytes);
                break;
            case Mutation.Truncated:
                length = Dice.Below(length);
                break;
            case Mutation.Nonsense:
                Noise(length).CopyTo(frame);
                break;
        }

        return mutation;
    }

    /// <summary>Bytes without sense, valid until the next call to anything; no eight of them in line are 0.</summary>
    public ReadOnlySpan<byte> Noise(int count) => _noise.AsSpan(8 * Dice.Below((_noise.Length - MaxFrameBytes) / 8), count);

    private static void SetLength(Span<byte> frame, int length)
    {
        frame[0] = (byte)length;
        frame[1] = (byte)(length >> 8);
        frame[2] = (byte)(length >> 16);
    }

    private bool Near() => !Dice.OneIn(4);
    private uint U32() => (uint)Dice.Edgy(uint.MaxValue);
    private ulong U64() => Dice.Edgy(ulong.MaxValue);
    private ulong Sequence() => Near() ? Math.Max(1, Hints.Sequence + (ulong)Dice.Below(4) - 1) : Math.Max(1, U64());
    private ReadOnlySpan<byte> Nonce(byte[] hinted) => Near() ? hinted : Noise(Wire.NonceBytes);
    private Address Anyone() => Near() ? Hints.Peers[Dice.Below(Hints.Peers.Length)] : Dice.OneIn(4) ? Group() : Device();
    private Address Group() => new(AddressKind.Group, 1 + Dice.Edgy(Address.MaxNumber - 1));

    private Address Device() => new(
        Dice.OneIn(2) ? AddressKind.User : AddressKind.Service, 1 + Dice.Edgy(Address.MaxNumber - 1), (int)Dice.Edgy(Address.MaxDevice));
}
