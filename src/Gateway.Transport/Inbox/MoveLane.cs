namespace Gateway.Transport.Inbox;

/// <summary>
/// Moves from one reactor to another, and their records back again: who sends more connections than come to it would otherwise make a record for
/// each of the difference, for ever. A move that finds the lane full waits in its own slot at the producer, so a move never fails and no connection is lost.
/// </summary>
/// <param name="capacity">Moves under way at most.</param>
internal sealed class MoveLane(int capacity)
{
    private readonly ReferenceRing<MoveRecord> _moves = new(capacity);
    private readonly ReferenceRing<MoveRecord> _emptied = new(capacity);

    public bool HasMessages => _moves.Count != 0;

    /// <summary>Moves published and not yet taken. Either side.</summary>
    public int Count => _moves.Count;

    /// <summary>Moves published so far. Any thread.</summary>
    public long Written => _moves.Written;

    /// <summary>Moves taken so far. Any thread.</summary>
    public long Taken => _moves.Taken;

    /// <summary>Records that were given back and not yet taken.</summary>
    public int Emptied => _emptied.Count;

    /// <summary>When the oldest move that is not taken was published; false when there is none. Any thread.</summary>
    public bool TryReadOldest(out uint publishedAtMs)
    {
        while (true)
        {
            publishedAtMs = 0;
            if (!_moves.TryPeek(out var at, out var record)) return false;
            // Taken meanwhile, the record may be gone, or filled for another move already: the second look at what was taken tells.
            publishedAtMs = record?.PublishedAtMs ?? 0;
            Interlocked.MemoryBarrier();
            if (_moves.Taken == at) return true;
        }
    }

    /// <summary>Producer: whether the next <see cref="TryWrite"/> will succeed.</summary>
    public bool CanWrite => _moves.CanWrite;

    public bool TryWrite(MoveRecord record) => _moves.TryWrite(record);

    public bool TryRead(out MoveRecord record) => _moves.TryRead(out record);

    /// <summary>Consumer: it needs the record no more. One more than there is room for is dropped.</summary>
    public void GiveBack(MoveRecord record)
    {
        record.Clear();
        _ = _emptied.TryWrite(record);
    }

    /// <summary>Producer: a record that came back.</summary>
    public bool TryTakeBack(out MoveRecord record) => _emptied.TryRead(out record);
}
