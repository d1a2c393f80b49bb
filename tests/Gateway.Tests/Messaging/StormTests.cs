using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>More devices log in at once than the node takes up: they are sent away at the door, and those inside go on.</summary>
public class StormTests : HomeTests
{
    [Theory]
    [MemberData(nameof(Homes))]
    public void Beyond_the_bucket_hello_is_answered_with_go_away_and_nothing_is_kept(int homes)
    {
        var net = Bucket(homes, burst: 3);
        var inside = Enumerable.Range(0, 3).Select(i => Device(net, 0, i + 1)).ToArray();
        Assert.All(inside, d => Assert.True(d.IsWelcome));

        var (connection, frames) = Hello(net);
        var (type, payload) = Assert.Single(frames);
        Assert.Equal(FrameType.GoAway, type);
        Assert.True(GoAwayFrame.TryParse(payload, out var goAway, out _));
        Assert.Equal(ErrorCode.TooManyLogins, goAway.Reason);
        Assert.InRange(goAway.ReconnectAfterMs, LoginBucket.ShortestWaitMs + 1, LoginBucket.ShortestWaitMs + 1_001);
        Assert.True(connection.IsClosed);
        Assert.Equal(0, net.Reactors[0].Handshakes);
        Assert.Equal(1, net.Reactors[0].LoginsDeferred);

        // Those inside notice nothing.
        inside[0].Send(inside[1].Address, "still here");
        net.Settle();
        Assert.Equal("still here", Assert.Single(inside[1].Inbox).Body);
        Assert.Equal(3, net.Reactors.Sum(r => r.Home.Online));
    }

    [Fact]
    public void Each_one_sent_away_is_given_a_later_moment_and_is_let_in_at_it()
    {
        var net = Bucket(homes: 1, burst: 1);
        var first = Device(net, 0, 1);
        Assert.True(first.IsWelcome);
        var waits = Enumerable.Range(0, 5).Select(_ => WaitOf(Hello(net).Frames)).ToArray();
        Assert.Equal([1_000, 2_000, 3_000, 4_000, 5_000], waits.Select(w => w - LoginBucket.ShortestWaitMs));

        net.Clock.Advance(waits[0]);
        var second = Device(net, 0, 2);
        Assert.True(second.IsWelcome);
    }

    [Fact]
    public void Who_says_hello_and_no_more_keeps_nobody_out()
    {
        var net = Bucket(homes: 1, burst: 1);
        for (var i = 0; i < 10; i++)
        {
            var (connection, frames) = Hello(net);
            Assert.Equal(FrameType.Challenge, Assert.Single(frames).Type);
            connection.HangUp();
        }

        Assert.True(Device(net, 0, 1).IsWelcome);
    }

    [Fact]
    public void A_proof_that_fails_has_cost_what_a_login_costs()
    {
        var net = Bucket(homes: 1, burst: 1);
        var (connection, _) = Hello(net);
        connection.Write(new byte[] { 64, 0, 0, (byte)FrameType.Authenticate }.Concat(new byte[64]).ToArray());
        net.Settle();
        Assert.True(connection.IsClosed);
        Assert.Equal(FrameType.GoAway, Assert.Single(Hello(net).Frames).Type);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void While_buffers_are_full_a_new_connection_gets_a_moment_and_the_error_and_those_inside_go_on(int homes)
    {
        var net = Start(homes);
        var (anna, ben) = (Anna(net), Ben(net));
        foreach (var reactor in net.Reactors) reactor.BuffersAreFull = true;
        var connection = net.Accept(0);
        net.Turn();
        var wire = connection.Wire;
        Assert.Equal(FrameStatus.Frame, FrameReader.TryRead(ref wire, 1024, out var first, out var payload));
        Assert.Equal(FrameType.GoAway, first);
        Assert.True(GoAwayFrame.TryParse(payload, out var goAway, out _));
        Assert.Equal(ErrorCode.BuffersFull, goAway.Reason);
        Assert.True(goAway.ReconnectAfterMs >= LoginBucket.ShortestWaitMs);
        Assert.Equal(ErrorCode.BuffersFull, ErrorOn(connection));
        Assert.True(connection.IsClosed);

        anna.Send(ben.Address, "still here");
        net.Settle();
        Assert.Equal("still here", Assert.Single(ben.Inbox).Body);
        AssertIdle(net);
    }

    [Fact]
    public void A_device_that_is_sent_away_keeps_its_session_on_the_older_connection()
    {
        var net = Bucket(homes: 1, burst: 2);
        var (anna, ben) = (Device(net, 0, 1), Device(net, 0, 2));
        Assert.Equal(FrameType.GoAway, Assert.Single(Hello(net).Frames).Type);
        anna.Send(ben.Address, "x");
        net.Settle();
        Assert.Single(ben.Inbox);
        Assert.Single(anna.Accepted);
    }

    /// <summary>One login a second and reactor.</summary>
    private static HomeNet Bucket(int homes, int burst) => new(new HomeNetOptions { Homes = homes, LoginsPerSecond = 1, LoginBurst = burst });

    private static (SimulatedConnection Connection, List<(FrameType Type, byte[] Payload)> Frames) Hello(HomeNet net)
    {
        var connection = net.Accept(0);
        var hello = new byte[HelloFrame.FrameBytes];
        HelloFrame.Write(hello, new byte[16]);
        connection.Write(hello);
        net.Turn();
        net.Turn();
        var frames = new List<(FrameType, byte[])>();
        var wire = connection.Wire;
        while (FrameReader.TryRead(ref wire, 1 << 20, out var type, out var payload) == FrameStatus.Frame) frames.Add((type, payload.ToArray()));
        return (connection, frames);
    }

    private static uint WaitOf(List<(FrameType Type, byte[] Payload)> frames)
    {
        Assert.True(GoAwayFrame.TryParse(Assert.Single(frames).Payload, out var goAway, out _));
        return goAway.ReconnectAfterMs;
    }
}
