using Gateway.Protocol;
using Gateway.Transport;

namespace Gateway.Tests.C10M;

/// <summary>An entry of a mailbox: a message with its body, or a receipt whose numbers are the body.</summary>
internal struct FakeEntry
{
    public ulong Sequence, Previous, Peer, Number;
    public uint Incarnation;
    public bool IsReceipt;
    public byte[] Body;
    public int Length;
}

/// <summary>
/// A device's mailbox, window and session. Entries stay in a ring until they are acknowledged; bodies lie in arrays that are kept and used
/// again, so that a steady relay allocates nothing. Invariant: of <see cref="Count"/> entries the first <see cref="Sent"/> were sent to
/// the session there is now.
/// </summary>
internal sealed class FakeMailbox(Address address)
{
    private FakeEntry[] _entries = new FakeEntry[8];
    private int _head;

    public Address Address { get; } = address;
    public ConnectionId Connection { get; set; }
    public uint Incarnation { get; set; }
    public ulong WindowLow { get; set; } = 1;
    public ulong WindowSettled { get; set; }
    public ulong LastSequence { get; private set; }
    public ulong Acknowledged { get; set; }
    public int Count { get; private set; }
    public int Sent { get; set; }
    public uint CreditMessages { get; set; }
    public uint SessionEpoch { get; set; }

    /// <summary>The lowest number refused for now: later ones are refused until it comes again.</summary>
    public ulong HeldFrom { get; set; }

    public ref FakeEntry this[int index] => ref _entries[(_head + index) & (_entries.Length - 1)];

    public ref FakeEntry Add(int length)
    {
        if (Count == _entries.Length) Grow();
        ref var entry = ref this[Count++];
        entry.Previous = LastSequence;
        entry.Sequence = ++LastSequence;
        if (entry.Body is null || entry.Body.Length < length) entry.Body = new byte[Math.Max(length, 64)];
        entry.Length = length;
        return ref entry;
    }

    public void RemoveFirst()
    {
        _head = (_head + 1) & (_entries.Length - 1);
        Count--;
        if (Sent > 0) Sent--;
    }

    /// <summary>Whether a number may be accepted now, was accepted, or lies outside the window.</summary>
    public (bool IsBelow, bool IsBeyond, bool IsSettled) StateOf(ulong number) => (
        number < WindowLow, number - WindowLow >= Wire.WindowSize, number >= WindowLow && number - WindowLow < 64 && (WindowSettled >> (int)(number - WindowLow) & 1) != 0);

    public void Advance(ulong lowestOpen)
    {
        if (lowestOpen <= WindowLow) return;
        var by = lowestOpen - WindowLow;
        WindowSettled = by >= 64 ? 0 : WindowSettled >> (int)by;
        WindowLow = lowestOpen;
    }

    private void Grow()
    {
        var larger = new FakeEntry[_entries.Length * 2];
        for (var i = 0; i < Count; i++) larger[i] = this[i];
        _entries = larger;
        _head = 0;
    }
}
