using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Commit;

/// <summary>
/// Whether a record may be appended now, by the tail's place between what is durable and what is allocated. Any thread.
/// <code>
/// durable ...... tail ...... | messages stop | ack reserve | acks stop | compaction reserve | moves stop | system reserve | allocated through
///        memory limit: Busy         Full (or Busy while a segment is being made)
/// </code>
/// Partitions look and then append without holding each other up; the system reserve has room for all of them doing so at once.
/// </summary>
internal sealed class Admission
{
    private readonly SegmentStore _segments;
    private readonly long _memoryLimit;
    private readonly long _ackReserve;
    private readonly long _compactionReserve;
    private readonly long _systemReserve;
    private readonly long _overshoot;
    private readonly long _ahead;
    private volatile bool _diskFull;

    public Admission(SegmentStore segments, MailboxLogOptions options, long memoryBytes)
    {
        _segments = segments;
        // FASTER's own limit, a failing TryEnqueue, must never be met: it spins, allocates, and leaves pages half used.
        _memoryLimit = memoryBytes / 4 * 3;
        _ackReserve = options.AckReserveBytes;
        _compactionReserve = options.CompactionReserveBytes;
        _systemReserve = options.SystemReserveBytes;
        _overshoot = options.OvershootBytes;
        _ahead = options.SegmentsAhead * segments.SegmentBytes;
    }

    /// <summary>The last attempt to allocate a segment found no space, or no file descriptor for it.</summary>
    public bool DiskFull { get => _diskFull; set => _diskFull = value; }

    public AppendStatus Check(RecordType type, long tail, long committed)
    {
        if (tail - committed > _memoryLimit) return AppendStatus.Busy;
        var room = type switch
        {
            RecordType.Message => RoomForMessages(tail),
            RecordType.Moved => _segments.AllocatedThrough - tail - _systemReserve,
            _ => _segments.AllocatedThrough - tail - _systemReserve - _compactionReserve,
        };
        if (room > 0) return AppendStatus.Ok;
        return _diskFull ? AppendStatus.Full : AppendStatus.Busy;
    }

    /// <summary>Whether the log's own small records fit.</summary>
    public bool HasRoomForOwn(long tail) => _segments.AllocatedThrough - tail - _overshoot > 4096;

    /// <summary>Bytes until only acknowledgements are taken; 0 or less beyond that.</summary>
    public long RoomForMessages(long tail) => _segments.AllocatedThrough - tail - _systemReserve - _compactionReserve - _ackReserve;

    /// <summary>Whether the keeper has to allocate: messages are to have this many segments of room beyond the reserves.</summary>
    public bool NeedsSegment(long tail) => _segments.AllocatedThrough - tail < _ahead + _systemReserve + _compactionReserve + _ackReserve;
}
