using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>A walk over a reactor's connections, in slices.</summary>
public abstract class ListingTests(int reactors, IoBackend io)
{
    private readonly ReactorGroupOptions _options = new ReactorGroupOptions { Reactors = reactors, TickMs = 10, HandshakeTimeoutMs = 0, MaxUnsentBytes = 100_000 }.On(io);

    [OnBackendFact]
    public void Slices_of_any_length_come_to_every_connection_once()
    {
        using var group = new TestGroup<TestHandler>(_options, r => new TestHandler(r));
        var server = group.ListenOn(0);
        var clients = Enumerable.Range(0, 50).Select(_ => Client.Connect(server)).ToList();
        Wait.Until(() => group[0].SlotsInUse == 50, "all are accepted");
        // Holes in the table, too.
        foreach (var client in clients.Take(20)) client.Reset();
        Wait.Until(() => group[0].SlotsInUse == 30, "some are gone");

        foreach (var length in (int[])[1, 7, 30, 1000])
        {
            var seen = new List<ConnectionId>();
            var slice = new ConnectionReading[length];
            uint cursor = 0;
            bool ended;
            do
            {
                var (read, end) = group.On(0, (r, _) => (r.ReadConnections(ref cursor, slice, out var last), last));
                seen.AddRange(slice.Take(read).Select(c => c.Id));
                ended = end;
            }
            while (!ended);

            Assert.Equal(30, seen.Distinct().Count());
            Assert.Equal(30, seen.Count);
        }

        clients.ForEach(c => c.Dispose());
    }

    [OnBackendFact]
    public void A_reading_tells_what_is_held_how_long_it_is_silent_and_why_it_is_not_read()
    {
        var time = new ManualTime();
        using var group = new TestGroup<TestHandler>(_options, r => new KeepingHandler(r), time);
        using var client = Client.Connect(group.ListenOn(0));
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);
        client.SendAll(new byte[300]);
        Wait.Until(() => Read(group).KeptBytes == 300, "the bytes are kept");
        Assert.Equal((id, true, false, 0L, ReadingPauses.None), (Read(group).Id, Read(group).InHandshake, Read(group).Closing, Read(group).UnsentBytes, Read(group).Pauses));

        time.Advance(5000);
        group.Group.Reactors[0].Wake();
        Wait.Until(() => Read(group).SilentMs >= 4900, "the silence is seen");

        group.On(0, (r, _) =>
        {
            r.MarkEstablished(id);
            r.SetTag(id, 77);
            r.PauseReading(id);
            // More than kernel buffers and the limit take.
            for (var i = 0; i < 30; i++)
            {
                var room = r.GetSpan(id, 1 << 20);
                Assert.True(room.Length >= 1 << 20);
                r.Advance(id, 1 << 20);
            }
        });
        Wait.Until(() => Read(group).Pauses == (ReadingPauses.Application | ReadingPauses.Unsent), "both causes are told");
        Assert.Equal((77ul, false), (Read(group).Tag, Read(group).InHandshake));
        Assert.InRange(Read(group).UnsentBytes, 100_001, 30 << 20);
        Assert.Equal(Read(group).UnsentBytes, group.On(0, (r, _) => r.UnsentBytes(id)));

        group.On(0, (r, _) => r.ResumeReading(id));
        Assert.Equal(ReadingPauses.Unsent, Read(group).Pauses);
        group.On(0, (r, _) => r.Close(id));
        Assert.True(Read(group).Closing);
    }

    private sealed class KeepingHandler(Reactor reactor) : TestHandler(reactor)
    {
        public override int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes) => 0;
    }

    private static ConnectionReading Read(TestGroup<TestHandler> group)
    {
        var one = new ConnectionReading[1];
        uint cursor = 0;
        Assert.Equal(1, group.On(0, (r, _) => r.ReadConnections(ref cursor, one, out var _)));
        return one[0];
    }
}

public class ListingTestsOnOneReactor() : ListingTests(1, IoBackend.Epoll);

public class ListingTestsOnEightReactors() : ListingTests(8, IoBackend.Epoll);

public class ListingTestsOnOneReactorWithUring() : ListingTests(1, IoBackend.Uring);

public class ListingTestsOnEightReactorsWithUring() : ListingTests(8, IoBackend.Uring);
