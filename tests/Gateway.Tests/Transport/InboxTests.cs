using System.Buffers.Binary;
using Gateway.Transport;
using Gateway.Transport.Inbox;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>Requests, replies and notices between reactors: order, no loss, bounded, and nobody ever blocks.</summary>
public abstract class InboxTests(IoBackend io)
{
    [OnBackendTheory]
    [InlineData(1, 4096, 4)]
    [InlineData(2, 4096, 2)]
    [InlineData(3, 8192, 1000)]
    [InlineData(4, 65_536, 64)]
    [InlineData(8, 4096, 3)]
    public void Everyone_asks_everyone_through_full_lanes_and_gets_every_answer_in_order(int reactors, int laneBytes, int replySlots)
    {
        // Each lane holds a few messages only, in both directions at once: a reactor that blocked would stop the group for good.
        var options = new ReactorGroupOptions { Reactors = reactors, TickMs = 1000, RequestLaneBytes = laneBytes, ReplySlots = replySlots, ReplySlotBytes = 16 }.On(io);
        var requests = 40_000 / reactors;
        using var group = new TestGroup<AskingHandler>(options, r => new AskingHandler(r, requests));
        for (var i = 0; i < reactors; i++) group.On(i, (_, h) => h.Start());
        Wait.Until(
            () => group.Handlers.All(h => Volatile.Read(ref h.Answered) == requests * reactors),
            () => "answers: " + string.Join(", ", group.Handlers.Select(h => h.Answered)) + string.Join(",", group.Fatal));
        Assert.All(group.Handlers, h => Assert.Equal(requests * reactors, h.Served));
        Assert.True(group.Group.Reactors.Sum(r => r.Counters.RequestsRefused) > 0);
    }

    [OnBackendTheory]
    [InlineData(2)]
    [InlineData(8)]
    public void Replies_may_come_late_and_hold_back_no_more_than_their_slots(int reactors)
    {
        var options = new ReactorGroupOptions { Reactors = reactors, TickMs = 10, ReplySlots = 5 }.On(io);
        using var group = new TestGroup<LateHandler>(options, r => new LateHandler(r));
        group.On(0, (r, _) =>
        {
            for (var i = 0; i < 5; i++) Assert.True(r.TryRequest(1, [(byte)i], [1]));
            // No credit is left, and asking often changes nothing.
            for (var i = 0; i < 5; i++) Assert.False(r.TryRequest(1, [9], default));
        });
        Wait.Until(() => group.Handlers[1].Waiting.Count == 5, "requests arrived");
        for (var i = 0; i < 3; i++) Assert.Equal(0, group.On(0, (_, h) => h.Credits));

        group.On(1, (r, _) => r.Reply(0, [1]));
        Wait.Until(() => Volatile.Read(ref group.Handlers[0].Credits) == 1, "one credit is told");
        group.On(1, (r, _) => r.Reply(0, [2]));
        Wait.Until(() => group.Handlers[0].Replies.Count == 2, "the second reply");
        // Told once: the handler has not asked and been refused since.
        for (var i = 0; i < 3; i++) Assert.Equal(1, group.On(0, (_, h) => h.Credits));
        Assert.True(group.On(0, (r, _) => r.TryRequest(1, [7], default)));
        Wait.Until(() => group.Handlers[1].Waiting.Count == 6, "the sixth request");
        group.On(1, (r, _) =>
        {
            for (var i = 0; i < 4; i++) r.Reply(0, [3]);
            // All six are answered.
            Assert.Throws<InvalidOperationException>(() => r.Reply(0, [4]));
        });
        Wait.Until(() => group.Handlers[0].Replies.Count == 6, "all replies");
        Assert.Throws<InvalidOperationException>(() => group.On(0, (r, _) => r.Reply(1, [1])));
    }

    [OnBackendTheory]
    [InlineData(2)]
    [InlineData(8)]
    public void A_sleeping_reactor_is_woken_by_each_kind_of_message(int reactors)
    {
        // A tick so long that only a wake can be in time.
        var options = new ReactorGroupOptions { Reactors = reactors, TickMs = 1000 }.On(io);
        using var group = new TestGroup<LateHandler>(options, r => new LateHandler(r));
        for (var i = 0; i < 50; i++)
        {
            group.On(0, (r, _) => Assert.True(r.TryRequest(1, [1], default)));
            Wait.Until(() => group.Handlers[1].Waiting.Count == i + 1, "request");
            group.On(1, (r, _) => r.Reply(0, [1]));
            Wait.Until(() => group.Handlers[0].Replies.Count == i + 1, "reply");
            group.On(0, (r, _) => Assert.True(r.TryNotify(1, [1])));
            Wait.Until(() => Volatile.Read(ref group.Handlers[1].Notices) == i + 1, "notice");
        }

        // 200 wakes; by ticks alone they would have taken that many seconds of turns.
        Assert.True(group[1].Turns > 100);
    }

