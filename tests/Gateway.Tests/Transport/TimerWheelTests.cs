using FsCheck;
using FsCheck.Fluent;
using Gateway.Transport.Connections;
using Gateway.Transport.Timers;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>The wheel under synthetic time: against a plain list, around the wrap of the tick counter, and by the work it does.</summary>
public class TimerWheelTests
{
    private const int Unbounded = int.MaxValue;

    [Fact]
    public void A_timer_fires_at_its_tick_and_not_before()
    {
        using var table = Table(1);
        var wheel = new TimerWheel(table, 8, now: 100);
        wheel.Schedule(0, 105);
        Assert.Empty(Expire(wheel, 104));
        Assert.Equal([0u], Expire(wheel, 105));
        Assert.Equal(0, wheel.Count);
    }

    [Fact]
    public void A_timer_beyond_a_revolution_waits_for_its_own()
    {
        using var table = Table(1);
        var wheel = new TimerWheel(table, 8, now: 0);
        wheel.Schedule(0, 8 * 5 + 3);
        for (uint tick = 1; tick < 43; tick++) Assert.Empty(Expire(wheel, tick));
        Assert.Equal([0u], Expire(wheel, 43));
    }

    [Fact]
    public void A_due_in_the_past_fires_at_the_next_tick()
    {
        using var table = Table(1);
        var wheel = new TimerWheel(table, 8, now: 50);
        wheel.Schedule(0, 20);
        Assert.Empty(Expire(wheel, 50));
        Assert.Equal([0u], Expire(wheel, 51));
    }

    [Fact]
    public void What_is_scheduled_while_a_tick_expires_does_not_fire_in_it()
    {
        using var table = Table(2);
        var wheel = new TimerWheel(table, 8, now: 0);
        wheel.Schedule(0, 8);
        var budget = Unbounded;
        Assert.True(wheel.TryExpire(8, ref budget, out var index));
        wheel.Schedule(index, 8);
        wheel.Schedule(1, 16);
        Assert.False(wheel.TryExpire(8, ref budget, out _));
        Assert.Equal([0u], Expire(wheel, 9));
        Assert.Equal([1u], Expire(wheel, 16));
    }

    [Fact]
    public void A_timer_cancelled_while_its_bucket_expires_does_not_fire()
    {
        using var table = Table(3);
        var wheel = new TimerWheel(table, 8, now: 0);
        for (uint i = 0; i < 3; i++) wheel.Schedule(i, 4);
        var budget = Unbounded;
        Assert.True(wheel.TryExpire(4, ref budget, out var first));
        for (uint i = 0; i < 3; i++) wheel.Cancel(i);
        Assert.False(wheel.TryExpire(4, ref budget, out _));
        Assert.Equal(0, wheel.Count);
        Assert.InRange(first, 0u, 2u);
    }

    [Fact]
    public void A_turn_cut_short_by_its_budget_goes_on_where_it_stopped()
    {
        using var table = Table(100);
        var wheel = new TimerWheel(table, 8, now: 0);
        for (uint i = 0; i < 100; i++) wheel.Schedule(i, 5);
        var fired = new HashSet<uint>();
        var turns = 0;
        do
        {
            var budget = 10;
            while (wheel.TryExpire(5, ref budget, out var index)) Assert.True(fired.Add(index));
            Assert.True(budget >= 0);
            turns++;
        }
        while (wheel.HasBacklog(5));
        Assert.Equal(100, fired.Count);
        Assert.True(turns >= 10);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(uint.MaxValue - 100)]
    [InlineData(uint.MaxValue / 2 - 100)]
    public void The_wheel_agrees_with_a_plain_list(uint start)
    {
        Prop.ForAll<(byte Op, byte Slot, ushort Ticks)[]>(ops => Agree(start, ops)).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void A_million_timers_cost_a_look_each_and_one_for_every_tick()
    {
        const int timers = 1_000_000;
        const int buckets = 8192;
        using var table = Table(timers);
        var wheel = new TimerWheel(table, buckets, now: 0);
        var random = new Random(5);
        // Up to three revolutions away.
        for (uint i = 0; i < timers; i++) wheel.Schedule(i, (uint)random.Next(1, 3 * buckets));
        // Cancelling and rescheduling take no look at all.
        for (uint i = 0; i < timers; i += 3) wheel.Cancel(i);
        for (uint i = 0; i < timers; i += 6) wheel.Schedule(i, (uint)random.Next(1, 3 * buckets));

        var expected = wheel.Count;
        var fired = 0;
        long looks = 0;
        for (uint tick = 1; tick <= 3 * buckets; tick++)
        {
            var budget = Unbounded;
            while (wheel.TryExpire(tick, ref budget, out var index))
            {
                fired++;
                Assert.Equal(tick, table[index].TimerDue);
            }

            looks += Unbounded - budget;
        }

        Assert.Equal(expected, fired);
        // A tick each, and each timer once a revolution until it is due: two on average over three revolutions.
        Assert.InRange(looks, expected, 3L * buckets + 2.01 * expected);
    }

    private static bool Agree(uint start, (byte Op, byte Slot, ushort Ticks)[] ops)
    {
        const int slots = 24;
        using var table = Table(slots);
        var wheel = new TimerWheel(table, 16, start);
        var model = new Dictionary<uint, uint>();
        var now = start;
        foreach (var (op, s, ticks) in ops)
        {
            var slot = (uint)s % slots;
            switch (op % 4)
            {
                case 0:
                case 1:
                    var ahead = (uint)ticks % 100;
                    wheel.Schedule(slot, now + ahead);
                    model[slot] = now + Math.Max(ahead, 1);
                    break;
                case 2:
                    wheel.Cancel(slot);
                    model.Remove(slot);
                    break;
                default:
                    now += (uint)ticks % 40;
                    var due = model.Where(t => (int)(t.Value - now) <= 0).OrderBy(t => t.Value - start).ToList();
                    var fired = Expire(wheel, now);
                    // By tick in order, within a tick in any.
                    if (!fired.Select(i => model[i]).SequenceEqual(due.Select(t => t.Value))) return false;
                    if (!fired.Order().SequenceEqual(due.Select(t => t.Key).Order())) return false;
                    foreach (var (key, _) in due) model.Remove(key);
                    break;
            }

            if (wheel.Count != model.Count) return false;
            if (Enumerable.Range(0, slots).Any(i => wheel.IsScheduled((uint)i) != model.ContainsKey((uint)i))) return false;
        }

        return true;
    }

    private static List<uint> Expire(TimerWheel wheel, uint now)
    {
        var fired = new List<uint>();
        var budget = Unbounded;
        while (wheel.TryExpire(now, ref budget, out var index)) fired.Add(index);
        return fired;
    }

    private static ConnectionTable Table(uint slots)
    {
        var table = new ConnectionTable(slots);
        for (uint i = 0; i < slots; i++) Assert.True(table.TryTake(SlotState.Open, 0, out _));
        return table;
    }
}
