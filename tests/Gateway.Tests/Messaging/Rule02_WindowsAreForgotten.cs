using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>
/// P5: a resend within 60 days is recognised across restarts and compaction; later its outcome is unknown, and it is never stored twice in silence.
/// The node forgets after 62 days, since its records of a window's use may be two days behind.
/// </summary>
public class Rule02_WindowsAreForgotten : HomeTests
{
    private const long DayMs = 24L * 3600 * 1000;

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_resend_after_59_days_is_recognised_across_restart_and_compaction(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        var number = anna.Send(ben.Address, "once");
        net.Settle();
        anna.HangUp();
        Pass(net, 20);
        Compact(net);
        Pass(net, 20);
        net.Crash();
        Pass(net, 19);
        Compact(net);
        net.Crash();

        anna.Login();
        ben.Login();
        anna.Write(SendOf(ben, number, number, "once"));
        net.Settle();
        Assert.Equal([number, number], anna.Accepted.Select(a => a.Number));
        Assert.Single(ben.Inbox);
        Assert.Equal(1, net.Store.Messages.Accepted);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void After_62_days_the_window_is_gone_and_its_incarnation_fenced_for_good(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "once");
        net.Settle();
        anna.HangUp();
        net.Settle();
        var windows = net.HomeOf(anna.Address).Windows;
        Pass(net, 63);
        Assert.Equal(windows - 1, net.HomeOf(anna.Address).Windows);
        Assert.Equal(1, net.HomeOf(anna.Address).Counters.WindowsForgotten);

        var old = anna.Incarnation;
        foreach (var between in (Action[])[() => { }, () => net.Crash(), () => Compact(net), () => net.Crash()])
        {
            between();
            anna.Login();
            Assert.False(anna.IsWelcome);
            Assert.Equal(ErrorCode.IncarnationFenced, anna.Failures.Last().Code);
        }

        anna.Forget();
        anna.Login();
        Assert.True(anna.IsWelcome && anna.Incarnation > old);
        ben.Login();
        anna.Send(ben.Address, "new");
        net.Settle();
        Assert.Equal(["once", "new"], ben.Inbox.Select(d => d.Body));
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_forgotten_window_does_not_come_back_from_an_origin_that_the_log_still_has(int homes)
    {
        var net = Start(homes);
        var (anna, ben, cleo) = (Anna(net), Ben(net), Cleo(net, login: false));
        anna.Write(SendOf(ben, 1, lowestOpen: 1, "once"));
        net.Settle();
        var first = net.Store.CommittedThrough;
        anna.Write(SendOf(cleo, 2, lowestOpen: 1, "waits for ever"));
        net.Settle();
        anna.HangUp();
        Pass(net, 63);

        // What said that number 1 is settled goes with the log's oldest part; the origin of number 2 stays.
        Compact(net, first);
        net.Crash();
        anna.NextNumber = 3;
        anna.Login();
        Assert.Equal(ErrorCode.IncarnationFenced, anna.Failures.Last().Code);
        Assert.Equal(2, net.Store.Messages.Accepted);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void The_window_of_a_connected_device_is_never_forgotten_also_by_a_node_that_is_killed(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        var number = anna.Send(ben.Address, "once");
        net.Settle();
        Pass(net, 100);
        Assert.True(anna.IsConnected);
        Assert.Equal(0, net.HomeOf(anna.Address).Counters.WindowsForgotten);

        net.Crash();
        Pass(net, 59);
        anna.Login();
        anna.Write(SendOf(ben, number, number, "once"));
        net.Settle();
        Assert.Equal([number, number], anna.Accepted.Select(a => a.Number));
        Assert.Equal(1, net.Store.Messages.Accepted);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_device_that_comes_for_a_moment_now_and_then_has_used_its_window_when_it_came_last(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net);
        for (var visits = 0; visits < 4; visits++)
        {
            anna.HangUp();
            Pass(net, 40);
            anna.Login();
            Assert.True(anna.IsWelcome);
            anna.HangUp();
        }

        net.Crash();
        Pass(net, 59);
        anna.Login();
        Assert.True(anna.IsWelcome);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_window_with_something_in_flight_is_not_forgotten_although_its_device_is_gone(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "not committed");
        net.Exchange();
        anna.HangUp();
        for (var day = 0; day < 100; day++)
        {
            net.Clock.Advance(DayMs);
            net.Exchange();
        }

        net.Settle();
        Assert.Equal(0, net.HomeOf(anna.Address).Counters.WindowsForgotten);
        anna.ResendsAtLogin = false;
        anna.Login();
        Assert.Equal((1UL, 0b1UL), anna.Heard.OfType<Welcomed>().Select(w => (w.WindowLow, w.WindowSettled)).Last());
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void No_step_of_the_wall_clock_makes_a_window_old(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net);
        anna.HangUp();
        net.Settle();
        net.Clock.StepWall(3650 * DayMs);
        Pass(net, 2);
        net.Crash();
        Pass(net, 1);
        Assert.Equal(0, net.HomeOf(anna.Address).Counters.WindowsForgotten);
        anna.Login();
        Assert.True(anna.IsWelcome);

        // Used by a clock that is ten years ahead, it is forgotten no later than others.
        anna.HangUp();
        net.Settle();
        net.Clock.StepWall(-3650 * DayMs);
        Pass(net, 63);
        Assert.Equal(1, net.HomeOf(anna.Address).Counters.WindowsForgotten);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_fresh_incarnation_is_above_a_forgotten_one_also_by_a_clock_that_was_set_back(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net);
        var old = anna.Incarnation;
        anna.HangUp();
        Pass(net, 63);
        Assert.Equal(1, net.HomeOf(anna.Address).Counters.WindowsForgotten);
        net.Crash();
        net.Clock.StepWall(-200 * DayMs);
        anna.Forget();
        anna.Login();
        Assert.True(anna.Incarnation > old, $"{anna.Incarnation} after {old}");
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_window_whose_incarnation_is_ahead_of_all_sequences_stays_since_a_fresh_one_might_equal_it(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net, login: false);
        var ahead = net.Clock.UnixSeconds + 1_000_000_000;
        net.HomeOf(anna.Address).RestoreWindow(anna.Address.Value, ahead, 1, 0, net.Clock.SteadySeconds);
        Pass(net, 63);
        Assert.Equal(0, net.HomeOf(anna.Address).Counters.WindowsForgotten);
        anna.Pretend(ahead);
        anna.Login();
        Assert.Equal(ErrorCode.IncarnationFenced, anna.Failures.Last().Code);
        anna.Forget();
        anna.Login();
        Assert.Equal(ahead + 1, anna.Incarnation);
    }

    [Fact]
    public void Very_many_are_forgotten_a_few_at_a_time_and_the_others_stay_as_they_are()
    {
        var net = Start(1);
        var home = net.Reactors[0].Home;
        var now = net.Clock.SteadySeconds;
        // Connected devices' windows lie between those that go, and behind them.
        List<DeviceModel> here = [.. Enumerable.Range(1, 20).Select(i => Device(net, 1, i))];
        for (uint i = 0; i < 2_000; i++) home.RestoreWindow(Stranger(i), 5, 1, 0, now);
        here.AddRange(Enumerable.Range(21, 20).Select(i => Device(net, 1, i)));
        net.Clock.Advance(63 * DayMs);
        var steps = 0;
        for (; home.Windows > here.Count; steps++)
        {
            var (windows, appended) = (home.Windows, net.Store.Appended);
            net.Clock.Advance(60);
            net.Turn();
            Assert.InRange(windows - home.Windows, 0, 128);
            Assert.InRange(net.Store.Appended - appended, 0, 128);
            Assert.True(steps < 100, $"{home.Windows} are left");
        }

        Assert.True(steps >= 2_000 / 128, $"{steps} steps");
        Assert.Equal(2_000, home.Counters.WindowsForgotten);
        foreach (var device in here) device.Send(here[0].Address, $"{device.Address} is still here");
        net.Settle();
        Assert.Equal(here.Count, here[0].Inbox.Count);
        foreach (var device in here) Assert.Equal([1UL], device.Accepted.Select(a => a.Number));
        AssertIdle(net);
        net.Crash();
        Assert.Equal(here.Count, home.Windows);
    }

    [Fact]
    public void Without_room_in_the_log_nothing_is_forgotten_for_now()
    {
        var net = Start(1);
        var anna = Anna(net);
        anna.HangUp();
        net.Settle();
        net.Store.Admission = LogStatus.Full;
        Pass(net, 63);
        Assert.Equal(1, net.HomeOf(anna.Address).Windows);
        net.Store.Admission = LogStatus.Appended;
        net.Settle();
        net.Store.MayReserve = true;
        Assert.Equal(0, net.HomeOf(anna.Address).Windows);
    }

    [Fact]
    public void A_window_of_which_the_log_has_only_an_origin_counts_as_used_now()
    {
        var net = Start(1);
        var anna = Anna(net, login: false);
        net.HomeOf(anna.Address).RestoreOrigin(anna.Address.Value, 9, 4, 4);
        net.HomeOf(anna.Address).RestoreOrigin(Stranger(1), 9, 4, 4);
        Pass(net, 50);
        anna.Pretend(9);
        anna.NextNumber = 5;
        anna.Login();
        Assert.Equal((4UL, 0b1UL), anna.Heard.OfType<Welcomed>().Select(w => (w.WindowLow, w.WindowSettled)).Last());
        anna.HangUp();
        Pass(net, 63);
        Assert.Equal(0, net.HomeOf(anna.Address).Windows);
    }

    [Fact]
    public void A_window_that_was_used_by_a_time_to_come_stays()
    {
        var net = Start(1);
        var anna = Anna(net, login: false);
        net.HomeOf(anna.Address).RestoreWindow(anna.Address.Value, 9, 1, 0, net.Clock.SteadySeconds + 100 * 24 * 3600);
        Pass(net, 63);
        Assert.Equal(1, net.HomeOf(anna.Address).Windows);
    }

    [Fact]
    public void That_an_older_incarnation_was_forgotten_leaves_the_newer_one_alone()
    {
        var net = Start(1);
        var anna = Anna(net, login: false);
        var home = net.HomeOf(anna.Address);
        home.RestoreWindow(anna.Address.Value, 10, 1, 0, net.Clock.SteadySeconds);
        home.RestoreWindow(anna.Address.Value, 9, 0, 0, net.Clock.SteadySeconds);
        Assert.Equal(1, home.Windows);
        home.RestoreWindow(anna.Address.Value, 10, 0, 0, net.Clock.SteadySeconds);
        Assert.Equal(0, home.Windows);
    }

    private static ulong Stranger(uint i) => new Address(AddressKind.User, 77_000_000 + i).Value;

    /// <summary>Days pass, with a node that has nothing to do.</summary>
    private static void Pass(HomeNet net, int days)
    {
        for (var day = 0; day < days; day++)
        {
            net.Clock.Advance(DayMs);
            net.Settle();
        }
    }

    /// <summary>As the node's host does it: what the oldest part of the log has of devices is recorded again, and that part goes.</summary>
    private static void Compact(HomeNet net, long through = long.MaxValue)
    {
        net.Settle();
        through = Math.Min(through, net.Store.CommittedThrough);
        foreach (var (device, incarnation, number, _) in net.Store.CarriedBefore(through))
        {
            var address = new Address(device);
            Assert.Equal(1, net.HomeOf(address).CarryWindows([new CarriedWindow(device, incarnation, number)], through));
        }

        net.Settle();
        net.Store.Truncate(through);
    }
}
