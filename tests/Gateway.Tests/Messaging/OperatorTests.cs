using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>What an operator or the host does to sessions, and what passes by them: ephemeral frames and pings.</summary>
public class OperatorTests : HomeTests
{
    [Theory]
    [MemberData(nameof(Homes))]
    public void A_kicked_device_is_told_and_closed_and_may_come_back(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net);
        Assert.False(net.HomeOf(anna.Address).Kick(AddressAt(homes, 1, 99)));
        Assert.True(net.HomeOf(anna.Address).Kick(anna.Address));
        net.Settle();
        Assert.Equal(ErrorCode.Kicked, Assert.Single(anna.Failures).Code);
        Assert.False(anna.IsConnected);
        Assert.Equal(0, net.HomeOf(anna.Address).Sessions);
        Assert.False(net.HomeOf(anna.Address).Kick(anna.Address));
        anna.Login();
        Assert.True(anna.IsWelcome);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Go_away_gives_every_device_its_own_moment_within_the_spread(int homes)
    {
        var net = Start(homes);
        var devices = Enumerable.Range(1, 40).Select(i => Device(net, i % 8, i)).ToList();
        foreach (var reactor in net.Reactors) reactor.Home.SendGoAway(spreadMs: 10_000);
        net.Settle();
        var hints = devices.Select(d => Assert.Single(d.Heard.OfType<ToldToGo>())).ToList();
        Assert.All(hints, h => Assert.Equal(ErrorCode.ShuttingDown, h.Reason));
        Assert.All(hints, h => Assert.InRange(h.ReconnectAfterMs, 0u, 9_999u));
        Assert.True(hints.Select(h => h.ReconnectAfterMs / 1000).Distinct().Count() >= 8, "they come back at once");
        Assert.All(devices, d => Assert.True(d.IsConnected));

        foreach (var reactor in net.Reactors) reactor.Home.CloseAll(ErrorCode.ShuttingDown);
        net.Settle();
        Assert.All(devices, d => Assert.Equal(ErrorCode.ShuttingDown, Assert.Single(d.Failures).Code));
        Assert.Equal(0, net.Reactors.Sum(r => r.Home.Sessions));
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Sessions_can_be_listed_and_found(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "one");
        net.Settle();
        var found = net.HomeOf(ben.Address).FindSession(ben.Address);
        Assert.Equal((ben.Address, ben.Connection!.Id, 1), (found!.Value.Device, found.Value.Connection, found.Value.Unacknowledged));
        Assert.InRange(found.Value.LoggedInAt, net.Clock.UnixSeconds - 60, net.Clock.UnixSeconds);
        var all = new List<SessionStatus>();
        foreach (var reactor in net.Reactors) reactor.Home.ListSessions(all, 10);
        Assert.Equal([anna.Address, ben.Address], all.Select(s => s.Device).OrderBy(a => a.Value));
        var one = new List<SessionStatus>();
        foreach (var reactor in net.Reactors) reactor.Home.ListSessions(one, 1);
        Assert.Single(one);
        ben.HangUp();
        Assert.Null(net.HomeOf(ben.Address).FindSession(ben.Address));
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void An_ephemeral_frame_reaches_a_device_that_is_there_and_leaves_no_trace_otherwise(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        anna.SendEphemeral(ben.Address, EphemeralKind.Typing, "early");
        net.Settle();
        ben.Login();
        anna.SendEphemeral(ben.Address, EphemeralKind.Typing, "now");
        anna.SendEphemeral(anna.Address, (EphemeralKind)200, new string('x', Wire.MaxEphemeralBytes));
        net.Settle();
        Assert.Equal(new EphemeralSeen(anna.Address, EphemeralKind.Typing, "now"), Assert.Single(ben.Heard.OfType<EphemeralSeen>()));
        Assert.Equal((EphemeralKind)200, Assert.Single(anna.Heard.OfType<EphemeralSeen>()).Kind);
        Assert.Equal(0, net.Store.Messages.Accepted);
        Assert.Empty(net.Offline);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Ephemeral_frames_for_a_slow_reader_are_shed_before_anything_else(int homes)
    {
        var net = Start(homes, new HomeOptions { ShedEphemeralAtUnsentBytes = 1000 });
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Connection!.KernelRoomBytes = 0;
        ben.Reads = false;
        for (var i = 0; i < 50; i++)
        {
            anna.SendEphemeral(ben.Address, EphemeralKind.Typing, new string('x', 100));
            net.Settle();
        }

        anna.Send(ben.Address, "this one counts");
        net.Settle();
        Assert.InRange(ben.Connection.UnsentBytes, 1, 1000 + 116 + 100);
        ben.Reads = true;
        ben.Connection.KernelRoomBytes = int.MaxValue;
        net.Settle();
        Assert.InRange(ben.Heard.OfType<EphemeralSeen>().Count(), 5, 10);
        Assert.Equal(50, ben.Heard.OfType<EphemeralSeen>().Count() + net.HomeOf(ben.Address).Counters.EphemeralShed);
        Assert.Single(ben.Inbox);
    }

    [Fact]
    public void Ephemeral_frames_that_find_no_room_between_homes_are_shed_and_counted()
    {
        var net = Start(homes: 8);
        var (anna, ben) = (Anna(net), Ben(net));
        for (var i = 0; i < 100; i++) anna.SendEphemeral(ben.Address, EphemeralKind.Typing, "x");
        net.Settle();
        Assert.Equal(net.Options.Notices, ben.Heard.OfType<EphemeralSeen>().Count());
        Assert.Equal(100 - net.Options.Notices, net.HomeOf(anna.Address).Counters.EphemeralShed);
        Assert.True(anna.IsConnected);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_ping_is_answered_and_a_pong_is_heard(int homes)
    {
        var net = Start(homes);
        var anna = Anna(net);
        anna.Ping(ulong.MaxValue);
        var pong = new byte[PingFrame.FrameBytes];
        PingFrame.WritePong(pong, 5);
        anna.Write(pong);
        net.Settle();
        Assert.Equal(ulong.MaxValue, Assert.Single(anna.Heard.OfType<Ponged>()).Token);
        Assert.True(anna.IsConnected);
    }

    [Theory]
    [InlineData(ErrorCode.IdleTimeout)]
    [InlineData(ErrorCode.FrameTimeout)]
    public void A_session_whose_time_ran_out_is_told_and_gone(ErrorCode code)
    {
        var net = Start(homes: 8);
        var anna = Anna(net);
        net.TimeOut(anna.Connection!, code);
        net.Settle();
        Assert.Equal(code, Assert.Single(anna.Failures).Code);
        Assert.Equal(0, net.HomeOf(anna.Address).Sessions);
    }

    [Fact]
    public void Every_session_has_an_epoch_of_its_own()
    {
        var net = Start(homes: 1);
        var (anna, ben) = (Anna(net), Ben(net));
        for (var i = 0; i < 5; i++)
        {
            anna.Login();
            ben.Login();
        }

        var epochs = anna.Heard.Concat(ben.Heard).OfType<Welcomed>().Select(w => w.SessionEpoch).ToList();
        Assert.Equal(12, epochs.Distinct().Count());
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void The_welcome_tells_the_limits_the_generation_and_what_waits(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net, login: false));
        net.HomeOf(ben.Address).RestoreGeneration(7);
        for (var i = 0; i < 3; i++) anna.Send(ben.Address, "x");
        net.Settle();
        ben.Login();
        var welcome = Assert.Single(ben.Heard.OfType<Welcomed>());
        Assert.Equal((7u, 3u, 1UL, 0UL), (welcome.Generation, welcome.Pending, welcome.WindowLow, welcome.WindowSettled));
    }
}
