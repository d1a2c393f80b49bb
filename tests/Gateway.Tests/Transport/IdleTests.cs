using Gateway.Transport;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>When a handler is told that its reactor will sleep next.</summary>
public abstract class IdleTests(int reactors, IoBackend io)
{
    private readonly ReactorGroupOptions _options = new ReactorGroupOptions { Reactors = reactors, TickMs = 1000, PostSlots = 8 }.On(io);

    [OnBackendFact]
    public void A_handler_is_told_each_time_before_its_reactor_sleeps()
    {
        using var group = new TestGroup<IdleHandler>(_options, r => new IdleHandler(r));
        for (var i = 0; i < 10; i++)
        {
            var turnsThen = 0;
            group.On(0, (_, h) => turnsThen = h.Turns);
            Wait.Until(() => Volatile.Read(ref group.Handlers[0].IdleAfterTurn) > turnsThen, "told after that turn");
        }
    }

    [OnBackendFact]
    public void A_handler_is_not_told_while_work_waits()
    {
        using var group = new TestGroup<IdleHandler>(_options, r => new IdleHandler(r));
        const int Posts = 200;
        using var done = new ManualResetEventSlim();
        var idlesAtFirst = 0;
        var idlesAtLast = 0;
        var turnsAtFirst = 0;
        var turnsAtLast = 0;
        var left = Posts;

        void Work(IReactorHandler handler)
        {
            var h = (IdleHandler)handler;
            if (left == Posts) (idlesAtFirst, turnsAtFirst) = (h.Idles, h.Turns);
            (idlesAtLast, turnsAtLast) = (h.Idles, h.Turns);
            // The next is there before this turn ends; it may be run by this turn or by one to come.
            if (--left > 0) Assert.True(h.Reactor.TryPost(Work));
            else done.Set();
        }

        Assert.True(group.Group.Reactors[0].TryPost(Work));
        Assert.True(done.Wait(TimeSpan.FromSeconds(30)));
        Assert.Equal(idlesAtFirst, idlesAtLast);
        Assert.True(turnsAtLast > turnsAtFirst, "the work took more than one turn");
    }

    private sealed class IdleHandler(Reactor reactor) : TestHandler(reactor), IReactorHandler
    {
        public int Turns;
        public int Idles;
        public int IdleAfterTurn;

        public override void OnTurn(long nowMs) => Turns++;

        public void OnIdle()
        {
            Idles++;
            Volatile.Write(ref IdleAfterTurn, Turns);
        }
    }
}

public sealed class IdleTestsOnOneReactor() : IdleTests(1, IoBackend.Epoll);

public sealed class IdleTestsOnEightReactors() : IdleTests(8, IoBackend.Epoll);

public sealed class IdleTestsOnOneReactorWithUring() : IdleTests(1, IoBackend.Uring);

public sealed class IdleTestsOnEightReactorsWithUring() : IdleTests(8, IoBackend.Uring);
