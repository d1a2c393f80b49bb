using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>Dead peers: who is asked whether it is there, how soon, and what becomes of one that does not answer.</summary>
public class ProbingTests : HomeTests
{
    private static readonly HomeOptions Options = new() { ProbeAfterMs = 10_000, RedeliverAfterMs = 100_000 };

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_silent_device_with_something_to_acknowledge_is_asked_and_stays_as_long_as_it_answers(int homes)
    {
        var (net, ben) = WithOneDelivered(homes);
        ben.Acknowledges = false;
        Assert.Equal(0, Pings(ben));
        Pass(net, 9_000);
        Assert.Equal(0, Pings(ben));
        Pass(net, 1_500);
        Assert.Equal(1, Pings(ben));
        // Its answer breaks the silence, and the next one is asked about anew: about ten in a hundred seconds, and never an end.
        Pass(net, 100_000);
        Assert.InRange(Pings(ben), 9, 11);
        Assert.True(ben.IsConnected);
        Assert.Equal(0, net.HomeOf(ben.Address).Counters.DeadPeers);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void One_that_does_not_answer_is_taken_for_gone_and_its_message_waits_for_its_next_login(int homes)
    {
        var (net, ben) = WithOneDelivered(homes);
        ben.Reads = false; // its end is dead: nothing is read, nothing is said
        var connection = ben.Connection!;
        Pass(net, 19_000);
        Assert.Equal(1, net.HomeOf(ben.Address).Counters.Probes);
        Assert.Equal(2, net.Reactors.Sum(r => r.Home.Online));
        Assert.Empty(net.Offline);

        Pass(net, 2_000);
        Assert.Equal(1, net.HomeOf(ben.Address).Counters.DeadPeers);
        Assert.Equal(1, net.Reactors.Sum(r => r.Home.Online));
        Assert.Equal(ErrorCode.IdleTimeout, ErrorOn(connection));
        Assert.Equal(0, net.HomeOf(ben.Address).DeliveredUnacknowledged);
        Assert.Equal([ben.Address], net.Offline);
        Assert.Equal(1, net.Store.Messages.Pending);

        ben.Reads = true;
        ben.Acknowledges = true;
        ben.Login();
        Assert.True(ben.IsWelcome);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void One_that_reads_but_answers_no_ping_is_gone_too(int homes)
    {
        var (net, ben) = WithOneDelivered(homes);
        ben.AnswersPings = false;
        Pass(net, 25_000);
        Assert.Equal(1, Pings(ben));
        Assert.False(ben.IsConnected);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void Any_byte_is_an_answer(int homes)
    {
        var (net, ben) = WithOneDelivered(homes);
        ben.AnswersPings = false;
        for (var i = 0; i < 20; i++)
        {
            Pass(net, 6_000);
            ben.Ping(7);
        }

        Assert.True(ben.IsConnected);
        Assert.Equal(0, Pings(ben));

        // Asked once; what it says before the time is up, whatever it is, ends the silence.
        Pass(net, 14_000);
        Assert.Equal(1, Pings(ben));
        ben.Ping(7);
        Pass(net, 8_000);
        Assert.True(ben.IsConnected);
        Assert.Equal(1, Pings(ben));

        // Silent again, it is asked again before it is taken for gone.
        Pass(net, 4_000);
        Assert.True(ben.IsConnected);
        Assert.Equal(2, Pings(ben));
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void An_answered_question_is_forgotten(int homes)
    {
        var net = Start(homes, Options);
        var (anna, ben) = (Anna(net), Ben(net));
        net.Settle();
        net.ReactorOf(ben.Address).TellQuiet(ben.Connection!);
        Pass(net, 60_000);
        ben.Acknowledges = false;
        ben.AnswersPings = false;
        anna.Send(ben.Address, "x");
        Pass(net, 12_000);
        Assert.Equal(2, Pings(ben));
        Assert.True(ben.IsConnected);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void One_with_nothing_to_acknowledge_is_not_asked_by_the_clock_and_costs_nothing_more(int homes)
    {
        var net = Start(homes, Options);
        var (anna, ben) = (Anna(net), Ben(net));
        anna.Send(ben.Address, "x");
        net.Settle();
        Pass(net, 1_000_000);
        Assert.Equal(0, net.Reactors.Sum(r => r.Home.Counters.Probes));
        Assert.Equal(0, net.Reactors.Sum(r => r.Home.BusySessions));
        Assert.True(ben.IsConnected);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void The_transport_says_when_an_idle_one_is_to_be_asked_and_it_stays_small(int homes)
    {
        var net = Start(homes, Options);
        var ben = Ben(net);
        net.Settle();
        net.ReactorOf(ben.Address).TellQuiet(ben.Connection!);
        net.Settle();
        Assert.Equal(1, Pings(ben));
        Assert.Equal(0, net.Reactors.Sum(r => r.Home.BusySessions));

        // Unanswered, it is the idle timeout's to end; the flag does not make it busy either.
        ben.AnswersPings = false;
        net.ReactorOf(ben.Address).TellQuiet(ben.Connection!);
        Pass(net, 50_000);
        Assert.True(ben.IsConnected);
        Assert.Equal(0, net.Reactors.Sum(r => r.Home.BusySessions));
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void One_that_takes_nothing_is_not_asked_for_a_ping_would_only_stand_behind_the_rest(int homes)
    {
        var net = Start(homes, Options with { MaxUnsentBytes = 8 * 1024 });
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Reads = false;
        ben.Connection!.KernelRoomBytes = 4 * 1024;
        for (var i = 0; i < 30; i++) anna.Send(ben.Address, new string('x', 1000));
        Pass(net, 60_000);
        Assert.NotEqual(0, ben.Connection.UnsentBytes);
        Assert.True(ben.IsConnected);
        Assert.Equal(0, net.HomeOf(ben.Address).Counters.Probes);

        ben.Reads = true;
        net.Settle();
        Assert.Equal(30, ben.Inbox.Count);
        AssertIdle(net);
    }

    [Theory]
    [MemberData(nameof(Homes))]
    public void A_login_begins_anew_whatever_the_session_before_was_asked(int homes)
    {
        var (net, ben) = WithOneDelivered(homes);
        ben.Reads = false;
        Pass(net, 15_000);
        Assert.Equal(1, net.HomeOf(ben.Address).Counters.Probes);
        ben.LetGo(); // it takes the connection for dead, and the node does not know yet
        ben.Reads = true;
        ben.Acknowledges = false;
        ben.Login();
        Pass(net, 9_000);
        Assert.True(ben.IsConnected);
        Assert.Equal(0, net.HomeOf(ben.Address).Counters.DeadPeers);
    }

    /// <summary>Ben was sent a message that he has not acknowledged.</summary>
    private static (HomeNet Net, DeviceModel Ben) WithOneDelivered(int homes)
    {
        var net = Start(homes, Options);
        var (anna, ben) = (Anna(net), Ben(net));
        ben.Acknowledges = false;
        anna.Send(ben.Address, "x");
        net.Settle();
        Assert.Single(ben.Inbox);
        return (net, ben);
    }

    private static int Pings(DeviceModel device) => device.Heard.OfType<Pinged>().Count();

    private static void Pass(HomeNet net, long milliseconds)
    {
        var end = net.Clock.NowMs + milliseconds;
        while (net.Clock.NowMs < end)
        {
            net.Clock.Advance(Math.Min(500, end - net.Clock.NowMs));
            net.Settle();
        }
    }
}
