using Gateway.Mailbox;
using Gateway.Mailbox.Format;
using Gateway.PowerLoss.Disk;

namespace Gateway.PowerLoss.Load;

internal enum Death
{
    /// <summary>Closed in order.</summary>
    Close = 0,

    /// <summary>kill -9: the page cache outlives it.</summary>
    Kill = 1,

    /// <summary>An fdatasync fails: fail stop.</summary>
    FailedSync = 2,
}

/// <summary>How the log of one run is made; the same for all its lives.</summary>
/// <param name="Identity">Of the log.</param>
/// <param name="Partitions">Of the log; all are the one thread's.</param>
/// <param name="SegmentBytes">Small, so that many are made and taken away.</param>
/// <param name="Durability">Of the log.</param>
/// <param name="Mailboxes">Numbered from 1.</param>
/// <param name="Carries">False: what compaction asks to be recorded again is not. A mutation.</param>
internal sealed record LifeSettings(ulong Identity, int Partitions, long SegmentBytes, Durability Durability, int Mailboxes, bool Carries);

/// <summary>
/// One process's time with the real log on the simulated disk: opens and checks what was recovered, loads it, dies. One thread, which owns
/// every partition; the log's own threads run beside it.
/// </summary>
internal sealed class Life : IDisposable
{
    private const int DeadlineMs = 20_000;
    private const int PageBytes = 4096;
    private const int MaxBodyBytes = 1024;
    private const ulong FirstDevice = 1001;
    private const int Devices = 12;
    private const uint Incarnation = 3;

    private readonly SimulatedDisk _disk;
    private readonly SimulatedDisk.Mount _mount;
    private readonly Journal _journal;
    private readonly LifeSettings _settings;
    private readonly Random _random;
    private readonly SteppedTime _time;
    private readonly MailboxLog _log;
    private readonly HashSet<ulong> _given = [];
    private readonly DeviceKnowledge _knowledge;
    private readonly MailboxLog? _teller;
    private long _lastPosition;
    private readonly bool _checked;
    private volatile bool _toldAfterFailure;

    private Life(SimulatedDisk disk, Journal journal, LifeSettings settings, Random random)
    {
        (_disk, _journal, _settings, _random) = (disk, journal, settings, random);
        _mount = disk.MountFor();
        var expected = journal.Latest;
        _knowledge = new DeviceKnowledge(expected.Entries);
        // The clock may have been set back over the restart.
        _time = new SteppedTime(new DateTimeOffset(2026, 7, 1, 12, 0, 0, TimeSpan.Zero) + TimeSpan.FromSeconds(random.Next(-600, 600)));
        disk.Note(journal.BeginLife);
        var notes = new RecoveryNotes();
        try
        {
            _log = MailboxLog.Open(OptionsFor(_mount, settings, OnCommitted), notes, _time);
        }
        catch (Exception e) when (e is LogCorruptException or LogVersionException or LogIOException or LogFailedException)
        {
            throw new PromiseBrokenException($"A legal crash was not survived: {e.GetType().Name}: {e.Message}", e);
        }

        _mount.Opening = false;
        try
        {
            var (begin, tail) = (_mount.Recovered.Begin, _mount.Recovered.Durable);
            disk.Note(now => journal.OnOpened(now, tail));
            Recovered = tail;
            _lastPosition = tail;
            Volatile.Write(ref _teller, _log);
            Check(expected, begin, tail, notes);
            _checked = true;
        }
        catch
        {
            _log.Dispose();
            throw;
        }
    }

    /// <summary>The tail that the opening found.</summary>
    public long Recovered { get; }

    /// <summary>Opens, and checks what is there against what the journal says must be.</summary>
    /// <exception cref="PromiseBrokenException">It is not.</exception>
    public static Life Begin(SimulatedDisk disk, Journal journal, LifeSettings settings, Random random) => new(disk, journal, settings, random);

