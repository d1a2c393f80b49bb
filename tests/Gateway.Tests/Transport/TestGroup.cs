using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Gateway.Transport;
using Gateway.Transport.Backend;
using Gateway.Transport.Connections;
using Gateway.Transport.Linux;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>A started group with a handler a reactor; disposing it asserts that no reactor failed.</summary>
internal sealed class TestGroup<THandler> : IDisposable
    where THandler : class, IReactorHandler
{
    private readonly ConcurrentQueue<Exception> _fatal = new();
    private readonly THandler[] _handlers;
    private readonly ReactorGroup _group;

    public TestGroup(ReactorGroupOptions options, Func<Reactor, THandler> factory, TimeProvider? time = null, Func<ConnectionTable, IReactorBackend>? backend = null)
    {
        _handlers = new THandler[options.Reactors];
        IReactorHandler Make(Reactor reactor) => _handlers[reactor.Index] = factory(reactor);
        _group = backend is null
            ? new ReactorGroup(options, Make, _fatal.Enqueue, time ?? TimeProvider.System)
            : new ReactorGroup(options, Make, _fatal.Enqueue, time ?? TimeProvider.System, backend);
        _group.Start();
        Wait.Until(() => _handlers.All(h => Volatile.Read(ref h) is not null) || !_fatal.IsEmpty, "every reactor has its handler");
    }

    public ReactorGroup Group => _group;

    public IReadOnlyList<THandler> Handlers => _handlers;

    public IReadOnlyCollection<Exception> Fatal => _fatal;

    public ReactorCounters this[int index] => _group.Reactors[index].Counters;

    public int SlotsInUse => _group.Reactors.Sum(r => r.Counters.SlotsInUse);

    public IPEndPoint Listen(int backlog = 4096)
    {
        Assert.Equal(0, _group.Listen(new IPEndPoint(IPAddress.Loopback, 0), backlog, out var bound));
        return bound;
    }

    /// <summary>Listens at one reactor only, for a test that says what happens there whatever others there are.</summary>
    public IPEndPoint ListenOn(int reactor, IPEndPoint? at = null, int backlog = 4096)
    {
        var descriptor = Syscalls.OpenListener(at ?? new IPEndPoint(IPAddress.Loopback, 0), backlog, _group.Options.PeerTimeouts);
        Assert.True(descriptor >= 0, $"errno {-descriptor}");
        var bound = Syscalls.LocalEndPoint(descriptor)!;
        Assert.Equal(0, On(reactor, (r, _) => r.AdoptListener(descriptor)));
        return bound;
    }

    /// <summary>Runs work on a reactor's thread and waits for its result.</summary>
    public T On<T>(int index, Func<Reactor, THandler, T> work)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var reactor = _group.Reactors[index];
        Assert.True(reactor.TryPost(h =>
        {
            try
            {
                done.SetResult(work(reactor, (THandler)h));
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        }));
        Assert.True(Task.WaitAny([done.Task], Wait.Deadline) == 0, "posted work did not run");
        return done.Task.GetAwaiter().GetResult();
    }

    public void On(int index, Action<Reactor, THandler> work) => On(index, (r, h) =>
    {
        work(r, h);
        return true;
    });

    /// <summary>That many connections have ended and nothing is held any more: no slot, lease, output or buffered byte, on any reactor.</summary>
    public void AwaitEmpty(int closed = 1) => Wait.Until(
        () => _group.Reactors.Sum(r => r.Counters.Closed) >= closed
            && _group.Reactors.All(r => r.Counters is { SlotsInUse: 0, Handshakes: 0, LeasesOut: 0, OutputsOut: 0, SegmentsOut: 0, BufferedBytes: 0 })
            && _group.BufferedBytes == 0,
        () => "held: " + string.Join("; ", _group.Reactors.Select(r => r.Counters)) + $"; node {_group.BufferedBytes}; fatal {string.Join(",", _fatal)}");

    /// <summary>No connection holds a buffer, however many there are.</summary>
    public void AwaitIdle() => Wait.Until(
        () => _group.Reactors.All(r => r.Counters is { LeasesOut: 0, OutputsOut: 0, SegmentsOut: 0, BufferedBytes: 0 }),
        () => "held: " + string.Join("; ", _group.Reactors.Select(r => r.Counters)));

    public void Dispose()
    {
        _group.Dispose();
        Assert.Empty(_fatal);
    }

    /// <summary>Disposes a group whose failure was the point.</summary>
    public void DisposeFailed() => _group.Dispose();
}

/// <summary>Waits on conditions. The deadline only bounds a failing run.</summary>
internal static class Wait
{
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    public static void Until(Func<bool> condition, string what) => Until(condition, () => what);

    public static void Until(Func<bool> condition, Func<string> what)
    {
        var deadline = DateTime.UtcNow + Deadline;
        while (!condition())
        {
            if (DateTime.UtcNow > deadline) Assert.Fail($"Waited in vain: {what()}");
            Thread.Sleep(1);
        }
    }
}

/// <summary>Blocking work on threads of its own: the pool would add them one by one.</summary>
internal static class Threads
{
    public static Task Start(Action work) => Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    public static Task<T> Start<T>(Func<T> work) => Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Runs <paramref name="work"/> with 0 to <paramref name="count"/> - 1 at once.</summary>
    public static Task Each(int count, Action<int> work) => Task.WhenAll(Enumerable.Range(0, count).Select(i => Start(() => work(i))));
}

/// <summary>Blocking client sockets.</summary>
internal static class Client
{
    public static Socket Connect(IPEndPoint server)
    {
        var socket = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 60_000, SendTimeout = 60_000 };
        socket.Connect(server);
        return socket;
    }

    public static void SendAll(this Socket socket, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0) bytes = bytes[socket.Send(bytes)..];
    }

    public static byte[] ReceiveExactly(this Socket socket, int bytes)
    {
        var buffer = new byte[bytes];
        var got = 0;
        while (got < bytes)
        {
            var n = socket.Receive(buffer.AsSpan(got));
            Assert.True(n > 0, $"the peer closed after {got} of {bytes} bytes");
            got += n;
        }

        return buffer;
    }

    public static byte[] ReceiveToEnd(this Socket socket)
    {
        using var all = new MemoryStream();
        var buffer = new byte[64 * 1024];
        int n;
        while ((n = socket.Receive(buffer)) > 0) all.Write(buffer, 0, n);
        return all.ToArray();
    }

    /// <summary>Closes with a reset.</summary>
    public static void Reset(this Socket socket)
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Close();
    }
}
