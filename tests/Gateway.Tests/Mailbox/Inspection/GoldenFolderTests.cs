using System.Globalization;
using Gateway.Mailbox;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Inspection;
using Gateway.Tests.Repository;
using Xunit;

namespace Gateway.Tests.Mailbox.Inspection;

/// <summary>
/// A folder of each format version is opened by this build, and what was put in when it was made is there. To make the folder of the current
/// version anew (when a record type or a field is added before the version is released), and no other:
/// <code>GATEWAY_MAKE_GOLDEN=1 dotnet test tests/Gateway.Tests --filter FullyQualifiedName~GoldenFolderTests</code>
/// </summary>
public class GoldenFolderTests
{
    private const string MakeVariable = "GATEWAY_MAKE_GOLDEN";

    private static readonly Lazy<bool> Made = new(Make);

    private static string Current => RepositoryRoot.File("tests", "golden", $"format-{RecordLayout.FormatVersion}");

    public static TheoryData<string> Versions
    {
        get
        {
            _ = Made.Value;
            return [.. Directory.GetDirectories(RepositoryRoot.File("tests", "golden")).Select(p => Path.GetFileName(p))];
        }
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void Every_entry_window_key_epoch_and_total_that_was_put_in_is_found(string version)
    {
        using var copy = CopyOf(version);
        var expected = File.ReadAllLines(RepositoryRoot.File("tests", "golden", version, GoldenFolder.ExpectedName));
        using var log = new MailboxHarness(copy.Path);
        var found = new List<string>();
        foreach (var mailbox in expected.Where(e => e.StartsWith("pending ", StringComparison.Ordinal)).Select(e => ulong.Parse(e.Split(' ')[1], CultureInfo.InvariantCulture)).Distinct())
        {
            Assert.True(log.P.TryBeginRead(mailbox, 0, 1000, 1 << 20, 9));
            var page = log.Take(log.P);
            while (page.TryNext(out var record)) found.Add(string.Create(CultureInfo.InvariantCulture, $"pending {mailbox} {record.Sequence} {record.Previous} {Convert.ToBase64String(record.Body)}"));
            page.Release();
        }

        found.AddRange(log.Observer.Events.Where(e => e.StartsWith("window ", StringComparison.Ordinal)));
        found.AddRange(log.Observer.Events.Where(e => e.StartsWith("device ", StringComparison.Ordinal)));
        found.Add(ColumnOf("messages", log.P.Ledger.Messages));
        found.Add(ColumnOf("receipts", log.P.Ledger.Receipts));
        for (var reason = 0; reason < 4; reason++) found.Add(string.Create(CultureInfo.InvariantCulture, $"rejected {reason} {log.P.MessagesRejected(reason)}"));
        found.AddRange(log.Observer.Events.Where(e => e.StartsWith("gap ", StringComparison.Ordinal)));

        Assert.Equal(expected, found);
        Assert.Contains("origin 77 7 12 1", log.Observer.Events);
        Assert.Equal(expected.Count(e => e.StartsWith("pending ", StringComparison.Ordinal)), log.P.CountPending().Messages + log.P.CountPending().Receipts);
        Assert.Equal(log.P.Ledger.Messages.Outstanding, log.P.CountPending().Messages);
    }

    [Fact]
    public void The_current_versions_folder_has_a_record_of_every_type_that_it_writes()
    {
        _ = Made.Value;
        using var copy = CopyOf(Path.GetFileName(Current));
        using var log = StoppedLog.Open(copy.Path);
        var survey = log.Survey();

        Assert.Equal(LogState.Sound, survey.State);
        Assert.Equal(
            [RecordType.Mark, RecordType.Reserve, RecordType.Message, RecordType.Receipt, RecordType.AckUpTo, RecordType.Remove, RecordType.Window, RecordType.Device, RecordType.Moved, RecordType.LedgerTotals, RecordType.Gap],
            survey.Records.Select(r => r.Type));
        Assert.True(survey.Superblock.BeginAddress >= survey.Superblock.SegmentBytes, "no segment had gone when it was made");
        Assert.True(Directory.GetFiles(copy.Path).Sum(f => new FileInfo(f).Length) < 1 << 20);
    }

    private static bool Make()
    {
        if (Environment.GetEnvironmentVariable(MakeVariable) != "1") return false;
        if (Directory.Exists(Current)) Directory.Delete(Current, recursive: true);
        GoldenFolder.Make(Current);
        return true;
    }

    private static DataFolder CopyOf(string version)
    {
        var copy = new DataFolder();
        foreach (var file in Directory.GetFiles(RepositoryRoot.File("tests", "golden", version))) File.Copy(file, Path.Combine(copy.Path, Path.GetFileName(file)));
        File.Delete(Path.Combine(copy.Path, GoldenFolder.ExpectedName));
        return copy;
    }

    private static string ColumnOf(string name, LedgerColumn c) =>
        string.Create(CultureInfo.InvariantCulture, $"{name} {c.Accepted} {c.Delivered} {c.Rejected} {c.Expired} {c.Discarded} {c.Lost}");
}
