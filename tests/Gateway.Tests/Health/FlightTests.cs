using Gateway.Protocol;
using Gateway.Server.Health.Flight;
using Gateway.Tests.Server;
using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.Health;

/// <summary>The flight recorder: what a ring keeps, what a reader sees of it, and the file that comes of it.</summary>
public sealed class FlightTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly SteppedTime _time = new();
    private readonly FakeInsight _insight = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_ring_keeps_the_last_events_in_order()
    {
        var ring = new FlightRing("reactor 0", 8);
        Assert.Empty(Read(ring));
        for (var i = 1; i <= 5; i++) ring.Write(Event(i));
        Assert.Equal([1, 2, 3, 4, 5], Read(ring).Select(e => e.A));
        for (var i = 6; i <= 21; i++) ring.Write(Event(i));
        Assert.Equal([14, 15, 16, 17, 18, 19, 20, 21], Read(ring).Select(e => e.A));
    }

    [Fact]
    public async Task A_reader_meets_no_event_of_two_halves_while_the_ring_is_overwritten()
    {
        var ring = new FlightRing("reactor 0", 16);
        using var stop = new CancellationTokenSource();
        var writer = Task.Run(() =>
        {
            for (var i = 1; !stop.IsCancellationRequested; i++) ring.Write(new FlightEvent(i, (ulong)i, i, i, FlightKind.Closed));
        });
        long seen = 0;
        for (var i = 0; i < 20_000 || seen == 0; i++)
        {
            long last = 0;
            foreach (var e in Read(ring))
            {
                Assert.True(e.UnixMs == e.A && e.Subject == (ulong)e.A && e.B == (int)e.A, $"{e}");
                Assert.True(e.A > last);
                last = e.A;
                seen++;
            }
        }

        await stop.CancelAsync();
        await writer;
    }

    [Fact]
    public void An_event_is_32_bytes() => Assert.Equal(32, System.Runtime.CompilerServices.Unsafe.SizeOf<FlightEvent>());

    [Fact]
    public void Lines_are_readable_and_name_devices_by_pseudonym_only()
    {
        var device = new Address(AddressKind.User, 15550001);
        var text = new FlightText(OperatorFixture.Keys);
        var ring = new FlightRing("reactor 2", 8);
        var line = text.Line(ring, new FlightEvent(1_800_000_000_123, device.Value, 0, 0, FlightKind.LoggedIn));
        Assert.Equal($"08:00:00.123 reactor 2  {OperatorFixture.Keys.Pseudonym(device)} logged in", line);
        Assert.Equal(
            "connection 17.3 closed: Reset, errno 104",
            text.Describe(new FlightEvent(0, new ConnectionId(17, 3).Packed, (int)CloseReason.Reset, 104, FlightKind.Closed)));
        Assert.Equal("a commit took 1.2 s", text.Describe(new FlightEvent(0, 0, 1_200_000, 0, FlightKind.SlowCommit)));
        Assert.Equal("and 1204 more of logged-in", text.Describe(new FlightEvent(0, 0, 1204, (int)FlightKind.LoggedIn, FlightKind.More)));
        foreach (var kind in Enum.GetValues<FlightKind>().Where(k => k != FlightKind.None))
            Assert.DoesNotMatch("^event ", text.Describe(new FlightEvent(0, 0, 1, 1, kind)));
    }

    [Fact]
    public void A_dump_has_all_rings_in_order_of_time_and_may_be_read_by_its_owner_only()
    {
        var (first, second) = (new FlightRing("reactor 0", 8), new FlightRing("commits", 8));
        second.Write(new FlightEvent(2000, 0, 90_000, 0, FlightKind.SlowCommit));
        first.Write(new FlightEvent(1000, 0, 30_000, 0, FlightKind.SlowTurn));
        first.Write(new FlightEvent(3000, 0, 50_000, 0, FlightKind.SlowTurn));
        _insight.Flights = [first, second];

        var path = Dumps().Write(["alert CommitSlow raised: the disk"]);

        Assert.Equal(
            """
            flight recorder, 2026-11-22 20:00:00 UTC
            alert CommitSlow raised: the disk

            00:00:01.000 reactor 0  a turn took 30 ms
            00:00:02.000 commits    a commit took 90 ms
            00:00:03.000 reactor 0  a turn took 50 ms

            """, File.ReadAllText(path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal(_folder.File("dumps"), Path.GetDirectoryName(path));
    }

    [Fact]
    public void Alerts_get_one_dump_a_minute_operators_as_many_as_they_ask_for_and_old_ones_go()
    {
        var dumps = Dumps();
        Assert.NotNull(dumps.WriteForAlert(["one"]));
        _time.Advance(TimeSpan.FromSeconds(59));
        Assert.Null(dumps.WriteForAlert(["two"]));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.NotNull(dumps.WriteForAlert(["three"]));
        var last = "";
        for (var i = 0; i < 40; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(1));
            last = dumps.Write(["again"]);
        }

        var files = Directory.GetFiles(_folder.File("dumps"));
        Assert.Equal(FlightDumps.Kept, files.Length);
        Assert.Contains(last, files);
    }

    [Fact]
    public void The_longest_commit_is_told_once_and_slow_ones_are_in_the_ring()
    {
        var ring = new FlightRing("commits", 8);
        var recorder = new CommitRecorder(ring, _time);
        foreach (var ms in (int[])[3, 70, 20]) recorder.Note(TimeSpan.FromMilliseconds(ms));
        Assert.Equal(TimeSpan.FromMilliseconds(70), recorder.TakeLongest());
        Assert.Equal(TimeSpan.Zero, recorder.TakeLongest());
        Assert.Equal([70_000], Read(ring).Select(e => e.A));
    }

    private FlightDumps Dumps() => new(_insight, OperatorFixture.Keys, _folder.Path, _time);

    private static FlightEvent Event(int number) => new(number, 0, number, 0, FlightKind.Closed);

    private static List<FlightEvent> Read(FlightRing ring)
    {
        var events = new List<FlightEvent>();
        ring.Read(events);
        return events;
    }
}
