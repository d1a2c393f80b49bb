using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Gateway.Protocol;

namespace Gateway.Benchmarks.Rungs;

/// <summary>
/// The relay that the .NET rungs share, and the same in what it does and leaves out as bench/ladder/relay.c, where the list stands:
/// send → accepted + deliver, acknowledge → receipt, nothing durable. Any thread; a connection's frames from one place at a time.
/// </summary>
internal sealed class RelayCore(byte[] secret, TimeProvider time)
{
    public const int MaxUnsentBytes = 1 << 20;

    private const int MaxMailboxes = 1 << 20;
    private const uint RetryAfterMs = 10;
    private static readonly int MaxPayloadBytes = Wire.MaxPayloadBytes(Wire.DefaultMaxBodyBytes);

    [ThreadStatic]
    private static byte[]? _straddling;

    private readonly ConcurrentDictionary<ulong, RelayMailbox> _mailboxes = new();

    /// <summary>Handles the whole frames at the front and moves <paramref name="bytes"/> behind them. False: the connection is to end.</summary>
    public bool OnBytes(RelayPeer peer, ref ReadOnlySequence<byte> bytes)
    {
        _straddling ??= new byte[MaxPayloadBytes];
        peer.ReadAtSeconds = (uint)time.GetUtcNow().ToUnixTimeSeconds();
        while (true)
        {
            var status = FrameReader.TryRead(ref bytes, MaxPayloadBytes, _straddling, out var type, out var payload);
            if (status == FrameStatus.Partial) return true;
            if (status == FrameStatus.TooLarge || !OnFrame(peer, type, payload)) return false;
        }
    }

    /// <summary>The same, where all bytes lie in one piece.</summary>
    public bool OnBytes(RelayPeer peer, ref ReadOnlySpan<byte> bytes)
    {
        peer.ReadAtSeconds = (uint)time.GetUtcNow().ToUnixTimeSeconds();
        while (true)
        {
            var status = FrameReader.TryRead(ref bytes, MaxPayloadBytes, out var type, out var payload);
            if (status == FrameStatus.Partial) return true;
            if (status == FrameStatus.TooLarge || !OnFrame(peer, type, payload)) return false;
        }
    }

    /// <summary>The connection has ended: nothing is written to it any more, and what it had not acknowledged is forgotten.</summary>
    public static void OnClosed(RelayPeer peer)
    {
        if (peer.Mailbox is not { } mailbox) return;
        lock (mailbox.Gate)
        {
            if (mailbox.Peer != peer) return;
            mailbox.Peer = null;
            mailbox.Clear();
        }
    }

    private bool OnFrame(RelayPeer peer, FrameType type, ReadOnlySpan<byte> payload)
    {
        switch (peer.Phase)
        {
            case RelayPhase.AwaitHello: return type == FrameType.Hello && HelloFrame.TryParse(payload, out var hello, out _) && OnHello(peer, in hello);
            case RelayPhase.AwaitAuthenticate:
                return type == FrameType.Authenticate && AuthenticateFrame.TryParse(payload, out var authenticate, out _) && OnAuthenticate(peer, in authenticate);
        }

        return type switch
        {
            FrameType.Send => SendFrame.TryParse(payload, out var send, out _) && OnSend(peer, in send),
            FrameType.Acknowledge => AcknowledgeFrame.TryParse(payload, out var acknowledge, out _) && OnAcknowledge(peer, acknowledge.Sequence),
            FrameType.Ping => PingFrame.TryParse(payload, out var ping, out _) && OnPing(peer, ping.Token),
            FrameType.Pong or FrameType.Credit => true,
            _ => false,
        };
    }

    private static bool OnHello(RelayPeer peer, in HelloFrame hello)
    {
        hello.ClientNonce.CopyTo(peer.ClientNonce);
        RandomNumberGenerator.Fill(peer.NodeNonce);
        peer.Phase = RelayPhase.AwaitAuthenticate;
        lock (peer.Gate) peer.Advance(ChallengeFrame.Write(peer.GetSpan(ChallengeFrame.FrameBytes), peer.NodeNonce), peer);
        return true;
    }

    private bool OnAuthenticate(RelayPeer peer, in AuthenticateFrame authenticate)
    {
        var mailbox = MailboxOf(authenticate.Address);
        if (mailbox is null) return false;
        Span<byte> key = stackalloc byte[DeviceKey.KeyBytes];
        DeviceKey.Derive(secret, authenticate.Address, authenticate.KeyEpoch, key);
        peer.Mailbox = mailbox;
        peer.Phase = RelayPhase.Established;
        RelayPeer? older;
        lock (mailbox.Gate)
        {
            older = mailbox.Peer;
            mailbox.Clear();
            peer.Gate = mailbox.Gate;
            var welcome = new WelcomeFrame
            {
                SessionEpoch = ++mailbox.Session,
                Incarnation = ++mailbox.Incarnation,
                WindowLow = 1,
                NodeTimeMicros = NowMicros(),
                Generation = 1,
                MaxBodyBytes = Wire.DefaultMaxBodyBytes,
                IdleTimeoutMs = 300_000,
            };
            peer.Advance(welcome.Write(peer.GetSpan(WelcomeFrame.FrameBytes), key, peer.ClientNonce, peer.NodeNonce), peer);
            mailbox.Peer = peer;
        }

        older?.Drop();
        return true;
    }