    [OnBackendTheory]
    [OneAndEightReactors]
    public void Wake_from_any_thread_brings_a_turn_that_sees_what_was_stored_before(int reactors)
    {
        var options = new ReactorGroupOptions { Reactors = reactors, TickMs = 1000 }.On(io);
        using var group = new TestGroup<WatermarkHandler>(options, r => new WatermarkHandler(r));
        var handler = group.Handlers[0];
        for (var mark = 1L; mark <= 20_000; mark++)
        {
            Volatile.Write(ref handler.Mark, mark);
            group.Group.Reactors[0].Wake();
            var spin = new SpinWait();
            while (Volatile.Read(ref handler.Seen) < mark) spin.SpinOnce(sleep1Threshold: -1);
        }

        // A lost wake costs a tick of a second; nothing but wakes can have brought that many turns.
        Assert.True(group[0].Turns >= 100);
    }

    [OnBackendTheory]
    [InlineData(2)]
    [InlineData(8)]
    public void Notices_are_shed_when_their_lane_is_full_and_the_rest_arrive_in_order(int reactors)
    {
        var options = new ReactorGroupOptions { Reactors = reactors, TickMs = 10, NoticeLaneBytes = 4096 }.On(io);
        using var group = new TestGroup<LateHandler>(options, r => new LateHandler(r));
        using var gate = new ManualResetEventSlim();
        using var stopped = new ManualResetEventSlim();
        Assert.True(group.Group.Reactors[1].TryPost(_ =>
        {
            stopped.Set();
            gate.Wait();
        }));
        stopped.Wait(); // a reactor that does not wait yet could still empty its lane
        var sent = group.On(0, (r, _) =>
        {
            var n = 0;
            while (r.TryNotify(1, new byte[100])) n++;
            for (var i = 0; i < 9; i++) Assert.False(r.TryNotify(1, new byte[100]));
            return n;
        });
        gate.Set(); // before anything can fail, or the group could not end
        Assert.Equal(4096 / MessageRing.SizeOf(100), sent);
        Wait.Until(() => Volatile.Read(ref group.Handlers[1].Notices) == sent, "the rest arrives");
        Wait.Until(() => group[0].NoticesShed == 10, "shed ones are counted");
        Assert.True(group.On(0, (r, _) => r.TryNotify(1, [1])));
    }

    [OnBackendTheory]
    [InlineData(2)]
    [InlineData(8)]
    public void A_request_that_could_never_fit_is_a_fault_of_ours(int reactors)
    {
        var options = new ReactorGroupOptions { Reactors = reactors, TickMs = 10, RequestLaneBytes = 4096, ReplySlotBytes = 8 }.On(io);
        using var group = new TestGroup<LateHandler>(options, r => new LateHandler(r));
        group.On(0, (r, _) =>
        {
            Assert.Throws<ArgumentException>(() => r.TryRequest(1, new byte[2000], new byte[41]));
            Assert.True(r.TryRequest(1, new byte[2000], new byte[40]));
        });
        Wait.Until(() => group.Handlers[1].Waiting.Count == 1, "arrived");
        group.On(1, (r, _) =>
        {
            Assert.Throws<ArgumentException>(() => r.Reply(0, new byte[9]));
            r.Reply(0, new byte[8]);
        });
    }

    [OnBackendTheory]
    [OneAndEightReactors]
    public void Posted_work_is_bounded_and_runs_in_order(int reactors)
    {
        using var group = new TestGroup<TestHandler>(new ReactorGroupOptions { Reactors = reactors, TickMs = 1000, PostSlots = 8 }.On(io), r => new TestHandler(r));
        using var gate = new ManualResetEventSlim();
        using var entered = new ManualResetEventSlim();
        var reactor = group.Group.Reactors[0];
        Assert.True(reactor.TryPost(_ =>
        {
            entered.Set();
            gate.Wait();
        }));
        Assert.True(entered.Wait(Wait.Deadline));
        var order = new List<int>();
        var posted = 0;
        while (posted < 100)
        {
            var n = posted;
            if (!reactor.TryPost(_ => order.Add(n))) break;
            posted++;
        }

        Assert.Equal(8, posted);
        gate.Set();
        using var last = new ManualResetEventSlim();
        Wait.Until(() => reactor.TryPost(_ => last.Set()), "there is room again");
        Assert.True(last.Wait(Wait.Deadline), "all ran");
        Assert.Equal(Enumerable.Range(0, 8), order);
    }

