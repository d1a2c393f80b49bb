namespace Gateway.PowerLoss.Load;

/// <summary>What a log must be when it is opened after a crash.</summary>
/// <param name="Entries">All that may be there, in the log's order.</param>
/// <param name="Told">What ends at or below it must be there: somebody was told so.</param>
/// <param name="HighestGivenOut">No sequence up to it may be given out again.</param>
/// <param name="Proven">Below it, a record that is not sound must be refused: a durable mark or the superblock says so. 0: nothing is proven.</param>
internal sealed record Expectation(IReadOnlyList<Entry> Entries, long Told, ulong HighestGivenOut, long Proven)
{
    public static Expectation Nothing { get; } = new([], 0, 0, 0);
}

/// <summary>
/// What the caller of the log did and was told on one disk, by the disk's events. Each life begins with what its opening recovered.
/// Any thread, under the lock of the disk's <see cref="Disk.SimulatedDisk.Note"/> or the journal's own; the lives follow each other.
/// </summary>
internal sealed class Journal(Expectation before)
{
    private readonly Lock _gate = new();
    private readonly List<LifeNotes> _lives = [];

    /// <summary>What holds for the next opening.</summary>
    public Expectation Latest => At(int.MaxValue);

    public void BeginLife(int now)
    {
        var expected = Latest;
        lock (_gate) _lives.Add(new LifeNotes(expected, now));
    }

    /// <summary>The opening returned: the log's tail is this, and all before it is promised.</summary>
    public void OnOpened(int now, long tail)
    {
        lock (_gate)
        {
            var life = _lives[^1];
            life.OpenedAt = now;
            life.Tail = tail;
            life.Entries.AddRange(life.Before.Entries.Where(e => e.Position <= tail));
        }
    }

    public void OnGivenOut(int now, ulong sequence)
    {
        lock (_gate) _lives[^1].GivenOut.Add((now, sequence));
    }

    public void OnAppended(Entry entry)
    {
        lock (_gate) _lives[^1].Entries.Add(entry);
    }

    public void OnTold(int now, long watermark)
    {
        lock (_gate) _lives[^1].Told.Add((now, watermark));
    }

    /// <summary>Moments at which somebody was just told something: where a crash is dearest.</summary>
    public int[] TellingPoints()
    {
        lock (_gate) return [.. _lives.SelectMany(l => l.Told.Select(t => t.Now).Append(l.OpenedAt)).Where(p => p < int.MaxValue)];
    }

    /// <summary>For an image of the disk with all events before this one.</summary>
    public Expectation At(int point)
    {
        lock (_gate)
        {
            var life = _lives.LastOrDefault(l => l.BeganAt <= point);
            if (life is null) return before;
            var highest = life.GivenOut.Where(g => g.Now <= point).Select(g => g.Sequence).Append(life.Before.HighestGivenOut).Max();
            if (life.OpenedAt > point || life.OpenedAt == int.MaxValue) return life.Before with { HighestGivenOut = highest };
            var told = life.Told.Where(t => t.Now <= point).Select(t => t.Watermark).ToArray();
            return new Expectation(
                // The log's order: positions rise with every append of the one thread that appends.
                [.. life.Entries],
                told.Append(life.Tail).Max(),
                highest,
                // The mark that opens a batch names what was durable when the batch before it ended.
                told.Length > 1 ? told[^2] : life.Tail);
        }
    }

    private sealed class LifeNotes(Expectation before, int beganAt)
    {
        public Expectation Before { get; } = before;
        public int BeganAt { get; } = beganAt;
        public int OpenedAt { get; set; } = int.MaxValue;
        public long Tail { get; set; }
        public List<Entry> Entries { get; } = [];
        public List<(int Now, long Watermark)> Told { get; } = [];
        public List<(int Now, ulong Sequence)> GivenOut { get; } = [];
    }
}
