using System.Buffers.Binary;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Gateway.Protocol;
using Xunit;

namespace Gateway.Tests.Protocol;

/// <summary>PROTOCOL.md, "Frames": whatever the fields hold, what was written is what is read.</summary>
public class RoundTripTests
{
    private static readonly byte[] Key = VectorFrames.Rising(1, 32);
    private static readonly Gen<ulong> U64 = Gen.OneOf(
        ArbMap.Default.GeneratorFor<ulong>(), Gen.Elements(0UL, 1UL, ulong.MaxValue, (ulong)long.MaxValue, 1UL << 63));
    private static readonly Gen<uint> U32 = Gen.OneOf(ArbMap.Default.GeneratorFor<uint>(), Gen.Elements(0u, 1u, uint.MaxValue));
    private static readonly Gen<ushort> U16 = ArbMap.Default.GeneratorFor<ushort>();
    private static readonly Gen<byte> U8 = ArbMap.Default.GeneratorFor<byte>();
    private static readonly Gen<byte[]> Body = Bytes(0, 2000);
    private static readonly Gen<byte[]> Nonce = Bytes(Wire.NonceBytes, Wire.NonceBytes);
    private static readonly Gen<ulong> FromOne = U64.Select(n => Math.Max(1, n));
    private static readonly Gen<ulong> SendNumber = U64.Select(n => Math.Clamp(n, 1, long.MaxValue));

    private static readonly Gen<Address> Device =
        from kind in Gen.Elements(AddressKind.User, AddressKind.Service)
        from number in U64
        from device in Gen.Choose(0, Address.MaxDevice)
        select new Address(kind, Math.Max(1, number & Address.MaxNumber), device);

    private static readonly Gen<Address> Any = Gen.OneOf(
        Device, U64.Select(n => new Address(AddressKind.Group, Math.Max(1, n & Address.MaxNumber))));

    private static readonly Gen<(ulong Sequence, ulong Previous)> Place =
        from sequence in FromOne
        from roll in U64
        select (sequence, roll % sequence);

    [Fact]
    public void Hello() => Holds(
        from nonce in Nonce from features in U32 from min in Gen.Choose(0, 1) from max in Gen.Choose(1, 255)
        select (nonce, features, min, max),
        (x, buffer) =>
        {
            var payload = Payload(buffer, HelloFrame.Write(buffer, x.nonce, x.features, (byte)x.min, (byte)x.max), FrameType.Hello);
            return HelloFrame.TryParse(payload, out var f, out _) && f.ClientNonce.SequenceEqual(x.nonce) && f.Features == x.features
                && f.MinVersion == x.min && f.MaxVersion == x.max;
        });

    [Fact]
    public void Challenge() => Holds(
        from nonce in Nonce from features in U32 select (nonce, features),
        (x, buffer) =>
        {
            var payload = Payload(buffer, ChallengeFrame.Write(buffer, x.nonce, x.features), FrameType.Challenge);
            return ChallengeFrame.TryParse(payload, out var f, out _) && f.NodeNonce.SequenceEqual(x.nonce) && f.Features == x.features
                && f.Version == Wire.Version;
        });

    [Fact]
    public void Authenticate() => Holds(
        from address in Device from epoch in U32 from incarnation in U32 from resume in U64 from messages in U32 from bytes in U32
        from clientNonce in Nonce from nodeNonce in Nonce
        select (address, epoch, incarnation, resume, messages, bytes, clientNonce, nodeNonce),
        (x, buffer) =>
        {
            var length = AuthenticateFrame.Write(
                buffer, x.address, x.epoch, x.incarnation, x.resume, x.messages, x.bytes, Key, x.clientNonce, x.nodeNonce);
            var proof = new byte[Wire.ProofBytes];
            if (!AuthenticateFrame.TryParse(Payload(buffer, length, FrameType.Authenticate), out var f, out _)) return false;
            HandshakeProof.OfDevice(Key, x.clientNonce, x.nodeNonce, f.Proven, proof);
            return f.Address == x.address && f.KeyEpoch == x.epoch && f.Incarnation == x.incarnation && f.Resume == x.resume
                && f.CreditMessages == x.messages && f.CreditBytes == x.bytes && HandshakeProof.Matches(proof, f.Proof);
        });