    /// <summary>Appends about so many records in batches of all sizes, waiting for the disk or not.</summary>
    public void Load(int records)
    {
        for (var left = records; left > 0;)
        {
            // Of one record, of a few, and of several pages.
            for (var burst = _random.Next(8) switch { 0 => _random.Next(60, 200), < 3 => _random.Next(1, 60), _ => _random.Next(1, 8) }; burst > 0 && left > 0; burst--, left--)
                AppendOne();
            EndBatches();
            _time.Step(TimeSpan.FromMicroseconds(_random.Next(40) == 0 ? _random.Next(-1_000_000, 1_000_000) : _random.Next(0, 3000)));
            switch (_random.Next(4))
            {
                case 0: WaitUntil(() => _log.CommittedThrough >= _lastPosition, "a commit"); break;
                case 1: Thread.Yield(); break;
            }
        }

        if (_random.Next(12) == 0) MarkIdle();
        // What compaction has begun, it may end, or not.
        for (var turns = _random.Next(30); turns > 0; turns--)
        {
            EndBatches();
            Thread.Yield();
        }
    }

    public void End(Death death)
    {
        switch (death)
        {
            case Death.Kill:
                _mount.Kill();
                break;
            case Death.FailedSync when _settings.Durability == Durability.Fsync:
                WaitUntil(() => _log.CommittedThrough >= _lastPosition, "a commit");
                _mount.FailsNextSync = true;
                while (_log.FailureCause is null)
                {
                    AppendOne();
                    EndBatches();
                }

                if (_toldAfterFailure) throw new PromiseBrokenException("The watermark moved although the sync had failed.");
                break;
        }
    }

    /// <summary>Opens what is damaged below an address that is proven durable.</summary>
    /// <exception cref="PromiseBrokenException">It was not refused as such.</exception>
    public static void MustRefuse(SimulatedDisk disk, LifeSettings settings, string damage)
    {
        try
        {
            using var log = MailboxLog.Open(OptionsFor(disk.MountFor(), settings, null), new RecoveryNotes(), new SteppedTime(DateTimeOffset.UnixEpoch.AddYears(56)));
            throw new PromiseBrokenException($"{damage} was not refused: opened with the tail at {log.CommittedThrough}.");
        }
        catch (LogCorruptException)
        {
            // As it must be.
        }
    }

    public void Dispose() => _log.Dispose();

    private static MailboxLogOptions OptionsFor(SimulatedDisk.Mount mount, LifeSettings settings, Action? onCommitted) => new()
    {
        Folder = mount.Folder,
        NewLogIdentity = settings.Identity,
        Partitions = settings.Partitions,
        OwnerOf = mailbox => (int)(mailbox % (ulong)settings.Partitions),
        Durability = settings.Durability,
        PageBytes = PageBytes,
        MaxBodyBytes = MaxBodyBytes,
        MemoryBytes = 64 * 1024,
        SegmentBytes = settings.SegmentBytes,
        AckReserveBytes = 4096,
        CompactionReserveBytes = settings.SegmentBytes,
        CompactAbove = 1.2,
        OnCompaction = _ => { },
        PageBufferBytes = 8192,
        PageBuffersPerPartition = 4,
        ReserveAhead = TimeSpan.FromMilliseconds(100),
        FileSystem = mount,
        OnCommitted = onCommitted,
    };

    private void OnCommitted()
    {
        // Not while the constructor runs: what it commits nobody was told.
        if (Volatile.Read(in _teller) is not { } log || _settings.Durability != Durability.Fsync) return;
        _disk.Note(now => _journal.OnTold(now, log.CommittedThrough));
        // The commit thread is the one whose sync failed.
        _toldAfterFailure |= _mount.SyncHasFailed;
    }

