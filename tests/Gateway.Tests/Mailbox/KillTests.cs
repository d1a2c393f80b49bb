using System.Diagnostics;
using System.Globalization;
using Gateway.Mailbox;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>
/// A chain of processes killed in mid-work on one folder. It shows that recovery forgets nothing that was acknowledged; that fdatasync was
/// called where it must be it cannot show, because the page cache outlives the process.
/// </summary>
public class KillTests
{
    private const int Kills = 6;

    [Fact]
    public void Six_kills_in_a_row_lose_nothing_acknowledged_and_give_no_sequence_out_twice()
    {
        using var folder = new DataFolder();
        var issued = new HashSet<ulong>();
        var accepted = new List<(ulong Mailbox, ulong Sequence)>();
        var mayBeGone = new Dictionary<ulong, ulong>();
        var mustBeGone = new Dictionary<ulong, ulong>();
        var random = new Random(5);
        for (var kill = 0; kill < Kills; kill++)
        {
            foreach (var line in RunAndKill(folder.Path, seed: kill, lines: random.Next(200, 3000)))
            {
                var parts = line.Split(' ');
                var last = ulong.Parse(parts[^1], CultureInfo.InvariantCulture);
                if (parts[0] == "i")
                {
                    Assert.True(issued.Add(last), $"sequence {last} was given out twice");
                    continue;
                }

                var mailbox = ulong.Parse(parts[1], CultureInfo.InvariantCulture);
                switch (parts[0])
                {
                    case "a": accepted.Add((mailbox, last)); break;
                    case "k": mayBeGone[mailbox] = Math.Max(mayBeGone.GetValueOrDefault(mailbox), last); break;
                    case "d": mustBeGone[mailbox] = Math.Max(mustBeGone.GetValueOrDefault(mailbox), last); break;
                }
            }
        }

        Assert.True(accepted.Count > 500, $"only {accepted.Count} accepted");
        using var log = MailboxLog.Open(KillTarget.Options(folder.Path), new RecordingObserver(), TimeProvider.System);
        var partition = log.Partition(0);
        var found = new Dictionary<ulong, List<ulong>>();
        for (ulong mailbox = 1; mailbox <= 8; mailbox++) found[mailbox] = ReadAll(partition, mailbox);
        foreach (var (mailbox, sequence) in accepted)
        {
            if (sequence > mayBeGone.GetValueOrDefault(mailbox)) Assert.Contains(sequence, found[mailbox]);
        }

        foreach (var (mailbox, sequences) in found)
        {
            Assert.Equal(sequences.Order(), sequences);
            Assert.All(sequences, s => Assert.True(s > mustBeGone.GetValueOrDefault(mailbox) && issued.Contains(s)));
        }

        Assert.Equal(partition.Ledger.Messages.Outstanding, partition.CountPending().Messages);
        Assert.True(partition.NextSequence() > issued.Max());
    }

    private static List<string> RunAndKill(string folder, int seed, int lines)
    {
        var start = new ProcessStartInfo("dotnet", ["exec", typeof(KillTests).Assembly.Location]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment[KillTarget.FolderVariable] = folder;
        start.Environment[KillTarget.SeedVariable] = seed.ToString(CultureInfo.InvariantCulture);
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var said = new List<string>();
        while (said.Count < lines && process.StandardOutput.ReadLine() is { } line) said.Add(line);
        process.Kill();

        // What it said before it died counts; its last line may be cut.
        var rest = process.StandardOutput.ReadToEnd();
        said.AddRange(rest[..(rest.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries));
        process.WaitForExit();
        Assert.True(process.ExitCode == 137, $"exit code {process.ExitCode}: {errors.Result}");
        return said;
    }

    private static List<ulong> ReadAll(MailboxPartition partition, ulong mailbox)
    {
        var all = new List<ulong>();
        while (true)
        {
            Assert.True(partition.TryBeginRead(mailbox, all.Count == 0 ? 0 : all[^1], 1000, 1 << 20, 0));
            MailboxPage page = null!;
            MailboxHarness.WaitFor(() => partition.TryTakePage(out page));
            var before = all.Count;
            while (page.TryNext(out var record))
            {
                Assert.Equal(KillTarget.BodyOf(mailbox, record.Sequence), System.Text.Encoding.ASCII.GetString(record.Body));
                all.Add(record.Sequence);
            }

            page.Release();
            if (all.Count == before) return all;
        }
    }
}
