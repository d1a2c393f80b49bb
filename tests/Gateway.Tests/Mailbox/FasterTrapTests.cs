using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using System.Runtime.CompilerServices;
using FASTER.core;
using Gateway.Mailbox;
using Gateway.Mailbox.Faster;
using Gateway.Mailbox.Format;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>
/// Traps of FASTER 2.6.5 that are not shown elsewhere. Elsewhere: the superblock in place of commit files (FailStopTests), the tail page and
/// the restart (RoundTripTests), the checksum (LayoutTests), the full buffer and the full disk (AdmissionTests, FailStopTests).
/// </summary>
public class FasterTrapTests
{
    [Fact]
    public void An_error_while_the_superblock_is_written_is_a_fail_stop_and_acknowledges_nothing()
    {
        // Trap 1: an error while metadata is written is only logged, and commits go on being acknowledged.
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        using var log = new MailboxHarness(folder.Path, s => s.FileSystem = files);
        files.OnWrite = name =>
        {
            if (name == "superblock") throw new LogIOException(name, "pwrite", 28);
        };

        // The superblock is written when the log enters a new segment.
        var body = new byte[1000];
        while (log.Failures.IsEmpty)
        {
            Assert.True(log.Log.Counters.Segments < 8, "the superblock was not written");
            log.P.Append(new MailboxRecord { Type = RecordType.Message, Mailbox = 5, Sequence = log.P.NextSequence(), Body = body }, out _);
            log.P.EndBatch();
        }

        Assert.True(log.Log.CommittedThrough < 64 * 1024, "the commit that crossed into the new segment was acknowledged");
    }

    [Fact]
    public void A_flush_that_was_left_to_nobody_is_done_all_the_same()
    {
        // Trap 13: of two that leave FASTER's epoch at once each may leave what was put off to the other.
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path);
        log.Send(5, "before");
        log.Commit();
        log.Send(5, "left to nobody");
        var epoch = EpochOf(LogOf(log.Log));
        epoch.Resume();
        log.P.EndBatch();
        // The pump has put off its flush until this thread leaves, and is to be gone itself before that.
        var putOff = typeof(LightEpoch).GetField("drainCount", BindingFlags.Instance | BindingFlags.NonPublic)!;
        MailboxHarness.WaitFor(() => (int)putOff.GetValue(epoch)! > 0);
        Thread.Sleep(50);
        Assert.True(log.Log.CommittedThrough < log.LastPosition);
        // As it leaves when the other's work is not seen yet: with its entry, and without a look.
        Release(epoch);

