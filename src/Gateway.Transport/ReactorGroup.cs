using System.Globalization;
using System.Net;
using Gateway.Transport.Backend;
using Gateway.Transport.Backend.Uring;
using Gateway.Transport.Buffers;
using Gateway.Transport.Connections;
using Gateway.Transport.Inbox;
using Gateway.Transport.Linux;

namespace Gateway.Transport;

/// <summary>
/// The reactors of a node, their lanes, their clock and their shared budget. Made, started, stopped and disposed by the host, from one
/// thread. Invariant: what reactors share lives until every one of their threads has ended.
/// </summary>
public sealed class ReactorGroup : IDisposable
{
    private readonly Func<Reactor, IReactorHandler> _handlerFactory;
    private readonly Action<Exception> _onFatal;
    private readonly Reactor[] _reactors;
    private readonly Thread[] _threads;
    private readonly Lanes[][] _lanes;
    private int _stopping;
    private bool _started;
    private bool _disposed;

    /// <param name="options">Validated here.</param>
    /// <param name="handlerFactory">Makes a reactor's handler, on the reactor's thread.</param>
    /// <param name="onFatal">Told of an exception out of a handler or of a broken invariant, on the thread of the reactor, which has ended. The host decides to exit.</param>
    /// <param name="time">The clock of all deadlines.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="NotSupportedException"><see cref="ReactorGroupOptions.Io"/> asks for io_uring, which is not to be had; the message says why.</exception>
    /// <exception cref="IOException">The kernel refused a descriptor.</exception>
    public ReactorGroup(ReactorGroupOptions options, Func<Reactor, IReactorHandler> handlerFactory, Action<Exception> onFatal, TimeProvider time)
        : this(options, handlerFactory, onFatal, time, BackendChoice.Of(options))
    {
    }

    private ReactorGroup(
        ReactorGroupOptions options,
        Func<Reactor, IReactorHandler> handlerFactory,
        Action<Exception> onFatal,
        TimeProvider time,
        BackendChoice choice)
        : this(options, handlerFactory, onFatal, time, choice.Factory) => (Backend, Io, BackendConnections) = (choice.Reason, choice.Io, choice.Connections);

