using Gateway.Transport.Buffers;
using Gateway.Transport.Connections;

namespace Gateway.Transport;

/// <summary>What a reactor keeps beside its idle connections, by its own accounting: a burst raises it, and it comes down again.</summary>
public sealed partial class Reactor
{
    /// <summary>Owner, for tests.</summary>
    internal ReactorHoldings Holdings => new(
        _table.HeldBytes,
        _segments.KeptBytes,
        _outputs.Capacity,
        _leases.Capacity,
        _leases.Kept,
        _resumed.Capacity + _dirty.Capacity + _submitted.Capacity + _waiting.Capacity + _drained.Capacity + _overBudget.Capacity + _departures.Capacity + _dead.Capacity,
        _spareRecords.Count,
        _inbox.TouchedLaneBytes);
}

/// <summary>Memory kept, used or not.</summary>
/// <param name="SlotBytes">Pages of the <see cref="ConnectionTable"/>.</param>
/// <param name="SegmentBytes">Segments that wait in the <see cref="SegmentPool"/>.</param>
/// <param name="Outputs">Output records.</param>
/// <param name="LeasePlaces">Indices of leases.</param>
/// <param name="Pipes">Leases that wait in their pool.</param>
/// <param name="QueuePlaces">Entries of the reactor's queues.</param>
/// <param name="MoveRecords">Records for moves.</param>
/// <param name="LaneBytes">Pages of the lanes to other reactors that may be taken.</param>
internal readonly record struct ReactorHoldings(
    long SlotBytes, long SegmentBytes, int Outputs, int LeasePlaces, int Pipes, int QueuePlaces, int MoveRecords, long LaneBytes);
