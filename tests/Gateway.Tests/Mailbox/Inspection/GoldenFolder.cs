using System.Globalization;
using Gateway.Mailbox;
using Gateway.Mailbox.Inspection;

namespace Gateway.Tests.Mailbox.Inspection;

/// <summary>
/// Makes the data folder that stands for a format version in tests/golden, with records of every type that the version writes, and beside it
/// what must be found in it, line by line, as it was put in and never as it was read back.
/// </summary>
internal static class GoldenFolder
{
    public const string ExpectedName = "expected.txt";
    private const ulong Anna = 1;
    private const ulong Bob = 2;
    private const ulong Busy = 3;
    private const ulong Damaged = 4;

    public static void Make(string folder)
    {
        Directory.CreateDirectory(folder);
        var time = new ManualTime();
        var expected = new List<string>();
        var lost = 0UL;
        using (var log = new MailboxHarness(folder, s => s.Compacts = true, time))
        {
            // Enough that the first segment goes: what waits in it is moved, and its totals become a LEDGER record.
            var waits = new List<(ulong Mailbox, ulong Sequence, ulong Previous, string Body)>();
            Send(Anna, "Anna's first, moved when the log was compacted");
            for (var i = 0; i < 400; i++)
            {
                var sequence = log.Send(Busy, $"busy {i} " + new string('b', 400));
                if (i % 2 == 0) log.Ack(Busy, sequence);
                else log.Append(new MailboxRecord { Type = RecordType.Remove, Mailbox = Busy, Sequence = sequence, Kind = (byte)RemoveReason.Rejected, Reason = (ushort)(i % 4) });
                if (i % 20 == 0) log.Commit();
                log.Work();
            }

            log.Settle();
            var reserved = log.Log.Counters.ReservedThrough;
            time.Advance(TimeSpan.FromSeconds(4));
            MailboxHarness.WaitFor(() => log.Log.Counters.ReservedThrough > reserved);
            Send(Anna, "Anna's second");
            Send(Bob, "Bob's first");
            log.Remove(Bob, log.Send(Bob, "expired"), RemoveReason.Expired);
            log.Remove(Bob, log.Send(Bob, "discarded"), RemoveReason.Discarded);
            log.Remove(Bob, log.Send(Bob, "lost"), RemoveReason.Lost);
            var previous = log.P.State(Bob).Last;
            waits.Add((Bob, log.Send(Bob, new byte[16], RecordType.Receipt), previous, Convert.ToBase64String(new byte[16])));
            log.Remove(Bob, log.Send(Bob, new byte[16], RecordType.Receipt), RemoveReason.Discarded);
            log.Ack(Damaged, log.Send(Damaged, new byte[24], RecordType.Receipt));
            var origin = log.Send(Bob, "from a device"u8, incarnation: 7, number: 12);
            waits.Add((Bob, origin, waits[^1].Sequence, Convert.ToBase64String("from a device"u8)));
            log.Append(new MailboxRecord { Type = RecordType.Window, Mailbox = 77, Incarnation = 7, Low = 11, Number = 0b101, EnqueuedAt = 1_800_000_001 });
            log.Append(new MailboxRecord { Type = RecordType.Device, Mailbox = 77, Incarnation = 3 });
            log.Append(new MailboxRecord { Type = RecordType.Device, Mailbox = 78, Incarnation = 1 });
            log.Commit();
            lost = log.Send(Damaged, "damaged below, and given up by a repair");
            log.Commit();
            Send(Damaged, "behind the damage", lost);
            log.Commit();
            foreach (var (mailbox, sequence, before, body) in waits.OrderBy(w => (w.Mailbox, w.Sequence)))
                expected.Add(Line($"pending {mailbox} {sequence} {before} {body}"));

            void Send(ulong mailbox, string body, ulong? before = null)
            {
                var last = before ?? log.P.State(mailbox).Last;
                waits.Add((mailbox, log.Send(mailbox, body), last, Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(body))));
            }
        }

        Damage(folder, lost);
        using (var stopped = StoppedLog.Open(folder)) stopped.Repair(time);
        foreach (var spare in Directory.GetFiles(folder, "*.spare")) File.Delete(spare);
        foreach (var quarantine in Directory.GetFiles(folder, "quarantine-*")) File.Delete(quarantine);
        File.Delete(Path.Combine(folder, "LOCK"));

        expected.Add("window 77 7 11 5 1800000001");
        expected.Add("device 77 3");
        expected.Add("device 78 1");
        expected.Add("messages 409 200 200 1 1 2");
        expected.Add("receipts 3 1 0 0 1 0");
        for (var reason = 0; reason < 4; reason++) expected.Add(Line($"rejected {reason} {(reason % 2 == 1 ? 100 : 0)}"));
        expected.Add("gap 1 0");
        File.WriteAllLines(Path.Combine(folder, ExpectedName), expected);
    }

    private static void Damage(string folder, ulong sequence)
    {
        LogEntry entry;
        using (var stopped = StoppedLog.Open(folder)) entry = stopped.List(0, int.MaxValue).Single(e => e.Type == RecordType.Message && e.Sequence == sequence);
        using var file = File.Open(entry.Place.File, FileMode.Open, FileAccess.ReadWrite);
        file.Position = entry.Place.Offset + 80;
        file.WriteByte(0);
    }

    private static string Line(FormattableString line) => line.ToString(CultureInfo.InvariantCulture);
}
