using System.Collections.Concurrent;
using Gateway.Mailbox;
using Gateway.Mailbox.Backup;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Recovery;
using Gateway.Mailbox.Storage;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>Files of segments that the log gave up become its next ones, and nothing is lost by that, whoever looks or dies meanwhile.</summary>
public class SpareSegmentTests
{
    private const int SegmentBytes = 64 * 1024;
    private const ulong Waiting = 5;
    private const ulong Busy = 6;

    [Fact]
    public void A_segment_given_up_becomes_a_later_one_and_only_its_header_is_written_for_that()
    {
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        var (made, writes) = (0, new ConcurrentQueue<(long Offset, int Bytes)>());
        files.OnAllocate = (name, _) => !name.EndsWith(".segment.new", StringComparison.Ordinal) || Interlocked.Increment(ref made) > 0;
        files.OnWritten = (name, offset, bytes) =>
        {
            if (name.EndsWith(".spare", StringComparison.Ordinal)) writes.Enqueue((offset, bytes));
        };
        var time = new ManualTime();
        List<(ulong Sequence, ulong Previous, string Body)> waiting;
        using (var log = Open(folder, files, time))
        {
            for (var i = 0; i < 20; i++) log.Send(Waiting, $"waiting {i}");
            Turn(log, truncated: 20);
            Assert.True(writes.Count > 10, $"{writes.Count} files were used again, {made} made");
            Assert.All(writes, write => Assert.Equal((0, SegmentHeader.Bytes), write));
            Assert.Equal(made + writes.Count, log.Log.Counters.Segments + log.Log.Counters.TruncatedSegments);
            waiting = log.ReadAll(Waiting);
            Assert.Equal(Enumerable.Range(0, 20).Select(i => $"waiting {i}"), waiting.Select(m => m.Body));
        }

        using var again = Open(folder, files, time);
        Assert.Equal(waiting, again.ReadAll(Waiting));
    }

    [Fact]
    public void Few_spares_are_kept_and_none_from_before_an_opening()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using (var log = Open(folder, null, time))
        {
            // What waits goes at once, so that much more of the log is given up than is needed next.
            var sent = Enumerable.Range(0, 600).Select(_ => log.Send(Waiting, new string('w', 900))).ToList();
            log.Ack(Waiting, sent[^1]);
            log.Settle();
            Assert.True(log.Log.Counters.TruncatedSegments > 4);
            Assert.Equal(2, log.Log.Counters.SpareSegments);
            Assert.Equal(2, SparesIn(folder).Length);
            Assert.Equal(log.Log.Counters.Segments, folder.Segments.Length);
        }

