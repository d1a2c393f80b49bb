using System.Buffers.Binary;
using Gateway.Mailbox;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Inspection;
using Xunit;

namespace Gateway.Tests.Mailbox.Inspection;

/// <summary>One record as the test reads it, independent of the code under test.</summary>
internal readonly record struct FoundRecord(long Address, int Length, RecordType Type, ulong Mailbox, ulong Sequence)
{
    public long End => Address + RecordLayout.LogBytes(Length);

    public bool Overlaps(long from, long to) => Address < to && from < End;
}

/// <summary>
/// A data folder made by the real log with something of everything in several segments, its records as read before any damage, and ways to
/// damage it. Closed cleanly, so that all of it is known durable.
/// </summary>
internal sealed class DamagedFolder : IDisposable
{
    public const int Header = SegmentHeader.Bytes;
    public const long SegmentBytes = 64 * 1024;
    public const int PageBytes = 4096;
    private readonly DataFolder _folder = new();

    /// <param name="fill">What is sent; null: something of everything.</param>
    /// <param name="leaveRunning">Copies what a kill would leave instead of closing cleanly.</param>
    /// <param name="compacts">The log is compacted while it is filled, so that it holds MOVED and LEDGER records and does not begin at its first segment.</param>
    public DamagedFolder(Action<MailboxHarness>? fill = null, bool leaveRunning = false, bool compacts = false)
    {
        Time = new ManualTime();
        using (var source = new DataFolder())
        {
            using (var log = new MailboxHarness(source.Path, s => s.Compacts = compacts, Time))
            {
                (fill ?? SomethingOfEverything)(log);
                if (compacts) log.Settle();
                log.Commit();
                if (leaveRunning) source.CopyOver(_folder);
            }

            if (!leaveRunning) source.CopyOver(_folder);
        }

        Records = Parse();
    }

    public ManualTime Time { get; }
    public string Path => _folder.Path;
    public IReadOnlyList<FoundRecord> Records { get; }
    public long End => Records[^1].End;

    /// <summary>Three mailboxes that wait, and acknowledgements, removals, receipts, windows and devices among them; a commit every few records.</summary>
    public static void SomethingOfEverything(MailboxHarness log)
    {
        var random = new Random(17);
        var sent = new Dictionary<ulong, List<ulong>>();
        for (var i = 0; i < 420; i++)
        {
            var mailbox = (ulong)random.Next(1, 4);
            if (!sent.TryGetValue(mailbox, out var open)) sent[mailbox] = open = [];
            switch (random.Next(12))
            {
                case 0 when open.Count > 4:
                    log.Ack(mailbox, open[1]);
                    open.RemoveRange(0, 2);
                    break;
                case 1 when open.Count > 4:
                    var gone = random.Next(open.Count);
                    log.Remove(mailbox, open[gone], RemoveReason.Expired);
                    open.RemoveAt(gone);
                    break;
                case 2:
                    open.Add(log.Send(mailbox, new byte[16], RecordType.Receipt));
                    break;
                case 3:
                    log.Append(new MailboxRecord { Type = RecordType.Window, Mailbox = 90 + mailbox, Incarnation = 3, Low = (ulong)i + 1, Number = 5, EnqueuedAt = 1_800_000_000 });
                    break;
                case 4:
                    log.Append(new MailboxRecord { Type = RecordType.Device, Mailbox = 90 + mailbox, Incarnation = (uint)i });
                    break;
                default:
                    open.Add(log.Send(mailbox, $"message {i} " + new string('x', random.Next(500))));
                    break;
            }

            if (i % 5 == 0) log.Commit();
        }
    }

    /// <summary>Many messages of which few wait: enough for the oldest segments to have gone.</summary>
    public static DamagedFolder Compacted() => new(
        log =>
        {
            log.CarriesDevices = true;
            for (var i = 0; i < 900; i++)
            {
                var mailbox = (ulong)(i % 3 + 1);
                var sequence = log.Send(mailbox, $"message {i} " + new string('x', i % 400));
                if (i % 6 == 0) log.Send(mailbox, new byte[16], RecordType.Receipt);
                if (i % 9 != 0) log.Remove(mailbox, sequence, RemoveReason.Discarded);
                if (i % 7 == 0) log.Commit();
                log.Work();
            }
        },
        compacts: true);

    public DamagedFolder Copy() => new(this);

    /// <summary>What would be pending if only these records were there: mailbox and sequence.</summary>
    public static SortedSet<(ulong Mailbox, ulong Sequence)> PendingOf(IEnumerable<FoundRecord> records)
    {
        var pending = new SortedSet<(ulong Mailbox, ulong Sequence)>();
        foreach (var record in records)
        {
            if (record.Type is RecordType.Message or RecordType.Receipt or RecordType.Moved) pending.Add((record.Mailbox, record.Sequence));
            else if (record.Type == RecordType.AckUpTo) pending.RemoveWhere(p => p.Mailbox == record.Mailbox && p.Sequence <= record.Sequence);
            else if (record.Type == RecordType.Remove) pending.Remove((record.Mailbox, record.Sequence));
        }

        return pending;
    }

    public SortedSet<(ulong Mailbox, ulong Sequence)> PendingWithout(Func<FoundRecord, bool> lost) => PendingOf(Records.Where(r => !lost(r)));

