using System.Text;
using Gateway.Mailbox;
using Gateway.Mailbox.Backup;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>LOG-FORMAT.md, "Backups": what is in one, taken of a stopped or a running log, and what a restore makes of it.</summary>
public sealed class BackupTests : IDisposable
{
    private readonly DataFolder _data = new();
    private readonly DataFolder _elsewhere = new();
    private readonly ManualTime _time = new();

    private string Backup => Path.Combine(_elsewhere.Path, "backup");
    private string Restored => Path.Combine(_elsewhere.Path, "restored");

    public void Dispose()
    {
        _data.Dispose();
        _elsewhere.Dispose();
    }

    [Fact]
    public void Of_a_stopped_log_everything_comes_back_in_a_new_generation()
    {
        using (var log = new MailboxHarness(_data.Path, time: _time))
        {
            Assert.Equal(1u, log.Log.Generation);
            Fill(log);
        }

        var manifest = Take();
        Assert.False(manifest.NodeWasRunning);
        var outcome = Restore();

        using var restored = new MailboxHarness(Restored, time: _time);
        AssertFilled(restored);
        Assert.True(outcome.Generation > 1);
        Assert.Equal(outcome.Generation, restored.Log.Generation);
        Assert.Contains("window 77 5 3 9 1234", restored.Observer.Events);
        Assert.Contains("device 78 2", restored.Observer.Events);
        using var original = new MailboxHarness(_data.Path, time: _time);
        AssertFilled(original);
        Assert.Equal(1u, original.Log.Generation);
    }

    [Fact]
    public void Of_a_running_log_what_a_mark_says_was_durable_is_in_it_and_nothing_else()
    {
        using var log = new MailboxHarness(_data.Path, time: _time);
        Fill(log);
        // Its batch begins with a mark that covers all before; what covers the batch itself is not written yet.
        log.Send(1, "behind the last mark");
        log.Commit();

        var manifest = Take();
        Restore();

        Assert.True(manifest.NodeWasRunning);
        using (var restored = new MailboxHarness(Restored, time: _time)) AssertFilled(restored);
        AssertFilled(log, "behind the last mark");
    }

    [Fact]
    public async Task A_log_is_backed_up_again_and_again_while_it_is_written_and_compacted()
    {
        using var log = new MailboxHarness(_data.Path, s => s.Compacts = true, _time);
        const int Kept = 100;
        List<string> kept = [];
        var covered = 0;
        var (taken, truncatedAtFirst) = (0, 0L);
        Task<int>? backup = null;
        while (taken < 6 || log.Log.Counters.TruncatedSegments < truncatedAtFirst + 4)
        {
            kept.Add($"kept {kept.Count}");
            if (kept.Count <= Kept) log.Send(1, kept[^1]);
            for (var i = 0; i < 60; i++) log.Ack(2, log.Send(2, new string('x', 900)));
            log.Commit();
            log.Work();
            if (backup is { IsCompleted: true })
            {
                AssertHolds(await backup);
                backup = null;
                taken++;
            }

            if (backup is not null) continue;
            truncatedAtFirst = truncatedAtFirst == 0 ? log.Log.Counters.TruncatedSegments : truncatedAtFirst;
            // The batch just committed is marked by the next one, so only what was committed before it is surely in.
            covered = Math.Min(Kept, kept.Count - 1);
            var atLeast = covered;
            backup = Task.Run(() =>
            {
                Take();
                return atLeast;
            });
        }

        if (backup is not null) AssertHolds(await backup);

        void AssertHolds(int atLeast)
        {
            Restore();
            using (var restored = new MailboxHarness(Restored, time: _time))
            {
                var found = restored.ReadAll(1).Select(m => m.Body).ToList();
                Assert.True(found.Count >= atLeast, $"{found.Count} of at least {atLeast}");
                Assert.Equal(Enumerable.Range(0, found.Count).Select(i => $"kept {i}"), found);
                var (ledger, pending) = (restored.P.Ledger.Messages, restored.P.CountPending().Messages);
                Assert.Equal(ledger.Accepted, ledger.Delivered + pending);
            }

            Directory.Delete(Backup, recursive: true);
            Directory.Delete(Restored, recursive: true);
        }
    }

    [Fact]
    public void No_sequence_of_the_lost_part_is_given_again_although_its_clock_was_ahead()
    {
        ulong lost;
        using (var log = new MailboxHarness(_data.Path, time: _time))
        {
            Fill(log);
            log.Send(1, "marks what is before");
            log.Commit();
            Take();
            // What the node goes on to accept is lost. Somebody sets its clock forward, and back again before the restore.
            _time.Advance(TimeSpan.FromMinutes(40));
            lost = log.Send(1, "lost");
            log.Commit();
        }

        _time.Advance(TimeSpan.FromMinutes(-39));
        var outcome = Restore();

        using var restored = new MailboxHarness(Restored, time: _time);
        Assert.True(restored.P.Floor >= lost, "a device that has processed the lost one would be refused");
        Assert.True(restored.Send(1, "new") > Math.Max(lost, outcome.SequencesAbove));
    }