        MailboxHarness.WaitFor(() => log.Log.CommittedThrough >= log.LastPosition);
        Assert.Equal(["before", "left to nobody"], log.ReadAll(5).Select(m => m.Body));
    }

    [Fact]
    public void The_host_is_told_of_a_commit_after_the_watermark_has_passed_it()
    {
        // Trap 5: FASTER's own notice comes before its committed address moves.
        using var folder = new DataFolder();
        MailboxHarness? log = null;
        var seen = 0L;
        log = new MailboxHarness(folder.Path, s => s.OnCommitted = () =>
        {
            if (log is not null) Volatile.Write(ref seen, log.Log.CommittedThrough);
        });
        using (log)
        {
            for (var i = 0; i < 200; i++)
            {
                log.Send(5, "m");
                var position = log.LastPosition;
                log.P.EndBatch();

                // Only what the callback saw counts: were it called too early, the last one would have seen too little.
                MailboxHarness.WaitFor(() => Volatile.Read(ref seen) >= position);
            }
        }
    }

    [Fact]
    public void A_message_without_a_body_hides_nothing_that_follows_it()
    {
        // Trap 6: an entry of length 0 hides the rest of its page.
        using var folder = new DataFolder();
        var time = new ManualTime();
        using (var log = new MailboxHarness(folder.Path, time: time))
        {
            log.Send(5, "");
            log.Send(5, "behind it");
            log.Send(5, "");
            log.Commit();
        }

        using var again = new MailboxHarness(folder.Path, time: time);
        Assert.Equal(["", "behind it", ""], again.ReadAll(5).Select(m => m.Body));
    }

    [Fact]
    public void A_record_that_is_refused_leaves_commits_working()
    {
        // Trap 7: an exception while FASTER has its epoch stops every later commit.
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path);
        var sequence = log.P.NextSequence();
        Assert.Throws<ArgumentException>(() => log.P.Append(new MailboxRecord { Type = RecordType.Message, Mailbox = 5, Sequence = sequence, Body = new byte[100_000] }, out _));
        Assert.Throws<ArgumentException>(() => log.P.Append(new MailboxRecord { Type = RecordType.Message, Mailbox = 0, Sequence = sequence }, out _));
        Assert.Throws<ArgumentException>(() => log.P.Append(new MailboxRecord { Type = RecordType.Mark, Mailbox = 5 }, out _));
        Assert.Throws<ArgumentException>(() => log.P.Append(new MailboxRecord { Type = RecordType.Moved, Mailbox = 5 }, out _));
        Assert.Throws<ArgumentException>(() => log.P.Append(new MailboxRecord { Type = RecordType.Remove, Mailbox = 5, Sequence = 1 }, out _));
        Assert.Throws<ArgumentException>(() => log.P.Append(new MailboxRecord { Type = RecordType.Window, Mailbox = 5, Body = new byte[1] }, out _));
        log.Send(5, "fine");
        log.Commit();
        Assert.Equal("fine", log.ReadAll(5).Single().Body);
    }

    [Fact]
    public void Commits_leave_nothing_in_FASTER_s_books()
    {
        // Trap 4 is there: what its commit manager throws is swallowed on a pool thread. No commit goes that way.
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path);
        for (var i = 0; i < 50; i++)
        {
            log.Send(5, "m");
            log.Commit();
        }

        Assert.Empty(OngoingCommitRequests(log.Log.Faster));
    }

    /// <summary>FASTER's alone, of pages of 4 KiB.</summary>
    private static FasterLog SmallLog(IDevice device) => new(new FasterLogSettings
    {
        LogDevice = device,
        LogCommitManager = new RecoveredCommit(64, 64),
        PageSize = 4096,
        MemorySize = 64 * 1024,
        SegmentSize = 64 * 1024,
        TryRecoverLatest = false,
    });

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "ongoingCommitRequests")]
    private static extern ref Queue<(long Address, FasterLogRecoveryInfo Info)> OngoingCommitRequests(FasterLog log);

    [Fact]
    public void Starting_a_commit_does_not_wait_for_its_end()
    {
        // Trap 11: Commit(true) spins until it is over. Here it never is.
        using var device = new SilentDevice();
        var log = SmallLog(device);
        Assert.True(log.TryEnqueue(new byte[100], out _));
        var started = false;
        new Thread(() =>
        {
            FasterInternals.StartCommit(log, FasterInternals.TailOf(log));
            Volatile.Write(ref started, true);
        }) { IsBackground = true }.Start();
        MailboxHarness.WaitFor(() => Volatile.Read(ref started));
        Assert.Equal(1, device.Writes);
        Assert.True(log.FlushedUntilAddress < log.TailAddress);
    }

    [Fact]
    public void A_tail_is_never_one_that_there_is_not_yet()
    {
        // FASTER reads its tail in two halves: with a page turned in between, the old page's offset comes with the new page. Its own is read beside ours
        // until that was seen often, so that the test shows what it guards against; a machine that runs one thread at a time may never show it.
        using var device = new NullDevice();
        using var log = SmallLog(device);
        long end = 64;
        var stop = false;
        var appender = new Thread(() =>
        {
            var record = new byte[28];
            while (!Volatile.Read(ref stop))
            {
                if (log.TryEnqueue(record, out var address)) Volatile.Write(ref end, address + RecordLayout.LogBytes(record.Length));
            }
        }) { IsBackground = true };
        appender.Start();
        // Beyond the end of what was appended, only the record on its way: on this page, or behind a page that it does not fit in.
        bool IsTorn(long tail) => tail > Volatile.Read(ref end) + 2 * RecordLayout.LogBytes(28);
        var (torn, ours) = (0, 0);
        for (var until = Environment.TickCount64 + 5_000; torn < 50 && Environment.TickCount64 < until;)
        {
            if (IsTorn(log.TailAddress)) torn++;
            if (IsTorn(FasterInternals.TailOf(log))) ours++;
        }

        Volatile.Write(ref stop, true);
        appender.Join();
        Assert.True(ours == 0, $"{ours} tails that there were not, beside {torn} of FASTER's own.");
    }

    [Fact]
    public void Nothing_of_FASTER_s_log_is_used_but_what_is_known_to_hold()
    {
        // Traps 3 and 8, and whatever else is there: Initialize, Enqueue(byte, ref SpanByte), WaitForCommit, iterators ... What is added here wants a test first.
        Assert.Equal(
            [
                "Boolean TryEnqueue(System.ReadOnlySpan`1[System.Byte], Int64 ByRef)",
                "Boolean TryEnqueue[T](T, Int64 ByRef)",
                "Int32 UnsafeGetLogPageSizeBits()",
                "Int64 get_BeginAddress()",
                "Int64 get_FlushedUntilAddress()",
                "Int64 get_TailAddress()",
                "Void .ctor(FASTER.core.FasterLogSettings, Microsoft.Extensions.Logging.ILogger)",
                "Void Recover(Int64)",
            ],
            MembersUsed(typeof(FasterLog)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_tail_at_a_page_or_segment_boundary_is_recovered()
    {
        // FASTER loads no tail page then. Sizes are chosen so that records fill pages to the last byte.
        using var folder = new DataFolder();
        var time = new ManualTime();
        var boundaries = 0;
        var sent = 0;
        for (var run = 0; run < 60; run++)
        {
            using var log = new MailboxHarness(folder.Path, time: time);
            Assert.Equal(sent, log.ReadAll(5).Count);
            for (var i = 0; i < 3; i++)
            {
                // Up to the page's end, less what the commit's mark takes, when a record can reach it.
                var room = 4096 - (int)(log.Log.Counters.LogBytes + 64) % 4096;
                log.Send(5, new byte[Math.Clamp(room - 76, 0, 1000)]);
                sent++;
                if ((log.LastPosition & 4095) == 0) boundaries++;
            }

            log.Commit();
        }

        Assert.True(boundaries > 5, $"{boundaries} boundaries met");
    }

    [Fact]
    public void A_log_opens_again_with_its_tail_exactly_at_a_page_s_end()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using var live = new MailboxHarness(folder.Path, s => s.MemoryBytes = 1 << 20, time);
        for (var i = 0; i < 3; i++) live.Send(5, new byte[1000]);
        var room = 4096 - (int)live.LastPosition;
        live.Send(5, new byte[room - 76]);
        Assert.Equal(4096, live.LastPosition);
        live.Send(5, "gone");
        live.Commit();
        using var image = folder.Copy();

        // Cut behind the page: the tail is its end, and the page has no end mark.
        var bytes = File.ReadAllBytes(image.Segments[0]);
        bytes.AsSpan(4096 + 4096).Clear();
        File.WriteAllBytes(image.Segments[0], bytes);
        using (var log = new MailboxHarness(image.Path, time: time))
        {
            Assert.Equal(4, log.P.State(5).Entries);
            Assert.Equal(4096, log.Log.CommittedThrough);
            log.Send(5, "next page");
            log.Commit();
        }

        using var again = new MailboxHarness(image.Path, time: time);
        Assert.Equal(5, again.ReadAll(5).Count);
    }

    /// <summary>The type's members that the mailbox's code refers to, as its metadata lists them.</summary>
    private static IEnumerable<string> MembersUsed(Type type)
    {
        using var file = new PEReader(File.OpenRead(typeof(MailboxLog).Assembly.Location));
        var metadata = file.GetMetadataReader();
        foreach (var handle in metadata.MemberReferences)
        {
            var member = metadata.GetMemberReference(handle);
            if (member.Parent.Kind != HandleKind.TypeReference) continue;
            var parent = metadata.GetTypeReference((TypeReferenceHandle)member.Parent);
            if (metadata.GetString(parent.Name) != type.Name || metadata.GetString(parent.Namespace) != type.Namespace) continue;
            yield return typeof(MailboxLog).Module.ResolveMember(MetadataTokens.GetToken(handle))!.ToString()!;
        }
    }

    /// <summary>Takes writes and never completes one.</summary>
    private sealed class SilentDevice() : StorageDeviceBase("silent", 4, -1)
    {
        private int _writes;

        public int Writes => Volatile.Read(ref _writes);

        public override void WriteAsync(IntPtr sourceAddress, int segmentId, ulong destinationAddress, uint numBytesToWrite, DeviceIOCompletionCallback callback, object context) =>
            Interlocked.Increment(ref _writes);

        public override void ReadAsync(int segmentId, ulong sourceAddress, IntPtr destinationAddress, uint readLength, DeviceIOCompletionCallback callback, object context) =>
            throw new NotSupportedException();

        public override void RemoveSegment(int segment)
        {
        }

        public override void RemoveSegmentAsync(int segment, AsyncCallback callback, IAsyncResult result)
        {
        }

        public override void Dispose()
        {
        }
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_log")]
    private static extern ref FasterLog LogOf(MailboxLog log);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "epoch")]
    private static extern ref LightEpoch EpochOf(FasterLog log);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "Release")]
    private static extern void Release(LightEpoch epoch);
}
