using System.Text;
using Gateway.Protocol;

namespace Gateway.Simulation;

/// <summary>What a device hears, and what it holds the node to.</summary>
public sealed partial class DeviceModel
{
    private readonly HashSet<ulong> _seen = [];
    private readonly List<int> _receiptRuns = [];
    private ulong _lastOnConnection;
    private bool _hasRejected;

    /// <summary>Every frame of every connection, in order.</summary>
    public List<NodeFrame> Heard { get; } = [];

    public IEnumerable<Accepted> Accepted => Heard.OfType<Accepted>();
    public IEnumerable<Refused> Refused => Heard.OfType<Refused>();
    public IEnumerable<Failed> Failures => Heard.OfType<Failed>();

    /// <summary>Messages, each once, in order of sequence.</summary>
    public List<Delivered> Inbox { get; } = [];

    /// <summary>Receipts, each once, in order of sequence.</summary>
    public List<Receipted> Receipts { get; } = [];

    /// <summary>Entries that came more than once.</summary>
    public int Repeats { get; private set; }

    /// <summary>Called with every message that is not acknowledged; true: it is rejected with reason 7, each time it comes.</summary>
    public Func<Delivered, bool>? Rejects { get; set; }

    /// <summary>Reads what is on the wire and reacts to it.</summary>
    public void Receive()
    {
        if (Connection is null || !Reads) return;
        var before = Inbox.Count + Receipts.Count + Repeats;
        while (true)
        {
            var wire = Connection.Wire;
            var status = FrameReader.TryRead(ref wire, Wire.MaxPayloadBytes(Wire.MaxBodyBytesCeiling), out var type, out var payload);
            if (status == FrameStatus.TooLarge) throw new PromiseBrokenException($"{this} was sent a frame longer than any may be.");
            if (status == FrameStatus.Partial) break;
            OnFrame(type, payload);
            Connection.Read(Connection.Wire.Length - wire.Length);
        }

        if (Connection.IsOver) IsWelcome = false;
        if (Acknowledges && IsWelcome && Inbox.Count + Receipts.Count + Repeats > before) Acknowledge();
    }

    private void OnFrame(FrameType type, ReadOnlySpan<byte> payload)
    {
        if (!IsWelcome && type is not (FrameType.Challenge or FrameType.Welcome or FrameType.Error))
            throw new PromiseBrokenException($"{this} was sent {type} before it was welcome.");
        var error = ErrorCode.None;
        switch (type)
        {
            case FrameType.Challenge when ChallengeFrame.TryParse(payload, out var challenge, out error):
                challenge.NodeNonce.CopyTo(_nodeNonce);
                _net.Derive(Address, KeyEpoch, _key);
                Write(_frame.AsSpan(0, AuthenticateFrame.Write(
                    _frame, Address, KeyEpoch, Incarnation, Position, CreditMessages, CreditBytes, _key, Nonce, _nodeNonce)));
                break;
            case FrameType.Welcome when WelcomeFrame.TryParse(payload, out var welcome, out error):
                OnWelcome(in welcome);
                break;
            case FrameType.Accepted when AcceptedFrame.TryParse(payload, out var accepted, out error):
                _outbox.Remove(accepted.Number);
                Heard.Add(new Accepted(accepted.Number));
                break;
            case FrameType.Refused when RefusedFrame.TryParse(payload, out var refused, out error):
                if (refused.Reason.IsFinal()) _outbox.Remove(refused.Number);
                else if (_outbox.TryGetValue(refused.Number, out var entry)) entry.IsOut = false;
                Heard.Add(new Refused(refused.Number, refused.Reason, refused.RetryAfterMs));
                break;
            case FrameType.Deliver when DeliverFrame.TryParse(payload, out var d, out error):
                var delivered = new Delivered(
                    d.Sequence, d.Previous, d.From, d.Incarnation, d.Number, d.EnqueuedAt, (d.Flags & DeliverFlags.Redelivered) != 0,
                    Encoding.Latin1.GetString(d.Body));
                Heard.Add(delivered);
                if (IsNew(delivered)) Inbox.Add(delivered);
                if (d.Sequence <= Position || Rejects?.Invoke(delivered) != true) break;
                _hasRejected = true;
                Reject(d.Sequence, 7);
                break;
            case FrameType.Receipt when ReceiptFrame.TryParse(payload, out var r, out error):
                var numbers = new ulong[r.Count];
                for (var i = 0; i < numbers.Length; i++) numbers[i] = r.Number(i);
                var receipted = new Receipted(
                    r.Sequence, r.Previous, r.Peer, r.Incarnation, r.Kind, r.Reason, (r.Flags & DeliverFlags.Redelivered) != 0, numbers);
                Heard.Add(receipted);
                if (!IsNew(receipted)) break;
                Receipts.Add(receipted);
                _receiptRuns.Add(_net.Runs);
                break;
            case FrameType.Ephemeral when EphemeralFrame.TryParse(payload, out var e, out error):
                Heard.Add(new EphemeralSeen(e.Peer, e.Kind, Encoding.Latin1.GetString(e.Data)));
                break;
            case FrameType.Ping when PingFrame.TryParse(payload, out var ping, out error):
                Heard.Add(new Pinged(ping.Token));
                if (AnswersPings) Write(_frame.AsSpan(0, PingFrame.WritePong(_frame, ping.Token)));
                break;
            case FrameType.Pong when PingFrame.TryParse(payload, out var pong, out error):
                Heard.Add(new Ponged(pong.Token));
                break;
            case FrameType.GoAway when GoAwayFrame.TryParse(payload, out var goAway, out error):
                Heard.Add(new ToldToGo(goAway.Reason, goAway.ReconnectAfterMs));
                break;
            case FrameType.Error when ErrorFrame.TryParse(payload, out var failure, out error):
                Heard.Add(new Failed(failure.Code, failure.Detail, failure.Text));
                IsWelcome = false;
                break;
            default:
                throw new PromiseBrokenException($"{this} was sent a frame of type {type} that it cannot read: {error}.");
        }
    }

