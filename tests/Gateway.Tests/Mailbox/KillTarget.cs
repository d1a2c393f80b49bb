using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Gateway.Mailbox;

namespace Gateway.Tests.Mailbox;

/// <summary>
/// The process that is killed. The test assembly started as a program with a folder in its environment runs this instead of its empty main:
/// it sends and acknowledges for ever and says on its output what it does, a line at a time, before and after.
/// <code>
/// i sequence            given out
/// a mailbox sequence    accepted: its commit is through
/// k mailbox sequence    about to acknowledge up to it
/// d mailbox sequence    that acknowledgement's commit is through
/// </code>
/// </summary>
internal static class KillTarget
{
    public const string FolderVariable = "GATEWAY_MAILBOX_KILL_FOLDER";
    public const string SeedVariable = "GATEWAY_MAILBOX_KILL_SEED";

    public static string BodyOf(ulong mailbox, ulong sequence) => $"{mailbox}/{sequence}/" + new string('b', (int)(sequence * 31 % 600));

    public static MailboxLogOptions Options(string folder) => new()
    {
        Folder = folder,
        NewLogIdentity = MailboxHarness.Identity,
        PageBytes = 16 * 1024,
        MemoryBytes = 256 * 1024,
        SegmentBytes = 256 * 1024,
        AckReserveBytes = 64 * 1024,
        CompactionReserveBytes = 64 * 1024,
        MaxBodyBytes = 1024,
    };

    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "The test SDK owns Main; this is how its assembly can be a program of ours.")]
    internal static void RunWhenAsked()
    {
        if (Environment.GetEnvironmentVariable(FolderVariable) is not { Length: > 0 } folder) return;
        try
        {
            Run(folder, int.Parse(Environment.GetEnvironmentVariable(SeedVariable)!, CultureInfo.InvariantCulture));
        }
        catch (Exception e)
        {
            Console.Error.WriteLine(e);
            Environment.Exit(3);
        }
    }

    private static void Run(string folder, int seed)
    {
        using var output = Console.OpenStandardOutput();
        using var log = MailboxLog.Open(Options(folder), new RecordingObserver(), TimeProvider.System);
        var partition = log.Partition(0);
        var random = new Random(seed);
        var waiting = new Queue<(string Line, long Position)>();
        while (true)
        {
            for (var burst = random.Next(1, 40); burst > 0; burst--)
            {
                var mailbox = (ulong)random.Next(1, 9);
                if (random.Next(6) == 0 && partition.State(mailbox) is { Entries: > 0 } state)
                {
                    var upTo = random.Next(2) == 0 ? state.First : state.Last;
                    Say(output, $"k {mailbox} {upTo}");
                    if (partition.Append(new MailboxRecord { Type = RecordType.AckUpTo, Mailbox = mailbox, Sequence = upTo }, out var acked) == AppendStatus.Ok)
                        waiting.Enqueue(($"d {mailbox} {upTo}", acked));
                    continue;
                }

                var sequence = partition.NextSequence();
                if (sequence == 0) continue;
                Say(output, $"i {sequence}");
                var body = Encoding.ASCII.GetBytes(BodyOf(mailbox, sequence));
                if (partition.Append(new MailboxRecord { Type = RecordType.Message, Mailbox = mailbox, Sequence = sequence, Body = body }, out var position) == AppendStatus.Ok)
                    waiting.Enqueue(($"a {mailbox} {sequence}", position));
            }

            partition.EndBatch();
            if (random.Next(3) == 0) Thread.Sleep(1);
            while (waiting.TryPeek(out var first) && first.Position <= log.CommittedThrough)
            {
                Say(output, first.Line);
                waiting.Dequeue();
            }

            if (log.FailureCause is not null) throw log.FailureCause;
        }
    }

    // One write a line: what is in the pipe survives the writer.
    private static void Say(Stream output, string line) => output.Write(Encoding.ASCII.GetBytes(line + "\n"));
}
