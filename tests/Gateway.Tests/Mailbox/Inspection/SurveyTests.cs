using Gateway.Mailbox;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Inspection;
using Xunit;

namespace Gateway.Tests.Mailbox.Inspection;

/// <summary>A look at a stopped node's log: it counts what is there, judges as an opening would, and changes nothing.</summary>
public class SurveyTests
{
    [Fact]
    public void A_sound_log_is_counted_and_found_sound()
    {
        using var folder = new DamagedFolder();
        var survey = folder.Survey();

        Assert.Equal(LogState.Sound, survey.State);
        Assert.Equal((folder.End, 0L), (survey.End.Address, survey.CutBytes));
        Assert.Equal(
            folder.Records.GroupBy(r => r.Type).OrderBy(g => g.Key).Select(g => new RecordTotal(g.Key, g.Count(), g.Sum(r => (long)RecordLayout.LogBytes(r.Length)))),
            survey.Records);
        Assert.Equal(DamagedFolder.PendingOf(folder.Records).Count, survey.Pending.Messages + survey.Pending.Receipts);
        Assert.True(survey.Superblock.ClosedCleanly);
        Assert.Equal(folder.End - (survey.Segments.Count(s => s.UsedBytes > 0) - 1) * DamagedFolder.SegmentBytes, survey.Segments.Last(s => s.UsedBytes > 0).UsedBytes);
        Assert.Equal(folder.Opened(out var ledger).Count, ledger.Messages.Outstanding + ledger.Receipts.Outstanding);
        Assert.Equal(ledger, survey.Ledger);
    }

    [Fact]
    public void A_torn_last_batch_is_a_torn_tail_and_not_damage()
    {
        using var folder = new DamagedFolder(
            log =>
            {
                log.Send(1, "kept");
                log.Commit();
                log.Send(1, "torn, and nothing behind it says that it was promised");
            },
            leaveRunning: true);
        var torn = folder.Records.Last(r => r.Type == RecordType.Message);
        folder.Flip(torn.Address + 40);

        var survey = folder.Survey();

        Assert.Equal(LogState.TornTail, survey.State);
        Assert.Equal((torn.Address, "the record's checksum is wrong"), (survey.End.Address, survey.EndReason));
        Assert.Equal((folder.SegmentOf(0), DamagedFolder.Header + torn.Address), (survey.End.File, survey.End.Offset));
        // The last record ends in zeros of its own.
        Assert.InRange(survey.CutBytes, torn.Length, folder.End - torn.Address);
        Assert.Equal(1, survey.Pending.Messages);
        Assert.Single(folder.Opened(out _));
    }

    [Fact]
    public void A_new_folder_without_a_record_is_sound()
    {
        using var folder = new DataFolder();
        using (new MailboxHarness(folder.Path))
        {
        }

        using var log = StoppedLog.Open(folder.Path);
        Assert.Equal(LogState.Sound, log.Survey().State);
    }

    [Fact]
    public void Looking_listing_and_exporting_change_no_byte_of_any_file()
    {
        using var folder = new DamagedFolder();
        folder.Flip(folder.Records[10].Address + 30);
        File.WriteAllBytes(Path.Combine(folder.Path, SegmentHeader.FileName(99) + ".new"), [1, 2, 3]);
        var before = Contents(folder.Path);

        using (var log = StoppedLog.Open(folder.Path))
        {
            Assert.Equal(LogState.Damaged, log.Survey().State);
            log.List(0, 1000);
            log.Export(null, (in MailboxRecord _) => { });
        }

        var after = Contents(folder.Path);
        after.Remove("LOCK");
        Assert.Equal(before, after);
    }

    [Fact]
    public void A_running_nodes_folder_is_refused_by_name_and_process()
    {
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path);

        var refusal = Assert.Throws<LogLockedException>(() => StoppedLog.Open(folder.Path));

        Assert.Contains($"{folder.Path} is in use by process {Environment.ProcessId}", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_a_log_is_not_made_one()
    {
        using var folder = new DataFolder();
        var nowhere = Path.Combine(folder.Path, "nowhere");

        Assert.Throws<LogAbsentException>(() => StoppedLog.Open(nowhere));
        Assert.Throws<LogAbsentException>(() => StoppedLog.Open(folder.Path));
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void A_listing_shows_every_record_once_in_order_with_lengths_and_no_body()
    {
        using var folder = new DamagedFolder();
        using var log = StoppedLog.Open(folder.Path);
        var listing = log.List(0, int.MaxValue);

        Assert.Equal(folder.Records.Select(r => (r.Address, r.Type, r.Mailbox)), listing.Select(e => (e.Place.Address, e.Type, e.Mailbox)));
        var pending = DamagedFolder.PendingOf(folder.Records);
        Assert.Equal(pending.Count, listing.Count(e => e.Pending));
        Assert.All(listing.Where(e => e.Pending), e => Assert.Contains((e.Mailbox, e.Sequence), pending));
        foreach (var from in new[] { folder.Records[37].Address, folder.Records[37].Address - 3, folder.Records[^1].Address })
            Assert.Equal(folder.Records.Where(r => r.Address >= from).Take(5).Select(r => r.Address), log.List(from, 5).Select(e => e.Place.Address));
    }

    [Fact]
    public void An_export_holds_exactly_what_is_pending_with_bodies()
    {
        using var folder = new DamagedFolder();
        var expected = DamagedFolder.PendingOf(folder.Records);
        var exported = new List<(ulong Mailbox, ulong Sequence)>();
        var bodies = 0;
        using var log = StoppedLog.Open(folder.Path);
        log.Export(null, (in MailboxRecord record) =>
        {
            exported.Add((record.Mailbox, record.Sequence));
            if (System.Text.Encoding.UTF8.GetString(record.Body).StartsWith("message ", StringComparison.Ordinal)) bodies++;
        });

        Assert.Equal(expected, new SortedSet<(ulong, ulong)>(exported));
        Assert.Equal(expected.Count, exported.Count);
        Assert.Equal(log.Survey().Pending.Messages, bodies);

        var ofTwo = new List<ulong>();
        log.Export(2, (in MailboxRecord record) => ofTwo.Add(record.Sequence));
        Assert.Equal(expected.Where(e => e.Mailbox == 2).Select(e => e.Sequence), ofTwo);
    }

    private static Dictionary<string, string> Contents(string folder) => Directory.GetFiles(folder)
        .ToDictionary(f => Path.GetFileName(f), f => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(f))));
}
