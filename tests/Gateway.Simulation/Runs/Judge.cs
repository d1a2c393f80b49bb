using System.Buffers.Binary;
using Gateway.Messaging;
using Gateway.Protocol;
using static Gateway.Simulation.Promise;

namespace Gateway.Simulation;

/// <summary>
/// Holds a node to its promises at the instant it breaks one: every frame it writes and every record it appends is judged by what is committed
/// and by what the devices have said that it has read. Knows the log and the wire, nothing of the homes' insides.
/// </summary>
internal sealed partial class Judge
{
    private readonly HomeNet _net;
    private readonly Dictionary<ulong, MailboxView> _mailboxes = [];

    /// <summary>What devices have sent, by origin: to whom, and a hash of kind and body.</summary>
    private readonly Dictionary<Origin, (ulong To, ulong Content)> _sent = [];

    /// <summary>Everything a sender was told to be accepted: it may never be missing from the log again.</summary>
    private readonly HashSet<Origin> _accepted = [];

    /// <summary>Everything a device was sent that was durable then, or became so.</summary>
    private readonly HashSet<(ulong Mailbox, ulong Sequence)> _delivered = [];

    /// <summary>Double checks that a device was sent and that are not durable yet, in the order of the log.</summary>
    private readonly Queue<(long Position, ulong Mailbox, ulong Sequence)> _ahead = new();

    /// <summary>Double checks that a device was sent and that a crash took from the log; nothing else may be missing there.</summary>
    private readonly HashSet<(ulong Mailbox, ulong Sequence)> _lostAhead = [];

    private readonly Dictionary<ulong, uint> _keyEpochs = [];

    public Judge(HomeNet net)
    {
        _net = net;
        _watch = new LogWatch(net.Store);
    }

    public MailboxView Mailbox(ulong key)
    {
        if (!_mailboxes.TryGetValue(key, out var view)) _mailboxes.Add(key, view = new MailboxView(key));
        return view;
    }

    /// <summary>A device's key is revoked: durable, and all reactors go by it.</summary>
    public void OnRevoked(ulong device, uint epoch) => _keyEpochs[device] = epoch;

    public void OnLogin(SimulatedConnection connection, in Login login)
    {
        var mailbox = Mailbox(login.Address);
        Require(
            login.KeyEpoch >= _keyEpochs.GetValueOrDefault(login.Address),
            $"P9: {new Address(login.Address)} logs in with the revoked key {login.KeyEpoch}");
        if (login.Incarnation == 0) mailbox.FreshAsked++;
        connection.Route!.Session = new SessionView(mailbox, login.Resume, login.Incarnation)
        {
            Incarnation = login.Incarnation,
            FreshAsked = mailbox.FreshAsked,
            CreditMessages = Math.Min(login.CreditMessages, _net.Options.Home.MaxCreditMessages),
            CreditBytes = Math.Min(login.CreditBytes, _net.Options.Home.MaxCreditBytes),
        };
    }

    public void OnLoggedIn(SimulatedConnection connection)
    {
        if (connection.Session == 0) return;
        var session = connection.Route!.Session!;
        session.Mailbox.Current = connection;
        session.Mailbox.Processed = Math.Max(session.Mailbox.Processed, session.Resume);
    }

    public void OnClosed(SimulatedConnection connection)
    {
        if (connection.Route?.Session is { } session && session.Mailbox.Current == connection) session.Mailbox.Current = null;
    }

    /// <summary>A frame that the node is about to handle. What an older session says counts for nothing (rule 6).</summary>
    public void OnFrame(SimulatedConnection connection, FrameType type, ReadOnlySpan<byte> payload)
    {
        var session = connection.Route!.Session!;
        if (session.Mailbox.Current != connection || connection.IsClosing) return;
        switch (type)
        {
            case FrameType.Send when SendFrame.TryParse(payload, out var send, out _):
                OnSend(session, in send);
                break;
            case FrameType.Acknowledge when AcknowledgeFrame.TryParse(payload, out var acknowledge, out _):
                if (acknowledge.Sequence > session.HighestDelivered) break; // AcknowledgeAhead
                session.Processed = Math.Max(session.Processed, acknowledge.Sequence);
                session.Mailbox.Processed = Math.Max(session.Mailbox.Processed, acknowledge.Sequence);
                while (session.Window.Count != 0 && session.Window[0].Sequence <= session.Processed) session.Window.RemoveAt(0);
                break;
            case FrameType.Reject when RejectFrame.TryParse(payload, out var reject, out _):
                var at = session.Window.FindIndex(e => e.Sequence == reject.Sequence);
                if (at < 0) break;
                session.Window.RemoveAt(at);
                session.Mailbox.Rejected.Add(reject.Sequence);
                break;
            case FrameType.Credit when CreditFrame.TryParse(payload, out var credit, out _):
                session.CreditMessages = Math.Min(credit.Messages, _net.Options.Home.MaxCreditMessages);
                session.CreditBytes = Math.Min(credit.Bytes, _net.Options.Home.MaxCreditBytes);
                break;
        }
    }

