using Gateway.Mailbox;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>Rule 3: sequences rise, are never given out twice, and never above what is durably reserved.</summary>
public class SequenceTests
{
    [Fact]
    public void A_sequence_is_the_clock_in_microseconds_or_one_more_than_the_last()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using var log = new MailboxHarness(folder.Path, time: time);
        var first = log.P.NextSequence();
        Assert.Equal(time.Microseconds + 1, first);
        Assert.Equal(first + 1, log.P.NextSequence());
        time.Advance(TimeSpan.FromMilliseconds(5));
        Assert.Equal(time.Microseconds, log.P.NextSequence());
        Assert.Equal(time.Microseconds, log.P.Floor);
    }

    [Theory]
    [InlineData(Durability.Fsync)]
    [InlineData(Durability.Os)]
    public void No_sequence_is_given_out_above_a_reservation_that_is_synced_in_either_mode(Durability durability)
    {
        using var folder = new DataFolder();
        var files = new FaultyFileSystem(folder.Path);
        var time = new ManualTime();
        using var log = new MailboxHarness(
            folder.Path, s => (s.FileSystem, s.Durability, s.ReserveAhead) = (files, durability, TimeSpan.FromSeconds(4)), time);
        using var held = new ManualResetEventSlim();
        using var syncing = new ManualResetEventSlim();
        files.OnSync = _ =>
        {
            syncing.Set();
            held.Wait();
        };
        var reserved = log.Log.Counters.ReservedThrough;
        time.Advance(TimeSpan.FromSeconds(3));
        var low = log.P.NextSequence();
        Assert.InRange(low, time.Microseconds, reserved);

        // Past the middle a renewal is under way; its sync hangs, and the clock runs out of what is reserved.
        MailboxHarness.WaitFor(() => syncing.IsSet);
        time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(0ul, log.P.NextSequence());
        Assert.Equal(low, log.P.Floor);
        Assert.Equal(reserved, log.Log.Counters.ReservedThrough);
        held.Set();
        ulong next = 0;
        MailboxHarness.WaitFor(() => (next = log.P.NextSequence()) != 0);
        Assert.Equal(time.Microseconds, next);
        Assert.InRange(next, reserved + 1, log.Log.Counters.ReservedThrough);
        Assert.Equal(0, files.UnsyncedWrites(".segment"));
    }

    [Theory]
    [InlineData(Durability.Fsync)]
    [InlineData(Durability.Os)]
    public void A_clock_that_stepped_back_gives_no_sequence_out_twice(Durability durability)
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        ulong highest;
        using var live = new MailboxHarness(folder.Path, s => (s.Durability, s.Partitions) = (durability, 2), time);

        // Given out, never appended, and past several renewals: only the reservation on disk knows of it.
        for (var i = 0; i < 5; i++)
        {
            time.Advance(TimeSpan.FromSeconds(4));
            MailboxHarness.WaitFor(() => live.Log.Partition(0).NextSequence() != 0);
        }

        highest = live.Log.Partition(0).Floor;
        using var image = folder.Copy();
        var past = new ManualTime(new DateTimeOffset(2001, 1, 1, 0, 0, 0, TimeSpan.Zero));
        for (var run = 0; run < 3; run++)
        {
            // More partitions than before: each starts above what any had.
            using var log = new MailboxHarness(image.Path, s => (s.Durability, s.Partitions) = (durability, 4), past);
            for (var p = 0; p < 4; p++)
            {
                var sequence = log.Log.Partition(p).NextSequence();
                Assert.True(sequence > highest, $"{sequence} after {highest}");
            }

            highest = Enumerable.Range(0, 4).Max(p => log.Log.Partition(p).Floor);
        }
    }

    [Fact]
    public void The_first_reservation_is_durable_before_the_log_is_open()
    {
        // Without a single commit: it is the superblock's.
        using var folder = new DataFolder();
        var time = new ManualTime();
        using var log = new MailboxHarness(folder.Path, time: time);
        var given = log.P.NextSequence();
        using var image = folder.Copy();
        using var again = new MailboxHarness(image.Path, time: new ManualTime(DateTimeOffset.UnixEpoch.AddYears(10)));
        Assert.True(again.P.NextSequence() > given);
    }

    [Fact]
    public void An_idle_log_renews_its_reservation_so_that_the_first_message_after_the_night_is_not_refused()
    {
        using var folder = new DataFolder();
        var time = new ManualTime();
        using var log = new MailboxHarness(folder.Path, time: time);
        time.Advance(TimeSpan.FromHours(8));
        MailboxHarness.WaitFor(() => log.Log.Counters.ReservedThrough > time.Microseconds);
        Assert.Equal(time.Microseconds, log.P.NextSequence());
    }

    [Fact]
    public void A_disk_slower_than_a_reservation_is_long_still_takes_messages()
    {
        // Each reservation would be over before it is durable, did it not grow.
        using var folder = new DataFolder();
        var time = new ManualTime();
        var files = new FaultyFileSystem(folder.Path);
        using var log = new MailboxHarness(folder.Path, s => s.FileSystem = files, time);
        files.OnSync = name =>
        {
            if (name.EndsWith(".segment", StringComparison.Ordinal)) time.Advance(TimeSpan.FromSeconds(20));
        };
        for (var i = 0; i < 5; i++)
        {
            log.Send(5, "m");
            log.Commit();
        }

        Assert.Equal(5, log.P.State(5).Entries);
    }

    [Fact]
    public void A_message_must_carry_a_sequence_that_was_given_out_and_rises()
    {
        using var folder = new DataFolder();
        using var log = new MailboxHarness(folder.Path);
        var sequence = log.Send(5, "m");
        var floor = log.P.Floor;
        Assert.Throws<ArgumentException>(() => log.P.Append(new MailboxRecord { Type = RecordType.Message, Mailbox = 5, Sequence = floor + 1 }, out _));
        Assert.Throws<ArgumentException>(() => log.P.Append(new MailboxRecord { Type = RecordType.Message, Mailbox = 5, Sequence = sequence }, out _));
        Assert.Throws<ArgumentException>(() => log.P.Append(new MailboxRecord { Type = RecordType.Message, Mailbox = 5 }, out _));
        Assert.Equal(1, log.P.State(5).Entries);
    }
}
