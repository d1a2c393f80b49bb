using Gateway.Mailbox;
using Gateway.Mailbox.Format;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>Rule 12: after any fault on the way to the disk the log stops for good, and nothing more is said to be committed.</summary>
public class FailStopTests
{
    [Fact]
    public void The_watermark_passes_a_record_only_after_its_sync()
    {
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        using var log = new MailboxHarness(folder.Path, s => s.FileSystem = files);
        using var held = new ManualResetEventSlim();
        using var syncing = new ManualResetEventSlim();
        files.OnSync = name =>
        {
            if (!name.EndsWith(".segment", StringComparison.Ordinal)) return;
            syncing.Set();
            held.Wait();
        };
        log.Send(5, "waits for the disk");
        log.P.EndBatch();
        MailboxHarness.WaitFor(() => syncing.IsSet);
        Assert.True(files.UnsyncedWrites(".segment") > 0);
        Assert.True(log.Log.CommittedThrough < log.LastPosition);
        Assert.Empty(log.Read(5));
        Assert.Equal(1, log.P.State(5).Entries);
        held.Set();
        log.Commit();
        Assert.Single(log.Read(5));
    }

    [Theory]
    [InlineData("sync")]
    [InlineData("write")]
    public void An_error_of_the_disk_stops_the_log_for_good(string what)
    {
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        var time = new ManualTime();
        long committed;
        using (var log = new MailboxHarness(folder.Path, s => s.FileSystem = files, time))
        {
            log.Send(5, "safe");
            log.Commit();
            committed = log.Log.CommittedThrough;
            var failing = true;
            void Fail(string name)
            {
                if (failing && name.EndsWith(".segment", StringComparison.Ordinal)) throw new LogIOException(name, what, 5);
            }

            if (what == "sync") files.OnSync = Fail;
            else files.OnWrite = Fail;
            log.Send(5, "never acknowledged");
            log.P.EndBatch();
            MailboxHarness.WaitFor(() => !log.Failures.IsEmpty);
            Assert.Equal(5, Assert.IsType<LogIOException>(log.Log.FailureCause).Errno);

            // The disk is well again, and it does not matter.
            failing = false;
            Assert.Equal(AppendStatus.Failed, log.P.Append(new MailboxRecord { Type = RecordType.AckUpTo, Mailbox = 5, Sequence = 1 }, out _));
            Assert.False(log.P.TryBeginRead(5, 0, 1, 1000, 0));
            log.P.EndBatch();
            Thread.Sleep(50);
            Assert.Equal(committed, log.Log.CommittedThrough);
            Assert.Single(log.Failures);
        }

        // What failed was never promised; whether it is there is the disk's affair. What was promised is.
        using var again = new MailboxHarness(folder.Path, time: time);
        Assert.Equal("safe", again.ReadAll(5)[0].Body);
    }

    [Fact]
    public void A_process_that_stood_still_gives_a_commit_under_way_its_time()
    {
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        var time = new ManualTime();
        using var log = new MailboxHarness(folder.Path, s => s.FileSystem = files, time);
        using var held = new ManualResetEventSlim();
        using var syncing = new ManualResetEventSlim();
        files.OnSync = _ =>
        {
            syncing.Set();
            held.Wait();
        };
        log.Send(5, "stands still");
        log.P.EndBatch();
        MailboxHarness.WaitFor(() => syncing.IsSet);

        // As after SIGCONT: the clock is an hour on, and the commit thread has not run yet. The watch looks twice.
        time.Advance(TimeSpan.FromHours(1));
        Thread.Sleep(600);
        Assert.Empty(log.Failures);
        held.Set();
        MailboxHarness.WaitFor(() => log.Log.CommittedThrough >= log.LastPosition);
        log.Send(5, "goes on");
        log.Commit();
    }

