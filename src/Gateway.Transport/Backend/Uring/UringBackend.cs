using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Gateway.Transport.Connections;
using Gateway.Transport.Linux;
using Gateway.Transport.Pools;

namespace Gateway.Transport.Backend.Uring;

/// <summary>
/// The backend over io_uring. Connections are direct descriptors: they take no place among the process's files, and so are limited by the
/// tables of the rings alone. Owned by the reactor's thread.
/// <para>A quiet connection has one one-shot poll in flight, the least that the kernel can hold for it. What a poll finds readable is
/// received in the same turn, many at once, into the arena; so one receive a connection and turn, and none starves the others. A busy one
/// (<see cref="ReactorGroupOptions.BusyGapMs"/>) has a multishot receive instead, which saves it the poll each time. Sends of a turn are
/// handed over together.</para>
/// <para>Invariants: of each operation a slot has at most one in flight, and the slot's <see cref="Flight"/> says which; a completion for
/// another generation is dropped; a slot's descriptor is closed once, and its Closed completion comes when nothing is in flight.</para>
/// </summary>
internal sealed unsafe partial class UringBackend : IReactorBackend
{
    private readonly ConnectionTable _table;
    private readonly ReactorGroupOptions _options;
    private readonly int _wake;
    private readonly RingSet _rings;
    private readonly ulong* _wakeCounter;
    // struct linger: on, for no time.
    private readonly int* _reset;
    private int _reaping;
    private int _lentRing = -1;
    private int _lentBuffer;
    private uint _tick;
    private bool _disposed;

    /// <param name="table">The reactor's slots.</param>
    /// <param name="options">Batch sizes, sizes of rings.</param>
    /// <exception cref="IOException">The kernel refused a descriptor.</exception>
    public UringBackend(ConnectionTable table, ReactorGroupOptions options)
    {
        _table = table;
        _options = options;
        _busyGapTicks = options.BusyGapMs == 0 ? 0 : (uint)Math.Max(1, options.BusyGapMs / options.TickMs);
        // Blocking, for a read of a non-blocking one would not wait in the ring either; a write blocks only at a count of 2^64 - 1.
        _wake = Syscalls.EventDescriptor(blocking: true);
        if (_wake < 0) throw new IOException($"eventfd failed with errno {-_wake}.");
        _rings = new RingSet(options, _wake);
        _arena = new Arena(options);
        // SAFETY: freed in Dispose, when nobody can signal any more and so no read can end.
        _wakeCounter = (ulong*)NativeMemory.AllocZeroed(sizeof(ulong));
        _reset = (int*)NativeMemory.AllocZeroed(2 * sizeof(int));
        _reset[0] = 1;
    }

    /// <summary>Rings so far.</summary>
    public int Rings => _rings.Count;

    /// <summary>Rings that hold buffers for busy connections. For tests.</summary>
    public int RingsWithBuffers => _rings.CountBuffered;

    /// <summary>Whether more than a page of each slice of the arena may be taken. For tests.</summary>
    public bool HoldsLongReceives => _arena.HoldsLong;

    /// <summary>Places reserved or taken in the tables. For tests.</summary>
    public int Places => _rings.Places;

    public void Begin()
    {
        var result = _rings.Open(out var failed);
        if (result < 0) throw new IOException($"{failed} failed with errno {-result}.");
        ReadWakes();
    }

    public void AddTo(Housekeeping keeping) => keeping.Add(_ready, _busy, _acceptFaults, _arena, _rings);

    public void BeginTurn(uint tick)
    {
        _rings.MakeRoomIfAsked();
        if (_tick == tick) return;
        _tick = tick;
        CoolDown();
    }

    public bool HasWork => _rings.HasCompletions || _ready.Count != 0 || CanAccept;

    public void Wait(int timeoutMs)
    {
        ReturnLent();
        if (timeoutMs > 0 && !HasWork) _rings.Sleep(timeoutMs);
        else _rings.Collect();
        _reaping = 0;
        _readyLeft = NotCounted;
    }

    public bool TryReap(out Completion completion)
    {
        ReturnLent();
        while (true)
        {
            for (; _reaping < _rings.Awake.Count; _reaping++)
            {
                var ring = _rings.Awake[_reaping];
                while (ring.TryTake(out var entry))
                {
                    if (TryComplete(ring, in entry, out completion)) return true;
                }
            }

            if (_acceptFaults.TryDequeue(out var fault))
            {
                completion = new Completion { Kind = CompletionKind.Accepted, Id = new ConnectionId(fault.Listener, 0), Result = fault.Result };
                return true;
            }

            if (!TryPerform())
            {
                completion = default;
                return false;
            }

            _reaping = 0;
        }
    }

