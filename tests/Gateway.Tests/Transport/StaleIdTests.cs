using System.Collections.Concurrent;
using System.Net;
using Gateway.Transport;
using Gateway.Transport.Backend;
using Gateway.Transport.Connections;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>Ids and completions that outlived their connection touch nothing.</summary>
public abstract class StaleIdTests(int reactors, IoBackend io)
{
    private readonly ReactorGroupOptions _options = new ReactorGroupOptions { Reactors = reactors, TickMs = 10, HandshakeTimeoutMs = 0 }.On(io);

    [OnBackendFact]
    public void A_stale_id_is_refused_by_every_verb_although_its_slot_lives_on()
    {
        using var group = new TestGroup<EchoHandler>(_options, r => new EchoHandler(r));
        var server = group.ListenOn(0);
        var first = Client.Connect(server);
        var stale = CloseTests.AwaitAccepted(group.Handlers[0]);
        first.Close();
        group.AwaitEmpty();

        using var second = Client.Connect(server);
        var living = CloseTests.AwaitAccepted(group.Handlers[0]);
        Assert.Equal(stale.Slot, living.Slot);
        group.On(0, (r, _) =>
        {
            r.SetTag(living, 5);
            foreach (var id in new[] { stale, default, new ConnectionId(living.Slot, living.Generation + 1), new ConnectionId(12345, 1) })
            {
                Assert.False(r.IsOpen(id));
                r.SetTag(id, 9);
                Assert.Equal(0ul, r.GetTag(id));
                var span = r.GetSpan(id, 100_000);
                Assert.True(span.Length >= 100_000);
                span.Fill(0xEE);
                r.Advance(id, 100_000);
                Assert.Equal(0, r.UnsentBytes(id));
                r.MarkEstablished(id);
                r.PauseReading(id);
                r.ResumeReading(id);
                r.SetTimer(id, 1);
                r.Move(id, 0, []);
                r.Close(id);
                r.Abort(id);
                Assert.Null(r.RemoteEndPoint(id));
            }

            Assert.Equal(5ul, r.GetTag(living));
        });
        second.SendAll([1, 2, 3]);
        Assert.Equal([1, 2, 3], second.ReceiveExactly(3));
        Assert.Equal(5ul, group.On(0, (r, _) => r.GetTag(living)));
        Assert.Empty(group.Handlers[0].Timeouts);
        Assert.Single(group.Handlers[0].Closings);
    }

    [OnBackendFact]
    public void An_id_is_refused_from_within_its_own_OnClosed()
    {
        using var group = new TestGroup<LateHandler>(_options, r => new LateHandler(r));
        Client.Connect(group.ListenOn(0)).Close();
        group.AwaitEmpty();
        Assert.Single(group.Handlers[0].Closings);
    }

    [OnBackendFact]
    public void Completions_of_an_older_generation_are_dropped_and_a_slot_waits_for_its_last()
    {
        var backend = default(ScriptedBackend);
        using var group = new TestGroup<EchoHandler>(_options, r => new EchoHandler(r), backend: t => new ScriptedBackend(t).KeptAs(ref backend));
        var script = backend!;
        group.On(0, (r, _) => r.AdoptListener(1000));

        script.Complete(CompletionKind.Accepted, default, 2000);
        var first = CloseTests.AwaitAccepted(group.Handlers[0]);
        group.On(0, (r, _) => r.SetTag(first, 1));

        // The backend has an operation in flight: the slot is told of but not reused.
        script.CloseLater = true;
        group.On(0, (r, _) => r.Abort(first));
        Wait.Until(() => !group.Handlers[0].Closings.IsEmpty, "told at once");
        script.Complete(CompletionKind.Accepted, default, 2001);
        var second = CloseTests.AwaitAccepted(group.Handlers[0]);
        Assert.NotEqual(first.Slot, second.Slot);

        script.CloseLater = false;
        script.Complete(CompletionKind.Closed, first, 0);
        script.Complete(CompletionKind.Accepted, default, 2002);
        var third = CloseTests.AwaitAccepted(group.Handlers[0]);
        Assert.Equal(first.Slot, third.Slot);

        // Everything that could still arrive for the first connection.
        foreach (var kind in new[] { CompletionKind.Received, CompletionKind.Sent, CompletionKind.Broken, CompletionKind.Connected, CompletionKind.Closed })
            script.Complete(kind, first, kind == CompletionKind.Received ? 4 : -104);
        Wait.Until(() => group[0].StaleCompletions == 5, "all are counted as stale");
        Assert.Empty(script.Sent);
        Assert.Equal((3, 1), (group.Handlers[0].Accepted.Count + 3, group.Handlers[0].Closings.Count));
        Assert.True(group.On(0, (r, _) => r.IsOpen(second) && r.IsOpen(third)));

        // The same for the living one is served.
        script.Complete(CompletionKind.Received, third, 4);
        Wait.Until(() => script.Sent.Count == 1, "echoed");
        Assert.Equal(third.Slot, script.Sent.Single().Slot);
    }