    internal ReactorGroup(
        ReactorGroupOptions options,
        Func<Reactor, IReactorHandler> handlerFactory,
        Action<Exception> onFatal,
        TimeProvider time,
        Func<ConnectionTable, IReactorBackend> backend)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(handlerFactory);
        ArgumentNullException.ThrowIfNull(onFatal);
        ArgumentNullException.ThrowIfNull(time);
        options.Validate();
        Options = options;
        _handlerFactory = handlerFactory;
        _onFatal = onFatal;
        Clock = new MonotonicClock(time, options.TickMs);
        NodeBudget = new NodeBudget();
        _lanes = [.. Enumerable.Range(0, options.Reactors).Select(_ => Enumerable.Range(0, options.Reactors).Select(_ => new Lanes(options)).ToArray())];
        _reactors = new Reactor[options.Reactors];
        for (var i = 0; i < _reactors.Length; i++) _reactors[i] = new Reactor(this, i, _lanes, _reactors, backend);
        _threads = [.. _reactors.Select(NewThread)];
    }

    public ReactorGroupOptions Options { get; }

    public IReadOnlyList<Reactor> Reactors => _reactors;

    /// <summary>Null when the kernel lets this process use io_uring as the transport needs it; otherwise the reason, for a person. Tries it.</summary>
    public static string? WhyNotUring() => UringProbe.WhyNot();

    /// <summary>Which backend was chosen and why, in one line for the log.</summary>
    public string Backend { get; } = "";

    /// <summary>What was chosen; never <see cref="IoBackend.Auto"/> but where a test brought its own.</summary>
    public IoBackend Io { get; }

    /// <summary>For how many connections the backend's descriptors suffice, over all reactors, whatever the options and memory allow.</summary>
    public long BackendConnections { get; }

    /// <summary>Buffer memory of all reactors together, to within 256 KiB each. Any thread.</summary>
    public long BufferedBytes => NodeBudget.Bytes;

    internal MonotonicClock Clock { get; }

    internal NodeBudget NodeBudget { get; }

    internal bool IsStopping => Volatile.Read(ref _stopping) != 0;

    public void Start()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_started) throw new InvalidOperationException("The group was started before.");
        _started = true;
        foreach (var thread in _threads) thread.Start();
    }

    /// <summary>
    /// Opens a listener at every reactor, all on one port (SO_REUSEPORT; the kernel spreads clients over them). Port 0 takes a free one.
    /// Returns 0, or the errno of the first that failed, and then none is left open. Accepting starts with the next turn of each reactor.
    /// </summary>
    /// <param name="endpoint">IPv4 or IPv6; an IPv6 listener takes IPv6 clients only.</param>
    /// <param name="backlog">Clients that may wait at each reactor.</param>
    /// <param name="bound">The address with its real port.</param>
    /// <exception cref="InvalidOperationException">A reactor takes no more posted work.</exception>
    public int Listen(IPEndPoint endpoint, int backlog, out IPEndPoint bound)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        ObjectDisposedException.ThrowIf(_disposed, this);
        bound = endpoint;
        var descriptors = new List<int>();
        for (var i = 0; i < _reactors.Length; i++)
        {
            var descriptor = Syscalls.OpenListener(bound, backlog);
            if (descriptor < 0)
            {
                foreach (var open in descriptors) _ = Syscalls.Close(open);
                return -descriptor;
            }

            descriptors.Add(descriptor);
            bound = Syscalls.LocalEndPoint(descriptor) ?? bound;
        }

        for (var i = 0; i < _reactors.Length; i++)
        {
            var reactor = _reactors[i];
            var descriptor = descriptors[i];
            if (reactor.TryPost(_ => Adopt(reactor, descriptor))) continue;
            for (var left = i; left < descriptors.Count; left++) _ = Syscalls.Close(descriptors[left]);
            throw new InvalidOperationException($"Reactor {i} takes no more posted work.");
        }

        return 0;
    }

    /// <summary>Leaves further clients in the backlogs, for good; established connections go on.</summary>
    public void StopAccepting()
    {
        foreach (var reactor in _reactors) _ = reactor.TryPost(_ => reactor.StopAccepting());
    }

    /// <summary>
    /// Stops every reactor after its current turn: output is flushed once more, every connection closed, <c>OnClosed</c> told with
    /// <see cref="CloseReason.Shutdown"/>. Returns when the threads have ended. Not from a reactor's thread.
    /// </summary>
    public void Stop()
    {
        if (_threads.Contains(Thread.CurrentThread)) throw new InvalidOperationException("A reactor cannot wait for its own end.");
        Volatile.Write(ref _stopping, 1);
        if (!_started) return;
        foreach (var reactor in _reactors) reactor.Wake();
        foreach (var thread in _threads) thread.Join();
    }

    /// <summary>Stops, then frees what the kernel holds. Nobody may call <see cref="Reactor.Wake"/> or <see cref="Reactor.TryPost"/> any more.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        Stop();
        _disposed = true;
        foreach (var row in _lanes)
        {
            for (var to = 0; to < row.Length; to++)
            {
                while (row[to].Moves.TryRead(out var record)) _reactors[to].Discard(record);
                row[to].Dispose();
            }
        }

        foreach (var reactor in _reactors) reactor.Release();
    }

    private static void Adopt(Reactor reactor, int descriptor)
    {
        var errno = reactor.AdoptListener(descriptor);
        if (errno != 0) throw new IOException($"Reactor {reactor.Index} cannot poll its listener: errno {errno}.");
    }

    private Thread NewThread(Reactor reactor) => new(() => Run(reactor))
    {
        IsBackground = true,
        Name = $"{Options.ThreadName} {reactor.Index.ToString(CultureInfo.InvariantCulture)}",
    };

    private void Run(Reactor reactor)
    {
        // A thread that cannot be pinned (a container's cpuset) runs just as well, only less evenly.
        if (Options.PinThreads) _ = Syscalls.PinThread(reactor.Index % Environment.ProcessorCount);
        try
        {
            reactor.Run(_handlerFactory);
        }
#pragma warning disable CA1031 // Whatever it is, it is ours: the reactor has stopped and the host must know.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _onFatal(e);
        }
    }
}