    /// <summary>The node wrote this frame.</summary>
    public void OnWritten(SimulatedConnection connection, ReadOnlySpan<byte> frame)
    {
        ReadLog();
        var rest = frame;
        if (FrameReader.TryRead(ref rest, Wire.MaxPayloadBytes(Wire.MaxBodyBytesCeiling), out var type, out var payload) != FrameStatus.Frame || rest.Length != 0)
            throw new PromiseBrokenException($"The node wrote {frame.Length} bytes that are not one frame.");
        var session = connection.Route?.Session;
        switch (type)
        {
            case FrameType.Accepted when AcceptedFrame.TryParse(payload, out var accepted, out _):
                var origin = new Origin(SessionOf(connection).Mailbox.Key, session!.Incarnation, accepted.Number);
                Require(_watch.IsAccepted(origin.Sender, origin.Incarnation, origin.Number), $"P1: {origin} is answered accepted and is not durable");
                _accepted.Add(origin);
                break;
            case FrameType.Refused when RefusedFrame.TryParse(payload, out var refused, out _):
                OnRefused(SessionOf(connection), in refused);
                break;
            case FrameType.Deliver when DeliverFrame.TryParse(payload, out var d, out _):
                var message = OnDelivered(connection, d.Sequence, d.Previous, d.Flags, d.Body.Length);
                Require(
                    message.Type == LogRecordType.Message && message.Sender == d.From.Value && message.Incarnation == d.Incarnation
                        && message.Number == d.Number && message.EnqueuedAt == d.EnqueuedAt && message.Record.Body.SequenceEqual(d.Body),
                    $"P3: {session!.Mailbox.Key:x} is sent {d.Sequence} otherwise than it was stored");
                break;
            case FrameType.Receipt when ReceiptFrame.TryParse(payload, out var r, out _):
                var receipt = OnDelivered(connection, r.Sequence, r.Previous, r.Flags, SendFrame.ReadBodyFixedBytes + r.Numbers.Length);
                Require(
                    receipt.Type == LogRecordType.Receipt && receipt.Sender == r.Peer.Value && receipt.Kind == (byte)r.Kind && receipt.Reason == r.Reason
                        && BinaryPrimitives.ReadUInt32LittleEndian(receipt.Record.Body) == r.Incarnation
                        && receipt.Record.Body[SendFrame.ReadBodyFixedBytes..].SequenceEqual(r.Numbers),
                    $"P3: {session!.Mailbox.Key:x} is sent the receipt {r.Sequence} otherwise than it was stored");
                break;
            case FrameType.Welcome when WelcomeFrame.TryParse(payload, out var welcome, out _):
                OnWelcome(connection, in welcome);
                break;
            case FrameType.Ephemeral or FrameType.Pong or FrameType.Ping:
                SessionOf(connection);
                break;
            case FrameType.Challenge or FrameType.Error or FrameType.GoAway:
                break;
            default:
                throw new PromiseBrokenException($"The node wrote a frame of type {type} that nobody can read.");
        }
    }

    /// <summary>The session a connection speaks for; only the device's latest may be written to (rule 6).</summary>
    private static SessionView SessionOf(SimulatedConnection connection)
    {
        var session = connection.Route?.Session ?? throw new PromiseBrokenException("The node writes to a connection that nobody logged in on.");
        Require(
            connection.Session == 0 || session.Mailbox.Current == connection,
            $"Rule 6: the node writes to a session of {session.Mailbox.Key:x} that is not its latest");
        return session;
    }

    private void OnWelcome(SimulatedConnection connection, in WelcomeFrame welcome)
    {
        var session = SessionOf(connection);
        var mailbox = session.Mailbox;
        var who = new Address(mailbox.Key);
        Require(session.Asked == 0 || session.Asked == welcome.Incarnation, $"Rule 2: {who} asked for incarnation {session.Asked} and got {welcome.Incarnation}");
        Require(welcome.Incarnation >= mailbox.Incarnation, $"Rule 2: {who} is welcomed under {welcome.Incarnation}, which {mailbox.Incarnation} has fenced");
        Require(session.Asked != 0 || welcome.Incarnation > mailbox.Incarnation, $"Rule 2: {who} asked for a fresh incarnation and got {welcome.Incarnation} again");
        Require(_durableWindows.Contains((mailbox.Key, welcome.Incarnation)), $"Rule 2: {who} is welcomed under {welcome.Incarnation}, which is not durable");
        mailbox.Incarnation = welcome.Incarnation;
        session.Incarnation = welcome.Incarnation;
        var claimed = mailbox.ClaimedLow.GetValueOrDefault(welcome.Incarnation, 1UL);
        Require(welcome.WindowLow <= claimed, $"Rule 1: the window of {who} begins at {welcome.WindowLow}, above {claimed}, which it still waits for");
        for (var i = 0; i < Wire.WindowSize; i++)
        {
            if ((welcome.WindowSettled >> i & 1) == 0) continue;
            var origin = new Origin(mailbox.Key, welcome.Incarnation, welcome.WindowLow + (ulong)i);
            Require(_watch.IsAccepted(origin.Sender, origin.Incarnation, origin.Number), $"P1: {origin} is told to be settled and is not durable");
            _accepted.Add(origin);
        }
    }

