using System.Diagnostics;
using Gateway.Mailbox;
using Gateway.Mailbox.Format;
using Xunit;
using Xunit.Abstractions;

namespace Gateway.Tests.Mailbox;

/// <summary>Rules 12 and 13: a full disk refuses at the door, acknowledgements still pass, and space that returns is used.</summary>
public class AdmissionTests(ITestOutputHelper output)
{
    [Fact]
    public void A_full_disk_refuses_messages_at_the_door_and_acknowledgements_still_pass()
    {
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        var left = 4;
        files.OnAllocate = (name, _) => !name.Contains(".segment", StringComparison.Ordinal) || Interlocked.Decrement(ref left) >= 0;
        using var log = new MailboxHarness(folder.Path, s => s.FileSystem = files);
        FillThenRecover(log, giveSpaceBack: () => Volatile.Write(ref left, 1000));
    }

    [Fact]
    public void A_full_disk_is_survived_for_real_on_a_small_file_system()
    {
        using var mount = new SmallMount(megabytes: 1);
        if (mount.Reason is not null)
        {
            output.WriteLine($"not run: {mount.Reason}");
            return;
        }

        using var folder = new DataFolder(mount.Path);
        var ballast = Path.Combine(mount.Path, "ballast");
        File.WriteAllBytes(ballast, new byte[512 * 1024]);
        using var log = new MailboxHarness(folder.Path);
        FillThenRecover(log, giveSpaceBack: () => File.Delete(ballast));
    }

    [Fact]
    public void A_log_opens_on_a_full_disk_and_takes_acknowledgements()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        List<ulong> sent;
        using (var log = new MailboxHarness(folder.Path, time: time))
        {
            sent = [.. Enumerable.Range(0, 40).Select(_ => log.Send(5, new string('m', 900)))];
            log.Commit();
        }

