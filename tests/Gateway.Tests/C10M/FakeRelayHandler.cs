using System.Buffers;
using System.Buffers.Binary;
using Gateway.Protocol;
using Gateway.Transport;

namespace Gateway.Tests.C10M;

/// <summary>
/// <see cref="FakeRelay"/> on its reactor. The connection's tag is its phase and, once known, its mailbox. Output of a turn: accepted first,
/// delivers after it, receipts at the turn's end, coalesced per sender.
/// </summary>
internal sealed class FakeRelayHandler(Reactor reactor, byte[] secret, RelayFaults faults, uint idleTimeoutMs, int maxBodyBytes) : IReactorHandler
{
    private readonly Dictionary<ulong, FakeMailbox> _mailboxes = [];
    private readonly Dictionary<ulong, Handshake> _handshakes = [];
    private readonly Dictionary<ulong, FakeMailbox> _sessions = [];
    private readonly byte[] _straddling = new byte[Wire.MaxPayloadBytes(maxBodyBytes)];
    private readonly byte[] _numbers = new byte[8 * Wire.MaxReceiptNumbers];
    private FakeMailbox? _lastMailbox;
    private long _pings;
    private long _accepted, _delivered, _sends, _delivers, _receipts, _logins, _loginsAsked;

    private sealed class Handshake
    {
        public byte[] ClientNonce { get; } = new byte[Wire.NonceBytes];
        public byte[] NodeNonce { get; } = new byte[Wire.NonceBytes];
        public bool Challenged { get; set; }
    }

    /// <summary>Any thread.</summary>
    public long Pings => Volatile.Read(ref _pings);

    public RelayLedger Ledger()
    {
        long messages = 0;
        long receipts = 0;
        foreach (var mailbox in _mailboxes.Values)
        {
            for (var i = 0; i < mailbox.Count; i++)
            {
                if (mailbox[i].IsReceipt) receipts++;
                else messages++;
            }
        }

        return new RelayLedger(_accepted, _delivered, messages, receipts, _logins, _sessions.Count);
    }

    public void OnAccepted(ConnectionId c) => _handshakes[c.Packed] = new Handshake();

    public int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
    {
        var rest = bytes;
        while (reactor.IsOpen(c) && FrameReader.TryRead(ref rest, _straddling.Length, out var type, out var payload) == FrameStatus.Frame) OnFrame(c, type, payload);
        return bytes.Length - rest.Length;
    }

    public long OnReceived(ConnectionId c, in ReadOnlySequence<byte> bytes)
    {
        var rest = bytes;
        while (reactor.IsOpen(c) && FrameReader.TryRead(ref rest, _straddling.Length, _straddling, out var type, out var payload) == FrameStatus.Frame)
            OnFrame(c, type, payload);
        return bytes.Length - rest.Length;
    }

    public void OnClosed(ConnectionId c, ulong tag, CloseReason reason, int errno)
    {
        _handshakes.Remove(c.Packed);
        if (!_sessions.Remove(c.Packed, out var mailbox) || mailbox.Connection != c) return;
        mailbox.Connection = default;
        mailbox.Sent = 0;
    }

    public void OnTimeout(ConnectionId c, TimeoutKind kind) => reactor.Abort(c);

    public void OnConnected(ConnectionId c, int errno)
    {
    }

    public void OnDrained(ConnectionId c)
    {
    }

    public void OnMoved(ConnectionId c, int fromReactor, ReadOnlySpan<byte> context)
    {
    }

    public void OnRequest(int fromReactor, ReadOnlySpan<byte> message)
    {
    }

    public void OnReply(int fromReactor, ReadOnlySpan<byte> message)
    {
    }

    public void OnNotice(int fromReactor, ReadOnlySpan<byte> message)
    {
    }

    public void OnRequestCredit(int toReactor)
    {
    }

    public void OnTurn(long nowMs)
    {
    }

    private static bool Strikes(int every, long count) => every != 0 && count % every == 0;

