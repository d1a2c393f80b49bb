using System.Text.Json.Nodes;
using Gateway.Ctl;
using Gateway.Mailbox;
using Gateway.Protocol;
using Gateway.Tests.Mailbox;
using Xunit;

namespace Gateway.Tests.Ctl;

/// <summary>gatewayctl log against folders made by the real log: what it prints, what it changes, and how it ends.</summary>
public sealed class LogCommandTests : IDisposable
{
    private static readonly Address Anna = new(AddressKind.User, 15550001);
    private static readonly Address Bob = new(AddressKind.User, 15550002, 3);
    private readonly TemporaryFolder _folder = new();
    private readonly DataFolder _data = new();
    private readonly ManualTime _time = new();
    private readonly List<ulong> _sequences = [];

    public LogCommandTests()
    {
        using var log = new MailboxHarness(_data.Path, time: _time);
        for (var i = 0; i < 3; i++) _sequences.Add(log.Send(Anna.Value, $"secret words {i}"));
        log.Commit();
        log.Ack(Anna.Value, _sequences[0]);
        _sequences.Add(log.Send(Bob.Value, new byte[16], RecordType.Receipt));
        log.Commit();
    }

    public void Dispose()
    {
        _data.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_sound_log_is_verified_with_0()
    {
        var run = await RunAsync("verify");

        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Errors));
        Assert.Matches(@"^sound: [0-9]+ records, every checksum holds; the log ends at .*/0000000000000000\.segment at offset [0-9]+ \(log address [0-9]+\)\n$", run.Output);
    }

    [Fact]
    public async Task A_torn_tail_is_verified_with_6_and_said_to_be_harmless()
    {
        using var torn = new DataFolder();
        using (var source = new DataFolder())
        {
            using var log = new MailboxHarness(source.Path, time: _time);
            log.Send(Anna.Value, "kept");
            log.Commit();
            log.Send(Anna.Value, "torn");
            log.Commit();
            source.CopyOver(torn);
            SegmentFile.Flip(torn.Segments[0], SegmentFile.Header + log.LastPosition - 6);
        }

        var run = await CtlRun.OfAsync(_folder, "", "log", "verify", "--data", torn.Path);

        Assert.Equal(ExitCode.TornTail, run.ExitCode);
        Assert.Contains("torn tail:", run.Output, StringComparison.Ordinal);
        Assert.Contains("which nobody was promised", run.Output, StringComparison.Ordinal);
        Assert.Contains("Next: start the node", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Damage_is_verified_with_7_by_file_offset_and_the_next_command()
    {
        var place = DamageSecondMessage();

        var run = await RunAsync("verify");
        var json = JsonNode.Parse((await RunAsync("verify", "-o", "json")).Output)!;

        Assert.Equal(ExitCode.Damaged, run.ExitCode);
        Assert.Contains($"{_data.Segments[0]} at offset {4096 + place} (log address {place})", run.Output, StringComparison.Ordinal);
        Assert.Contains($"the record's checksum is wrong; one record, by its damaged bytes MESSAGE of 15550001, sequence {_sequences[1]}", run.Output, StringComparison.Ordinal);
        Assert.Contains($"Next: gatewayctl log repair --data {_data.Path} ", run.Output, StringComparison.Ordinal);
        Assert.Equal("damaged", (string)json["state"]!);
        var damage = Assert.Single(json["damage"]!.AsArray())!;
        Assert.Equal((place, 1L, "15550001"), ((long)damage["address"]!, (long)damage["lostMessages"]!, (string)damage["mailbox"]!));
        Assert.DoesNotContain("secret words", run.Output + json, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inspection_shows_totals_and_a_listing_without_bodies_and_never_the_logs_identity()
    {
        var text = await RunAsync("inspect", "--records", "100");
        var json = await RunAsync("inspect", "--records", "2", "-o", "json");
        var from = (long)JsonNode.Parse(json.Output)!["listing"]![1]!["address"]!;
        var later = JsonNode.Parse((await RunAsync("inspect", "--from", $"{from}", "-o", "json")).Output)!["listing"]!.AsArray();

        Assert.Equal(ExitCode.Ok, text.ExitCode);
        Assert.Matches(@"pending +2 messages, 1 receipts, [0-9]+ bytes, 2 mailboxes", text.Output);
        Assert.Contains("ledger      messages: 3 accepted = 1 delivered + 2 pending + 0 rejected + 0 expired + 0 discarded + 0 lost", text.Output, StringComparison.Ordinal);
        Assert.Matches($@"MESSAGE +[0-9]+ +15550001 sequence {_sequences[1]}, body of 14 bytes, pending", text.Output);
        Assert.Matches($@"RECEIPT +[0-9]+ +15550002:3 sequence {_sequences[3]}, body of 16 bytes, pending", text.Output);
        Assert.Matches(@"superblock  number [0-9]+, begin 64, durable [0-9]+, reserved sequence [0-9]+, closed cleanly", text.Output);
        Assert.Equal(from, (long)later[0]!["address"]!);
        foreach (var hidden in (string[])["secret words", MailboxHarness.Identity.ToString(System.Globalization.CultureInfo.InvariantCulture), MailboxHarness.Identity.ToString("x", System.Globalization.CultureInfo.InvariantCulture)])
            Assert.DoesNotContain(hidden, text.Output + json.Output, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task An_export_has_a_line_for_each_pending_entry_with_its_body()
    {
        var all = await RunAsync("export");
        var bobs = await RunAsync("export", "--mailbox", "15550002:3");

        Assert.Equal((ExitCode.Ok, "3 pending entries\n"), (all.ExitCode, all.Errors));
        var lines = all.Output.TrimEnd('\n').Split('\n').Select(l => JsonNode.Parse(l)!).ToList();
        Assert.Equal(_sequences[1..], lines.Select(l => (ulong)l["sequence"]!));
        Assert.Equal("secret words 1", System.Text.Encoding.UTF8.GetString(Convert.FromBase64String((string)lines[0]["body"]!)));
        Assert.Equal(("message", "15550001", "2027-01-15T08:00:00Z"), ((string)lines[0]["type"]!, (string)lines[0]["mailbox"]!, (string)lines[0]["enqueuedAt"]!));
        Assert.Equal("receipt", (string)JsonNode.Parse(Assert.Single(bobs.Output.TrimEnd('\n').Split('\n')))!["type"]!);
    }

    [Fact]
    public async Task An_export_of_a_damaged_log_has_what_is_whole_and_says_so()
    {
        DamageSecondMessage();

        var run = await RunAsync("export");

        Assert.Equal(ExitCode.Damaged, run.ExitCode);
        Assert.Equal(2, run.Output.TrimEnd('\n').Split('\n').Length);
        Assert.Contains("The log is damaged: what could not be read is missing here", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Repair_without_consent_says_what_would_be_lost_and_changes_nothing()
    {
        DamageSecondMessage();
        var before = Directory.GetFiles(_data.Path).Order().ToDictionary(f => f, File.ReadAllBytes);

        var run = await RunAsync("repair");

        Assert.Equal(ExitCode.Damaged, run.ExitCode);
        Assert.Contains("Known to be lost, and counted as lost: 1 messages, 0 receipts.", run.Output, StringComparison.Ordinal);
        Assert.Contains("Nothing was changed.", run.Output, StringComparison.Ordinal);
        Assert.Contains($"gatewayctl log repair --data {_data.Path} --accept-loss", run.Output, StringComparison.Ordinal);
        Assert.Equal(before.Keys, Directory.GetFiles(_data.Path).Order());
        foreach (var (path, bytes) in before.Where(f => Path.GetFileName(f.Key) != "LOCK")) Assert.Equal(bytes, File.ReadAllBytes(path));
    }

    [Fact]
    public async Task Repair_with_consent_makes_the_log_open_again_and_names_the_quarantine()
    {
        DamageSecondMessage();

        var run = await RunAsync("repair", "--accept-loss", "-o", "json");

        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Errors));
        var json = JsonNode.Parse(run.Output)!;
        Assert.True((bool)json["repaired"]!);
        Assert.Equal("sound", (string)json["after"]!["state"]!);
        Assert.True(File.Exists((string)json["quarantine"]!["bytes"]!));
        Assert.NotEmpty(json["notKnown"]!.AsArray());
        using (var log = new MailboxHarness(_data.Path, time: _time))
        {
            Assert.Equal([_sequences[2]], log.ReadAll(Anna.Value).Select(m => m.Sequence));
            Assert.Equal(new LedgerColumn(3, 1, 0, 0, 0, 1), log.P.Ledger.Messages);
        }

        Assert.Equal(ExitCode.Ok, (await RunAsync("verify")).ExitCode);
        var again = await RunAsync("repair", "--accept-loss");
        Assert.Equal(ExitCode.Ok, again.ExitCode);
        Assert.StartsWith("There is nothing to repair.\nsound: ", again.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("inspect")]
    [InlineData("verify")]
    [InlineData("export")]
    [InlineData("repair")]
    public async Task A_running_node_is_told_from_a_stopped_one_and_a_folder_without_a_log_from_both(string command)
    {
        using (new MailboxHarness(_data.Path, time: _time))
        {
            var running = await RunAsync(command);
            Assert.Equal(new CtlRun(ExitCode.Local, "", $"gatewayctl: The data folder {_data.Path} is in use by process {Environment.ProcessId}. Stop it first: this looks at a stopped node's log.\n"), running);
        }

        var absent = await CtlRun.OfAsync(_folder, "", "log", command, "--data", "nowhere");
        Assert.Equal(new CtlRun(ExitCode.NotFound, "", $"gatewayctl: There is no mailbox log in {_folder.File("nowhere")}: neither a superblock nor a segment.\n"), absent);
        Assert.False(Directory.Exists(_folder.File("nowhere")));
    }

    [Fact]
    public async Task A_log_of_a_later_format_is_named_and_left_alone()
    {
        var superblock = File.ReadAllBytes(Path.Combine(_data.Path, "superblock"));
        for (var slot = 0; slot < 2; slot++)
        {
            var bytes = superblock.AsSpan(slot * 4096, 4096);
            bytes[8] = 9;
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(bytes[68..], Gateway.Mailbox.Format.Crc32C.Compute(bytes[..68]));
        }

        File.WriteAllBytes(Path.Combine(_data.Path, "superblock"), superblock);

        var run = await RunAsync("verify");

        Assert.Equal(ExitCode.Local, run.ExitCode);
        Assert.Contains("is in log format 9; this build reads formats 1 to 2", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_look_that_takes_longer_than_two_seconds_says_how_far_it_is()
    {
        using var large = new DataFolder();
        using (var log = new MailboxHarness(large.Path, time: _time))
        {
            for (var i = 0; i < 500; i++) log.Send(Anna.Value, new string('m', 600));
            log.Commit();
        }

        var (output, errors) = (new StringWriter(), new StringWriter());
        var environment = new CtlEnvironment(_folder.Path, TextReader.Null, output, errors, _ => null, new HastyTime());
        Assert.Equal(ExitCode.Ok, await CtlProgram.RunAsync(["log", "verify", "--data", large.Path], environment, CancellationToken.None));

        Assert.Matches(@"(?m)^reading the log: 0 of at most 0 MiB after [0-9]+ s$", errors.ToString());
        Assert.StartsWith("sound: ", output.ToString(), StringComparison.Ordinal);
    }

    private Task<CtlRun> RunAsync(string command, params string[] arguments) => CtlRun.OfAsync(_folder, "", ["log", command, "--data", _data.Path, .. arguments]);

    /// <summary>Returns its log address.</summary>
    private long DamageSecondMessage()
    {
        using var log = Gateway.Mailbox.Inspection.StoppedLog.Open(_data.Path);
        var address = log.List(0, 100).Where(e => e.Type == RecordType.Message).ElementAt(1).Place.Address;
        SegmentFile.Flip(_data.Segments[0], SegmentFile.Header + address + 80);
        return address;
    }

    /// <summary>Three seconds pass whenever somebody looks.</summary>
    private sealed class HastyTime : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;
        public override long GetTimestamp() => _ticks += 3 * TimeSpan.TicksPerSecond;
    }
}