    [Fact]
    public void A_sync_that_comes_back_after_the_fail_stop_moves_nothing()
    {
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        var time = new ManualTime();
        using var log = new MailboxHarness(folder.Path, s => s.FileSystem = files, time);
        log.Send(5, "safe");
        log.Commit();
        var committed = log.Log.CommittedThrough;
        using var held = new ManualResetEventSlim();
        using var syncing = new ManualResetEventSlim();
        files.OnSync = _ =>
        {
            syncing.Set();
            held.Wait();
        };
        log.Send(5, "hangs");
        log.P.EndBatch();
        MailboxHarness.WaitFor(() => syncing.IsSet);

        // 30 s without progress, by the watch's own looks at the clock; every thread that touches a file may hang.
        MailboxHarness.WaitFor(() =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return !log.Failures.IsEmpty;
        });
        Assert.Contains("Nothing was committed", log.Log.FailureCause!.Message, StringComparison.Ordinal);
        var commits = log.Log.Counters.Commits;
        held.Set();
        MailboxHarness.WaitFor(() => files.UnsyncedWrites(".segment") == 0);
        Thread.Sleep(50);
        Assert.Equal((committed, commits), (log.Log.CommittedThrough, log.Log.Counters.Commits));
    }

    [Fact]
    public void Idle_hours_are_no_stall()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using var log = new MailboxHarness(folder.Path, time: time);
        for (var i = 0; i < 3; i++)
        {
            log.Send(5, "m");
            log.Commit();
            time.Advance(TimeSpan.FromHours(5));
            Thread.Sleep(300);
        }

        Assert.Empty(log.Failures);
    }

    [Fact]
    public void An_error_on_the_thread_that_makes_segments_is_a_fail_stop()
    {
        using var folder = new DataFolder();
        var fails = false;
        var files = new FaultyFileSystem(folder.Path);
        files.OnAllocate = (name, _) => Volatile.Read(ref fails) ? throw new LogIOException(name, "fallocate", 5) : true;
        using var log = new MailboxHarness(folder.Path, s => s.FileSystem = files);
        Volatile.Write(ref fails, true);

        // Each is committed before the next, so that only the want of another segment is left to stop them.
        MailboxHarness.WaitFor(() =>
        {
            if (log.P.NextSequence() is var sequence and not 0)
                log.P.Append(new MailboxRecord { Type = RecordType.Message, Mailbox = 5, Sequence = sequence, Body = new byte[900] }, out _);
            log.P.EndBatch();
            return !log.Failures.IsEmpty;
        });
        Assert.Equal("fallocate", Assert.IsType<LogIOException>(log.Log.FailureCause).Operation);
    }

    [Fact]
    public void An_exception_in_the_host_s_callback_is_a_fail_stop()
    {
        using var folder = new DataFolder();
        var throws = false;
        using var log = new MailboxHarness(folder.Path, s => s.OnCommitted = () =>
        {
            if (throws) throw new InvalidOperationException("the host's fault");
        });
        throws = true;
        log.Send(5, "m");
        log.P.EndBatch();
        MailboxHarness.WaitFor(() => !log.Failures.IsEmpty);
        Assert.Equal("the host's fault", log.Log.FailureCause!.Message);
    }

    [Fact]
    public void A_record_that_changed_on_disk_stops_the_log_when_it_is_read()
    {
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path);
        log.Send(5, "will be damaged");
        log.Commit();
        using (var file = File.Open(folder.Segments[0], FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            file.Position = 4096 + log.LastPosition - 6;
            file.WriteByte((byte)'X');
        }

        Assert.True(log.P.TryBeginRead(5, 0, 10, 1000, 0));
        MailboxHarness.WaitFor(() => !log.Failures.IsEmpty);
        var cause = Assert.IsType<LogCorruptException>(log.Log.FailureCause);
        Assert.Equal(folder.Segments[0], cause.Path);
        Assert.Contains("checksum", cause.Message, StringComparison.Ordinal);
        Assert.False(log.P.TryTakePage(out _));
    }

    [Fact]
    public void A_second_opener_is_locked_out_until_the_first_has_closed()
    {
        // Rule 14.
        using var folder = new DataFolder();
        using (new MailboxHarness(folder.Path))
        {
            var refusal = Assert.Throws<LogLockedException>(() => new MailboxHarness(folder.Path));
            Assert.Contains(folder.Path, refusal.Message, StringComparison.Ordinal);
            Assert.Contains(Environment.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture), refusal.Message, StringComparison.Ordinal);
        }

        using var again = new MailboxHarness(folder.Path);
    }

    [Fact]
    public void A_failed_opening_gives_the_lock_back()
    {
        using var folder = new DataFolder();
        using (var log = new MailboxHarness(folder.Path))
        {
            log.Send(5, "m");
            log.Commit();
        }

        var sound = File.ReadAllBytes(folder.Segments[0]);
        var damaged = sound.ToArray();
        damaged[4096 + 80] ^= 1;
        File.WriteAllBytes(folder.Segments[0], damaged);
        Assert.Throws<LogCorruptException>(() => new MailboxHarness(folder.Path));
        File.WriteAllBytes(folder.Segments[0], sound);
        using var again = new MailboxHarness(folder.Path);
        Assert.Equal(1, again.P.State(5).Entries);
    }

    [Theory]
    [InlineData("superblock", 7)]
    [InlineData("superblock", 0)]
    [InlineData(".segment", 7)]
    [InlineData(".segment", 0)]
    public void A_format_that_is_newer_or_too_old_is_refused_and_the_versions_are_named(string of, byte version)
    {
        // Rule 14.
        using var folder = new DataFolder();
        new MailboxHarness(folder.Path).Dispose();
        var path = Directory.GetFiles(folder.Path).First(f => f.EndsWith(of, StringComparison.Ordinal));
        var file = File.ReadAllBytes(path);
        var crcOffset = of == "superblock" ? Superblock.CrcOffset : SegmentHeader.CrcOffset;
        for (var slot = 0; slot < (of == "superblock" ? 2 : 1); slot++)
        {
            var bytes = file.AsSpan(slot * 4096, 4096);
            bytes[8] = version;
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(bytes[crcOffset..], Crc32C.Compute(bytes[..crcOffset]));
        }

        File.WriteAllBytes(path, file);
        var refusal = Assert.Throws<LogVersionException>(() => new MailboxHarness(folder.Path));
        Assert.Equal(((uint)version, 2u), (refusal.Found, refusal.NewestReadable));
        Assert.Contains($"format {version}", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("formats 1 to 2", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(file, File.ReadAllBytes(path));
    }

    [Fact]
    public void One_torn_slot_of_the_superblock_is_survived_and_two_are_refused()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using (var log = new MailboxHarness(folder.Path, time: time))
        {
            log.Send(5, "m");
            log.Commit();
        }

        var path = Path.Combine(folder.Path, "superblock");
        var slots = File.ReadAllBytes(path);
        for (var slot = 0; slot < 2; slot++)
        {
            using var image = folder.Copy();
            var torn = slots.ToArray();
            torn[slot * 4096 + 30] ^= 1;
            File.WriteAllBytes(Path.Combine(image.Path, "superblock"), torn);
            using var log = new MailboxHarness(image.Path, time: time);
            Assert.Equal(1, log.P.State(5).Entries);
        }

        slots[30] ^= 1;
        slots[4096 + 30] ^= 1;
        File.WriteAllBytes(path, slots);
        var refusal = Assert.Throws<LogCorruptException>(() => new MailboxHarness(folder.Path));
        Assert.Equal(path, refusal.Path);
        File.Delete(path);
        Assert.Contains("superblock is missing", Assert.Throws<LogCorruptException>(() => new MailboxHarness(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_closed_log_answers_latecomers_without_touching_freed_memory()
    {
        using var folder = new DataFolder();
        var log = new MailboxHarness(folder.Path);
        log.Send(5, "m");
        log.Commit();
        Assert.True(log.P.TryBeginRead(5, 0, 10, 1000, 0));
        var page = log.Take(log.P);
        log.Dispose();
        Assert.Equal(AppendStatus.Failed, log.P.Append(new MailboxRecord { Type = RecordType.AckUpTo, Mailbox = 5, Sequence = ulong.MaxValue }, out _));
        Assert.Equal(default, log.P.State(5));
        Assert.False(log.P.TryBeginRead(5, 0, 1, 1000, 0));
        Assert.Throws<InvalidOperationException>(() => page.TryNext(out _));
    }

    [Fact]
    public void Closing_commits_what_was_appended_though_nobody_ended_the_batch()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using (var log = new MailboxHarness(folder.Path, time: time)) log.Send(5, "at the last moment");
        using var again = new MailboxHarness(folder.Path, time: time);
        Assert.Equal("at the last moment", again.ReadAll(5).Single().Body);
    }
}