    private void OnFrame(ConnectionId c, FrameType type, ReadOnlySpan<byte> payload)
    {
        if (_sessions.TryGetValue(c.Packed, out var mailbox))
        {
            if (faults.FallsSilent) return;
            switch (type)
            {
                case FrameType.Send when SendFrame.TryParse(payload, out var send, out _): OnSend(c, mailbox, in send); return;
                case FrameType.Acknowledge when AcknowledgeFrame.TryParse(payload, out var ack, out _): OnAcknowledge(c, mailbox, ack.Sequence); return;
                case FrameType.Ping when PingFrame.TryParse(payload, out var ping, out _):
                    _pings++;
                    reactor.Advance(c, PingFrame.WritePong(reactor.GetSpan(c, PingFrame.FrameBytes), ping.Token));
                    return;
            }

            Refuse(c, ErrorCode.UnexpectedFrame);
            return;
        }

        switch (type)
        {
            case FrameType.Hello when HelloFrame.TryParse(payload, out var hello, out _): OnHello(c, in hello); return;
            case FrameType.Authenticate when AuthenticateFrame.TryParse(payload, out var authenticate, out _): OnAuthenticate(c, in authenticate); return;
        }

        Refuse(c, ErrorCode.UnexpectedFrame);
    }

    private void Refuse(ConnectionId c, ErrorCode code)
    {
        reactor.Advance(c, ErrorFrame.Write(reactor.GetSpan(c, ErrorFrame.MaxFrameBytes), code, 0, "fake relay"u8));
        reactor.Close(c);
    }

    private void OnHello(ConnectionId c, in HelloFrame hello)
    {
        var handshake = _handshakes[c.Packed];
        hello.ClientNonce.CopyTo(handshake.ClientNonce);
        BinaryPrimitives.WriteUInt64LittleEndian(handshake.NodeNonce, c.Packed);
        handshake.Challenged = true;
        reactor.Advance(c, ChallengeFrame.Write(reactor.GetSpan(c, ChallengeFrame.FrameBytes), handshake.NodeNonce));
    }

    private void OnAuthenticate(ConnectionId c, in AuthenticateFrame authenticate)
    {
        var handshake = _handshakes[c.Packed];
        Span<byte> key = stackalloc byte[DeviceKey.KeyBytes];
        Span<byte> proof = stackalloc byte[Wire.ProofBytes];
        DeviceKey.Derive(secret, authenticate.Address, authenticate.KeyEpoch, key);
        HandshakeProof.OfDevice(key, handshake.ClientNonce, handshake.NodeNonce, authenticate.Proven, proof);
        if (!handshake.Challenged || !HandshakeProof.Matches(proof, authenticate.Proof))
        {
            Refuse(c, ErrorCode.AuthenticationFailed);
            return;
        }

        if (Strikes(faults.OverloadEvery, ++_loginsAsked))
        {
            Refuse(c, ErrorCode.Overloaded);
            return;
        }

        var mailbox = MailboxOf(authenticate.Address);
        if (authenticate.Incarnation != 0 && authenticate.Incarnation != mailbox.Incarnation)
        {
            Refuse(c, ErrorCode.IncarnationFenced);
            return;
        }

        if (!mailbox.Connection.IsNone) TakeOver(mailbox);
        _handshakes.Remove(c.Packed);
        _sessions[c.Packed] = mailbox;
        _logins++;
        Begin(mailbox, c, in authenticate);
        if (faults.LiesAboutKey) key.Clear();
        var welcome = new WelcomeFrame
        {
            SessionEpoch = ++mailbox.SessionEpoch,
            Incarnation = mailbox.Incarnation,
            WindowLow = mailbox.WindowLow,
            WindowSettled = mailbox.WindowSettled,
            NodeTimeMicros = 1,
            MaxBodyBytes = (uint)maxBodyBytes,
            IdleTimeoutMs = idleTimeoutMs,
            Pending = (uint)mailbox.Count,
        };
        reactor.MarkEstablished(c);
        reactor.Advance(c, welcome.Write(reactor.GetSpan(c, WelcomeFrame.FrameBytes), key, handshake.ClientNonce, handshake.NodeNonce));
        if (!faults.FallsSilent) Pump(mailbox);
    }

    private void TakeOver(FakeMailbox mailbox)
    {
        _sessions.Remove(mailbox.Connection.Packed);
        Refuse(mailbox.Connection, ErrorCode.TakenOver);
    }

    private void Begin(FakeMailbox mailbox, ConnectionId c, in AuthenticateFrame authenticate)
    {
        mailbox.Connection = c;
        mailbox.Sent = 0;
        mailbox.HeldFrom = 0;
        mailbox.CreditMessages = authenticate.CreditMessages;
        if (authenticate.Incarnation == 0)
        {
            mailbox.Incarnation++;
            mailbox.WindowLow = 1;
            mailbox.WindowSettled = 0;
        }

        AcknowledgeUpTo(mailbox, authenticate.Resume);
    }