    [OnBackendTheory]
    [InlineData(2)]
    [InlineData(8)]
    public void A_handler_that_throws_stops_its_reactor_and_the_host_is_told(int reactors)
    {
        var group = new TestGroup<TestHandler>(new ReactorGroupOptions { Reactors = reactors, TickMs = 10 }.On(io), r => new TestHandler(r));
        var server = group.Listen();
        using var client = Client.Connect(server);
        Wait.Until(() => group.SlotsInUse == 1, "accepted");
        var at = Enumerable.Range(0, reactors).Single(i => group[i].SlotsInUse == 1);
        Assert.True(group.Group.Reactors[at].TryPost(_ => throw new InvalidOperationException("broken on purpose")));
        Wait.Until(() => group.Fatal.Count == 1, "told");
        Assert.Equal("broken on purpose", group.Fatal.Single().Message);
        // The others go on.
        for (var i = 0; i < reactors; i++)
        {
            if (i != at) group.On(i, (_, _) => { });
        }

        group.DisposeFailed();
        // Nothing stayed open.
        Assert.Empty(client.ReceiveToEnd());
    }

    [OnBackendTheory]
    [OneAndEightReactors]
    public void A_verb_from_another_thread_is_refused_in_debug_builds(int reactors)
    {
        using var group = new TestGroup<TestHandler>(new ReactorGroupOptions { Reactors = reactors, TickMs = 10 }.On(io), r => new TestHandler(r));
        var reactor = group.Group.Reactors[0];
#if DEBUG
        Assert.Contains("belongs to thread", Assert.Throws<InvalidOperationException>(() => reactor.IsOpen(default)).Message, StringComparison.Ordinal);
#else
        Assert.False(reactor.IsOpen(default));
#endif
    }

    /// <summary>Asks each reactor, itself included, as fast as credits allow; checks that requests and replies come in order and whole.</summary>
    private sealed class AskingHandler(Reactor reactor, int requests) : TestHandler(reactor)
    {
        private readonly int[] _asked = new int[reactor.Options.Reactors];
        private readonly int[] _served = new int[reactor.Options.Reactors];
        private readonly int[] _answered = new int[reactor.Options.Reactors];

        public int Answered;

        public int Served { get; private set; }

        public void Start()
        {
            for (var to = 0; to < _asked.Length; to++) Ask(to);
        }

        public override void OnRequestCredit(int toReactor) => Ask(toReactor);

        public override void OnRequest(int fromReactor, ReadOnlySpan<byte> message)
        {
            var number = BinaryPrimitives.ReadInt32LittleEndian(message);
            Check(number == _served[fromReactor]++, "requests come in order");
            Check(message.Length == 4 + BodyBytes(number), "a request is whole");
            Check(message[4..].IndexOfAnyExcept((byte)number) < 0, "a body is unchanged");
            Served++;
            Span<byte> reply = stackalloc byte[16];
            reply.Clear();
            BinaryPrimitives.WriteInt32LittleEndian(reply, number);
            Reactor.Reply(fromReactor, reply[..(4 + number % 13)]);
        }

        public override void OnReply(int fromReactor, ReadOnlySpan<byte> message)
        {
            var number = BinaryPrimitives.ReadInt32LittleEndian(message);
            Check(number == _answered[fromReactor]++ && message.Length == 4 + number % 13, "replies come in order and whole");
            Volatile.Write(ref Answered, Answered + 1);
        }

        private static int BodyBytes(int number) => number % 97 == 0 ? 1500 : number % 40;

        private static void Check(bool condition, string what)
        {
            if (!condition) throw new InvalidOperationException(what);
        }

        private void Ask(int to)
        {
            Span<byte> head = stackalloc byte[4];
            Span<byte> body = stackalloc byte[1500];
            for (; _asked[to] < requests; _asked[to]++)
            {
                BinaryPrimitives.WriteInt32LittleEndian(head, _asked[to]);
                var b = body[..BodyBytes(_asked[to])];
                b.Fill((byte)_asked[to]);
                if (!Reactor.TryRequest(to, head, b)) return;
            }
        }
    }

    private sealed class LateHandler(Reactor reactor) : TestHandler(reactor)
    {
        public int Credits;

        public int Notices;

        public System.Collections.Concurrent.ConcurrentQueue<byte[]> Waiting { get; } = new();

        public System.Collections.Concurrent.ConcurrentQueue<byte[]> Replies { get; } = new();

        public override void OnRequest(int fromReactor, ReadOnlySpan<byte> message) => Waiting.Enqueue(message.ToArray());

        public override void OnReply(int fromReactor, ReadOnlySpan<byte> message) => Replies.Enqueue(message.ToArray());

        public override void OnNotice(int fromReactor, ReadOnlySpan<byte> message) => Interlocked.Increment(ref Notices);

        public override void OnRequestCredit(int toReactor) => Credits++;
    }

    private sealed class WatermarkHandler(Reactor reactor) : TestHandler(reactor)
    {
        public long Mark;

        public long Seen;

        public override void OnTurn(long nowMs) => Volatile.Write(ref Seen, Volatile.Read(ref Mark));
    }
}

public sealed class InboxTestsWithEpoll() : InboxTests(IoBackend.Epoll);

public sealed class InboxTestsWithUring() : InboxTests(IoBackend.Uring);
