namespace Gateway.Mailbox.Compaction;

/// <summary>A record of the page under the compactor's hands that may be live: only its mailbox's owner can say.</summary>
/// <param name="Address">Of FASTER's length in front of it.</param>
/// <param name="Offset">Of the record in the page, after that length.</param>
/// <param name="Length">Of the record.</param>
internal record struct Candidate(long Address, int Offset, int Length)
{
    /// <summary>Where the owner has appended it again; 0 when it was not live.</summary>
    public long MovedTo { get; set; }
}

/// <summary>
/// What the compactor asks of one partition's owner, one thing at a time: to move a page's live entries to the log's end, or to have devices'
/// windows and key epochs recorded again. Written by the compactor until it is handed over, then by the owner until <see cref="IsDone"/>.
/// </summary>
internal sealed class CompactionTask
{
    private bool _done;

    /// <summary>Records of <see cref="Page"/>; none for a task that carries devices.</summary>
    public List<Candidate> Candidates { get; } = [];

    /// <summary>What the candidates lie in; not changed before every partition is done with it.</summary>
    public byte[] Page { get; set; } = [];

    /// <summary>What the owner has appended is durable when the watermark has reached this.</summary>
    public long MovedThrough { get; set; }

    public List<CarriedDevice> Devices { get; } = [];

    /// <summary>Where the part of the log ends that is to go when the devices are carried.</summary>
    public long DevicesThrough { get; set; }

    /// <summary>Where the owner is; its own.</summary>
    public int Next { get; set; }

    /// <summary>How many pages the owner had asked to be read when it was done: none asked for later lies where the task's entries lay.</summary>
    public long PagesAsked { get; private set; }

    public bool IsEmpty => Candidates.Count == 0 && Devices.Count == 0;

    public bool IsDone => Volatile.Read(ref _done);

    public void Clear()
    {
        Candidates.Clear();
        Devices.Clear();
        (Next, MovedThrough) = (0, 0);
        Volatile.Write(ref _done, false);
    }

    public void Finish(long pagesAsked)
    {
        PagesAsked = pagesAsked;
        Volatile.Write(ref _done, true);
    }
}