    private void AppendOne()
    {
        var mailbox = (ulong)_random.Next(1, _settings.Mailboxes + 1);
        var partition = PartitionOf(mailbox);
        var device = FirstDevice + (ulong)_random.Next(Devices);
        var state = partition.State(mailbox);
        var draw = _random.Next(100);
        var entry = draw switch
        {
            < 14 when state.Entries > 0 => new Entry
            {
                Type = RecordType.AckUpTo,
                Mailbox = mailbox,
                Sequence = _random.Next(3) switch { 0 => state.First, 1 => state.Last, _ => (ulong)_random.NextInt64((long)state.First, (long)state.Last + 1) },
            },
            < 20 when state.Entries > 0 => new Entry
            {
                Type = RecordType.Remove, Mailbox = mailbox, Sequence = _random.Next(2) == 0 ? state.First : state.Last, Kind = (byte)_random.Next(1, 5), Reason = (ushort)_random.Next(20),
            },
            < 22 when state.Entries > 0 => new Entry { Type = RecordType.Expire, Mailbox = mailbox, Sequence = _random.Next(2) == 0 ? state.First : state.Last },
            < 26 => WindowOf(device, _knowledge.NextWindow(device)),
            < 29 => new Entry { Type = RecordType.Device, Mailbox = device, Incarnation = _knowledge.NextKeyEpoch(device) },
            _ => NewMessage(partition, mailbox, state.Last, device, isReceipt: draw > 88),
        };
        while (!TryAppend(entry))
        {
            EndBatches();
            Thread.Yield();
        }
    }

    /// <summary>False: not now. True also when the log has stopped as was asked of it.</summary>
    private bool TryAppend(Entry entry)
    {
        var status = PartitionOf(entry.Mailbox).Append(entry.ToRecord(), out var position);
        switch (status)
        {
            case AppendStatus.Ok when position <= _lastPosition:
                return true; // what changes nothing is not written
            case AppendStatus.Ok:
                _journal.OnAppended(entry with { Position = position });
                _lastPosition = position;
                return true;
            case AppendStatus.Busy:
                ThrowIfFailed();
                return false;
            case AppendStatus.Failed when _log.FailureCause is LogIOException { Operation: "fdatasync" }:
                return true;
            default:
                throw new PromiseBrokenException($"An append was answered {status}.", _log.FailureCause);
        }
    }

    /// <summary>What an owner does in a turn for compaction: moves, and records devices again.</summary>
    private void Compact()
    {
        for (var i = 0; i < _settings.Partitions; i++)
        {
            var partition = _log.Partition(i);
            if (!partition.HasCompaction) continue;
            partition.Compact(_random.Next(1, 8192));
            while (partition.PeekCarried(out _) is [var carried, ..] && TryCarry(carried)) partition.Carried(1);
        }
    }

    private bool TryCarry(in CarriedDevice carried)
    {
        if (!_settings.Carries) return true;
        var (window, keyEpoch) = _knowledge.Of(carried.Device);
        if (carried.Incarnation != 0 && !TryAppend(WindowOf(carried.Device, window))) return false;
        return !carried.HasKeyEpoch || TryAppend(new Entry { Type = RecordType.Device, Mailbox = carried.Device, Incarnation = keyEpoch });
    }

    private Entry WindowOf(ulong device, ulong low) =>
        new() { Type = RecordType.Window, Mailbox = device, Incarnation = Incarnation, Low = low, Number = (ulong)_random.NextInt64(), EnqueuedAt = 1_800_000_000 };

    private MailboxPartition PartitionOf(ulong mailbox) => _log.Partition((int)(mailbox % (ulong)_settings.Partitions));

    private Entry NewMessage(MailboxPartition partition, ulong mailbox, ulong last, ulong device, bool isReceipt)
    {
        ulong sequence = 0;
        WaitUntil(
            () =>
            {
                sequence = partition.NextSequence();
                if (sequence == 0) EndBatches();
                return sequence != 0 || _log.FailureCause is LogIOException { Operation: "fdatasync" };
            },
            "a reservation");
        if (sequence != 0)
        {
            if (!_given.Add(sequence) && _settings.Partitions == 1) throw new PromiseBrokenException($"Sequence {sequence} was given out twice.");
            _disk.Note(now => _journal.OnGivenOut(now, sequence));
        }

        var hasOrigin = _random.Next(2) == 0;
        return new Entry
        {
            Type = isReceipt ? RecordType.Receipt : RecordType.Message,
            Mailbox = mailbox,
            Sequence = sequence,
            Previous = last,
            Sender = device,
            Incarnation = hasOrigin ? Incarnation : 0,
            Number = hasOrigin ? _knowledge.NextWindow(device) : 0,
            Low = hasOrigin ? 1UL : 0,
            EnqueuedAt = (uint)_random.Next(),
            ExpiresAt = (uint)_random.Next(),
            Kind = isReceipt ? (byte)_random.Next(1, 6) : (byte)0,
            Body = NewBody(),
        };
    }

