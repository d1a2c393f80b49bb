using System.Diagnostics;
using Gateway.Protocol;

namespace Gateway.Client;

/// <summary>
/// The open messages that may be under way: numbers in [low, low + 64). Decides what may be sent next. No I/O, no clock, no lock: its owner,
/// <see cref="Outbox"/>, holds one. PROTOCOL.md, "Window" and "Refused".
/// <para>Invariants: <c>Low</c> is the lowest number without a durable outcome, so a number the node is told to forget never has to be sent again.
/// Slots hold numbers in [Low, Next) only. To one recipient, messages are sent in order of number: while one waits for its resend, none behind it leaves.</para>
/// </summary>
internal sealed class SendWindow
{
    /// <summary>The pause when the node gives no hint: 1 s, doubled up to 60 s.</summary>
    private const long FirstRetryMs = 1000;
    private const long LongestRetryMs = 60_000;
    private const int MaxDoublings = 6;

    private readonly Slot?[] _slots = new Slot?[Wire.WindowSize];
    private readonly Dictionary<Address, Hold> _holds = [];

    private enum SlotState
    {
        /// <summary>To be sent.</summary>
        Waiting,
        /// <summary>Sent in this session, not answered.</summary>
        InFlight,
        /// <summary>The outcome is known and on its way into the store.</summary>
        Settling,
    }

    public SendWindow(ulong low) => Low = Next = low;

    /// <summary>Lowest number in the window; equals <see cref="Next"/> when the window is empty.</summary>
    public ulong Low { get; private set; }

    /// <summary>No number from this one on was loaded yet.</summary>
    public ulong Next { get; private set; }

    /// <summary>Numbers from this one on must be held back. An empty window takes any number: it starts anew there.</summary>
    public ulong End => IsEmpty ? ulong.MaxValue : Low + Wire.WindowSize;
    public bool IsEmpty => Low == Next;
    public int InFlight { get; private set; }

    /// <summary>The id of the lowest message without a durable outcome, or null when the window is empty.</summary>
    public long? LowestId => IsEmpty ? null : _slots[Index(Low)]!.Entry.Id;

    /// <summary>Takes the next open message in order of number; numbers between are closed.</summary>
    public void Load(OutboxEntry entry)
    {
        Debug.Assert(entry.Number >= Next && entry.Number < End, "A number outside the window was loaded.");
        if (IsEmpty) Low = entry.Number;
        _slots[Index(entry.Number)] = new Slot(entry);
        Next = entry.Number + 1;
    }

    /// <summary>Nothing below <paramref name="number"/> is left to load.</summary>
    public void SkipTo(ulong number)
    {
        if (number <= Next) return;
        if (IsEmpty) Low = number;
        Next = number;
    }

    /// <summary>A new session: nothing is in flight, no recipient is held, everything without an outcome is sent again.</summary>
    public void Reset()
    {
        _holds.Clear();
        InFlight = 0;
        foreach (var slot in _slots)
        {
            if (slot?.State == SlotState.InFlight) slot.State = SlotState.Waiting;
        }
    }

    /// <summary>The lowest message that may leave now; it is in flight then.</summary>
    public bool TryTake(long nowMs, out OutboxEntry? entry)
    {
        for (var number = Low; number < Next; number++)
        {
            var slot = _slots[Index(number)];
            if (slot is not { State: SlotState.Waiting }) continue;
            if (_holds.TryGetValue(slot.Entry.To, out var hold))
            {
                // The probe is the lowest: everything behind it to this recipient waits until it was accepted.
                if (hold.Probe != 0 || nowMs < hold.DueMs || Has(slot.Entry.To, SlotState.InFlight)) continue;
                hold.Probe = number;
            }

            slot.State = SlotState.InFlight;
            InFlight++;
            entry = slot.Entry;
            return true;
        }

        entry = null;
        return false;
    }