    private void OnWelcome(in WelcomeFrame welcome)
    {
        Span<byte> proof = stackalloc byte[Wire.ProofBytes];
        HandshakeProof.OfNode(_key, Nonce, _nodeNonce, welcome.Proven, proof);
        if (!HandshakeProof.Matches(proof, welcome.Proof)) throw new PromiseBrokenException($"The node did not prove to {this} that it knows the key.");
        if (Incarnation != 0 && welcome.Incarnation != Incarnation) throw new PromiseBrokenException($"{this} was welcomed under another incarnation.");
        if (welcome.WindowLow > LowestOpen) throw new PromiseBrokenException($"The node's window of {this} begins above what it still waits for.");

        Incarnation = welcome.Incarnation;
        IsWelcome = true;
        _lastOnConnection = 0;
        Heard.Add(new Welcomed(
            welcome.SessionEpoch, welcome.Incarnation, welcome.WindowLow, welcome.WindowSettled, welcome.Generation, welcome.Pending));
        if (TrustsSettled)
        {
            for (var i = 0; i < Wire.WindowSize; i++)
            {
                if ((welcome.WindowSettled >> i & 1) == 0 || !_outbox.Remove(welcome.WindowLow + (ulong)i)) continue;
                Heard.Add(new Accepted(welcome.WindowLow + (ulong)i));
            }
        }

        if (!ResendsAtLogin) return;
        foreach (var number in _outbox.Keys.ToList()) Transmit(number);
    }

    /// <summary>P4 as the device sees it: a rising sequence, and each entry naming the one before it.</summary>
    private bool IsNew(MailboxFrame frame)
    {
        if (frame.Sequence <= _lastOnConnection && !frame.IsRedelivered)
            throw new PromiseBrokenException($"{this} was sent {frame.Sequence} after {_lastOnConnection} on one connection, and not as a redelivery.");
        var before = _lastOnConnection;
        _lastOnConnection = Math.Max(before, frame.Sequence);
        if (_seen.Contains(frame.Sequence))
        {
            Repeats++;
            return false;
        }

        // What another installation had acknowledged may come again after a crash, to this one for the first time.
        if (frame.Sequence <= HighestSeen && !SharesMailbox) throw new PromiseBrokenException($"{this} was sent {frame.Sequence} for the first time after {HighestSeen}.");
        // A rejected entry may be gone from the log before its follower was numbered, and so may double checks shown ahead of their commit on an
        // earlier connection, when a crash took them; otherwise the chain has no gap.
        var isWhole = frame.Previous == HighestSeen || frame.Previous == 0 || (frame.Previous < HighestSeen && (_hasRejected || MayBeLost(frame.Previous, before)));
        if (!SharesMailbox && !MayMissEntries && !isWhole)
            throw new PromiseBrokenException($"{this} was sent {frame.Sequence} which follows {frame.Previous}; the last it has seen is {HighestSeen}.");
        HighestSeen = Math.Max(HighestSeen, frame.Sequence);
        _seen.Add(frame.Sequence);
        return true;
    }

    /// <summary>All it has seen above a sequence are double checks of an earlier run of the node, and none came on this connection, which has brought entries up to <paramref name="onConnection"/>.</summary>
    private bool MayBeLost(ulong previous, ulong onConnection)
    {
        if (onConnection > previous || !Inbox.TrueForAll(d => d.Sequence <= previous)) return false;
        for (var i = Receipts.Count - 1; i >= 0 && Receipts[i].Sequence > previous; i--)
        {
            if (Receipts[i].Kind != ReceiptKind.Delivered || _receiptRuns[i] >= _net.Runs) return false;
        }

        return true;
    }
}