    [OnBackendFact]
    public void Output_that_a_backend_takes_later_stays_in_place_until_it_says_so()
    {
        var backend = default(ScriptedBackend);
        using var group = new TestGroup<EchoHandler>(_options, r => new EchoHandler(r), backend: t => new ScriptedBackend(t).KeptAs(ref backend));
        var script = backend!;
        group.On(0, (r, _) => r.AdoptListener(1000));
        script.Complete(CompletionKind.Accepted, default, 2000);
        var id = CloseTests.AwaitAccepted(group.Handlers[0]);

        script.TakeAtOnce = 1;
        script.Complete(CompletionKind.Received, id, 4);
        Wait.Until(() => script.Sent.Count == 1, "submitted");
        script.Complete(CompletionKind.Received, id, 4);
        Wait.Until(() => group[0].LeasesOut == 1, "what follows waits behind");
        Assert.Equal(7, group.On(0, (r, _) => r.UnsentBytes(id)));
        Assert.Single(script.Sent);

        // Two of the three bytes were taken meanwhile: the rest of the buffer is submitted, and then what stands behind.
        script.TakeAtOnce = int.MaxValue;
        script.Complete(CompletionKind.Sent, id, 2);
        group.AwaitIdle();
        Assert.Equal([4, 1, 4], script.Sent.Select(s => s.Bytes.Length));
        Assert.Equal([id], group.Handlers[0].Drains);
    }

    private sealed class LateHandler(Reactor reactor) : TestHandler(reactor)
    {
        public override void OnClosed(ConnectionId c, ulong tag, CloseReason reason, int errno)
        {
            base.OnClosed(c, tag, reason, errno);
            Send(c, [1]);
            Reactor.Move(c, 0, []);
            Reactor.Close(c);
            Reactor.Abort(c);
            Reactor.SetTimer(c, 1);
            Assert.False(Reactor.IsOpen(c));
        }
    }

    /// <summary>A backend whose completions a test dictates, as one over completions (io_uring) might bring them.</summary>
    private sealed class ScriptedBackend(ConnectionTable table) : IReactorBackend
    {
        private readonly ConcurrentQueue<(CompletionKind Kind, ConnectionId Id, int Result)> _completions = new();
        private readonly SemaphoreSlim _woken = new(0);

        /// <summary>Keeps the first in <paramref name="first"/>: reactor 0's, since a group makes its reactors in order.</summary>
        public ScriptedBackend KeptAs(ref ScriptedBackend? first)
        {
            first ??= this;
            return this;
        }

        public bool CloseLater { get; set; }

        public int TakeAtOnce { get; set; } = int.MaxValue;

        public ConcurrentQueue<(uint Slot, byte[] Bytes)> Sent { get; } = new();

        public void Complete(CompletionKind kind, ConnectionId id, int result)
        {
            _completions.Enqueue((kind, id, result));
            Wake();
        }

        public void Begin()
        {
        }

        public void BeginTurn(uint tick)
        {
        }

        public int AttachListener(uint listener, int descriptor) => 0;

        public void AllowAccepts(int room)
        {
        }

        public void Refuse(int accepted)
        {
        }

        public int Adopt(uint slot, int descriptor) => 0;

        public int Connect(uint slot, IPEndPoint remote, IPAddress? source) => 0;

        public IPEndPoint? RemoteEndPoint(uint slot) => null;

        public void Submit()
        {
        }

        public bool TryReapSent(out Completion completion)
        {
            completion = default;
            return false;
        }

        public void SubmitAccept(uint listener)
        {
        }

        public void CancelAccept(uint listener)
        {
        }

        public int Attach(uint slot) => 0;

        public void SubmitReceive(uint slot)
        {
        }

        public void CancelReceive(uint slot)
        {
        }

        public int SubmitSend(uint slot, ReadOnlySpan<byte> pinned)
        {
            Sent.Enqueue((slot, pinned.ToArray()));
            if (pinned.Length <= TakeAtOnce) return pinned.Length;
            table[slot].Poll |= PollFlags.SendBlocked;
            return TakeAtOnce;
        }

        public void ShutdownSend(uint slot)
        {
        }

        public int Take(uint slot, int handed) => 0;

        public void WakeOther(IReactorBackend other)
        {
        }

        public void AddTo(Gateway.Transport.Pools.Housekeeping keeping)
        {
        }

        public void Discard(int handed)
        {
        }

        public int HandOver(uint slot, IReactorBackend to, out bool idle)
        {
            idle = false;
            return -1;
        }

        public bool Close(uint slot, bool reset) => !CloseLater;

        public void Wait(int timeoutMs) => _woken.Wait(timeoutMs);

        public bool HasWork => !_completions.IsEmpty;

        public bool TryReap(out Completion completion)
        {
            if (!_completions.TryDequeue(out var next))
            {
                completion = default;
                return false;
            }

            if (next.Kind == CompletionKind.Sent) table[next.Id.Slot].Poll &= ~PollFlags.SendBlocked;
            completion = new Completion
            {
                Kind = next.Kind,
                Id = next.Id,
                Result = next.Result,
                Bytes = next.Kind == CompletionKind.Received ? new byte[next.Result] : default,
            };
            return true;
        }

        public void Wake() => _woken.Release();

        public void Dispose() => _woken.Dispose();
    }
}

public sealed class StaleIdTestsOnOneReactor() : StaleIdTests(1, IoBackend.Epoll);

public sealed class StaleIdTestsOnEightReactors() : StaleIdTests(8, IoBackend.Epoll);

public sealed class StaleIdTestsOnOneReactorWithUring() : StaleIdTests(1, IoBackend.Uring);

public sealed class StaleIdTestsOnEightReactorsWithUring() : StaleIdTests(8, IoBackend.Uring);
