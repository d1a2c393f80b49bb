using System.Net;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Gateway.Transport.Connections;
using Gateway.Transport.Linux;
using Gateway.Transport.Pools;

namespace Gateway.Transport.Backend;

/// <summary>
/// The backend over epoll. Connections are registered once, edge-triggered, for everything; what the reactor wants is a flag in the slot,
/// so pausing and resuming cost no system call. An edge is remembered (Readable) until a receive found the end, and a connection that is
/// still readable when it is armed again waits in a queue for the next turn: one receive a connection and turn, so none starves the
/// others. Listeners are level-triggered and taken out of the set while accepting is suspended. Owned by the reactor's thread.
/// <code>
/// epoll_event.data of a connection:  63 generation 32 | 31 slot 0      (a generation is never 0)
///                  of a listener:    63     0      32 | 31 listener 0
///                  of the wake:      63     0      32 | 31 all ones 0
/// </code>
/// </summary>
internal sealed unsafe class EpollBackend : IReactorBackend
{
    private const uint WakeMark = uint.MaxValue;
    private const uint ConnectionEvents = EpollEvent.In | EpollEvent.Out | EpollEvent.PeerHangUp | EpollEvent.EdgeTriggered;
    private const uint EndEvents = EpollEvent.PeerHangUp | EpollEvent.HangUp | EpollEvent.Error;

    private readonly ConnectionTable _table;
    private readonly Func<int>? _acceptFault;
    private readonly int _acceptsPerTurn;
    private readonly int _maxEvents;
    private readonly byte* _events;
    private readonly byte* _receiveBuffer;
    private readonly int _receiveBytes;
    private readonly List<Listener> _listeners = [];
    private readonly ElasticQueue<ConnectionId> _readable = new();
    private readonly int _epoll;
    private readonly int _wake;

    private int _eventCount;
    private int _eventIndex;
    private int _readableLeft;
    private int _acceptsLeft;
    private uint _accepting = WakeMark;
    // What is left of the event under examination, after a Sent completion was taken from it.
    private ConnectionId _current;
    private uint _currentEvents;
    private bool _disposed;

    /// <param name="table">The reactor's slots.</param>
    /// <param name="options">Batch sizes.</param>
    /// <exception cref="IOException">The kernel refused a descriptor.</exception>
    public EpollBackend(ConnectionTable table, ReactorGroupOptions options)
    {
        _table = table;
        _acceptFault = options.AcceptFault;
        _acceptsPerTurn = options.AcceptsPerTurn;
        _maxEvents = options.EventsPerWait;
        _receiveBytes = options.ReceiveBytesPerTurn;
        // SAFETY: freed in Dispose, used by this thread only; sizes are validated options.
        _events = (byte*)NativeMemory.Alloc((nuint)_maxEvents, (nuint)EpollEvent.Stride);
        _receiveBuffer = (byte*)NativeMemory.AlignedAlloc((nuint)_receiveBytes, 4096);
        _epoll = Check(Syscalls.EpollCreate(), "epoll_create1");
        _wake = Check(Syscalls.EventDescriptor(), "eventfd");
        // Edge-triggered, so that each signal is an event and the counter never needs to be read; it would take 2^64 signals to fill.
        Check(Syscalls.EpollControl(_epoll, Syscalls.EpollControlAdd, _wake, EpollEvent.In | EpollEvent.EdgeTriggered, WakeMark), "epoll_ctl");
    }

    public void Begin()
    {
    }

    public void AddTo(Housekeeping keeping) => keeping.Add(_readable);

    public void BeginTurn(uint tick)
    {
    }

    public int AttachListener(uint listener, int descriptor)
    {
        var result = Syscalls.EpollControl(_epoll, Syscalls.EpollControlAdd, descriptor, 0, listener);
        if (result >= 0) _listeners.Add(new Listener { Descriptor = descriptor });
        return result;
    }

    public void SubmitAccept(uint listener) => Arm(listener, true);

    public void CancelAccept(uint listener) => Arm(listener, false);

    // One is accepted at a time, and the reactor cancels before the next.
    public void AllowAccepts(int room)
    {
    }

    public int Attach(uint slot) =>
        Syscalls.EpollControl(_epoll, Syscalls.EpollControlAdd, _table[slot].Descriptor, ConnectionEvents, _table.IdOf(slot).Packed);

    public void Refuse(int accepted) => _ = Syscalls.Close(accepted);

    public int Adopt(uint slot, int descriptor)
    {
        _table[slot].Descriptor = descriptor;
        return Attach(slot);
    }

    public int Connect(uint slot, IPEndPoint remote, IPAddress? source)
    {
        var descriptor = Syscalls.OpenOutbound(remote, source);
        if (descriptor < 0) return descriptor;
        var result = Syscalls.BeginConnect(descriptor, remote);
        if (result >= 0) return Adopt(slot, descriptor);
        _ = Syscalls.Close(descriptor);
        return result;
    }

    public IPEndPoint? RemoteEndPoint(uint slot) => Syscalls.RemoteEndPoint(_table[slot].Descriptor);