        var files = new FaultyFileSystem(folder.Path) { OnAllocate = (_, _) => false };
        using var full = new MailboxHarness(folder.Path, s => (s.FileSystem, s.SegmentsAhead) = (files, 8), time);
        Assert.True(full.Log.Counters.DiskFull);
        full.Ack(5, sent[^1]);
        full.Commit();
        Assert.Equal(0, full.P.State(5).Entries);
    }

    [Fact]
    public void A_new_log_on_a_full_disk_says_so()
    {
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path) { OnAllocate = (name, _) => !name.Contains(".segment", StringComparison.Ordinal) };
        Assert.Equal(28, Assert.Throws<LogIOException>(() => new MailboxHarness(folder.Path, s => s.FileSystem = files)).Errno);

        // And the folder is as good as new.
        using var log = new MailboxHarness(folder.Path);
        log.Send(5, "m");
        log.Commit();
    }

    [Fact]
    public void Running_out_of_file_descriptors_refuses_at_the_door_and_is_no_fail_stop()
    {
        // Connections use descriptors too, and must not be able to stop the log by taking them all.
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        using var log = new MailboxHarness(folder.Path, s => s.FileSystem = files);
        var none = true;
        files.OnAllocate = (name, _) => none && name.Contains(".segment", StringComparison.Ordinal) ? throw new LogIOException(name, "open", 24) : true;
        FillThenRecover(log, giveSpaceBack: () => none = false);
    }

    [Fact]
    public void A_folder_without_room_for_a_name_is_a_full_disk_and_no_fail_stop()
    {
        // Made and written, the next segment cannot be given its name: a folder may need another block for it.
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        using var log = new MailboxHarness(folder.Path, s => s.FileSystem = files);
        var none = true;
        files.OnRename = to =>
        {
            if (Volatile.Read(ref none) && to.EndsWith(".segment", StringComparison.Ordinal)) throw new LogIOException(to, "rename", 28);
        };
        FillThenRecover(log, giveSpaceBack: () => Volatile.Write(ref none, false));
    }

    [Fact]
    public void What_waits_for_a_slow_disk_is_bounded_and_refused_as_busy()
    {
        // Trap 10: FASTER's own limit must never be met.
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        using var log = new MailboxHarness(folder.Path, s => (s.FileSystem, s.MemoryBytes, s.SegmentBytes) = (files, 128 * 1024, 1 << 20));
        using var held = new ManualResetEventSlim();
        files.OnSync = _ => held.Wait();
        var body = new byte[1000];
        var sent = 0;
        AppendStatus status;
        while (true)
        {
            status = log.P.Append(new MailboxRecord { Type = RecordType.Message, Mailbox = 5, Sequence = log.P.NextSequence(), Body = body }, out _);
            if (status != AppendStatus.Ok) break;
            sent++;
            log.P.EndBatch();
            Assert.True(sent < 1000);
        }

        Assert.Equal(AppendStatus.Busy, status);
        Assert.InRange(log.Log.Counters.UncommittedBytes, 96 * 1024, 96 * 1024 + 2 * 4096);
        Assert.Equal(sent, log.P.State(5).Entries);
        held.Set();
        MailboxHarness.WaitFor(() => log.Log.Counters.UncommittedBytes == 0);
        log.Send(5, "again");
        log.Commit();
        Assert.Equal(sent + 1, log.ReadAll(5).Count);
    }

    [Fact]
    public void Every_byte_below_the_admission_s_limit_has_its_block_on_disk()
    {
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path);
        foreach (var path in folder.Segments)
        {
            Assert.Equal(SegmentHeader.Bytes + 64 * 1024, new FileInfo(path).Length);
            Assert.True(AllocatedBytes(path) >= SegmentHeader.Bytes + 64 * 1024, path);
        }
    }

    private static void FillThenRecover(MailboxHarness log, Action giveSpaceBack)
    {
        var body = new byte[900];
        var sent = new List<ulong>();
        var deadline = Environment.TickCount64 + 30_000;
        while (true)
        {
            Assert.True(Environment.TickCount64 < deadline, "the disk never filled");
            var sequence = log.P.NextSequence();
            if (sequence == 0) continue;
            var status = log.P.Append(new MailboxRecord { Type = RecordType.Message, Mailbox = 5, Sequence = sequence, Body = body }, out _);
            log.P.EndBatch();
            if (status == AppendStatus.Full) break;
            if (status == AppendStatus.Ok) sent.Add(sequence);
            else Thread.Sleep(1);
        }

        Assert.True(sent.Count > 20);
        Assert.True(log.Log.Counters.DiskFull);

        // Each of them, one by one: more records than one batch, all from the reserve.
        foreach (var sequence in sent) log.Ack(5, sequence);
        log.Commit();
        Assert.Equal(0, log.P.State(5).Entries);
        log.Send(6, new byte[16], RecordType.Receipt);
        log.Commit();
        Assert.Equal(AppendStatus.Full, log.P.Append(new MailboxRecord { Type = RecordType.Message, Mailbox = 5, Sequence = log.P.NextSequence(), Body = body }, out _));

        // Acknowledgements without end use the reserve up, and are then refused, not swallowed.
        AppendStatus last;
        var windows = 0;
        while ((last = log.P.Append(new MailboxRecord { Type = RecordType.Window, Mailbox = 9, Low = 1 }, out _)) != AppendStatus.Full)
        {
            log.P.EndBatch();
            if (last == AppendStatus.Busy) Thread.Sleep(1);
            Assert.True(++windows < 100_000 && Environment.TickCount64 < deadline);
        }

        MailboxHarness.WaitFor(() => log.Log.Counters.UncommittedBytes == 0);
        Assert.Empty(log.Failures);

        giveSpaceBack();
        MailboxHarness.WaitFor(() => !log.Log.Counters.DiskFull);
        log.Send(5, "space is back");
        log.Commit();
        Assert.Equal("space is back", log.ReadAll(5).Single().Body);
    }

    private static long AllocatedBytes(string path)
    {
        using var stat = Process.Start(new ProcessStartInfo("stat", ["-c", "%b %B", path]) { RedirectStandardOutput = true })!;
        var parts = stat.StandardOutput.ReadToEnd().Split(' ');
        stat.WaitForExit();
        return long.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture) * long.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>A tmpfs of its own, which only root can make.</summary>
    private sealed class SmallMount : IDisposable
    {
        public SmallMount(int megabytes)
        {
            Path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), "gateway-mount-" + Guid.NewGuid().ToString("N"));
            Directory.CreateDirectory(Path);
            Reason = Run("mount", "-t", "tmpfs", "-o", $"size={megabytes}m", "tmpfs", Path);
        }

        public string Path { get; }

        /// <summary>Why there is no mount; null when there is one.</summary>
        public string? Reason { get; }

        public void Dispose()
        {
            if (Reason is null) Run("umount", "-l", Path);
            Directory.Delete(Path);
        }

        private static string? Run(string command, params string[] arguments)
        {
            try
            {
                using var process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardError = true })!;
                var error = process.StandardError.ReadToEnd();
                process.WaitForExit();
                return process.ExitCode == 0 ? null : error.Trim();
            }
            catch (System.ComponentModel.Win32Exception e)
            {
                return e.Message;
            }
        }
    }
}
