using System.Collections.Concurrent;
using Gateway.Mailbox;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Storage;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>
/// Rule 12, fault by fault: wherever the disk errs, the log stops, tells nothing more, and what it had told is there at the next opening. A full
/// disk and a disk that holds everything up are in <see cref="AdmissionTests"/>; lost and torn sectors in <see cref="PowerLoss.ImageTests"/>.
/// </summary>
public class DiskFaultTests
{
    private const int Eio = 5;
    private const int Enospc = 28;

    [Theory]
    [InlineData("write", ".segment", Eio)]
    [InlineData("write", ".segment", Enospc)]
    [InlineData("sync", ".segment", Eio)]
    [InlineData("write", "superblock", Eio)]
    [InlineData("sync", "superblock", Eio)]
    [InlineData("write", ".segment.new", Eio)]
    [InlineData("sync", ".segment.new", Eio)]
    [InlineData("write out", ".segment.new", Eio)]
    [InlineData("wait", ".segment.new", Eio)]
    [InlineData("sync", "folder", Eio)]
    public void An_error_anywhere_stops_the_log_and_what_it_had_told_is_there_again(string what, string where, int errno)
    {
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        var time = new ManualTime();
        var told = new List<ulong>();
        // Only between two pieces of a segment's zeros is one waited for.
        var segmentBytes = what == "wait" ? 4L * SegmentZeros.PieceBytes : 64 * 1024;
        using (var log = new MailboxHarness(folder.Path, s => (s.FileSystem, s.SegmentBytes) = (files, segmentBytes), time))
        {
            for (var i = 0; i < 20; i++) told.Add(log.Send(5, new string('m', 500)));
            log.Commit();
            var failing = true;
            void Fail(string name)
            {
                if (Volatile.Read(ref failing) && name.EndsWith(where, StringComparison.Ordinal)) throw new LogIOException(name, what, errno);
            }

            if (where == "folder") files.OnSyncFolder = () => Fail("folder");
            else if (what == "write") files.OnWrite = Fail;
            else if (what == "write out") files.OnStartWriteOut = Fail;
            else if (what == "wait") files.OnAwaitWriteOut = Fail;
            else files.OnSync = Fail;

            // On into the next segments: their making, and the superblock's writing when they are entered, are then asked for too.
            var waiting = new Queue<(ulong Sequence, long Position)>();
            MailboxHarness.WaitFor(() =>
            {
                if (log.P.NextSequence() is var sequence and not 0
                    && log.P.Append(new MailboxRecord { Type = RecordType.Message, Mailbox = 5, Sequence = sequence, Body = new byte[900] }, out var position) == AppendStatus.Ok)
                    waiting.Enqueue((sequence, position));
                log.P.EndBatch();
                while (waiting.TryPeek(out var first) && first.Position <= log.Log.CommittedThrough) told.Add(waiting.Dequeue().Sequence);
                return !log.Failures.IsEmpty;
            });
            Assert.Equal(errno, Assert.IsType<LogIOException>(log.Log.FailureCause).Errno);
            while (waiting.TryPeek(out var first) && first.Position <= log.Log.CommittedThrough) told.Add(waiting.Dequeue().Sequence);

            // The disk is well again, and it does not matter: trap 12, FASTER's swallowed records must not be acknowledged now.
            Volatile.Write(ref failing, false);
            var committed = log.Log.CommittedThrough;
            Assert.Equal(AppendStatus.Failed, log.P.Append(new MailboxRecord { Type = RecordType.AckUpTo, Mailbox = 5, Sequence = told[0] }, out _));
            log.P.EndBatch();
            Thread.Sleep(20);
            Assert.Equal(committed, log.Log.CommittedThrough);
        }

        using var again = new MailboxHarness(folder.Path, s => s.SegmentBytes = segmentBytes, time);
        Assert.Equal(told, again.ReadAll(5).Select(m => m.Sequence).Take(told.Count));
    }

    [Fact]
    public void A_clearing_whose_sync_failed_is_done_again_though_the_page_cache_shows_it_done()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using var live = new MailboxHarness(folder.Path, time: time);
        live.Send(5, "kept");
        var torn = SegmentHeader.Bytes + live.LastPosition;
        for (var i = 0; i < 20; i++) live.Send(5, "dropped " + i);
        live.Commit();
        using var image = folder.Copy();
        var disk = File.ReadAllBytes(image.Segments[0]);
        disk[torn + 30] ^= 1;
        File.WriteAllBytes(image.Segments[0], disk);

        var first = Path.GetFileName(image.Segments[0]);
        // The kernel takes the page for clean after the failure: the cache has zeros where the disk still has records.
        var isCleared = false;
        var failing = new FaultyFileSystem(image.Path)
        {
            OnWritten = (name, offset, _) => isCleared |= name == first && offset >= torn,
            OnSync = name =>
            {
                if (isCleared && name == first) throw new LogIOException(name, "fdatasync", Eio);
            },
        };
        Assert.Throws<LogIOException>(() => new MailboxHarness(image.Path, s => s.FileSystem = failing, time));
        Assert.True(isCleared);
        Assert.Equal(-1, File.ReadAllBytes(image.Segments[0]).AsSpan().IndexOf("dropped"u8));

