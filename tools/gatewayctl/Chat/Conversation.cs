using Gateway.Client;
using Gateway.Ctl.Messaging;
using Gateway.Protocol;

namespace Gateway.Ctl.Chat;

/// <summary>One message as a chat shows it.</summary>
/// <param name="Id">The store's; 0 for a received one.</param>
/// <param name="Sent">By this device.</param>
/// <param name="At">When.</param>
/// <param name="Text">Printable.</param>
/// <param name="State">Of a sent one.</param>
internal sealed record ChatLine(long Id, bool Sent, DateTimeOffset At, string Text, MessageState State);

/// <summary>
/// What is said between two devices, and what is known of the other side: lines in order, their checks, typing, and whether the node is
/// there. Changed from the client's threads; <c>_gate</c> guards all, and <see cref="Changed"/> is raised outside it.
/// </summary>
internal sealed class Conversation(Address peer, TimeProvider time) : IOutboxObserver
{
    /// <summary>A typing note holds this long when no other follows; the other side repeats it sooner.</summary>
    private static readonly TimeSpan TypingHolds = TimeSpan.FromSeconds(6);

    /// <summary>What <see cref="Connection"/> says when there will be no other.</summary>
    public const string Ended = "ended";

    /// <summary>Lines kept for the screen; the history has all.</summary>
    private const int MaxLines = 1000;

    private readonly Lock _gate = new();
    private readonly List<ChatLine> _lines = [];
    private DateTimeOffset _typingUntil;
    private string _connection = "connecting";

    /// <summary>A line came or changed (then it is given), or something else did (null).</summary>
    public event Action<ChatLine?>? Changed;

    public Address Peer { get; } = peer;

    /// <summary>A copy of the newest lines, oldest first.</summary>
    public IReadOnlyList<ChatLine> Newest(int count)
    {
        lock (_gate) return _lines.GetRange(Math.Max(0, _lines.Count - count), Math.Min(count, _lines.Count));
    }

    public string Connection
    {
        get
        {
            lock (_gate) return _connection;
        }
    }

    public bool IsTyping
    {
        get
        {
            lock (_gate) return time.GetUtcNow() < _typingUntil;
        }
    }

    /// <summary>What the store remembers, oldest first; called before anything else comes.</summary>
    public void Restore(IEnumerable<HistoryEntry> history)
    {
        lock (_gate)
        {
            foreach (var entry in history.Where(e => e.Kind == SendKind.Message))
                _lines.Add(new ChatLine(entry.Sent ? entry.Id : 0, entry.Sent, entry.At, BodyText.Printable(entry.Body.Span), entry.State));
        }
    }

    public void OnReceived(ReceivedMessage message)
    {
        ChatLine line;
        lock (_gate)
        {
            if (message.From == Peer) _typingUntil = default;
            var from = message.From == Peer ? "" : $"[from {message.From}] ";
            line = Append(new ChatLine(0, false, message.EnqueuedAt, from + BodyText.Printable(message.Body.Span), MessageState.Received));
        }

        Changed?.Invoke(line);
    }

    public void OnEphemeral(ReceivedEphemeral ephemeral)
    {
        if (ephemeral.From != Peer || ephemeral.Kind is not (EphemeralKind.Typing or EphemeralKind.StoppedTyping)) return;
        lock (_gate) _typingUntil = ephemeral.Kind == EphemeralKind.Typing ? time.GetUtcNow() + TypingHolds : default;
        Changed?.Invoke(null);
    }

    public void OnState(ClientStateChange change)
    {
        lock (_gate)
        {
            _connection = change.State switch
            {
                ClientState.Connected => "connected",
                ClientState.Waiting => $"reconnecting: {(change.Detail.Length > 0 ? change.Detail : change.Reason.ToString())}",
                ClientState.Stopped => Ended,
                // Between two attempts the reason of the last one stays.
                _ => _connection.StartsWith("reconnecting", StringComparison.Ordinal) ? _connection : "connecting",
            };
        }

        Changed?.Invoke(null);
    }

    public void OnAdded(IReadOnlyList<OutboxEntry> entries)
    {
        foreach (var entry in entries.Where(e => e.Kind == SendKind.Message && e.To == Peer))
        {
            ChatLine line;
            lock (_gate) line = Append(new ChatLine(entry.Id, true, time.GetUtcNow(), BodyText.Printable(entry.Body.Span), MessageState.Open));
            Changed?.Invoke(line);
        }
    }

    public void OnOutcome(long id, SendOutcome outcome)
    {
        ChatLine line;
        lock (_gate)
        {
            var index = _lines.FindLastIndex(l => l.Sent && l.Id == id);
            if (index < 0 || !_lines[index].State.MayBecome(outcome.State)) return;
            line = _lines[index] = _lines[index] with { State = outcome.State };
        }

        Changed?.Invoke(line);
    }

    private ChatLine Append(ChatLine line)
    {
        if (_lines.Count == MaxLines) _lines.RemoveAt(0);
        _lines.Add(line);
        return line;
    }
}