    public void SubmitReceive(uint slot)
    {
        ref var s = ref _table[slot];
        s.Poll |= PollFlags.ReceiveArmed;
        if ((s.Poll & (PollFlags.Readable | PollFlags.Queued)) == PollFlags.Readable) Enqueue(ref s, slot);
    }

    public void CancelReceive(uint slot) => _table[slot].Poll &= ~PollFlags.ReceiveArmed;

    public int SubmitSend(uint slot, ReadOnlySpan<byte> pinned)
    {
        ref var s = ref _table[slot];
        var taken = 0;
        // SAFETY: a span stays in place while it is pinned; the kernel copies before send returns.
        fixed (byte* bytes = pinned)
        {
            while (taken < pinned.Length)
            {
                var result = Syscalls.Send(s.Descriptor, bytes + taken, pinned.Length - taken);
                if (result > 0)
                {
                    taken += result;
                }
                else if (result == -Errno.EAGAIN)
                {
                    // Only a refused send makes the kernel owe an edge, so a short one is followed up until it is refused.
                    s.Poll |= PollFlags.SendBlocked;
                    break;
                }
                else if (result != -Errno.EINTR)
                {
                    return result;
                }
            }
        }

        return taken;
    }

    // Sends are performed when they are submitted.
    public void Submit()
    {
    }

    public bool TryReapSent(out Completion completion)
    {
        completion = default;
        return false;
    }

    public void ShutdownSend(uint slot) => _ = Syscalls.ShutdownSend(_table[slot].Descriptor);

    public int Take(uint slot, int handed) => Adopt(slot, handed);

    public void Discard(int handed) => _ = Syscalls.Close(handed);

    public int HandOver(uint slot, IReactorBackend to, out bool idle)
    {
        idle = true;
        ref var s = ref _table[slot];
        _ = Syscalls.EpollControl(_epoll, Syscalls.EpollControlDelete, s.Descriptor, 0, 0);
        var descriptor = s.Descriptor;
        s.Descriptor = -1;
        s.Poll = PollFlags.None;
        return descriptor;
    }

    public bool Close(uint slot, bool reset)
    {
        ref var s = ref _table[slot];
        if (s.Descriptor < 0) return true;
        if (reset) _ = Syscalls.SetResetOnClose(s.Descriptor);
        // Closing the last descriptor takes it out of the set. Events already collected, and those of a copy that a child process holds
        // between fork and exec, carry a generation that is stale from here on.
        _ = Syscalls.Close(s.Descriptor);
        s.Descriptor = -1;
        s.Poll = PollFlags.None;
        return true;
    }

    public bool HasWork => _eventCount > 0 || _readableLeft > 0;

    public void Wait(int timeoutMs)
    {
        if (_readable.Count != 0) timeoutMs = 0;
        // SAFETY: _events holds _maxEvents events.
        var count = Syscalls.EpollWait(_epoll, _events, _maxEvents, timeoutMs);
        if (count < 0 && count != -Errno.EINTR) throw new IOException($"epoll_wait failed with errno {-count}.");
        _eventCount = Math.Max(count, 0);
        _eventIndex = 0;
        // What is queued while this turn's completions are handled belongs to the next one.
        _readableLeft = _readable.Count;
    }

    public bool TryReap(out Completion completion)
    {
        while (true)
        {
            if (_accepting != WakeMark)
            {
                if (TryAccept(out completion)) return true;
            }
            else if (_currentEvents != 0)
            {
                if (TryTakeCurrent(out completion)) return true;
            }
            else if (_eventIndex < _eventCount)
            {
                TakeEvent();
            }
            else if (_readableLeft > 0)
            {
                _readableLeft--;
                if (TryTakeReadable(out completion)) return true;
            }
            else
            {
                completion = default;
                return false;
            }
        }
    }

    public void WakeOther(IReactorBackend other) => other.Wake();

    // The eventfd lives until Dispose, and the group disposes after its last waker; a refused write only means the counter is full of wakes.
    public void Wake() => _ = Syscalls.Signal(_wake);

    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        // The reactor left none; one that failed did.
        for (uint slot = 0; slot < _table.High; slot++)
        {
            if (_table[slot].State != SlotState.Free) Close(slot, reset: false);
        }

