using System.Collections.Concurrent;
using Gateway.Mailbox;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Storage;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>What is written into a segment beside records: zeros before it is used, and behind the last record to its block's end.</summary>
public class SegmentTests
{
    private const int Bytes = 1 << 20;

    [Fact]
    public void A_segment_is_written_once_with_zeros_before_it_has_its_name()
    {
        using var folder = new DataFolder();
        var zeroed = new ConcurrentDictionary<string, long>();
        var files = new FaultyFileSystem(folder.Path);
        files.OnWritten = (name, offset, bytes) =>
        {
            if (!name.EndsWith(".segment.new", StringComparison.Ordinal) || offset < SegmentHeader.Bytes) return;
            Assert.Equal(zeroed.GetValueOrDefault(name), offset - SegmentHeader.Bytes);
            zeroed[name] = offset - SegmentHeader.Bytes + bytes;
        };
        using var log = Open(folder, files);
        for (var i = 0; i < 16; i++)
        {
            Fill(log, Bytes / 8);
            // More would need the room before the zeros are written.
            MailboxHarness.WaitFor(() => log.Log.Counters.AllocatedAheadBytes > Bytes);
        }

        Assert.True(zeroed.Count >= 3);
        Assert.All(zeroed.Values, bytes => Assert.Equal(Bytes, bytes));
    }

    [Fact]
    public void Zeros_give_way_when_messages_need_the_room()
    {
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        using var log = Open(folder, files);
        using var held = new ManualResetEventSlim();
        var pieces = 0;
        files.OnWrite = name =>
        {
            if (!name.EndsWith(".segment.new", StringComparison.Ordinal)) return;
            Interlocked.Increment(ref pieces);
            held.Wait();
        };

        // The next segment's first piece hangs. What is there is used up, to where only acknowledgements pass.
        var body = new byte[1000];
        var sent = 0;
        MailboxHarness.WaitFor(() =>
        {
            AppendStatus status;
            do
            {
                status = log.P.Append(new MailboxRecord { Type = RecordType.Message, Mailbox = 5, Sequence = log.P.NextSequence(), Body = body }, out _);
                if (status == AppendStatus.Ok) sent++;
            }
            while (status == AppendStatus.Ok);
            log.P.EndBatch();
            return log.Log.Counters.UncommittedBytes == 0;
        });
        MailboxHarness.WaitFor(() => Volatile.Read(ref pieces) == 1);
        held.Set();
        log.Send(5, "there is room again");
        log.Commit();
        MailboxHarness.WaitFor(() => log.Log.Counters.AllocatedAheadBytes > Bytes);
        Assert.Equal(sent + 1, log.ReadAll(5).Count);
    }

    [Fact]
    public void A_log_that_closes_while_zeros_are_written_opens_again()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        var files = new FaultyFileSystem(folder.Path);
        var atZeros = 0;
        using (var log = Open(folder, files, time))
        {
            files.OnWrite = name =>
            {
                if (name.EndsWith(".segment.new", StringComparison.Ordinal)) Volatile.Write(ref atZeros, 1);
            };
            Fill(log, Bytes);
            MailboxHarness.WaitFor(() => Volatile.Read(ref atZeros) == 1);
        }

        // And one that was killed then has left the file behind.
        var left = Path.Combine(folder.Path, SegmentHeader.FileName(255) + ".new");
        File.WriteAllBytes(left, new byte[100]);
        using var again = Open(folder, new FaultyFileSystem(folder.Path), time);
        Assert.Equal(Bytes / 1000, again.ReadAll(5).Count);
        Assert.False(File.Exists(left));
    }

    [Fact]
    public void A_batch_is_written_to_the_end_of_its_last_block()
    {
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        using var log = Open(folder, files);
        var ends = new ConcurrentQueue<long>();
        files.OnWritten = (name, offset, bytes) =>
        {
            if (name.EndsWith(".segment", StringComparison.Ordinal)) ends.Enqueue(offset + bytes);
        };
        var sent = new List<string>();
        for (var i = 0; i < 300; i++)
        {
            sent.Add($"{i} " + new string('x', i * 3));
            log.Send(5, sent[^1]);
            log.Commit();
        }

        Assert.True(ends.Count >= 300);
        Assert.All(ends, end => Assert.Equal(0, end % ILogFile.BlockBytes));
        Assert.Equal(sent, log.ReadAll(5).Select(m => m.Body));
    }

    private static MailboxHarness Open(DataFolder folder, FaultyFileSystem files, TimeProvider? time = null) => new(
        folder.Path, s => (s.FileSystem, s.SegmentBytes, s.PageBytes, s.MemoryBytes, s.AckReserveBytes) = (files, Bytes, 64 * 1024, 1 << 20, 64 * 1024), time);

    private static void Fill(MailboxHarness log, int bytes)
    {
        for (var sent = 0; sent + 1000 <= bytes; sent += 1000) log.Send(5, new string('m', 1000));
        log.Commit();
    }
}