    [Fact]
    public void Each_restore_has_a_generation_of_its_own_also_from_the_same_backup()
    {
        using (var log = new MailboxHarness(_data.Path, time: _time)) Fill(log);
        Take();
        var first = Restore().Generation;
        Directory.Delete(Restored, recursive: true);
        _time.Advance(TimeSpan.FromMinutes(1));
        var second = Restore().Generation;
        using (var log = new MailboxHarness(Restored, time: _time)) Assert.Equal(second, log.Log.Generation);

        // And one of the restored node's own backups, by a clock that stands still.
        LogBackup.Take(Restored, Path.Combine(_elsewhere.Path, "backup of the restored"), [], _time);
        var third = LogRestore.Restore(Path.Combine(_elsewhere.Path, "backup of the restored"), Path.Combine(_elsewhere.Path, "third"), _time).Generation;
        Assert.True(first < second && second < third, $"{first}, {second}, {third}");
    }

    [Fact]
    public void A_backup_is_no_data_folder()
    {
        using (var log = new MailboxHarness(_data.Path, time: _time)) Fill(log);
        Take();
        var refused = Assert.Throws<LogCorruptException>(() => new MailboxHarness(Backup, time: _time));
        Assert.StartsWith("the superblock is missing", refused.What, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_byte_of_every_file_is_compared_before_anything_is_written()
    {
        using (var log = new MailboxHarness(_data.Path, time: _time)) Fill(log);
        File.WriteAllText(Path.Combine(_data.Path, "secret"), "of this node");
        var manifest = Take();
        Assert.Contains(manifest.Files, f => f.Name == "secret");
        foreach (var path in Directory.GetFiles(Backup))
        {
            var sound = File.ReadAllBytes(path);
            foreach (var at in (int[])[0, sound.Length / 2, sound.Length - 1])
            {
                var damaged = sound.ToArray();
                damaged[at] ^= 1;
                File.WriteAllBytes(path, damaged);
                Assert.Throws<BackupDamagedException>(Restore);
            }

            File.WriteAllBytes(path, sound[..^1]);
            Assert.Throws<BackupDamagedException>(Restore);
            File.Delete(path);
            if (Path.GetFileName(path) == BackupManifest.FileName) Assert.Throws<BackupAbsentException>(Restore);
            else Assert.Throws<BackupDamagedException>(Restore);
            File.WriteAllBytes(path, sound);
        }

        Assert.False(Directory.Exists(Restored));
        Restore();
        Assert.Equal("of this node", File.ReadAllText(Path.Combine(Restored, "secret")));
    }

    [Theory]
    [InlineData("\"format\": 1", "\"format\": 2", "is in backup format 2; this build reads formats up to 1")]
    [InlineData("\"logFormat\": 2", "\"logFormat\": 9", "is in log format 9; this build reads formats 1 to 2")]
    public void A_backup_by_a_newer_build_is_named_and_nothing_is_written(string from, string to, string expected)
    {
        using (var log = new MailboxHarness(_data.Path, time: _time)) Fill(log);
        Take();
        Rewrite(from, to);
        Assert.Contains(expected, Assert.Throws<LogVersionException>(Restore).Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Restored));
    }

    [Theory]
    [InlineData("../outside")]
    [InlineData("superblock")]
    [InlineData("..")]
    public void A_manifest_cannot_name_a_file_outside_its_folder_or_one_that_a_restore_writes_itself(string name)
    {
        using (var log = new MailboxHarness(_data.Path, time: _time)) Fill(log);
        Take();
        Rewrite(BackupManifest.SuperblockName, name);
        Assert.Contains("no name of a file in it", Assert.Throws<BackupDamagedException>(Restore).Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Restored));
    }