        foreach (var listener in _listeners) _ = Syscalls.Close(listener.Descriptor);
        _ = Syscalls.Close(_epoll);
        _ = Syscalls.Close(_wake);
        NativeMemory.Free(_events);
        NativeMemory.AlignedFree(_receiveBuffer);
    }

    private void Arm(uint listener, bool armed)
    {
        var l = _listeners[(int)listener];
        if (l.Armed == armed) return;
        l.Armed = armed;
        Check(Syscalls.EpollControl(_epoll, Syscalls.EpollControlModify, l.Descriptor, armed ? EpollEvent.In : 0, listener), "epoll_ctl");
    }

    private void TakeEvent()
    {
        // SAFETY: the index is below the count that the kernel filled in.
        EpollEvent.Read(_events + _eventIndex++ * EpollEvent.Stride, out var events, out var data);
        var id = ConnectionId.Unpack(data);
        if (!id.IsNone)
        {
            _current = id;
            _currentEvents = events;
        }
        else if (id.Slot != WakeMark)
        {
            _accepting = id.Slot;
            _acceptsLeft = _acceptsPerTurn;
        }
    }

    private bool TryAccept(out Completion completion)
    {
        completion = default;
        var listener = _listeners[(int)_accepting];
        while (listener.Armed && _acceptsLeft-- > 0)
        {
            var result = _acceptFault?.Invoke() is > 0 and var fault ? -fault : Syscalls.Accept(listener.Descriptor);
            if (result == -Errno.EAGAIN) break;
            // The client gave up while it waited in the queue; accept(2) says to go on as after EAGAIN.
            if (result is -Errno.EINTR or -Errno.ECONNABORTED or -Errno.EPROTO) continue;
            completion = new Completion { Kind = CompletionKind.Accepted, Id = new ConnectionId(_accepting, 0), Result = result };
            return true;
        }

        _accepting = WakeMark;
        return false;
    }

    private bool TryTakeCurrent(out Completion completion)
    {
        var id = _current;
        ref var s = ref _table.Find(id);
        if (Unsafe.IsNullRef(ref s) || s.Descriptor < 0)
        {
            _currentEvents = 0;
            completion = default;
            return false;
        }

        if (s.State == SlotState.Connecting)
        {
            // What else the event says is still true once the reactor armed a receive: remember it.
            if ((_currentEvents & EpollEvent.In) != 0) s.Poll |= PollFlags.Readable;
            _currentEvents = 0;
            completion = new Completion { Kind = CompletionKind.Connected, Id = id, Result = -Syscalls.TakeError(s.Descriptor) };
            return true;
        }

        if ((_currentEvents & EpollEvent.Out) != 0 && s.Has(PollFlags.SendBlocked))
        {
            _currentEvents &= ~EpollEvent.Out;
            s.Poll &= ~PollFlags.SendBlocked;
            completion = new Completion { Kind = CompletionKind.Sent, Id = id, Result = 0 };
            return true;
        }

        var events = _currentEvents;
        _currentEvents = 0;
        if ((events & (EpollEvent.In | EndEvents)) == 0)
        {
            completion = default;
            return false;
        }

        s.Poll |= PollFlags.Readable;
        if ((events & EndEvents) != 0) s.Poll |= PollFlags.HungUp;
        if (s.Has(PollFlags.ReceiveArmed)) return !s.Has(PollFlags.Queued) && TryReceive(ref s, id, out completion) || None(out completion);

        if ((events & EpollEvent.Error) == 0) return None(out completion);
        completion = new Completion { Kind = CompletionKind.Broken, Id = id, Result = -Syscalls.TakeError(s.Descriptor) };
        return true;
    }

    private bool TryTakeReadable(out Completion completion)
    {
        var id = _readable.Dequeue();
        ref var s = ref _table.Find(id);
        if (Unsafe.IsNullRef(ref s) || !s.Has(PollFlags.Queued)) return None(out completion);
        s.Poll &= ~PollFlags.Queued;
        if ((s.Poll & (PollFlags.Readable | PollFlags.ReceiveArmed)) != (PollFlags.Readable | PollFlags.ReceiveArmed)) return None(out completion);
        return TryReceive(ref s, id, out completion);
    }

    private bool TryReceive(ref ConnectionSlot s, ConnectionId id, out Completion completion)
    {
        // SAFETY: the buffer is _receiveBytes long and stays until Dispose.
        var result = Syscalls.Receive(s.Descriptor, _receiveBuffer, _receiveBytes);
        if (result == -Errno.EAGAIN)
        {
            s.Poll &= ~PollFlags.Readable;
            return None(out completion);
        }

        if (result == -Errno.EINTR)
        {
            Enqueue(ref s, id.Slot);
            return None(out completion);
        }

        s.Poll &= ~PollFlags.ReceiveArmed;
        // A short receive emptied the socket and the next bytes make a new edge; the peer's end made its edge already.
        if (result > 0 && result < _receiveBytes && !s.Has(PollFlags.HungUp)) s.Poll &= ~PollFlags.Readable;
        completion = new Completion
        {
            Kind = CompletionKind.Received,
            Id = id,
            Result = result,
            Bytes = new ReadOnlySpan<byte>(_receiveBuffer, Math.Max(result, 0)),
        };
        return true;
    }

    private void Enqueue(ref ConnectionSlot s, uint slot)
    {
        s.Poll |= PollFlags.Queued;
        _readable.Enqueue(new ConnectionId(slot, s.Generation));
    }

    private static bool None(out Completion completion)
    {
        completion = default;
        return false;
    }

    private static int Check(int result, string call) =>
        result >= 0 ? result : throw new IOException($"{call} failed with errno {-result}.");

    private sealed class Listener
    {
        public required int Descriptor { get; init; }

        public bool Armed { get; set; }
    }
}
