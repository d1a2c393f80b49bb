using System.Globalization;
using Gateway.Protocol;
using Gateway.Simulation;
using Xunit;
using Xunit.Abstractions;

namespace Gateway.Tests.Messaging;

/// <summary>
/// P9: strangers write damaged frames at every door of a node with one home or eight. Every error code there is must be told to somebody, and
/// neighbours who live at the same homes must not notice. More: GATEWAY_FUZZ_FRAMES=20000000.
/// </summary>
public class SessionFuzzTests : HomeTests
{
    private const int Strangers = 32;

    private readonly ITestOutputHelper _output;

    public SessionFuzzTests(ITestOutputHelper output) => _output = output;

    [Theory]
    [InlineData(8, 1)]
    [InlineData(1, 2)]
    public void Strangers_are_told_every_error_there_is_and_neighbours_do_not_notice(int homes, int seed)
    {
        var frames = Setting("GATEWAY_FUZZ_FRAMES", 3_000_000) / 2;
        var net = new HomeNet(new HomeNetOptions { Homes = homes, ReplySlots = 16, MaxHandshakes = 24, Seed = seed });
        var neighbours = Enumerable.Range(0, 8).Select(home => Device(net, home, 1)).ToList();
        var addresses = Enumerable.Range(0, Strangers).Select(i => AddressAt(homes, i % 8, 10 + i)).ToArray();
        var strangers = addresses.Select((a, i) => new Stranger(net, a, addresses, (ulong)(seed * 1000 + i))).ToList();
        var random = new Random(seed);

        var crowd = new List<ErrorCode>();
        var sent = 0;
        for (var round = 0; strangers.Sum(s => s.Frames) < frames; round++)
        {
            foreach (var stranger in strangers) stranger.Step();
            Disturb(net, strangers, random, round);
            if (round % 90 == 0) crowd.AddRange(Crowd(net));
            if (round % 4 == 0)
            {
                var from = neighbours[sent % 8];
                if (from.WindowRoom > 0) from.Send(neighbours[(sent + 3) % 8].Address, $"{sent++}");
            }

            net.Turn();
            net.DeliverLanes();
            net.Store.CommitAll();
            net.Store.CompleteReads();
            foreach (var neighbour in neighbours) neighbour.Receive();
            net.Clock.Advance(1);
        }

        foreach (var stranger in strangers) stranger.HangUp();
        net.Settle();
        AssertNothingNoticed(net, neighbours, sent);
        foreach (var stranger in strangers) stranger.Step();
        net.Settle();
        foreach (var reactor in net.Reactors) reactor.Home.CloseAll(ErrorCode.ShuttingDown);
        net.Settle();
        AssertEveryCodeWasTold(strangers, [.. crowd, .. neighbours.SelectMany(n => n.Failures).Select(f => f.Code)]);
    }

    /// <summary>What the host and operators do meanwhile.</summary>
    private static void Disturb(HomeNet net, List<Stranger> strangers, Random random, int round)
    {
        var stranger = strangers[random.Next(Strangers)];
        if (round % 15 == 0) stranger.TimeOut();
        if (round % 70 == 0) net.HomeOf(stranger.Address).Kick(stranger.Address);
        if (round % 500 == 100) net.SetKeyEpoch(stranger.Address, 1);
        if (round % 500 == 400) strangers.ForEach(s => net.SetKeyEpoch(s.Address, 0));
        if (round % 60 == 0) strangers[random.Next(Strangers)].LoseTrack();
    }

    /// <summary>More connections than may shake hands at once, and one that comes while buffers are full; gone with the next turn.</summary>
    private static List<ErrorCode> Crowd(HomeNet net)
    {
        var crowd = Enumerable.Range(0, net.Options.MaxHandshakes + 1).Select(_ => net.Accept(0)).ToList();
        net.Reactors[0].BuffersAreFull = true;
        crowd.Add(net.Accept(0));
        net.Reactors[0].BuffersAreFull = false;
        net.Turn();
        foreach (var connection in crowd) connection.HangUp();
        return [.. crowd.Select(ErrorOn).Where(code => code != ErrorCode.None)];
    }

    private static void AssertNothingNoticed(HomeNet net, List<DeviceModel> neighbours, int sent)
    {
        Assert.All(neighbours, n => Assert.True(n.IsWelcome));
        Assert.All(neighbours, n => Assert.Empty(n.Failures));
        Assert.All(neighbours, n => Assert.Empty(n.Refused));
        Assert.All(neighbours, n => Assert.Equal(0, n.Repeats));
        Assert.Equal(Enumerable.Range(0, sent).Select(i => $"{i}").Order(), neighbours.SelectMany(n => n.Inbox).Select(d => d.Body).Order());
        Assert.Equal(sent, neighbours.Sum(n => n.Receipts.Sum(r => r.Numbers.Count)));
        Assert.True(net.Store.Messages.Balances && net.Store.Receipts.Balances);
        foreach (var reactor in net.Reactors)
        {
            var here = neighbours.Count / net.Options.Homes;
            Assert.Equal(here, reactor.Home.Online);
            Assert.Equal((here, 0, 0, 0), (reactor.Home.Sessions, reactor.Home.Uncommitted, reactor.Home.DeliveredUnacknowledged, reactor.Home.ReceiptsOwed));
            Assert.Equal(0, reactor.Handshakes);
        }
    }

    private void AssertEveryCodeWasTold(List<Stranger> strangers, List<ErrorCode> others)
    {
        var told = new SortedDictionary<ErrorCode, long>();
        foreach (var code in Enum.GetValues<ErrorCode>())
        {
            // Which is told by a go-away alone.
            if (code is ErrorCode.None or ErrorCode.TooManyLogins) continue;
            told[code] = strangers.Sum(s => s.Errors.GetValueOrDefault(code)) + others.Count(c => c == code);
        }

        _output.WriteLine($"{strangers.Sum(s => s.Frames)} frames");
        foreach (var (code, count) in told) _output.WriteLine($"{(int)code,3} {code,-20} {count,8}");
        Assert.DoesNotContain(told, t => t.Value == 0);
    }

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : otherwise;
}