        var written = new ConcurrentQueue<(long Offset, int Bytes)>();
        var files = new FaultyFileSystem(image.Path)
        {
            OnDropCache = (name, offset, bytes) =>
            {
                if (name == first) Overwrite(image.Segments[0], offset, disk.AsSpan((int)offset, (int)bytes));
            },
            OnWritten = (name, offset, bytes) =>
            {
                if (name == first) written.Enqueue((offset, bytes));
            },
        };
        using (new MailboxHarness(image.Path, s => s.FileSystem = files, time)) Assert.Equal(0, files.UnsyncedWrites(".segment"));

        // What a loss of power leaves: what was on the disk, and what was written since.
        var cache = File.ReadAllBytes(image.Segments[0]);
        foreach (var (offset, bytes) in written) cache.AsSpan((int)offset, bytes).CopyTo(disk.AsSpan((int)offset));
        Assert.NotEqual(-1, disk.AsSpan().IndexOf("kept"u8));
        Assert.Equal(-1, disk.AsSpan().IndexOf("dropped"u8));
    }

    [Fact]
    public void A_slow_disk_that_makes_progress_is_no_stall_and_its_latency_is_told()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        var files = new FaultyFileSystem(folder.Path);
        var latencies = new ConcurrentQueue<TimeSpan>();
        using var log = new MailboxHarness(folder.Path, s => (s.FileSystem, s.OnCommitTimed) = (files, latencies.Enqueue), time);
        files.OnSync = name =>
        {
            if (name.EndsWith(".segment", StringComparison.Ordinal)) time.Advance(TimeSpan.FromSeconds(20));
        };
        for (var i = 0; i < 12; i++)
        {
            log.Send(5, $"{i}");
            log.Commit();
        }

        Assert.Empty(log.Failures);
        Assert.True(latencies.Count >= 12);
        Assert.All(latencies, l => Assert.True(l >= TimeSpan.FromSeconds(20)));
        Assert.Equal(Enumerable.Range(0, 12).Select(i => $"{i}"), log.ReadAll(5).Select(m => m.Body));
    }

    [Fact]
    public void A_page_that_cannot_be_read_stops_the_log_and_is_not_handed_out()
    {
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        var time = new ManualTime();
        using (var log = new MailboxHarness(folder.Path, s => s.FileSystem = files, time))
        {
            log.Send(5, "on a sector that cannot be read");
            log.Commit();
            files.OnRead = name => throw new LogIOException(name, "pread", Eio);
            Assert.True(log.P.TryBeginRead(5, 0, 10, 1000, token: 0));
            MailboxHarness.WaitFor(() => !log.Failures.IsEmpty);
            Assert.Equal("pread", Assert.IsType<LogIOException>(log.Log.FailureCause).Operation);
            Assert.False(log.P.TryTakePage(out _));
        }

        using var again = new MailboxHarness(folder.Path, time: time);
        Assert.Equal("on a sector that cannot be read", again.ReadAll(5).Single().Body);
    }

    [Fact]
    public void A_log_that_cannot_be_read_is_not_opened_and_not_changed()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using (var log = new MailboxHarness(folder.Path, time: time))
        {
            log.Send(5, "m");
            log.Commit();
        }

        var before = folder.Segments.Select(File.ReadAllBytes).ToArray();
        var reads = 0;
        var files = new FaultyFileSystem(folder.Path)
        {
            // The header is sound, what follows it is not.
            OnRead = name =>
            {
                if (name == Path.GetFileName(folder.Segments[0]) && ++reads > 1) throw new LogIOException(name, "pread", Eio);
            },
        };
        Assert.Equal(Eio, Assert.Throws<LogIOException>(() => new MailboxHarness(folder.Path, s => s.FileSystem = files, time)).Errno);
        Assert.Equal(before, folder.Segments.Select(File.ReadAllBytes));
        using var again = new MailboxHarness(folder.Path, time: time);
        Assert.Equal("m", again.ReadAll(5).Single().Body);
    }

    [Theory]
    [InlineData("write")]
    [InlineData("sync")]
    public void A_recovered_tail_that_cannot_be_made_durable_is_not_opened(string what)
    {
        // Recovered is not yet durable: nobody may be answered from it.
        using var folder = new DataFolder();
        var time = new ManualTime();
        using var killed = folder.Copy();
        using (var log = new MailboxHarness(folder.Path, time: time))
        {
            log.Send(5, "in the page cache, for all that is known");
            log.Commit();
            folder.CopyOver(killed);
        }

        var files = new FaultyFileSystem(killed.Path);
        void Fail(string name)
        {
            if (name.EndsWith(".segment", StringComparison.Ordinal)) throw new LogIOException(name, what, Eio);
        }

        if (what == "write") files.OnWrite = Fail;
        else files.OnSync = Fail;
        Assert.Equal(Eio, Assert.Throws<LogIOException>(() => new MailboxHarness(killed.Path, s => s.FileSystem = files, time)).Errno);
        using var again = new MailboxHarness(killed.Path, time: time);
        Assert.Equal("in the page cache, for all that is known", again.ReadAll(5).Single().Body);
    }

    private static void Overwrite(string path, long offset, ReadOnlySpan<byte> bytes)
    {
        using var file = File.Open(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        file.Position = offset;
        file.Write(bytes);
    }
}
