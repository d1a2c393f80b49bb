using Gateway.Mailbox;
using Gateway.Mailbox.Inspection;
using Xunit;
using Xunit.Abstractions;

namespace Gateway.Tests.Mailbox.Inspection;

/// <summary>Whatever happens to the files: the look, the opening and the repair tell the same story. Seeds are printed; a failing one repeats.</summary>
public class AgreementTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void One_random_byte_in_any_file_is_judged_the_same_by_look_opening_and_repair(bool leaveRunning)
    {
        using var source = new DamagedFolder(leaveRunning: leaveRunning);
        for (var seed = 1; seed <= 60; seed++)
        {
            var random = new Random(seed);
            Check(source, seed, folder => Damage(folder, random, 1));
        }
    }

    [Fact]
    public void One_random_byte_in_a_compacted_log_is_judged_the_same_by_look_opening_and_repair()
    {
        using var source = DamagedFolder.Compacted();
        Assert.Contains(source.Records, r => r.Type == RecordType.Moved);
        Assert.Contains(source.Records, r => r.Type == RecordType.LedgerTotals);
        Assert.True(source.Records[0].Address > DamagedFolder.SegmentBytes);
        for (var seed = 2001; seed <= 2060; seed++)
        {
            var random = new Random(seed);
            Check(source, seed, folder => Damage(folder, random, 1));
        }
    }

    [Fact]
    public void Any_mixture_of_flips_zeros_garbage_and_cuts_is_judged_the_same_by_look_opening_and_repair()
    {
        using var source = new DamagedFolder();
        for (var seed = 1001; seed <= 1060; seed++)
        {
            var random = new Random(seed);
            Check(source, seed, folder =>
            {
                for (var i = random.Next(1, 6); i > 0; i--) Damage(folder, random, random.Next(5) == 0 ? 6000 : random.Next(1, 700));
                if (random.Next(4) == 0)
                {
                    using var file = File.Open(folder.SegmentOf(random.NextInt64(folder.End)), FileMode.Open);
                    file.SetLength(random.NextInt64(file.Length));
                }
            });
        }
    }

    private void Check(DamagedFolder source, int seed, Action<DamagedFolder> damage)
    {
        using var folder = source.Copy();
        damage(folder);
        try
        {
            var survey = folder.Survey();
            var refusal = Record.Exception(() => folder.Opened(out _));
            if (survey.State != LogState.Damaged)
            {
                Assert.Null(refusal);
                Assert.Equal(survey.Pending.Messages + survey.Pending.Receipts, folder.Opened(out var ledger).Count);
                Assert.Equal(survey.Ledger, ledger);
                return;
            }

            var refused = Assert.IsType<LogCorruptException>(refusal);
            Assert.Contains("gatewayctl log verify --data ", refused.Message, StringComparison.Ordinal);
            var lost = survey.Damage.Where(d => d.Kind is DamageKind.Record or DamageKind.Stretch).ToList();
            var outcome = folder.Repair();
            Assert.NotEqual(LogState.Damaged, outcome.After.State);
            var opened = folder.Opened(out var after);
            Assert.Equal(folder.PendingWithout(r => r.Address >= survey.End.Address || lost.Any(d => r.Overlaps(d.Place.Address, d.Place.Address + d.Bytes))), opened);
            Assert.Equal(survey.Ledger, after);
        }
        catch (Exception)
        {
            output.WriteLine($"seed {seed}");
            throw;
        }
    }

    private static void Damage(DamagedFolder folder, Random random, int bytes)
    {
        var files = Directory.GetFiles(folder.Path).Where(f => Path.GetFileName(f) != "LOCK").Order(StringComparer.Ordinal).ToList();

        // The segments that are in use, four times of five: most of the others is zeros that mean nothing.
        var path = random.Next(5) == 0 ? files[random.Next(files.Count)] : folder.SegmentOf(random.NextInt64(folder.Records[0].Address, folder.End));
        var whole = File.ReadAllBytes(path);
        if (whole.Length == 0) return;
        var from = random.Next(whole.Length);
        var part = whole.AsSpan(from, Math.Min(bytes, whole.Length - from));
        if (bytes == 1) part[0] ^= (byte)(1 << random.Next(8));
        else if (random.Next(2) == 0) part.Fill(random.Next(2) == 0 ? (byte)0 : (byte)255);
        else random.NextBytes(part);
        File.WriteAllBytes(path, whole);
    }
}
