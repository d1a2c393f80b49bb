using System.Text.Json.Nodes;
using Gateway.Ctl;
using Gateway.Tests.Mailbox;
using Xunit;

namespace Gateway.Tests.Ctl;

/// <summary>gatewayctl backup and restore: what they print, and how they end. What is in a backup is Mailbox.BackupTests'.</summary>
public sealed class BackupCommandTests : IDisposable
{
    private const ulong Mailbox = 5;

    private readonly TemporaryFolder _folder = new();
    private readonly DataFolder _data = new();
    private readonly ManualTime _time = new();

    public BackupCommandTests()
    {
        using (var log = new MailboxHarness(_data.Path, time: _time))
        {
            log.Send(Mailbox, "kept words");
            log.Commit();
        }

        File.WriteAllText(Path.Combine(_data.Path, "secret"), "this node's");
    }

    public void Dispose()
    {
        _data.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_stopped_nodes_data_goes_to_a_folder_and_comes_back()
    {
        var taken = await BackupAsync();
        Assert.Equal((ExitCode.Ok, ""), (taken.ExitCode, taken.Errors));
        Assert.Contains("No node was running: everything is in the backup.", taken.Output, StringComparison.Ordinal);
        Assert.Contains("whoever has it can be any device", taken.Output, StringComparison.Ordinal);

        var restored = await RestoreAsync();
        Assert.Equal((ExitCode.Ok, ""), (restored.ExitCode, restored.Errors));
        Assert.Matches(@"^.*/restored: restored, as of 20.*Z \(0 h 0 min ago\), in generation [0-9]+\.\n", restored.Output);
        Assert.Contains("Keys revoked since then are good again: revoke them once more.", restored.Output, StringComparison.Ordinal);
        Assert.Equal("this node's", File.ReadAllText(_folder.File("restored/secret")));
        using var log = new MailboxHarness(_folder.File("restored"), time: _time);
        Assert.Equal(["kept words"], log.ReadAll(Mailbox).Select(m => m.Body));
    }

    [Fact]
    public async Task Of_a_running_node_it_says_what_is_not_in_it()
    {
        using var log = new MailboxHarness(_data.Path, time: _time);
        var taken = await BackupAsync();
        Assert.Equal(ExitCode.Ok, taken.ExitCode);
        Assert.Contains("A node was running: what it has accepted since, and the last second or so before, is not in the backup.", taken.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scripts_read_json_that_never_has_the_logs_identity()
    {
        var taken = await BackupAsync("-o", "json");
        var backup = JsonNode.Parse(taken.Output)!;
        Assert.Equal((false, true, 2L), ((bool)backup["nodeWasRunning"]!, (bool)backup["hasSecret"]!, (long)backup["logFormat"]!));
        var restored = await RestoreAsync("-o", "json");
        var json = JsonNode.Parse(restored.Output)!;
        Assert.Equal(backup["completeThrough"]!.ToString(), json["completeThrough"]!.ToString());
        Assert.True((long)json["newGeneration"]! > 1);
        Assert.DoesNotContain(MailboxHarness.Identity.ToString("x", System.Globalization.CultureInfo.InvariantCulture), taken.Output + restored.Output, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Without_the_secret_it_says_where_to_put_it_back()
    {
        var taken = await BackupAsync("--without-secret");
        Assert.Contains("not the node's secret: keep that elsewhere", taken.Output, StringComparison.Ordinal);
        var restored = await RestoreAsync();
        Assert.Contains($"put it at {_folder.File("restored/secret")} (chmod 600)", restored.Output, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder.File("restored/secret")));
    }

    [Fact]
    public async Task A_damaged_log_ends_with_7_and_the_next_command()
    {
        using (var file = File.Open(_data.Segments[0], FileMode.Open))
        {
            file.Position = 4096 + 100;
            file.Write("damage"u8);
        }

        var run = await BackupAsync();
        Assert.Equal((ExitCode.Damaged, ""), (run.ExitCode, run.Output));
        Assert.Contains($"The log is damaged, and no backup was made: {_data.Segments[0]} at offset ", run.Errors, StringComparison.Ordinal);
        Assert.Contains($"gatewayctl log verify --data {_data.Path}", run.Errors, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.File("backup")));
    }

    [Fact]
    public async Task A_damaged_backup_ends_with_7_and_nothing_restored()
    {
        await BackupAsync();
        var segment = Directory.GetFiles(_folder.File("backup"), "*.segment")[0];
        File.WriteAllBytes(segment, File.ReadAllBytes(segment)[..^1]);
        var run = await RestoreAsync();
        Assert.Equal(ExitCode.Damaged, run.ExitCode);
        Assert.Matches(@"The backup is damaged, and nothing was restored: .*\.segment: it has [0-9]+ bytes, the manifest says [0-9]+\. Use another backup\.", run.Errors);
        Assert.False(Directory.Exists(_folder.File("restored")));
    }

    [Fact]
    public async Task What_is_not_there_ends_with_4_and_what_is_in_the_way_with_5()
    {
        var nothing = await CtlRun.OfAsync(_folder, "", "backup", "--data", "nowhere", "--to", "backup");
        Assert.Equal((ExitCode.NotFound, true), (nothing.ExitCode, nothing.Errors.Contains("There is no mailbox log in", StringComparison.Ordinal)));
        Assert.Equal(ExitCode.NotFound, (await RestoreAsync()).ExitCode);

        await BackupAsync();
        var again = await BackupAsync();
        Assert.Equal((ExitCode.Local, true), (again.ExitCode, again.Errors.Contains("is not empty; name a folder that does not exist yet", StringComparison.Ordinal)));
        var over = await CtlRun.OfAsync(_folder, "", "restore", "--from", "backup", "--data", _data.Path);
        Assert.Equal((ExitCode.Local, true), (over.ExitCode, over.Errors.Contains("Nothing is restored over anything", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task What_takes_longer_than_two_seconds_says_how_far_it_is()
    {
        using (var log = new MailboxHarness(_data.Path, time: _time))
        {
            for (var i = 0; i < 200; i++) log.Send(Mailbox, new string('m', 900));
            log.Commit();
        }

        var (output, errors) = (new StringWriter(), new StringWriter());
        var environment = new CtlEnvironment(_folder.Path, TextReader.Null, output, errors, _ => null, new HastyTime());
        Assert.Equal(ExitCode.Ok, await CtlProgram.RunAsync(["backup", "--data", _data.Path, "--to", "backup"], environment, CancellationToken.None));
        Assert.Equal(ExitCode.Ok, await CtlProgram.RunAsync(["restore", "--from", "backup", "--data", "restored"], environment, CancellationToken.None));
        Assert.Matches(@"(?m)^reading and checking: 0 of at most 0 MiB$", errors.ToString());
        Assert.Matches(@"(?m)^copying: 0 of at most 0 MiB$", errors.ToString());
    }

    private Task<CtlRun> BackupAsync(params string[] more) => CtlRun.OfAsync(_folder, "", ["backup", "--data", _data.Path, "--to", "backup", .. more]);

    private Task<CtlRun> RestoreAsync(params string[] more) => CtlRun.OfAsync(_folder, "", ["restore", "--from", "backup", "--data", "restored", .. more]);

    /// <summary>Three seconds pass whenever somebody looks at the monotonic clock.</summary>
    private sealed class HastyTime : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;
        public override long GetTimestamp() => _ticks += 3 * TimeSpan.TicksPerSecond;
    }
}
