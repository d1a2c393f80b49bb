using Gateway.Messaging;

namespace Gateway.Simulation;

/// <summary>
/// The log of a whole node in memory: one sequence of records, a share of the mailboxes for each home, and a disk that does nothing until it
/// is told to. A position is the ordinal of its record, from 1 on. Owned by one thread, like everything simulated.
/// Invariants: <see cref="CommittedThrough"/> only rises, and never past a record whose batch was not submitted.
/// </summary>
public sealed class MemoryLogStore
{
    private const ulong ReservationMicros = 1_000_000;

    private readonly List<StoredRecord> _records = [];
    private readonly MemoryLog[] _logs;
    private readonly Func<ulong> _unixMicros;
    private readonly Func<uint>? _steadySeconds;

    /// <summary><paramref name="unixMicros"/> is the wall clock that sequences follow; without <paramref name="steadySeconds"/> it is the steady time too.</summary>
    public MemoryLogStore(int homes, Func<ulong> unixMicros, Func<uint>? steadySeconds = null)
    {
        (_unixMicros, _steadySeconds) = (unixMicros, steadySeconds);
        _logs = new MemoryLog[homes];
        for (var i = 0; i < homes; i++) _logs[i] = new MemoryLog(this, homes, i, floor: 0);
    }

    private MemoryLogStore(MemoryLogStore crashed, int homes, int records)
    {
        (_unixMicros, _steadySeconds) = (crashed._unixMicros, crashed._steadySeconds);
        ReservedThrough = crashed.ReservedThrough;
        _records.AddRange(crashed._records.Take(records));
        CommittedThrough = records;
        TruncatedThrough = crashed.TruncatedThrough;
        _logs = new MemoryLog[homes];
        for (var i = 0; i < homes; i++) _logs[i] = new MemoryLog(this, homes, i, ReservedThrough);
        for (var i = 0; i < records; i++) _logs[HomeMap.HomeOf(_records[i].Mailbox, homes)].Recover(_records[i], i + 1);
    }

    public IReadOnlyList<MemoryLog> Homes => _logs;

    public uint SteadySeconds => _steadySeconds?.Invoke() ?? (uint)(_unixMicros() / 1_000_000);

    /// <summary>Records appended, durable or not.</summary>
    public long Appended => _records.Count;

    public long CommittedThrough { get; private set; }

    /// <summary>Records up to here are gone, but for the entries that are pending: no other run of the node hears of them.</summary>
    public long TruncatedThrough { get; private set; }

    /// <summary>Records that homes are told to be durable and that are not: a log that lies.</summary>
    internal int ClaimsAhead { get; set; }

    /// <summary>The last record up to which every batch was submitted: what a commit that begins now will make durable.</summary>
    public long SubmittedThrough
    {
        get
        {
            var last = (long)_records.Count;
            foreach (var log in _logs)
            {
                if (log.FirstStaged != 0) last = Math.Min(last, log.FirstStaged - 1);
            }

            return last;
        }
    }

    /// <summary>Set to <see cref="LogOutcome.Fenced"/> or <see cref="LogOutcome.Unknown"/>, the log takes and commits nothing more.</summary>
    public LogOutcome Outcome { get; set; }

    /// <summary>What an append of a message, window or device comes to.</summary>
    public LogStatus Admission { get; set; }

    /// <summary>What an append of a receipt comes to.</summary>
    public LogStatus ReceiptAdmission { get; set; }

    /// <summary>What an append of an acknowledgement or removal comes to.</summary>
    public LogStatus RemovalAdmission { get; set; }

    /// <summary>Pages that a home may have asked for and not given back.</summary>
    public int PagesPerHome { get; set; } = 8;

    /// <summary>A batch is durable as soon as it is submitted.</summary>
    public bool CommitsOnSubmit { get; set; }

    /// <summary>A page has arrived as soon as it was asked for.</summary>
    public bool ReadsAtOnce { get; set; }

    /// <summary>False: no sequence above <see cref="ReservedThrough"/> may be issued until this is true again.</summary>
    public bool MayReserve { get; set; } = true;

    /// <summary>Durable in every mode: no run of the node has issued a sequence above it.</summary>
    public ulong ReservedThrough { get; private set; }

    public LedgerTotals Messages => _logs.Aggregate(default(LedgerTotals), (sum, log) => sum + log.Messages);
    public LedgerTotals Receipts => _logs.Aggregate(default(LedgerTotals), (sum, log) => sum + log.Receipts);

    /// <summary>Makes everything durable whose batch was submitted.</summary>
    public void CommitAll() => CommitThrough(long.MaxValue);

    /// <summary>Makes records durable up to a position, as far as their batches were submitted.</summary>
    public void CommitThrough(long position)
    {
        if (Outcome != LogOutcome.Committed) return;
        CommittedThrough = Math.Max(CommittedThrough, Math.Min(position, SubmittedThrough));
    }