    [Fact]
    public void Nothing_is_restored_over_anything_and_nothing_by_a_clock_that_is_behind()
    {
        using (var log = new MailboxHarness(_data.Path, time: _time)) Fill(log);
        Take();
        Directory.CreateDirectory(Restored);
        File.WriteAllText(Path.Combine(Restored, "mine"), "precious");
        Assert.Contains("is not empty (mine)", Assert.Throws<IOException>(Restore).Message, StringComparison.Ordinal);
        Assert.Equal(["mine"], Directory.GetFiles(Restored).Select(Path.GetFileName));
        File.Delete(Path.Combine(Restored, "mine"));

        _time.Advance(TimeSpan.FromSeconds(-1));
        Assert.Contains("Set the clock", Assert.Throws<IOException>(Restore).Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(Restored));
        _time.Advance(TimeSpan.FromSeconds(1));
        Restore();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void A_restore_that_was_cut_short_leaves_no_folder_that_opens_and_is_done_by_running_it_again(int filesWritten)
    {
        using (var log = new MailboxHarness(_data.Path, time: _time)) Fill(log);
        Assert.True(Take().Files.Count > filesWritten);
        var copied = 0;
        Assert.Throws<OperationCanceledException>(() => LogRestore.Restore(Backup, Restored, _time, (step, _, _) =>
        {
            if (step == BackupStep.Copying && ++copied > filesWritten) throw new OperationCanceledException("the power fails here");
        }));

        Assert.Contains(LogRestore.Unfinished, Directory.GetFiles(Restored).Select(Path.GetFileName));
        if (Directory.GetFiles(Restored, "*.segment").Length > 0) Assert.Throws<LogCorruptException>(() => new MailboxHarness(Restored, time: _time));
        Restore();
        Assert.DoesNotContain(LogRestore.Unfinished, Directory.GetFiles(Restored).Select(Path.GetFileName));
        using var restored = new MailboxHarness(Restored, time: _time);
        AssertFilled(restored);
    }

    [Fact]
    public void A_backup_that_was_cut_short_has_another_name_and_is_replaced_by_the_next()
    {
        using (var log = new MailboxHarness(_data.Path, time: _time)) Fill(log);
        File.WriteAllText(Path.Combine(_data.Path, "secret"), "of this node");
        foreach (var cutAfter in (int[])[1, 3, 5])
        {
            var copied = 0;
            Assert.Throws<OperationCanceledException>(() => LogBackup.Take(_data.Path, Backup, ["secret"], _time, (step, _, _) =>
            {
                if (step == BackupStep.Copying && ++copied > cutAfter) throw new OperationCanceledException("killed here");
            }));
            Assert.False(Directory.Exists(Backup));
        }

        Take();
        Assert.False(Directory.Exists(Backup + LogBackup.Unfinished));
        Restore();
        using (var restored = new MailboxHarness(Restored, time: _time)) AssertFilled(restored);

        Directory.Delete(Backup, recursive: true);
        Directory.CreateDirectory(Backup + LogBackup.Unfinished);
        File.WriteAllText(Path.Combine(Backup + LogBackup.Unfinished, "mine"), "precious");
        Assert.Contains("holds mine", Assert.Throws<IOException>(() => { Take(); }).Message, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(Backup + LogBackup.Unfinished, "mine")));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_damaged_log_is_not_backed_up(bool running)
    {
        using (var log = new MailboxHarness(_data.Path, time: _time)) Fill(log);
        using (running ? new MailboxHarness(_data.Path, time: _time) : null)
        {
            using (var file = File.Open(_data.Segments[0], FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
            {
                file.Position = 4096 + 20_000;
                file.Write("damage"u8);
            }

            var refused = Assert.Throws<LogCorruptException>(() => { Take(); });
            Assert.Equal(_data.Segments[0], refused.Path);
            Assert.Contains("but the log was durable to address", refused.What, StringComparison.Ordinal);
        }

        Assert.False(Directory.Exists(Backup));
        Assert.False(Directory.Exists(Backup + LogBackup.Unfinished));
    }

    [Fact]
    public void Only_its_owner_can_read_a_backup_or_what_is_restored_from_it()
    {
        using (var log = new MailboxHarness(_data.Path, time: _time)) Fill(log);
        File.WriteAllText(Path.Combine(_data.Path, "secret"), "of this node");
        Take();
        Restore();
        const UnixFileMode OwnersFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        foreach (var folder in (string[])[Backup, Restored])
        {
            Assert.Equal(OwnersFile | UnixFileMode.UserExecute, File.GetUnixFileMode(folder));
            Assert.All(Directory.GetFiles(folder), path => Assert.Equal(OwnersFile, File.GetUnixFileMode(path)));
        }
    }

    private BackupManifest Take() => LogBackup.Take(_data.Path, Backup, ["secret", "not there"], _time);

    private RestoreOutcome Restore() => LogRestore.Restore(Backup, Restored, _time);

    /// <summary>Three segments and something in a fourth.</summary>
    private static void Fill(MailboxHarness log)
    {
        log.Append(new MailboxRecord { Type = RecordType.Window, Mailbox = 77, Incarnation = 5, Low = 3, Number = 9, EnqueuedAt = 1234 });
        log.Append(new MailboxRecord { Type = RecordType.Device, Mailbox = 78, Incarnation = 2 });
        for (var i = 0; i < 230; i++)
        {
            var sequence = log.Send(1, $"{i} " + new string('m', 900));
            if (i < 30) log.Ack(1, sequence);
            if (i % 20 == 0) log.Commit();
        }

        log.Commit();
    }

    private static void AssertFilled(MailboxHarness log, params string[] more)
    {
        Assert.Equal([.. Enumerable.Range(30, 200).Select(i => $"{i} " + new string('m', 900)), .. more], log.ReadAll(1).Select(m => m.Body));
        Assert.Equal(new LedgerColumn(230 + more.Length, 30, 0, 0, 0, 0), log.P.Ledger.Messages);
    }

    /// <summary>As a build of another version, or an attacker, would have written it: with a checksum that holds.</summary>
    private void Rewrite(string from, string to)
    {
        var path = Path.Combine(Backup, BackupManifest.FileName);
        var text = File.ReadAllText(path);
        Assert.Contains(from, text, StringComparison.Ordinal);
        var bytes = Encoding.UTF8.GetBytes(text.Replace(from, to, StringComparison.Ordinal));
        File.WriteAllBytes(path, bytes);
        File.WriteAllBytes(Path.Combine(Backup, BackupManifest.ChecksumName), BackupManifest.ChecksumOf(bytes));
    }
}