    public void Submit() => _rings.Push();

    public bool TryReapSent(out Completion completion)
    {
        for (var i = 0; i < _rings.Awake.Count; i++)
        {
            var ring = _rings.Awake[i];
            while (ring.TryTakeAhead(Operation.Send, out var entry))
            {
                if (TryComplete(ring, in entry, out completion)) return true;
            }
        }

        completion = default;
        return false;
    }

    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        foreach (var listener in _listeners) _ = Syscalls.Close(listener.Descriptor);
        _rings.Dispose();
        _ = Syscalls.Close(_wake);
        _arena.Dispose();
        NativeMemory.Free(_wakeCounter);
        NativeMemory.Free(_reset);
    }

    /// <summary>Submits what this turn found ready, once all completions of the wait were taken; false when nothing is left to do.</summary>
    private bool TryPerform()
    {
        var submitted = _readyLeft == NotCounted && SubmitAccepts();
        submitted |= SubmitReceives();
        if (submitted) _rings.Push();
        return submitted || _acceptFaults.Count != 0;
    }

    private bool TryComplete(Ring ring, scoped in CompletionEntry entry, out Completion completion)
    {
        var operation = UserData.OperationOf(entry.UserData);
        var index = UserData.IndexOf(entry.UserData);
        switch (operation)
        {
            case Operation.Wake: OnWoken(); return None(out completion);
            case Operation.Listen: OnListenerReady(index); return None(out completion);
            case Operation.Accept: return OnAccepted(ring, index, in entry, out completion);
            // A file that could not be closed is still gone from the table.
            case Operation.Close: ring.Release(); break;
            case Operation.Message: OnMessaged(index, entry.Result); return None(out completion);
        }

        if (index >= _table.High) return None(out completion);
        ref var s = ref _table[index];
        if (s.State == SlotState.Free || !UserData.IsCurrent(entry.UserData, in s))
        {
            // A buffer is the kernel's again whoever it was for.
            if (operation == Operation.Multishot) TakeBuffer(ring, in entry);
            return None(out completion);
        }

        var id = new ConnectionId(index, s.Generation);
        switch (operation)
        {
            case Operation.Poll: return OnPolled(ref s, id, entry.Result, out completion);
            case Operation.QuietPoll: return OnQuietPolled(ref s, id, entry.Result, out completion);
            case Operation.Receive: return OnReceived(ref s, id, in entry, out completion);
            case Operation.Multishot: return OnMultishot(ring, ref s, id, in entry, out completion);
            case Operation.Send: return OnSent(ref s, id, entry.Result, out completion);
            case Operation.Connect: return OnConnected(ref s, id, entry.Result, out completion);
            case Operation.HandOver: return OnHandedOver(ref s, id, entry.Result, out completion);
            case Operation.Close: return End(ref s, id, Flight.Close, out completion);
            default: return None(out completion);
        }
    }

    /// <summary>An operation had its last completion. True when it was the last of a slot that was closed.</summary>
    private static bool End(ref ConnectionSlot s, ConnectionId id, Flight operation, out Completion completion)
    {
        s.Flight &= ~operation;
        if (s.Descriptor >= 0 || s.Has(Flight.Any)) return None(out completion);
        completion = new Completion { Kind = CompletionKind.Closed, Id = id, Result = 0 };
        return true;
    }

    private void OnWoken()
    {
        ReadWakes();
        _rings.LookAround();
    }

    private void ReadWakes()
    {
        ref var entry = ref _rings.Primary.Next(UserData.Of(Operation.Wake));
        entry.Operation = IoUring.OpRead;
        entry.Descriptor = _wake;
        entry.Address = (ulong)_wakeCounter;
        entry.Length = sizeof(ulong);
    }

    private ref Submission NextFor(ref ConnectionSlot s, uint slot, Operation operation)
    {
        ref var entry = ref _rings.RingOf(s.Descriptor).Next(UserData.Of(operation, slot, in s));
        entry.Descriptor = DirectSocket.PlaceOf(s.Descriptor);
        entry.Flags = IoUring.FixedFile;
        return ref entry;
    }

    /// <summary>Gives back the buffer of the completion taken last: whoever got it has seen it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void ReturnLent()
    {
        if (_lentRing < 0) return;
        _rings[_lentRing].Buffers!.Return(_lentBuffer);
        _lentRing = -1;
    }

    private static bool None(out Completion completion)
    {
        completion = default;
        return false;
    }
}