    private byte[] NewBody()
    {
        var body = new byte[_random.Next(10) switch { 0 => _random.Next(MaxBodyBytes + 1), 1 => 0, _ => _random.Next(240) }];
        switch (_random.Next(6))
        {
            case 0: break; // zeros, as an unwritten disk has
            case 1 when body.Length >= 40:
                // What a sender may try: a mark of a log it does not know.
                body[0] = RecordLayout.MarkBytes;
                RecordLayout.WriteMark(body.AsSpan(4), (ulong)_random.NextInt64(), _lastPosition + 100_000);
                break;
            default: _random.NextBytes(body); break;
        }

        return body;
    }

    /// <summary>As after a second of rest: the last batch is marked.</summary>
    private void MarkIdle()
    {
        WaitUntil(() => _log.CommittedThrough >= _lastPosition, "a commit");
        var before = _log.Counters.Commits;
        WaitUntil(
            () =>
            {
                // Again and again: the pump looks at the clock when its batch has ended, which may be after a single step.
                _time.Step(TimeSpan.FromSeconds(2));
                return _log.Counters.Commits > before;
            },
            "the idle mark");
    }

    private void EndBatches()
    {
        Compact();
        for (var i = 0; i < _settings.Partitions; i++) _log.Partition(i).EndBatch();
    }

    private void WaitUntil(Func<bool> holds, string what)
    {
        var deadline = Environment.TickCount64 + DeadlineMs;
        for (var spins = 0; !holds(); spins++)
        {
            ThrowIfFailed();
            // Not while what was recovered is being looked at: what was just moved cannot be read before the next commit.
            if (_checked) Compact();
            if (Environment.TickCount64 > deadline) throw new PromiseBrokenException($"Waited {DeadlineMs} ms in vain for {what}.");
            if (spins < 20) Thread.Yield();
            else Thread.Sleep(0);
        }
    }

    private void ThrowIfFailed()
    {
        if (_log.FailureCause is { } cause && cause is not LogIOException { Operation: "fdatasync" }) throw new PromiseBrokenException($"The log stopped: {cause.Message}", cause);
    }

    private void Check(Expectation expected, long begin, long tail, RecoveryNotes notes)
    {
        if (tail < expected.Told) throw new PromiseBrokenException($"Told durable to address {expected.Told}; recovered to {tail}.");
        var entries = expected.Entries.Where(e => e.Position <= tail).ToArray();
        if (expected.Entries.FirstOrDefault(e => e.Start < tail && tail < e.Position) is { } cut)
            throw new PromiseBrokenException($"The recovered tail {tail} lies within the record at {cut.Start} to {cut.Position}.");
        var model = new Model(entries);
        var kept = entries.Where(e => e.Start >= begin).ToArray();
        CheckNotes(RecoveryNotes.Of(kept), notes.Told);
        CheckKnowledge(entries, kept);
        var pending = 0L;
        for (var mailbox = 1UL; mailbox <= (ulong)_settings.Mailboxes; mailbox++)
        {
            var all = model.Pending(mailbox);
            CheckState(mailbox, all);
            CheckRead(mailbox, [.. all.Where(e => !model.HasExpired(e))]);
            CheckExpired(mailbox, [.. all.Where(model.HasExpired)]);
            pending += all.Count;
        }

        var partitions = Enumerable.Range(0, _settings.Partitions).Select(_log.Partition).ToArray();
        var counted = partitions.Sum(p => p.CountPending() is var count ? count.Messages + count.Receipts : 0);
        if (counted != pending) throw new PromiseBrokenException($"{counted} entries are pending in all, of {pending}.");
        var ledger = partitions.Aggregate(default(Ledger), (sum, p) => sum + p.Ledger);
        if (ledger != model.Ledger) throw new PromiseBrokenException($"The ledger says {ledger}, the records {model.Ledger}.");
        foreach (var partition in partitions)
        {
            var next = partition.NextSequence();
            if (next <= expected.HighestGivenOut) throw new PromiseBrokenException($"Sequence {next} is given out after {expected.HighestGivenOut} was.");
            _given.Add(next);
            _disk.Note(now => _journal.OnGivenOut(now, next));
        }
    }