    /// <summary>The first place behind an address that a mark, the begin of a page or the log's end proves, if nothing of it was damaged itself.</summary>
    public long ProvenAfter(long address, long damagedTo)
    {
        var page = (address | (PageBytes - 1)) + 1;
        foreach (var record in Records.Where(r => r.Address > address && r.Address >= damagedTo && r.Type == RecordType.Mark)) return Math.Min(page, record.Address);
        return Math.Min(page, End);
    }

    public static RecordSeal SealOf(long address) => RecordSeal.Of(RecordLayout.FormatVersion, MailboxHarness.Identity, address / SegmentBytes);

    public string SegmentOf(long address) => System.IO.Path.Combine(Path, SegmentHeader.FileName(address / SegmentBytes));

    public void Write(long address, ReadOnlySpan<byte> bytes) => WriteFile(SegmentOf(address), Header + address % SegmentBytes, bytes);

    public byte[] Read(long address, int bytes) => File.ReadAllBytes(SegmentOf(address)).AsSpan((int)(Header + address % SegmentBytes), bytes).ToArray();

    public void Flip(long address, byte mask = 0x10) => Write(address, [(byte)(Read(address, 1)[0] ^ mask)]);

    public static void WriteFile(string path, long offset, ReadOnlySpan<byte> bytes)
    {
        using var file = File.Open(path, FileMode.Open, FileAccess.ReadWrite);
        file.Position = offset;
        file.Write(bytes);
    }

    public LogSurvey Survey()
    {
        using var log = StoppedLog.Open(Path);
        return log.Survey();
    }

    public RepairOutcome Repair()
    {
        using var log = StoppedLog.Open(Path);
        return log.Repair(Time);
    }

    /// <summary>The damage is seen, the repair is done, and the log that the node opens then holds exactly this.</summary>
    public LogSurvey RepairTo(SortedSet<(ulong Mailbox, ulong Sequence)> pending)
    {
        Assert.Throws<LogCorruptException>(() => new MailboxHarness(Path, time: Time));
        var outcome = Repair();
        Assert.NotEqual(LogState.Damaged, outcome.After.State);
        Assert.Equal(pending, Opened(out var ledger));
        Assert.Equal(outcome.After.Ledger, ledger);
        return outcome.After;
    }

    /// <summary>What the real log has pending when it is opened; that it adds up, and takes and keeps what is sent next.</summary>
    public SortedSet<(ulong Mailbox, ulong Sequence)> Opened(out Ledger ledger)
    {
        var found = new SortedSet<(ulong, ulong)>();
        using var copy = _folder.Copy();
        using (var log = new MailboxHarness(copy.Path, time: Time))
        {
            ledger = log.P.Ledger;
            var count = log.P.CountPending();
            Assert.Equal((ledger.Messages.Outstanding, ledger.Receipts.Outstanding), (count.Messages, count.Receipts));
            foreach (var mailbox in Records.Where(r => r.Type is RecordType.Message or RecordType.Receipt or RecordType.Moved).Select(r => r.Mailbox).Distinct())
            {
                foreach (var entry in log.ReadAll(mailbox)) found.Add((mailbox, entry.Sequence));
            }

            Assert.Equal(count.Messages + count.Receipts, found.Count);
            Assert.True(log.Send(1, "afterwards") > Records.Max(r => r.Sequence));
            log.Commit();
        }

        using var again = new MailboxHarness(copy.Path, time: Time);
        Assert.Equal("afterwards", again.ReadAll(1)[^1].Body);
        return found;
    }

    public void Dispose() => _folder.Dispose();

    private DamagedFolder(DamagedFolder source)
    {
        (Time, Records) = (source.Time, source.Records);
        source._folder.CopyOver(_folder);
    }

    private List<FoundRecord> Parse()
    {
        var records = new List<FoundRecord>();
        foreach (var path in _folder.Segments)
        {
            var bytes = File.ReadAllBytes(path);
            var first = Convert.ToInt64(System.IO.Path.GetFileNameWithoutExtension(path), 16) * SegmentBytes;
            var seal = SealOf(first);
            for (var at = first == 0 ? RecordLayout.FirstAddress : 0; at < SegmentBytes;)
            {
                var length = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan((int)(Header + at)));
                if (length == 0) return records;
                if (length == seal.EndOfPage)
                {
                    at = (at | (PageBytes - 1)) + 1;
                    continue;
                }

                // Behind the end of a log whose file was used before lies what is not its own.
                if (length > SegmentBytes - at - 4 || !seal.Holds(bytes.AsSpan((int)(Header + at + 4), (int)length))) return records;
                var record = bytes.AsSpan((int)(Header + at + 4), (int)length);
                var type = RecordLayout.TypeOf(record);
                var hasSequence = type is RecordType.Message or RecordType.Receipt or RecordType.Moved or RecordType.AckUpTo or RecordType.Remove;
                records.Add(new FoundRecord(
                    first + at, (int)length, type, type is RecordType.Mark or RecordType.Reserve or RecordType.LedgerTotals ? 0 : RecordLayout.U64(record, 8), hasSequence ? RecordLayout.U64(record, 16) : 0));
                at += RecordLayout.LogBytes((int)length);
            }
        }

        return records;
    }
}