        using var again = Open(folder, null, time);
        Assert.Empty(SparesIn(folder));
        Assert.Equal(0, again.Log.Counters.SpareSegments);
    }

    [Fact]
    public void A_segment_that_cannot_be_kept_for_lack_of_a_name_is_deleted_and_the_log_goes_on()
    {
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path)
        {
            OnRename = to =>
            {
                if (to.EndsWith(".spare", StringComparison.Ordinal)) throw new LogIOException(to, "rename", 28);
            },
        };
        using var log = Open(folder, files);
        Turn(log, truncated: 4);
        Assert.Equal(0, log.Log.Counters.SpareSegments);
        Assert.Empty(SparesIn(folder));
        Assert.Equal(log.Log.Counters.Segments, folder.Segments.Length);
        log.Send(Waiting, "goes on");
        log.Commit();
        Assert.Equal("goes on", log.ReadAll(Waiting)[^1].Body);
    }

    [Fact]
    public void On_a_full_disk_spares_keep_admission_open()
    {
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        var isFull = false;
        files.OnAllocate = (name, _) => !Volatile.Read(ref isFull) || !name.EndsWith(".segment.new", StringComparison.Ordinal);
        using var log = Open(folder, files);
        log.Send(Waiting, "waiting");
        Turn(log, truncated: 4);
        Volatile.Write(ref isFull, true);
        var until = log.Log.Counters.TruncatedSegments + 10;
        MailboxHarness.WaitFor(() =>
        {
            for (var i = 0; i < 20; i++)
            {
                var sequence = log.P.NextSequence();
                if (sequence == 0 || log.P.Append(new MailboxRecord { Type = RecordType.Message, Mailbox = Busy, Sequence = sequence, Body = new byte[900] }, out _) != AppendStatus.Ok) break;
                log.Ack(Busy, sequence);
            }

            log.Work();
            return log.Log.Counters.TruncatedSegments >= until;
        });
        Assert.Equal(["waiting"], log.ReadAll(Waiting).Select(m => m.Body));
    }

    [Theory]
    [InlineData("named a spare")]
    [InlineData("named the next")]
    [InlineData("header written")]
    [InlineData("in the folder")]
    public void A_kill_at_any_step_of_using_a_file_again_loses_nothing(string at)
    {
        using var folder = new DataFolder();
        using var image = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        var (taking, taken) = (false, 0);
        files.OnHold = _ => Strike(at == "named a spare", starts: true);
        files.OnWrite = name => Strike(at == "named the next" && name.EndsWith(".spare", StringComparison.Ordinal));
        files.OnSync = name => Strike(at == "header written" && name.EndsWith(".spare", StringComparison.Ordinal));
        files.OnSyncFolder = () => Strike(at == "in the folder");
        var time = new ManualTime();
        using (var log = Open(folder, files, time))
        {
            for (var i = 0; i < 20; i++) log.Send(Waiting, $"waiting {i}");
            log.Commit();
            Turn(log, truncated: 12);
            Assert.True(Volatile.Read(ref taken) > 0, "no file was used again");
        }

        using (var opened = Open(image, null, time)) Check(opened);
        using var again = Open(image, null, time);
        Check(again);

        void Check(MailboxHarness log)
        {
            Assert.Equal(Enumerable.Range(0, 20).Select(i => $"waiting {i}"), log.ReadAll(Waiting).Select(m => m.Body));
            var (ledger, pending) = (log.P.Ledger.Messages, log.P.CountPending().Messages);
            Assert.Equal(ledger.Accepted, ledger.Delivered + pending);
            Turn(log, truncated: 3);
        }

        // On the keeper's thread, so that no file gets another use while it is copied.
        void Strike(bool strikes, bool starts = false)
        {
            taking |= starts;
            if (!strikes || !taking || Interlocked.Increment(ref taken) != 3) return;
            Assert.NotEmpty(at == "named a spare" ? SparesIn(folder) : at == "in the folder" ? folder.Segments : Directory.GetFiles(folder.Path, "*.segment.new"));
            folder.CopyHeld(image);
        }
    }

    [Fact]
    public void What_a_backup_reads_is_not_used_again_under_it()
    {
        using var folder = new DataFolder();
        using var log = Open(folder);
        for (var i = 0; i < 200; i++) log.Send(Waiting, $"waiting {i} " + new string('w', 500));
        log.Send(Busy, "marks what is before");
        log.Commit();
        using var source = BackupSource.Open(new PosixFileSystem(folder.Path), null);
        var before = RecordsOf(source);
        var held = source.Segments.FirstSegment + source.Segments.Count;

        // As many segments go and come as there are, and as could be spares.
        Turn(log, truncated: held + 4);

        Assert.True(before.Length > 200);
        Assert.Equal(before, RecordsOf(source));
        Assert.Equal(200, log.ReadAll(Waiting).Count);
    }

    [Fact]
    public void A_backup_that_opens_a_file_just_before_it_is_used_again_looks_anew()
    {
        using var folder = new DataFolder();
        using var log = Open(folder);
        for (var i = 0; i < 10; i++) log.Send(Waiting, $"waiting {i}");
        log.Commit();
        var files = new FaultyFileSystem(folder.Path);
        var raced = 0;
        files.OnHold = name =>
        {
            // It is open by its name here, and not yet held.
            if (raced++ == 0) Turn(log, truncated: 6);
        };
        using var source = BackupSource.Open(files, null);

        Assert.True(raced > 1, "the first look found what it looked for");
        Assert.True(source.Segments.FirstSegment >= 6);
        Assert.Equal(10, RecordsOf(source).Count(r => r.Contains(" of 5 ", StringComparison.Ordinal)));
    }

    /// <summary>Messages come and go until at least so many segments have gone.</summary>
    private static void Turn(MailboxHarness log, long truncated)
    {
        while (log.Log.Counters.TruncatedSegments < truncated)
        {
            for (var i = 0; i < 20; i++) log.Ack(Busy, log.Send(Busy, new string('b', 900)));
            // So that what goes is there before the next is needed.
            log.Settle();
        }
    }

    /// <summary>All that the backup would copy, a line each.</summary>
    private static string[] RecordsOf(BackupSource source)
    {
        var sink = new Lines(source.CompleteThrough);
        new LogScan(source.Segments).Run(Math.Max(source.Superblock.Begin, RecordLayout.FirstAddress), sink);
        return [.. sink.All];
    }

    private static string[] SparesIn(DataFolder folder) => Directory.GetFiles(folder.Path, "*.spare");

    private static MailboxHarness Open(DataFolder folder, FaultyFileSystem? files = null, TimeProvider? time = null) => new(
        folder.Path, s => (s.FileSystem, s.Compacts, s.SegmentBytes) = (files, true, SegmentBytes), time);

    private sealed class Lines(long through) : IRecordSink
    {
        public List<string> All { get; } = [];

        public void OnRecord(long address, ReadOnlySpan<byte> record)
        {
            if (address >= through) return;
            var mailbox = RecordLayout.TypeOf(record) is RecordType.Message or RecordType.Moved ? RecordLayout.U64(record, RecordLayout.MailboxOffset) : 0;
            All.Add($"{address} of {mailbox} {Convert.ToHexString(record)}");
        }

        public void OnSegment(long scannedThrough)
        {
        }
    }
}
