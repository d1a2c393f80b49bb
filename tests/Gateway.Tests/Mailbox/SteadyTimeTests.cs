using Gateway.Mailbox.Format;
using Xunit;

namespace Gateway.Tests.Mailbox;

/// <summary>The time by which things are given up for their age: no system clock that is wrong makes it run ahead.</summary>
public sealed class SteadyTimeTests : IDisposable
{
    private const uint Day = 24 * 3600;

    private readonly DataFolder _data = new();
    private readonly ManualTime _time = new();

    private uint Now => (uint)(_time.Microseconds / 1_000_000);

    public void Dispose() => _data.Dispose();

    [Fact]
    public void It_is_the_wall_clocks_in_a_new_folder_and_after_a_short_pause_and_passes_with_the_monotonic_clock()
    {
        for (var runs = 0; runs < 3; runs++)
        {
            using (var log = new MailboxHarness(_data.Path, time: _time))
            {
                Assert.Equal(Now, log.Log.SteadySeconds);
                _time.Advance(TimeSpan.FromDays(20));
                Assert.Equal(Now, log.Log.SteadySeconds);
            }

            _time.Advance(TimeSpan.FromHours(20));
        }
    }

    [Fact]
    public void An_opening_believes_a_clock_that_is_years_ahead_no_more_than_a_day()
    {
        uint last;
        using (var log = new MailboxHarness(_data.Path, time: _time)) last = log.Log.SteadySeconds;
        _time.Advance(TimeSpan.FromDays(3650));
        for (var runs = 1U; runs <= 3; runs++)
        {
            using var log = new MailboxHarness(_data.Path, time: _time);
            Assert.Equal(last + runs * Day, log.Log.SteadySeconds);
        }
    }

    [Fact]
    public void It_does_not_go_back_with_a_clock_that_was_set_back()
    {
        uint last;
        using (var log = new MailboxHarness(_data.Path, time: _time)) last = log.Log.SteadySeconds;
        _time.Advance(TimeSpan.FromDays(-3650));
        using (var log = new MailboxHarness(_data.Path, time: _time))
        {
            Assert.Equal(last, log.Log.SteadySeconds);
            _time.Advance(TimeSpan.FromDays(2));
            Assert.Equal(last + 2 * Day, log.Log.SteadySeconds);
        }
    }

    [Fact]
    public void A_kill_costs_it_an_hour_at_most()
    {
        using var log = new MailboxHarness(_data.Path, time: _time);
        for (var hours = 0; hours < 5; hours++)
        {
            _time.Advance(TimeSpan.FromHours(1));
            MailboxHarness.WaitFor(() => Recorded(_data) == Now);
        }
    }

    [Fact]
    public void A_log_from_before_it_was_kept_takes_it_from_its_reservation()
    {
        uint last;
        using (var log = new MailboxHarness(_data.Path, time: _time)) last = Now;
        var path = Path.Combine(_data.Path, Superblock.FileName);
        var bytes = File.ReadAllBytes(path);
        for (var slot = 0; slot < 2; slot++) bytes.AsSpan(slot * Superblock.SlotBytes + 72, 12).Clear();
        File.WriteAllBytes(path, bytes);
        _time.Advance(TimeSpan.FromDays(3650));
        using var later = new MailboxHarness(_data.Path, time: _time);
        Assert.InRange(later.Log.SteadySeconds, last + Day, last + Day + 10);
        Assert.Equal(1u, later.Log.Generation);
    }

    [Fact]
    public void A_superblock_whose_later_fields_are_damaged_is_not_believed()
    {
        using (new MailboxHarness(_data.Path, time: _time))
        {
        }

        var path = Path.Combine(_data.Path, Superblock.FileName);
        var bytes = File.ReadAllBytes(path);
        var slot = bytes.AsSpan(0, Superblock.SlotBytes);
        Assert.True(Superblock.TryRead(slot, path, out _));
        slot[72] ^= 1;
        Assert.False(Superblock.TryRead(slot, path, out _));
    }

    private static uint Recorded(DataFolder data)
    {
        uint steady = 0;
        ulong newest = 0;
        var bytes = File.ReadAllBytes(Path.Combine(data.Path, Superblock.FileName));
        for (var i = 0; i < 2; i++)
        {
            if (!Superblock.TryRead(bytes.AsSpan(i * Superblock.SlotBytes, Superblock.SlotBytes), data.Path, out var found) || found.Number < newest) continue;
            (newest, steady) = (found.Number, found.SteadyTime);
        }

        return steady;
    }
}