    /// <summary>Lets every page arrive that was asked for.</summary>
    public void CompleteReads()
    {
        foreach (var log in _logs) log.CompleteReads();
    }

    /// <summary>
    /// What another run of the node finds: the committed records and the first <paramref name="uncommittedKept"/> of the others, dealt to
    /// <paramref name="homes"/> homes. All of it is durable from the start, as rule 2 of recovery has it. This store is dead afterwards.
    /// </summary>
    public MemoryLogStore Recover(int homes, int uncommittedKept = 0)
    {
        Outcome = LogOutcome.Fenced;
        return new MemoryLogStore(this, homes, (int)Math.Min(CommittedThrough + uncommittedKept, _records.Count))
        {
            PagesPerHome = PagesPerHome,
            CommitsOnSubmit = CommitsOnSubmit,
            ReadsAtOnce = ReadsAtOnce,
        };
    }

    /// <summary>Streams what the log holds besides pending entries.</summary>
    public void Replay(ILogRecovery recovery)
    {
        ArgumentNullException.ThrowIfNull(recovery);
        foreach (var record in _records.Skip((int)TruncatedThrough))
        {
            switch (record.Type)
            {
                case LogRecordType.Window:
                    recovery.OnWindow(record.Mailbox, record.Incarnation, record.Low, record.Number, record.EnqueuedAt);
                    break;
                case LogRecordType.Device:
                    recovery.OnDevice(record.Mailbox, record.Incarnation);
                    break;
                case LogRecordType.Message or LogRecordType.Receipt when record.Incarnation != 0:
                    recovery.OnOrigin(record.Sender, record.Incarnation, record.Number, record.Low);
                    break;
            }
        }
    }

    /// <summary>
    /// What must be recorded again before the records up to a position may go: the devices whose windows, origins or key epochs they hold, with
    /// the newest incarnation found and its highest number.
    /// </summary>
    public IReadOnlyList<(ulong Device, uint Incarnation, ulong Number, bool HasKeyEpoch)> CarriedBefore(long position)
    {
        var carried = new SortedDictionary<ulong, (uint Incarnation, ulong Number, bool HasKeyEpoch)>();
        foreach (var record in _records.Take((int)position).Skip((int)TruncatedThrough))
        {
            var isEntry = record.Type is LogRecordType.Message or LogRecordType.Receipt;
            if (!isEntry && record.Type is not (LogRecordType.Window or LogRecordType.Device)) continue;
            if (isEntry && record.Incarnation == 0) continue;
            var device = isEntry ? record.Sender : record.Mailbox;
            var known = carried.GetValueOrDefault(device);
            if (record.Type == LogRecordType.Device) known.HasKeyEpoch = true;
            else if (record.Incarnation > known.Incarnation) (known.Incarnation, known.Number) = (record.Incarnation, isEntry ? record.Number : 0);
            else if (record.Incarnation == known.Incarnation && isEntry) known.Number = Math.Max(known.Number, record.Number);
            carried[device] = known;
        }

        return [.. carried.Select(c => (c.Key, c.Value.Incarnation, c.Value.Number, c.Value.HasKeyEpoch))];
    }

    /// <summary>Drops the records up to a position, all of it durable; what was to be carried is durable behind it.</summary>
    public void Truncate(long through)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(through, CommittedThrough);
        TruncatedThrough = Math.Max(TruncatedThrough, through);
    }

    /// <summary>The records from a position on, as a line each: for the message of a failed test.</summary>
    public IEnumerable<string> Describe(long fromPosition = 1)
    {
        for (var i = (int)fromPosition - 1; i < _records.Count; i++)
        {
            var r = _records[i];
            yield return $"{i + 1}{(i < CommittedThrough ? "" : "?")} {r.Type} mailbox={r.Mailbox:x} seq={r.Sequence} prev={r.Previous} "
                + $"sender={r.Sender:x} inc={r.Incarnation} n={r.Number} low={r.Low} kind={r.Kind} reason={r.Reason} body={r.BodyBytes}";
        }
    }

    internal LogStatus AdmissionOf(LogRecordType type) => Outcome != LogOutcome.Committed
        ? LogStatus.Failed
        : type switch
        {
            LogRecordType.Receipt => ReceiptAdmission,
            LogRecordType.AckUpTo or LogRecordType.Expire or LogRecordType.Remove => RemovalAdmission,
            _ => Admission,
        };

    internal StoredRecord this[long position] => _records[(int)position - 1];

    internal long Add(StoredRecord record)
    {
        _records.Add(record);
        return _records.Count;
    }

    /// <summary>The next sequence above <paramref name="floor"/>, or 0.</summary>
    internal ulong SequenceAfter(ulong floor)
    {
        var next = Math.Max(floor + 1, _unixMicros());
        if (next <= ReservedThrough) return next;
        if (!MayReserve) return 0;
        ReservedThrough = next + ReservationMicros;
        return next;
    }
}