    private FakeMailbox MailboxOf(Address address)
    {
        if (_lastMailbox is { } last && last.Address == address) return last;
        if (!_mailboxes.TryGetValue(address.Value, out var mailbox)) _mailboxes[address.Value] = mailbox = new FakeMailbox(address);
        return _lastMailbox = mailbox;
    }

    private void OnSend(ConnectionId c, FakeMailbox sender, in SendFrame send)
    {
        sender.Advance(send.LowestOpen);
        var (isBelow, isBeyond, isSettled) = sender.StateOf(send.Number);
        if (isBelow)
        {
            WriteRefused(c, send.Number, RefusalReason.OutcomeUnknown);
            return;
        }

        if (isBeyond)
        {
            Refuse(c, ErrorCode.WindowExceeded);
            return;
        }

        if (isSettled)
        {
            reactor.Advance(c, AcceptedFrame.Write(reactor.GetSpan(c, AcceptedFrame.FrameBytes), send.Number));
            return;
        }

        if (sender.HeldFrom != 0 && send.Number > sender.HeldFrom)
        {
            WriteRefused(c, send.Number, RefusalReason.HeldForOrder);
            return;
        }

        var isAgain = sender.HeldFrom != 0 && send.Number == sender.HeldFrom;
        if (isAgain) sender.HeldFrom = 0;
        if (Refuses(c, sender, in send, isAgain)) return;

        sender.WindowSettled |= 1UL << (int)(send.Number - sender.WindowLow);
        _accepted++;
        if (_accepted == faults.StallAt) Thread.Sleep(faults.StallMs);
        var resets = Strikes(faults.ResetEvery, _sends);
        if (Strikes(faults.GoAwayEvery, _sends)) reactor.Advance(c, GoAwayFrame.Write(reactor.GetSpan(c, GoAwayFrame.FrameBytes), ErrorCode.ShuttingDown, faults.GoAwayMs));
        else if (!resets) reactor.Advance(c, AcceptedFrame.Write(reactor.GetSpan(c, AcceptedFrame.FrameBytes), send.Number));
        if (!Strikes(faults.LoseEvery, _accepted)) Store(sender, in send);
        if (resets) reactor.Abort(c);
    }

    public void Leave(Address to, Address sender, byte[] body)
    {
        var mailbox = MailboxOf(to);
        ref var entry = ref mailbox.Add(body.Length);
        entry.IsReceipt = false;
        entry.Peer = sender.Value;
        entry.Number = 1;
        entry.Incarnation = uint.MaxValue;
        body.CopyTo(entry.Body, 0);
        _accepted++;
        Pump(mailbox);
    }

    private bool Refuses(ConnectionId c, FakeMailbox sender, in SendFrame send, bool isAgain)
    {
        _sends++;
        if (!isAgain && Strikes(faults.RefuseEvery, _sends))
        {
            sender.HeldFrom = send.Number;
            WriteRefused(c, send.Number, RefusalReason.Busy);
            return true;
        }

        if (!Strikes(faults.RefuseForGoodEvery, _sends)) return false;
        WriteRefused(c, send.Number, RefusalReason.UnsupportedKind);
        return true;
    }

    private void WriteRefused(ConnectionId c, ulong number, RefusalReason reason) =>
        reactor.Advance(c, RefusedFrame.Write(reactor.GetSpan(c, RefusedFrame.FrameBytes), number, reason, reason.IsFinal() ? 0 : faults.RetryAfterMs));

    private void Store(FakeMailbox sender, in SendFrame send)
    {
        var mailbox = MailboxOf(send.To);
        var copies = Strikes(faults.StoreTwiceEvery, _accepted) ? 2 : 1;
        for (var i = 0; i < copies; i++)
        {
            ref var entry = ref mailbox.Add(send.Body.Length);
            entry.IsReceipt = false;
            entry.Peer = sender.Address.Value;
            entry.Number = send.Number;
            entry.Incarnation = sender.Incarnation;
            send.Body.CopyTo(entry.Body);
            if (Strikes(faults.CorruptEvery, _accepted)) entry.Body[entry.Length - 1] ^= 1;
        }

        // The second takes the first one's place and the first goes out after it, when the first has not gone out yet.
        if (Strikes(faults.SwapEvery, _accepted) && mailbox.Count - mailbox.Sent >= 2 && !mailbox[mailbox.Count - 2].IsReceipt)
            Swap(ref mailbox[mailbox.Count - 2], ref mailbox[mailbox.Count - 1]);
        if (!Strikes(faults.SwapEvery, _accepted + 1)) Pump(mailbox);
    }

