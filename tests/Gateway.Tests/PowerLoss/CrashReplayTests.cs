using Gateway.PowerLoss.Disk;
using Xunit;

namespace Gateway.Tests.PowerLoss;

/// <summary>The simulated disk keeps what it must keep and nothing else for certain: a device that lost too little would prove nothing.</summary>
public class CrashReplayTests
{
    private const int Draws = 400;

    private readonly SimulatedDisk _disk = new(DiskImage.Empty, new Liar(Lie.None, 1, 0), seed: 1);

    [Fact]
    public void What_was_synced_is_in_every_image()
    {
        var files = _disk.MountFor();
        Make(files, "a", [1, 1, 1]);
        files.SyncFolder();
        Assert.All(Images(), i => Assert.Equal([1, 1, 1], i.Files["a"][..3]));
    }

    [Fact]
    public void What_was_not_synced_may_be_there_or_not_sector_by_sector()
    {
        var files = _disk.MountFor();
        Make(files, "a", new byte[4 * CrashReplay.SectorBytes]);
        files.SyncFolder();
        using (var file = files.Open("a"))
        {
            file.Write(0, Filled(4 * CrashReplay.SectorBytes, 7));
        }

        var seen = Images().Select(i => string.Concat(Enumerable.Range(0, 4).Select(s => i.Files["a"][s * CrashReplay.SectorBytes]))).ToHashSet();
        Assert.Equal(16, seen.Count);
    }

    [Fact]
    public void A_sector_may_be_torn()
    {
        var files = _disk.MountFor();
        Make(files, "a", new byte[CrashReplay.SectorBytes]);
        files.SyncFolder();
        using (var file = files.Open("a")) file.Write(0, Filled(CrashReplay.SectorBytes, 7));
        Assert.Contains(Images(), i => i.Files["a"] is var bytes && bytes.Contains((byte)0) && bytes.Contains((byte)7));
    }

    [Fact]
    public void An_older_version_of_a_sector_may_be_the_one_that_reached_the_disk()
    {
        var files = _disk.MountFor();
        Make(files, "a", new byte[CrashReplay.SectorBytes]);
        files.SyncFolder();
        using (var file = files.Open("a"))
        {
            file.Write(0, Filled(CrashReplay.SectorBytes, 7));
            file.Write(0, Filled(CrashReplay.SectorBytes, 8));
        }

        Assert.Equal([0, 7, 8], Images().Select(i => i.Files["a"][0]).Distinct().Order().Select(b => (int)b));
    }

    [Fact]
    public void A_name_that_the_folder_was_not_synced_for_may_be_missing()
    {
        var files = _disk.MountFor();
        Make(files, "a.new", [1]);
        files.Rename("a.new", "a");
        var seen = Images().Select(i => string.Join(' ', i.Files.Keys)).ToHashSet();
        Assert.Equal(["", "a", "a.new"], seen.Order(StringComparer.Ordinal));
        files.SyncFolder();
        Assert.All(Images(), i => Assert.Equal(["a"], i.Files.Keys));
    }

    [Fact]
    public void A_deleted_file_may_be_back()
    {
        var files = _disk.MountFor();
        Make(files, "a", [1]);
        files.SyncFolder();
        files.Delete("a");
        Assert.Equal(2, Images().Select(i => i.Files.Count).Distinct().Count());
    }

    [Fact]
    public void A_length_that_was_not_synced_may_be_any_between()
    {
        var files = _disk.MountFor();
        Make(files, "a", new byte[100]);
        files.SyncFolder();
        using (var file = files.Open("a")) Assert.True(file.TryExtend(1000));
        var lengths = Images().Select(i => i.Files["a"].Length).ToHashSet();
        Assert.True(lengths.Contains(100) && lengths.Contains(1000) && lengths.Count > 10);
        Assert.All(lengths, l => Assert.InRange(l, 100, 1000));
    }

    [Fact]
    public void What_a_failed_sync_left_is_not_made_durable_by_a_later_one_and_is_by_writing_it_again()
    {
        var files = _disk.MountFor();
        Make(files, "a.segment", new byte[CrashReplay.SectorBytes]);
        files.SyncFolder();
        using var file = files.Open("a.segment");
        file.Write(0, Filled(CrashReplay.SectorBytes, 7));
        files.FailsNextSync = true;
        Assert.Throws<Gateway.Mailbox.LogIOException>(file.Sync);
        file.Sync();

        // The cache has it all the same.
        var cached = new byte[1];
        Assert.Equal(1, file.Read(0, cached));
        Assert.Equal(7, cached[0]);
        Assert.Equal(2, Images().Select(i => i.Files["a.segment"][0]).Distinct().Count());
        file.Write(0, Filled(CrashReplay.SectorBytes, 7));
        file.Sync();
        Assert.All(Images(), i => Assert.Equal(7, i.Files["a.segment"][0]));
    }

    [Fact]
    public void A_killed_process_writes_nothing_more_and_what_it_wrote_stays_in_the_cache()
    {
        var files = _disk.MountFor();
        using var file = files.TryCreate("a", 3)!;
        file.Write(0, [1, 2, 3]);
        var next = _disk.MountFor();
        Assert.Throws<Gateway.Mailbox.LogIOException>(() => file.Write(0, [9]));
        var read = new byte[3];
        using var again = next.Open("a");
        Assert.Equal(3, again.Read(0, read));
        Assert.Equal([1, 2, 3], read);
    }

    private static void Make(SimulatedDisk.Mount files, string name, byte[] bytes)
    {
        using var file = files.TryCreate(name, bytes.Length)!;
        file.Write(0, bytes);
        file.Sync();
    }

    private static byte[] Filled(int bytes, byte value)
    {
        var filled = new byte[bytes];
        filled.AsSpan().Fill(value);
        return filled;
    }

    private List<DiskImage> Images()
    {
        var replay = new CrashReplay(_disk.Start, _disk.Events);
        replay.AdvanceTo(_disk.Now);
        var random = new Random(3);
        return [.. Enumerable.Range(0, Draws).Select(_ => replay.Draw(random))];
    }
}
