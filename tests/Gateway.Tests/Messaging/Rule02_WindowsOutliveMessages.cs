using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>Rule 2: the window is rebuilt from the log; a device without state starts a fresh one, and older ones are fenced.</summary>
public class Rule02_WindowsOutliveMessages : HomeTests
{
    [Theory]
    [MemberData(nameof(Homes))]
    public void A_resend_after_a_crash_is_recognised_although_its_message_is_long_gone(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        var number = anna.Send(ben.Address, "once");
        net.Settle();
        Assert.Equal(0, net.Store.Messages.Pending);

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
    public void The_welcome_after_a_crash_tells_what_has_settled(int homes)
    {
        var net = Start(homes);
        var (anna, ben, cleo) = (Anna(net), Ben(net), Cleo(net));
        anna.Write(SendOf(ben, 3, lowestOpen: 3, "a"));
        anna.Write(SendOf(cleo, 5, lowestOpen: 3, "b"));
        net.Settle();
        anna.Write(SendOf(cleo, 4, lowestOpen: 3, "not committed before the crash"));
        net.Exchange();

        net.Crash();
        anna.NextNumber = 6;
        anna.Login();
        var welcome = anna.Heard.OfType<Welcomed>().Last();
        Assert.Equal((anna.Incarnation, 3UL, 0b101UL), (welcome.Incarnation, welcome.WindowLow, welcome.WindowSettled));
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_sent_read_receipt_settles_its_number_for_good_too(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, ReadBody(1, 1), SendKind.Read);
        net.Settle();

        net.Crash();
        anna.Login();
        Assert.Equal(0b1UL, anna.Heard.OfType<Welcomed>().Last().WindowSettled);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Windows_survive_a_change_of_the_number_of_homes(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        var number = anna.Send(ben.Address, "once");
        net.Settle();

        net.Crash(homes: 9 - homes);
        anna.Login();
        ben.Login();
        anna.Write(SendOf(ben, number, number, "once"));
        net.Settle();

        Assert.Equal([number, number], anna.Accepted.Select(a => a.Number));
        Assert.Equal("once", Assert.Single(ben.Inbox).Body);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void The_order_in_which_window_and_origins_are_streamed_does_not_matter(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net, login: false);
        Action<Home>[] facts =
        [
            home => home.RestoreWindow(anna.Address.Value, 9, 1, 0, net.Clock.SteadySeconds),
            home => home.RestoreWindow(anna.Address.Value, 10, 8, 0b1001, net.Clock.SteadySeconds),
            home => home.RestoreOrigin(anna.Address.Value, 10, 7, 5),
            home => home.RestoreOrigin(anna.Address.Value, 10, 9, 6),
            home => home.RestoreOrigin(anna.Address.Value, 10, 12, 9),
            home => home.RestoreOrigin(anna.Address.Value, 9, 10, 1),
        ];
        for (var turned = 0; turned < facts.Length; turned++)
        {
            foreach (var order in new[] { facts, facts.Reverse().ToArray() })
            {
                net = Start(homes);
                anna = Anna(net, login: false);
                for (var i = 0; i < order.Length; i++) order[(i + turned) % order.Length](net.HomeOf(anna.Address));
                anna.Pretend(10);
                anna.NextNumber = 20;
                anna.Login();
                // Low 9 from the last origin; 9, 11 and 12 settled: by an origin, by the window's bits, by an origin.
                var welcome = Assert.Single(anna.Heard.OfType<Welcomed>());
                Assert.Equal((10u, 9UL, 0b1101UL), (welcome.Incarnation, welcome.WindowLow, welcome.WindowSettled));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_fresh_incarnation_is_durable_before_the_welcome(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net, login: false);
        anna.Connect();
        net.Exchange();
        Assert.Empty(anna.Heard);

        net.Store.CommitAll();
        net.Exchange();
        Assert.Single(anna.Heard.OfType<Welcomed>());
        net.Crash();
        anna.Login();
        Assert.True(anna.IsWelcome);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Before_the_welcome_a_device_may_say_nothing(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net, login: false);
        anna.Connect();
        net.Exchange();
        anna.Ping(1);
        net.Settle();
        Assert.Equal(ErrorCode.UnexpectedFrame, Assert.Single(anna.Failures).Code);
        Assert.Empty(anna.Heard.OfType<Welcomed>());
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_device_that_hung_up_before_its_fresh_incarnation_was_durable_is_welcomed_the_next_time(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net, login: false);
        anna.Connect();
        net.Exchange();
        anna.HangUp();
        anna.Connect();
        net.Settle();
        Assert.Single(anna.Heard.OfType<Welcomed>());
        Assert.True(anna.IsWelcome);
        anna.Send(anna.Address, "still works");
        net.Settle();
        Assert.Single(anna.Inbox);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void After_a_fresh_start_the_older_incarnation_is_fenced_also_after_a_crash(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net);
        var old = anna.Incarnation;
        anna.Forget();
        anna.Login();
        Assert.True(anna.Incarnation > old);

        for (var i = 0; i < 2; i++)
        {
            var stale = net.AddDevice(anna.Address);
            stale.Pretend(old);
            stale.Login();
            Assert.Equal(ErrorCode.IncarnationFenced, Assert.Single(stale.Failures).Code);
            stale.Pretend(anna.Incarnation + 1);
            stale.Login();
            Assert.Equal(2, stale.Failures.Count(f => f.Code == ErrorCode.IncarnationFenced));
            net.Crash();
        }
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_fenced_login_leaves_the_session_there_is_alone(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net);
        var stale = net.AddDevice(anna.Address);
        stale.Pretend(anna.Incarnation - 1);
        stale.Login();

        anna.Send(anna.Address, "still here");
        net.Settle();
        Assert.Single(anna.Inbox);
        Assert.True(anna.IsWelcome);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_fresh_window_forgets_the_numbers_of_the_old_one_also_those_in_flight(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "old one");
        anna.Send(ben.Address, "old two");
        net.Exchange();
        anna.Forget();
        anna.Connect();
        net.Exchange();
        net.Settle();
        Assert.Empty(anna.Accepted);

        anna.Send(ben.Address, "new one");
        net.Settle();
        Assert.Equal([1UL], anna.Accepted.Select(a => a.Number));
        Assert.Equal(["old one", "old two", "new one"], ben.Inbox.Select(d => d.Body));
        Assert.True(ben.Inbox[2].Incarnation > ben.Inbox[0].Incarnation);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_fresh_window_has_nothing_in_flight_also_when_its_session_never_came_to_rest(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Acknowledges = false;
        ben.Send(anna.Address, "keeps her session at work");
        net.Settle();
        anna.Send(ben.Address, "old");
        net.Exchange();
        anna.Forget();
        anna.Send(ben.Address, "new");
        anna.Login();

        Assert.Equal([1UL], anna.Accepted.Select(a => a.Number));
        Assert.Equal(["old", "new"], ben.Inbox.Select(d => d.Body));
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Without_room_for_the_fresh_incarnation_the_login_is_refused_as_overloaded(int homes)
    {
        var net = Start(homes);
        net.Store.Admission = LogStatus.Full;
        var anna = Anna(net);
        Assert.Equal(ErrorCode.Overloaded, Assert.Single(anna.Failures).Code);
        Assert.Equal(0, net.HomeOf(anna.Address).Sessions);

        net.Store.Admission = LogStatus.Appended;
        anna.Login();
        Assert.True(anna.IsWelcome);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_key_epoch_is_not_recorded_again_while_a_higher_one_is_under_way(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        var home = net.HomeOf(anna.Address);
        Assert.True(home.TrySetKeyEpoch(anna.Address, 1, () => net.SetKeyEpoch(anna.Address, 1)));

        // Durable, and not yet counting: the part of the log that it lies in may be asked for in this very moment.
        net.Store.CommitAll();
        Assert.Equal(0u, net.CurrentEpoch(anna.Address));
        Assert.False(home.TryCarryKeyEpoch(anna.Address, net.CurrentEpoch(anna.Address)));
        Assert.True(net.HomeOf(ben.Address).TryCarryKeyEpoch(ben.Address, 0));
        net.Settle();
        Assert.Equal(1u, net.CurrentEpoch(anna.Address));
        Assert.True(home.TryCarryKeyEpoch(anna.Address, net.CurrentEpoch(anna.Address)));
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_window_is_recorded_again_with_all_that_has_settled_but_not_while_a_number_it_must_tell_of_is_in_flight(int homes)
    {
        var net = Start(homes);
        var (anna, ben, cleo) = (Anna(net), Ben(net), Cleo(net));
        var home = net.HomeOf(anna.Address);
        anna.Write(SendOf(ben, 3, lowestOpen: 3, "a"));
        anna.Write(SendOf(cleo, 5, lowestOpen: 3, "b"));
        net.Settle();
        anna.Write(SendOf(cleo, 4, lowestOpen: 3, "not committed yet"));
        net.Exchange();
        Assert.True(TryCarry(anna.Address, anna.Incarnation, 3));
        Assert.False(TryCarry(anna.Address, anna.Incarnation, 4));
        Assert.False(TryCarry(anna.Address, anna.Incarnation, ulong.MaxValue));
        Assert.True(TryCarry(anna.Address, anna.Incarnation - 1, 4));
        net.Settle();
        Assert.True(TryCarry(anna.Address, anna.Incarnation, ulong.MaxValue));
        Assert.True(TryCarry(new Address(AddressKind.User, 999), 1, 1));
        net.Settle();

        var windows = new WindowsOf(anna.Address.Value);
        net.Store.Replay(windows);
        (uint, ulong, ulong)[] expected = [(anna.Incarnation, 1, 0), (anna.Incarnation, 3, 0b101), (anna.Incarnation, 3, 0b101), (anna.Incarnation, 3, 0b111)];
        Assert.Equal(expected, windows.Seen);

        bool TryCarry(Address device, uint incarnation, ulong number) =>
            net.HomeOf(device).CarryWindows([new CarriedWindow(device.Value, incarnation, number)], net.Store.Appended) == 1;
    }

    [Fact]
    public void Windows_are_recorded_again_in_their_order_up_to_the_first_that_must_wait()
    {
        var net = Start(homes: 1);
        var (anna, ben, cleo) = (Anna(net), Ben(net), Cleo(net));
        var home = net.HomeOf(anna.Address);
        ben.Write(SendOf(cleo, 1, lowestOpen: 1, "not committed yet"));
        net.Exchange();
        var through = net.Store.Appended;
        var nobody = new Address(AddressKind.User, 999);
        CarriedWindow[] carried =
        [
            new(nobody.Value, 1, 1), new(anna.Address.Value, anna.Incarnation, 1), new(anna.Address.Value, 0, 0),
            new(ben.Address.Value, ben.Incarnation, 1), new(cleo.Address.Value, cleo.Incarnation, 1),
        ];

        Assert.Equal(3, home.CarryWindows(carried, through));
        Assert.Equal(through + 1, net.Store.Appended);
        net.Store.Admission = LogStatus.Full;
        Assert.Equal(0, home.CarryWindows(carried.AsSpan(4), through));
        net.Store.Admission = LogStatus.Appended;
        net.Settle();
        through = net.Store.Appended;
        Assert.Equal(2, home.CarryWindows(carried.AsSpan(3), through));
        Assert.Equal(through + 2, net.Store.Appended);
        net.Settle();

        Assert.Equal((2, 2, 2), (RecordsOf(anna), RecordsOf(ben), RecordsOf(cleo)));

        int RecordsOf(DeviceModel device)
        {
            var windows = new WindowsOf(device.Address.Value);
            net.Store.Replay(windows);
            return windows.Seen.Count;
        }
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_window_that_the_log_tells_of_behind_what_goes_is_not_recorded_again(int homes)
    {
        var net = Start(homes, new HomeOptions { RecordedShift = 0 });
        var (anna, ben) = (Anna(net), Ben(net));
        var home = net.HomeOf(anna.Address);
        anna.Write(SendOf(ben, 3, lowestOpen: 3, "a"));
        net.Settle();
        var before = net.Store.Appended;
        Carry(before);
        var recordedAt = net.Store.Appended;
        Assert.Equal(before + 1, recordedAt);
        Carry(before);
        Assert.Equal(recordedAt, net.Store.Appended);
        Carry(recordedAt - 1);
        Assert.Equal(recordedAt, net.Store.Appended);

        // With what goes, that record goes too.
        Carry(recordedAt);
        Assert.Equal(recordedAt + 1, net.Store.Appended);

        // A record beside which a number was in flight may lie behind a message that it does not tell of.
        anna.Write(SendOf(ben, 4, lowestOpen: 3, "not committed yet"));
        net.Exchange();
        var (inFlight, told) = (net.Store.Appended, recordedAt + 1);
        Carry(told, number: 3);
        Assert.Equal(inFlight + 1, net.Store.Appended);
        net.Settle();
        var settled = net.Store.Appended;
        Carry(inFlight, number: 4);
        Assert.Equal(settled + 1, net.Store.Appended);
        net.Settle();

        // What a restart finds of it is recorded once more; a fresh incarnation's own record tells of all there is.
        net.Crash();
        home = net.HomeOf(anna.Address);
        var restarted = net.Store.Appended;
        Carry(inFlight);
        Assert.Equal(restarted + 1, net.Store.Appended);
        Carry(inFlight);
        Assert.Equal(restarted + 1, net.Store.Appended);

        void Carry(long through, ulong number = 3) => Assert.Equal(1, home.CarryWindows([new CarriedWindow(anna.Address.Value, anna.Incarnation, number)], through));
    }

    private sealed class WindowsOf(ulong of) : ILogRecovery
    {
        public List<(uint Incarnation, ulong Low, ulong Settled)> Seen { get; } = [];

        public void OnWindow(ulong device, uint incarnation, ulong low, ulong settled, uint usedAt)
        {
            if (device == of) Seen.Add((incarnation, low, settled));
        }

        public void OnOrigin(ulong device, uint incarnation, ulong number, ulong low)
        {
        }

        public void OnDevice(ulong device, uint keyEpoch)
        {
        }
    }
}