    /// <summary>Of no device is less known than was once recorded, however much of the log compaction has taken away.</summary>
    private static void CheckKnowledge(Entry[] all, Entry[] kept)
    {
        var (known, left) = (new DeviceKnowledge(all), new DeviceKnowledge(kept));
        foreach (var device in known.Devices)
        {
            if (left.Of(device) != known.Of(device)) throw new PromiseBrokenException($"Of device {device} (window, key epoch) {left.Of(device)} is left of {known.Of(device)}.");
        }
    }

    private static void CheckNotes(List<string> expected, List<string> told)
    {
        for (var i = 0; i < Math.Max(expected.Count, told.Count); i++)
        {
            var (wanted, got) = (i < expected.Count ? expected[i] : "nothing more", i < told.Count ? told[i] : "nothing more");
            if (wanted != got) throw new PromiseBrokenException($"Windows, origins and devices: '{got}' was told in place {i} in place of '{wanted}'.");
        }
    }

    private void CheckState(ulong mailbox, IReadOnlyList<Entry> expected)
    {
        var state = PartitionOf(mailbox).State(mailbox);
        var wanted = expected.Count == 0 ? default : new MailboxState(expected.Count, expected.Sum(e => (long)e.LogBytes), expected[0].Sequence, expected[^1].Sequence);
        if (state != wanted) throw new PromiseBrokenException($"Mailbox {mailbox} holds {state}, not {wanted}.");
    }

    /// <summary>What has expired is there as that; a page of it stands for all.</summary>
    private void CheckExpired(ulong mailbox, IReadOnlyList<Entry> expected)
    {
        var partition = PartitionOf(mailbox);
        if (!partition.TryBeginExpiredRead(mailbox, 1000, 8192, token: mailbox)) throw new PromiseBrokenException("No page to read with.");
        MailboxPage? page = null;
        WaitUntil(() => partition.TryTakePage(out page!), "a page");
        if ((page!.Count == 0) != (expected.Count == 0)) throw new PromiseBrokenException($"Of mailbox {mailbox}'s {expected.Count} expired entries a page has {page.Count}.");
        for (var read = 0; page.TryNext(out var record); read++)
        {
            if (read >= expected.Count || !expected[read].Is(record)) throw new PromiseBrokenException($"Mailbox {mailbox}: sequence {record.Sequence} has not expired.");
        }

        page.Release();
    }

    private void CheckRead(ulong mailbox, IReadOnlyList<Entry> expected)
    {
        var partition = PartitionOf(mailbox);
        for (var read = 0; read < expected.Count;)
        {
            var after = read == 0 ? 0 : expected[read - 1].Sequence;
            if (!partition.TryBeginRead(mailbox, after, 1000, 8192, token: mailbox)) throw new PromiseBrokenException("No page to read with.");
            MailboxPage? page = null;
            WaitUntil(() => partition.TryTakePage(out page!), "a page");
            if (page!.Count == 0) throw new PromiseBrokenException($"Mailbox {mailbox} ends after {read} of {expected.Count} entries.");
            while (page.TryNext(out var record))
            {
                if (!expected[read].Is(record)) throw new PromiseBrokenException($"Mailbox {mailbox}, entry {read}: sequence {record.Sequence} is not what was appended as {expected[read].Sequence}.");
                read++;
            }

            page.Release();
        }
    }
}
