using Gateway.Transport.Connections;

namespace Gateway.Transport;

/// <summary>
/// A walk over all connections for operators, who cannot ask the kernel whose a direct descriptor is. It is taken in slices, between which the
/// reactor turns, so it is of no one instant: a connection that comes or goes meanwhile may be in it or not.
/// </summary>
public sealed partial class Reactor
{
    /// <summary>
    /// Reads the connections of the next slots into <paramref name="into"/>, one slot an element at most; returns how many there were.
    /// Allocates nothing.
    /// </summary>
    /// <param name="cursor">The slot to begin with, 0 at first; moves behind the slots looked at.</param>
    /// <param name="into">Also the bound of what is looked at.</param>
    /// <param name="ended">Whether that were the last.</param>
    public int ReadConnections(ref uint cursor, Span<ConnectionReading> into, out bool ended)
    {
        AssertOwner();
        var read = 0;
        var end = (uint)Math.Min(_table.High, (long)cursor + into.Length);
        for (; cursor < end; cursor++)
        {
            ref var slot = ref _table[cursor];
            if (slot.State is SlotState.Open or SlotState.Closing or SlotState.Moving) into[read++] = ReadingOf(ref slot, _table.IdOf(cursor));
        }

        ended = cursor >= _table.High;
        return read;
    }

    private ConnectionReading ReadingOf(ref ConnectionSlot slot, ConnectionId id) => new(
        id,
        slot.Tag,
        slot.Has(SlotFlags.InHandshake),
        slot.State == SlotState.Closing,
        slot.Output == 0 ? 0 : _outputs[slot.Output].Unsent,
        slot.Input == 0 ? 0 : _leases[slot.Input].Bytes,
        (long)(_nowTick - slot.LastReceived) * _clock.TickMs,
        PausesOf(slot.Flags));

    private static ReadingPauses PausesOf(SlotFlags flags) =>
        ((flags & SlotFlags.PausedByApplication) != 0 ? ReadingPauses.Application : 0)
        | ((flags & SlotFlags.PausedByUnsent) != 0 ? ReadingPauses.Unsent : 0)
        | ((flags & SlotFlags.PausedByBudget) != 0 ? ReadingPauses.Budget : 0);
}