    [Fact]
    public void Welcome() => Holds(
        from session in U32 from incarnation in U32 from low in FromOne from settled in U64 from time in U64
        from rest in Gen.ArrayOf(U32, 4) from clientNonce in Nonce from nodeNonce in Nonce
        select (session, incarnation: Math.Max(1, incarnation), low, settled, time, rest, clientNonce, nodeNonce),
        (x, buffer) =>
        {
            var frame = new WelcomeFrame
            {
                SessionEpoch = x.session,
                Incarnation = x.incarnation,
                WindowLow = x.low,
                WindowSettled = x.settled,
                NodeTimeMicros = x.time,
                Generation = x.rest[0],
                MaxBodyBytes = x.rest[1],
                IdleTimeoutMs = x.rest[2],
                Pending = x.rest[3],
            };
            var proof = new byte[Wire.ProofBytes];
            var payload = Payload(buffer, frame.Write(buffer, Key, x.clientNonce, x.nodeNonce), FrameType.Welcome);
            if (!WelcomeFrame.TryParse(payload, out var f, out _)) return false;
            HandshakeProof.OfNode(Key, x.clientNonce, x.nodeNonce, f.Proven, proof);
            return f.SessionEpoch == x.session && f.Incarnation == x.incarnation && f.WindowLow == x.low && f.WindowSettled == x.settled
                && f.NodeTimeMicros == x.time && f.Generation == x.rest[0] && f.MaxBodyBytes == x.rest[1] && f.IdleTimeoutMs == x.rest[2]
                && f.Pending == x.rest[3] && HandshakeProof.Matches(proof, f.Proof);
        });

    [Fact]
    public void Send() => Holds(
        from to in Any from number in SendNumber from roll in U64 from expiry in U32 from kind in U8 from body in Body
        select (to, number, lowest: 1 + roll % number, expiry, kind, body),
        (x, buffer) =>
        {
            var length = SendFrame.Write(buffer, x.to, x.number, x.lowest, x.expiry, (SendKind)x.kind, x.body);
            return length == SendFrame.FrameBytes(x.body.Length)
                && SendFrame.TryParse(Payload(buffer, length, FrameType.Send), out var f, out _) && f.To == x.to && f.Number == x.number
                && f.LowestOpen == x.lowest && f.ExpirySeconds == x.expiry && f.Kind == (SendKind)x.kind && f.Body.SequenceEqual(x.body);
        });

    [Fact]
    public void Accepted() => Holds(FromOne, (x, buffer) =>
        AcceptedFrame.TryParse(Payload(buffer, AcceptedFrame.Write(buffer, x), FrameType.Accepted), out var f, out _) && f.Number == x);

    [Fact]
    public void Refused() => Holds(
        from number in FromOne from reason in U16 from retry in U32
        select new RefusedFrame(number, (RefusalReason)Math.Max((ushort)1, reason), retry),
        (x, buffer) =>
        {
            var length = RefusedFrame.Write(buffer, x.Number, x.Reason, x.RetryAfterMs);
            return RefusedFrame.TryParse(Payload(buffer, length, FrameType.Refused), out var f, out _) && f == x;
        });

    [Fact]
    public void Deliver() => Holds(
        from place in Place from @from in Any from incarnation in U32 from number in U64 from enqueued in U32 from flags in U8
        from body in Body
        select (place, @from, incarnation, number, enqueued, flags: (DeliverFlags)flags, body),
        (x, buffer) =>
        {
            var length = DeliverFrame.Write(
                buffer, x.place.Sequence, x.place.Previous, x.from, x.incarnation, x.number, x.enqueued, x.flags, x.body);
            return length == DeliverFrame.FrameBytes(x.body.Length)
                && DeliverFrame.TryParse(Payload(buffer, length, FrameType.Deliver), out var f, out _)
                && (f.Sequence, f.Previous) == x.place && f.From == x.from && f.Incarnation == x.incarnation && f.Number == x.number
                && f.EnqueuedAt == x.enqueued && f.Flags == x.flags && f.Body.SequenceEqual(x.body);
        });

    [Fact]
    public void Acknowledge() => Holds(FromOne, (x, buffer) => AcknowledgeFrame.TryParse(
        Payload(buffer, AcknowledgeFrame.Write(buffer, x), FrameType.Acknowledge), out var f, out _) && f.Sequence == x);

    [Fact]
    public void Reject() => Holds(
        from sequence in FromOne from reason in U16 select new RejectFrame(sequence, reason),
        (x, buffer) => RejectFrame.TryParse(
            Payload(buffer, RejectFrame.Write(buffer, x.Sequence, x.Reason), FrameType.Reject), out var f, out _) && f == x);

    [Fact]
    public void Receipt() => Holds(
        from place in Place from peer in Any from incarnation in U32 from kind in Gen.Choose(1, 5) from flags in U8 from reason in U16
        from numbers in Numbers
        select (place, peer, incarnation, kind: (ReceiptKind)kind, flags: (DeliverFlags)flags, reason, numbers),
        (x, buffer) =>
        {
            var length = ReceiptFrame.Write(
                buffer, x.place.Sequence, x.place.Previous, x.peer, x.incarnation, x.kind, x.flags, x.reason, LittleEndian(x.numbers));
            if (!ReceiptFrame.TryParse(Payload(buffer, length, FrameType.Receipt), out var f, out _)) return false;
            for (var i = 0; i < f.Count; i++)
            {
                if (f.Number(i) != x.numbers[i]) return false;
            }

            return length == ReceiptFrame.FrameBytes(x.numbers.Length) && f.Count == x.numbers.Length
                && (f.Sequence, f.Previous) == x.place && f.Peer == x.peer && f.Incarnation == x.incarnation && f.Kind == x.kind
                && f.Flags == x.flags && f.Reason == x.reason;
        });

