using Gateway.Mailbox;
using Gateway.Mailbox.Inspection;
using Gateway.Mailbox.Storage;
using Xunit;
using Xunit.Abstractions;

namespace Gateway.Tests.Mailbox.Inspection;

/// <summary>A repair that does not come to its end, by a kill, a full disk or a power loss, leaves a log that can be repaired to the same result.</summary>
public class RepairKilledTests(ITestOutputHelper output)
{
    [Fact]
    public void Killed_before_any_of_its_writes_or_syncs_it_can_be_run_again_to_the_same_end()
    {
        using var source = Damaged();
        using var whole = source.Copy();
        var expected = whole.Repair().After;
        var pending = whole.Opened(out _);

        for (var step = 0; ; step++)
        {
            using var folder = source.Copy();
            var files = new FaultyFileSystem(folder.Path);
            var steps = 0;
            void Kill()
            {
                if (steps++ == step) throw new OperationCanceledException();
            }

            files.OnWrite = _ => Kill();
            files.OnSync = _ => Kill();
            using (var log = StoppedLog.Open(files))
            {
                if (Record.Exception(() => log.Repair(folder.Time)) is null)
                {
                    Assert.True(step > 10, "the repair had hardly a step");
                    return;
                }
            }

            if (folder.Survey().State == LogState.Damaged) folder.Repair();
            Assert.Equal(pending, folder.Opened(out var ledger));
            Assert.Equal(expected.Ledger, ledger);
        }
    }

    [Fact]
    public void After_a_power_loss_that_kept_any_of_its_sectors_it_can_be_run_again_to_the_same_end()
    {
        using var source = Damaged();
        using var whole = source.Copy();
        whole.Repair();
        var pending = whole.Opened(out _);

        for (var seed = 1; seed <= 40; seed++)
        {
            output.WriteLine($"seed {seed}");
            var random = new Random(seed);
            using var folder = source.Copy();
            foreach (var path in Directory.GetFiles(folder.Path, "*.segment"))
            {
                var (old, next) = (File.ReadAllBytes(path), File.ReadAllBytes(Path.Combine(whole.Path, Path.GetFileName(path))));
                if (old.Length != next.Length) continue;
                for (var sector = 0; sector < old.Length; sector += 512)
                {
                    if (random.Next(2) == 0) next.AsSpan(sector, 512).CopyTo(old.AsSpan(sector));
                }

                File.WriteAllBytes(path, old);
            }

            if (folder.Survey().State == LogState.Damaged) folder.Repair();
            Assert.Equal(pending, folder.Opened(out _));
        }
    }

    [Fact]
    public void A_disk_without_room_for_the_quarantine_leaves_the_log_as_it_was()
    {
        using var folder = Damaged();
        var before = Directory.GetFiles(folder.Path, "*.segment").ToDictionary(f => f, File.ReadAllBytes);
        var files = new FaultyFileSystem(folder.Path) { OnAllocate = (_, _) => false };
        using (var log = StoppedLog.Open(files))
            Assert.Equal(Posix.ENOSPC, Assert.Throws<LogIOException>(() => log.Repair(folder.Time)).Errno);

        foreach (var (path, bytes) in before) Assert.Equal(bytes, File.ReadAllBytes(path));
        Assert.Empty(Directory.GetFiles(folder.Path, "quarantine-*.bytes"));
    }

    [Fact]
    public void What_is_not_damaged_is_not_repaired()
    {
        using var folder = new DamagedFolder();
        Assert.Throws<InvalidOperationException>(() => folder.Repair());
        Assert.Empty(Directory.GetFiles(folder.Path, "quarantine-*"));
    }

    /// <summary>Several records, a page, a header and a whole segment.</summary>
    private static DamagedFolder Damaged()
    {
        var folder = new DamagedFolder();
        foreach (var i in new[] { 8, 9, 60, 200 }) folder.Flip(folder.Records[i].Address + 22);
        folder.Write(5 * DamagedFolder.PageBytes, new byte[DamagedFolder.PageBytes]);
        folder.Write(folder.Records[80].Address, [1, 2, 3, 4]);
        File.Delete(folder.SegmentOf(DamagedFolder.SegmentBytes));
        DamagedFolder.WriteFile(folder.SegmentOf(0), 3, [0]);
        return folder;
    }
}