    /// <summary>When a held recipient's first message becomes due; <see cref="long.MaxValue"/>: none waits for time alone.</summary>
    public long NextDueMs()
    {
        var due = long.MaxValue;
        foreach (var (to, hold) in _holds)
        {
            if (hold.Probe == 0 && hold.DueMs < due && Has(to, SlotState.Waiting) && !Has(to, SlotState.InFlight)) due = hold.DueMs;
        }

        return due;
    }

    /// <summary>
    /// A final outcome is known. The number stays in the window until <see cref="Close"/>. Null: the number has one already, or is not in the window.
    /// </summary>
    /// <param name="number">The number.</param>
    /// <param name="byNode">The node said so, and with it that nothing before this message holds its recipient any more; false: the application gave it up.</param>
    public OutboxEntry? Settle(ulong number, bool byNode)
    {
        if (Find(number) is not { } slot || slot.State == SlotState.Settling) return null;
        if (slot.State == SlotState.InFlight) InFlight--;
        slot.State = SlotState.Settling;
        if (_holds.TryGetValue(slot.Entry.To, out var hold) && hold.Probe == number)
        {
            // Without the node's word others may still be in flight, about to be refused for the order's sake: the next one probes.
            if (byNode) _holds.Remove(slot.Entry.To);
            else hold.Probe = 0;
        }

        return slot.Entry;
    }

    /// <summary>
    /// A temporary refusal. The recipient is held: once everything in flight to it was answered (all of it was refused for the order's sake) and the time
    /// has come, its lowest message goes alone, and when that is accepted the others follow in order.
    /// </summary>
    /// <param name="frame">The refusal.</param>
    /// <param name="nowMs">Now.</param>
    /// <param name="spread">1 to 1.5: what the pause is multiplied by.</param>
    /// <returns>False: the number is not in flight; nothing changed.</returns>
    public bool Refuse(RefusedFrame frame, long nowMs, double spread)
    {
        if (Find(frame.Number) is not { State: SlotState.InFlight } slot) return false;
        slot.State = SlotState.Waiting;
        InFlight--;
        var to = slot.Entry.To;
        if (!_holds.TryGetValue(to, out var hold)) hold = _holds[to] = new Hold();
        else if (hold.Probe != frame.Number && frame.Reason == RefusalReason.HeldForOrder) return true; // it waits for another one, and says nothing about how long

        if (hold.Probe == frame.Number)
        {
            hold.Probe = 0;
            hold.Attempts = Math.Min(hold.Attempts + 1, MaxDoublings);
        }

        var pause = frame.RetryAfterMs != 0 ? frame.RetryAfterMs : Math.Min(LongestRetryMs, FirstRetryMs << hold.Attempts);
        hold.DueMs = Math.Max(hold.DueMs, nowMs + (long)(pause * spread));
        return true;
    }

    /// <summary>The outcome is durable: the number leaves the window, and the low mark moves if it was the lowest.</summary>
    public void Close(ulong number)
    {
        if (Find(number) is not { } slot) return;
        _slots[Index(number)] = null;
        if (_holds.ContainsKey(slot.Entry.To) && !Has(slot.Entry.To, SlotState.Waiting) && !Has(slot.Entry.To, SlotState.InFlight)) _holds.Remove(slot.Entry.To);
        while (Low < Next && _slots[Index(Low)] is null) Low++;
    }

    private Slot? Find(ulong number) => number >= Low && number < Next ? _slots[Index(number)] : null;

    private bool Has(Address to, SlotState state)
    {
        foreach (var slot in _slots)
        {
            if (slot is not null && slot.State == state && slot.Entry.To == to) return true;
        }

        return false;
    }

    private static int Index(ulong number) => (int)(number % Wire.WindowSize);

    private sealed class Slot(OutboxEntry entry)
    {
        public OutboxEntry Entry { get; } = entry;
        public SlotState State { get; set; } = SlotState.Waiting;
    }

    /// <summary>A recipient to whom a message was refused temporarily. Probe: the number sent to try, 0: none.</summary>
    private sealed class Hold
    {
        public long DueMs { get; set; }
        public int Attempts { get; set; }
        public ulong Probe { get; set; }
    }
}