    [Fact]
    public void The_body_of_a_read_receipt() => Holds(
        from incarnation in U32 from numbers in Numbers select (incarnation: Math.Max(1, incarnation), numbers),
        (x, buffer) =>
        {
            var length = ReadBody.Write(buffer, x.incarnation, LittleEndian(x.numbers));
            return length == ReadBody.BodyBytes(x.numbers.Length)
                && ReadBody.TryParse(buffer.AsSpan(0, length), out var incarnation, out var numbers) && incarnation == x.incarnation
                && numbers.SequenceEqual(LittleEndian(x.numbers));
        });

    [Fact]
    public void Ephemeral() => Holds(
        from peer in Any from kind in Gen.Choose(1, 255) from data in Bytes(0, Wire.MaxEphemeralBytes) select (peer, kind, data),
        (x, buffer) =>
        {
            var length = EphemeralFrame.Write(buffer, x.peer, (EphemeralKind)x.kind, x.data);
            return length == EphemeralFrame.FrameBytes(x.data.Length)
                && EphemeralFrame.TryParse(Payload(buffer, length, FrameType.Ephemeral), out var f, out _) && f.Peer == x.peer
                && f.Kind == (EphemeralKind)x.kind && f.Data.SequenceEqual(x.data);
        });

    [Fact]
    public void Ping_and_pong() => Holds(U64, (x, buffer) =>
        PingFrame.TryParse(Payload(buffer, PingFrame.Write(buffer, x), FrameType.Ping), out var ping, out _) && ping.Token == x
        && PingFrame.TryParse(Payload(buffer, PingFrame.WritePong(buffer, x), FrameType.Pong), out var pong, out _) && pong.Token == x);

    [Fact]
    public void Credit() => Holds(
        from messages in U32 from bytes in U32 select new CreditFrame(messages, bytes),
        (x, buffer) => CreditFrame.TryParse(
            Payload(buffer, CreditFrame.Write(buffer, x.Messages, x.Bytes), FrameType.Credit), out var f, out _) && f == x);

    [Fact]
    public void GoAway() => Holds(
        from reason in U16 from after in U32 select new GoAwayFrame((ErrorCode)reason, after),
        (x, buffer) => GoAwayFrame.TryParse(
            Payload(buffer, GoAwayFrame.Write(buffer, x.Reason, x.ReconnectAfterMs), FrameType.GoAway), out var f, out _) && f == x);

    [Fact]
    public void Error() => Holds(
        from code in U16 from detail in U32 from text in ArbMap.Default.GeneratorFor<string>()
        select (code: (ErrorCode)Math.Max((ushort)1, code), detail, text: Encoding.UTF8.GetBytes(text ?? "")),
        (x, buffer) =>
        {
            var length = ErrorFrame.Write(buffer, x.code, x.detail, x.text);
            return ErrorFrame.TryParse(Payload(buffer, length, FrameType.Error), out var f, out _) && f.Code == x.code
                && f.Detail == x.detail && x.text.AsSpan().StartsWith(f.TextUtf8);
        });

    private static Gen<ulong[]> Numbers =>
        from count in Gen.Choose(1, Wire.MaxReceiptNumbers) from numbers in Gen.ArrayOf(FromOne, count) select numbers;

    private static Gen<byte[]> Bytes(int min, int max) =>
        from length in Gen.Choose(min, max)
        from seed in ArbMap.Default.GeneratorFor<int>()
        select Fill(new byte[length], seed);

    private static byte[] Fill(byte[] bytes, int seed)
    {
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static byte[] LittleEndian(ulong[] numbers)
    {
        var bytes = new byte[8 * numbers.Length];
        for (var i = 0; i < numbers.Length; i++) BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8 * i), numbers[i]);
        return bytes;
    }

    /// <summary>The payload of the one frame in front of a buffer that was full of rubbish before.</summary>
    private static ReadOnlySpan<byte> Payload(byte[] buffer, int length, FrameType type)
    {
        ReadOnlySpan<byte> rest = buffer.AsSpan(0, length);
        Assert.Equal(FrameStatus.Frame, FrameReader.TryRead(ref rest, 4096, out var read, out var payload));
        Assert.True(rest.IsEmpty);
        Assert.Equal(type, read);
        return payload;
    }

    private static void Holds<T>(Gen<T> fields, Func<T, byte[], bool> holds)
    {
        var buffer = new byte[4096];
        Prop.ForAll(Arb.From(fields), x =>
        {
            buffer.AsSpan().Fill(0xEE);
            return holds(x, buffer);
        }).QuickCheckThrowOnFailure();
    }
}