    private static void Swap(ref FakeEntry a, ref FakeEntry b)
    {
        (a.Body, b.Body) = (b.Body, a.Body);
        (a.Length, b.Length) = (b.Length, a.Length);
        (a.Number, b.Number) = (b.Number, a.Number);
    }

    /// <summary>Sends what the session has credit for.</summary>
    private void Pump(FakeMailbox mailbox)
    {
        if (mailbox.Connection.IsNone) return;
        while (mailbox.Sent < mailbox.Count && mailbox.Sent < mailbox.CreditMessages)
        {
            ref var entry = ref mailbox[mailbox.Sent++];
            Write(mailbox.Connection, in entry, DeliverFlags.None);
            if (!entry.IsReceipt && Strikes(faults.DeliverTwiceEvery, ++_delivers))
                Write(mailbox.Connection, in entry, faults.FlagsRedelivery ? DeliverFlags.Redelivered : DeliverFlags.None);
        }
    }

    private void Write(ConnectionId c, in FakeEntry entry, DeliverFlags flags)
    {
        var body = entry.Body.AsSpan(0, entry.Length);
        if (entry.IsReceipt)
        {
            reactor.Advance(c, ReceiptFrame.Write(
                reactor.GetSpan(c, ReceiptFrame.FrameBytes(entry.Length / 8)), entry.Sequence, entry.Previous, new Address(entry.Peer), entry.Incarnation,
                ReceiptKind.Delivered, flags, 0, body));
        }
        else
        {
            reactor.Advance(c, DeliverFrame.Write(
                reactor.GetSpan(c, DeliverFrame.FrameBytes(entry.Length)), entry.Sequence, entry.Previous, new Address(entry.Peer), entry.Incarnation,
                entry.Number, 1, flags, body));
        }
    }

    private void OnAcknowledge(ConnectionId c, FakeMailbox mailbox, ulong sequence)
    {
        var highest = mailbox.Sent == 0 ? mailbox.Acknowledged : mailbox[mailbox.Sent - 1].Sequence;
        if (sequence > Math.Max(highest, mailbox.Acknowledged))
        {
            Refuse(c, ErrorCode.AcknowledgeAhead);
            return;
        }

        AcknowledgeUpTo(mailbox, sequence);
        Pump(mailbox);
    }

    /// <summary>Removes entries and tells their senders, one receipt for a run of messages of one sender.</summary>
    private void AcknowledgeUpTo(FakeMailbox mailbox, ulong sequence)
    {
        mailbox.Acknowledged = Math.Max(mailbox.Acknowledged, sequence);
        var count = 0;
        ulong sender = 0;
        uint incarnation = 0;
        while (mailbox.Count > 0 && mailbox[0].Sequence <= sequence)
        {
            ref var entry = ref mailbox[0];
            if (!entry.IsReceipt)
            {
                if (count > 0 && (count == Wire.MaxReceiptNumbers || sender != entry.Peer || incarnation != entry.Incarnation))
                {
                    Tell(sender, incarnation, mailbox.Address, count);
                    count = 0;
                }

                sender = entry.Peer;
                incarnation = entry.Incarnation;
                BinaryPrimitives.WriteUInt64LittleEndian(_numbers.AsSpan(8 * count++), entry.Number);
                _delivered++;
            }

            mailbox.RemoveFirst();
        }

        if (count > 0) Tell(sender, incarnation, mailbox.Address, count);
    }

    private void Tell(ulong sender, uint incarnation, Address peer, int count)
    {
        var mailbox = MailboxOf(new Address(sender));
        var copies = Strikes(faults.RepeatReceiptEvery, ++_receipts) ? 2 : 1;
        for (var i = 0; i < copies; i++)
        {
            ref var entry = ref mailbox.Add(8 * count);
            entry.IsReceipt = true;
            entry.Peer = peer.Value;
            entry.Number = 0;
            entry.Incarnation = incarnation;
            _numbers.AsSpan(0, 8 * count).CopyTo(entry.Body);
        }

        Pump(mailbox);
    }
}