    private RelayMailbox? MailboxOf(Address address)
    {
        if (_mailboxes.TryGetValue(address.Value, out var mailbox)) return mailbox;
        return _mailboxes.Count >= MaxMailboxes ? null : _mailboxes.GetOrAdd(address.Value, _ => new RelayMailbox(address, NowMicros()));
    }

    private ulong NowMicros() => (ulong)(time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    private bool OnSend(RelayPeer peer, in SendFrame send)
    {
        var refusal = IsHeldBack(peer, in send) ? RefusalReason.HeldForOrder : Deliver(peer, in send);
        if (refusal == RefusalReason.NodeFull) peer.HeldFrom = send.Number;
        lock (peer.Gate)
        {
            var bytes = refusal == RefusalReason.None
                ? AcceptedFrame.Write(peer.GetSpan(AcceptedFrame.FrameBytes), send.Number)
                : RefusedFrame.Write(peer.GetSpan(RefusedFrame.FrameBytes), send.Number, refusal, refusal.IsFinal() ? 0 : RetryAfterMs);
            peer.Advance(bytes, peer);
        }

        return true;
    }

    private static bool IsHeldBack(RelayPeer peer, in SendFrame send)
    {
        if (peer.HeldFrom == 0) return false;
        // Come again, or given up: the lowest number its sender still waits for lies above it.
        if (send.Number == peer.HeldFrom || send.LowestOpen > peer.HeldFrom) peer.HeldFrom = 0;
        return peer.HeldFrom != 0 && send.Number > peer.HeldFrom;
    }

    private RefusalReason Deliver(RelayPeer peer, in SendFrame send)
    {
        if (send.Body.Length > Wire.DefaultMaxBodyBytes) return RefusalReason.BodyTooLarge;
        if (send.Kind != SendKind.Message) return RefusalReason.UnsupportedKind;
        if (!_mailboxes.TryGetValue(send.To.Value, out var to)) return RefusalReason.NodeFull;
        var from = peer.Mailbox!;
        lock (to.Gate)
        {
            var sequence = to.Sequence + 1;
            if (to.Peer is not { IsFull: false } reader || !to.TryAdd(new RelayEntry(sequence, send.Number, from, from.Incarnation))) return RefusalReason.NodeFull;
            var bytes = DeliverFrame.Write(
                reader.GetSpan(DeliverFrame.FrameBytes(send.Body.Length)), sequence, to.Sequence, from.Address, from.Incarnation, send.Number,
                peer.ReadAtSeconds, DeliverFlags.None, send.Body);
            to.Sequence = sequence;
            reader.Advance(bytes, peer);
        }

        return RefusalReason.None;
    }

    /// <summary>Cumulative: each run of one sender's messages becomes a receipt. Receipts are only passed over, nobody is told of them.</summary>
    private static bool OnAcknowledge(RelayPeer peer, ulong sequence)
    {
        var mailbox = peer.Mailbox!;
        Span<byte> numbers = stackalloc byte[8 * Wire.MaxReceiptNumbers];
        while (true)
        {
            var count = 0;
            RelayEntry run = default;
            lock (mailbox.Gate)
            {
                if (sequence > mailbox.Sequence) return false;
                while (count < Wire.MaxReceiptNumbers && mailbox.TryPeek(out var entry) && entry.Sequence <= sequence)
                {
                    if (count > 0 && (entry.Sender != run.Sender || entry.Incarnation != run.Incarnation)) break;
                    run = entry;
                    BinaryPrimitives.WriteUInt64LittleEndian(numbers[(8 * count++)..], entry.Number);
                    mailbox.RemoveFirst();
                }
            }

            if (count == 0) return true;
            Tell(run, mailbox.Address, numbers[..(8 * count)], peer);
        }
    }

    private static void Tell(RelayEntry run, Address reader, ReadOnlySpan<byte> numbers, RelayPeer by)
    {
        var sender = run.Sender;
        lock (sender.Gate)
        {
            if (sender.Peer is not { } peer) return;
            var previous = sender.Sequence++;
            var bytes = ReceiptFrame.Write(
                peer.GetSpan(ReceiptFrame.FrameBytes(numbers.Length / 8)), sender.Sequence, previous, reader, run.Incarnation, ReceiptKind.Delivered,
                DeliverFlags.None, 0, numbers);
            peer.Advance(bytes, by);
        }
    }

    private static bool OnPing(RelayPeer peer, ulong token)
    {
        lock (peer.Gate) peer.Advance(PingFrame.WritePong(peer.GetSpan(PingFrame.FrameBytes), token), peer);
        return true;
    }
}