    private void OnSend(SessionView session, in SendFrame send)
    {
        var lows = session.Mailbox.ClaimedLow;
        lows[session.Incarnation] = Math.Max(lows.GetValueOrDefault(session.Incarnation, 1UL), send.LowestOpen);
        if (send.Number - lows[session.Incarnation] >= Wire.WindowSize) return; // WindowExceeded
        _sent.TryAdd(new Origin(session.Mailbox.Key, session.Incarnation, send.Number), (send.To.Value, Content((byte)send.Kind, send.Body)));
    }

    private void OnRefused(SessionView session, in RefusedFrame refused)
    {
        var origin = new Origin(session.Mailbox.Key, session.Incarnation, refused.Number);
        if (refused.Reason == RefusalReason.OutcomeUnknown)
        {
            var claimed = session.Mailbox.ClaimedLow.GetValueOrDefault(session.Incarnation, 1UL);
            Require(refused.Number < claimed, $"Rule 1: the window has slid over {origin}; the device waits for all from {claimed} on");
            return;
        }

        Require(!_watch.IsStored(origin.Sender, origin.Incarnation, origin.Number), $"P1: {origin} is refused as {refused.Reason} and is stored");
    }

    /// <summary>What holds of messages and receipts alike. Returns the record.</summary>
    private StoredRecord OnDelivered(SimulatedConnection connection, ulong sequence, ulong previous, DeliverFlags flags, int bodyBytes)
    {
        var session = SessionOf(connection);
        var mailbox = session.Mailbox;
        var who = new Address(mailbox.Key);
        var record = _watch.DurableEntry(mailbox.Key, sequence);
        var isAhead = record is null;
        record ??= _watch.DoubleCheck(mailbox.Key, sequence) ?? throw new PromiseBrokenException($"P3: {who} is sent {sequence}, which is not durable.");
        Require(mailbox.Pending.Exists(e => e.Sequence == sequence), $"P3: {who} is sent {sequence}, which has left the mailbox");
        Require(record.Previous == previous, $"P4: {who} is sent {sequence} after {previous}; the log has {record.Previous}");
        Require(sequence > session.Processed, $"Rule 4: {who} is sent {sequence} although it has acknowledged {session.Processed}");
        Require(!mailbox.Pending.Exists(e => e.Sequence == sequence && e.HasExpired), $"Rule 10: {who} is sent {sequence}, which has expired");
        Require(!mailbox.ToldRejected.Contains(sequence), $"Rule 11: {who} is sent {sequence}, which its sender was told it has rejected");

        var isAgain = (flags & DeliverFlags.Redelivered) != 0;
        Require(isAgain == sequence <= session.HighestDelivered, $"P4: {who} is sent {sequence} {(isAgain ? "as" : "not as")} a redelivery, after {session.HighestDelivered}");
        if (!isAgain)
        {
            foreach (var entry in mailbox.Pending)
            {
                if (entry.Sequence >= sequence) break;
                Require(
                    entry.Sequence <= session.HighestDelivered || entry.Sequence <= mailbox.Processed || mailbox.Rejected.Contains(entry.Sequence) || entry.HasExpired,
                    $"P4: {who} is sent {sequence} and was not sent {entry.Sequence}, which is pending before it");
            }

            Require(session.Window.Count < session.CreditMessages, $"P6: {who} is sent {sequence} beyond its credit of {session.CreditMessages} messages");
            Require(
                session.Window.Count == 0 || session.Window.Sum(e => (long)e.BodyBytes) + bodyBytes <= session.CreditBytes,
                $"P6: {who} is sent {sequence} beyond its credit of {session.CreditBytes} bytes");
            session.HighestDelivered = sequence;
            session.Window.Add((sequence, bodyBytes));
        }

        if (isAhead)
        {
            Ahead++;
            _ahead.Enqueue((_watch.PositionOf(mailbox.Key, sequence), mailbox.Key, sequence));
        }
        else
        {
            _delivered.Add((mailbox.Key, sequence));
        }

        return record;
    }

    private static ulong Content(byte kind, ReadOnlySpan<byte> body)
    {
        var hash = 0xCBF2_9CE4_8422_2325 ^ kind;
        foreach (var b in body) hash = (hash ^ b) * 0x0000_0100_0000_01B3;
        return hash;
    }
}
