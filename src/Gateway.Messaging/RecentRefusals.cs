namespace Gateway.Messaging;

/// <summary>
/// Rule 7 at the recipient's home: temporary refusals that the sender's home does not know of yet. Sends that were already on their way when
/// one was refused must be refused too, or they would overtake it. An entry is dropped as soon as a request shows that its reply was handled:
/// from then on the sender's home itself holds the later ones back. So there are never more entries than requests in flight from that home.
/// Owned by the recipient's home, one a sending home.
/// </summary>
internal sealed class RecentRefusals
{
    private readonly record struct Entry(ulong Sender, uint Incarnation, ulong Mailbox, ulong Number, uint ReplyNumber);

    private readonly Queue<Entry> _entries = new();

    /// <summary>Replies sent to that home so far, wrapping.</summary>
    public uint RepliesSent { get; private set; }

    public int Count => _entries.Count;

    /// <summary>Counts a reply that refuses nothing temporarily.</summary>
    public void OnReply() => RepliesSent++;

    /// <summary>Counts the reply that refuses this send temporarily.</summary>
    public void OnRefused(ulong sender, uint incarnation, ulong mailbox, ulong number)
    {
        RepliesSent++;
        _entries.Enqueue(new Entry(sender, incarnation, mailbox, number, RepliesSent));
    }

    /// <summary>True when an earlier send of the same device to the same mailbox was refused and its home had not heard when it sent this.</summary>
    public bool Holds(ulong sender, uint incarnation, ulong mailbox, ulong number, uint repliesSeen)
    {
        while (_entries.TryPeek(out var oldest) && (int)(repliesSeen - oldest.ReplyNumber) >= 0) _entries.Dequeue();
        if (_entries.Count == 0) return false;
        foreach (var entry in _entries)
        {
            if (entry.Sender == sender && entry.Incarnation == incarnation && entry.Mailbox == mailbox && entry.Number < number) return true;
        }

        return false;
    }
}
