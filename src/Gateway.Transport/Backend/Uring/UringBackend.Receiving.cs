using System.Runtime.CompilerServices;
using Gateway.Transport.Connections;
using Gateway.Transport.Linux;
using Gateway.Transport.Pools;

namespace Gateway.Transport.Backend.Uring;

/// <summary>
/// Receiving. Quiet: poll → (readable) → receive into the arena, in the next round of the turn → poll. Busy: one multishot receive, until
/// the connection is quiet, or bulky, or nobody wants to read, or the buffers ran out; then poll again. Nobody reads: a poll for the
/// connection's end alone.
/// </summary>
internal sealed unsafe partial class UringBackend
{
    private const int NotCounted = -1;
    // Receives in quick succession that make a connection busy.
    private const byte BusyReceives = 8;
    // A busy connection is looked at about once in this many gaps, and is quiet when it missed all of them.
    private const uint GapsUntilQuiet = 10;

    private readonly ElasticQueue<ConnectionId> _ready = new();
    private readonly ElasticQueue<ConnectionId> _busy = new();
    private readonly Arena _arena;
    private readonly uint _busyGapTicks;
    private int _readyLeft;

    /// <summary>Connections that became busy, and that were found quiet or bulky again. For tests.</summary>
    public long Promoted, Demoted;

    /// <summary>Multishot receives that ended because the buffers had run out. For tests.</summary>
    public long BuffersRanOut;

    public void SubmitReceive(uint slot)
    {
        ref var s = ref _table[slot];
        s.Poll |= PollFlags.ReceiveArmed;
        Arm(ref s, slot);
    }

    public void CancelReceive(uint slot)
    {
        ref var s = ref _table[slot];
        s.Poll &= ~PollFlags.ReceiveArmed;
        if (s.Descriptor < 0) return;
        if (s.Has(Flight.Multishot)) EndMultishot(ref s, slot);
        else WatchForEnd(ref s, slot);
    }

    private void Arm(ref ConnectionSlot s, uint slot)
    {
        if (s.Descriptor < 0 || s.Has(Flight.Receive | Flight.Multishot) || s.Has(PollFlags.Queued)) return;
        if (s.Has(PollFlags.Readable))
        {
            Enqueue(ref s, slot);
            return;
        }

        if (s.Has(Flight.Poll) || (s.Heat >= BusyReceives && TryArmMultishot(ref s, slot))) return;
        if (s.Has(Flight.QuietPoll)) Cancel(ref s, slot, Operation.QuietPoll);
        SubmitPoll(ref s, slot, Operation.Poll, Flight.Poll, EpollEvent.In);
    }

    /// <summary>Nobody reads, but a connection that breaks is to be noticed. The kernel reports that whatever is polled for.</summary>
    private void WatchForEnd(ref ConnectionSlot s, uint slot)
    {
        if (s.State is not (SlotState.Open or SlotState.Closing) || s.Descriptor < 0 || s.Has(PollFlags.HungUp)) return;
        if (s.Has(Flight.Poll | Flight.QuietPoll | Flight.Receive | Flight.Multishot)) return;
        SubmitPoll(ref s, slot, Operation.QuietPoll, Flight.QuietPoll, 0);
    }

    private void SubmitPoll(ref ConnectionSlot s, uint slot, Operation operation, Flight flight, uint events)
    {
        s.Flight |= flight;
        ref var entry = ref NextFor(ref s, slot, operation);
        entry.Operation = IoUring.OpPollAdd;
        entry.OperationFlags = events;
    }

    private bool OnPolled(ref ConnectionSlot s, ConnectionId id, int result, out Completion completion)
    {
        if (End(ref s, id, Flight.Poll, out completion) || s.Descriptor < 0 || result == -Errno.ECANCELED) return completion.Kind != CompletionKind.None;
        s.Poll |= PollFlags.Readable;
        if (result > 0 && (result & (EpollEvent.Error | EpollEvent.HangUp | EpollEvent.PeerHangUp)) != 0) s.Poll |= PollFlags.HungUp;
        if (s.Has(PollFlags.ReceiveArmed))
        {
            if (!s.Has(PollFlags.Queued)) Enqueue(ref s, id.Slot);
            return false;
        }

        return OnPolledInVain(ref s, id, result, out completion);
    }

    private bool OnQuietPolled(ref ConnectionSlot s, ConnectionId id, int result, out Completion completion)
    {
        if (End(ref s, id, Flight.QuietPoll, out completion) || s.Descriptor < 0) return completion.Kind != CompletionKind.None;
        if (result == -Errno.ECANCELED)
        {
            // Reading was taken up, and perhaps given up again meanwhile.
            if (!s.Has(PollFlags.ReceiveArmed)) WatchForEnd(ref s, id.Slot);
            return false;
        }

        s.Poll |= PollFlags.Readable | PollFlags.HungUp;
        if (!s.Has(PollFlags.ReceiveArmed)) return OnPolledInVain(ref s, id, result, out completion);
        if (!s.Has(PollFlags.Queued) && !s.Has(Flight.Poll | Flight.Receive | Flight.Multishot)) Enqueue(ref s, id.Slot);
        return false;
    }

    /// <summary>Nobody reads: only that the connection broke is told.</summary>
    private bool OnPolledInVain(ref ConnectionSlot s, ConnectionId id, int result, out Completion completion)
    {
        if (result > 0 && (result & EpollEvent.Error) != 0)
        {
            completion = new Completion { Kind = CompletionKind.Broken, Id = id, Result = -TakeError(ref s) };
            return true;
        }

        WatchForEnd(ref s, id.Slot);
        return None(out completion);
    }

    /// <summary>Receives for the connections that were ready when the turn's completions had been taken, as many at a time as the arena has slices.</summary>
    private bool SubmitReceives()
    {
        if (_readyLeft == NotCounted) _readyLeft = _ready.Count;
        var slice = 0;
        for (; _readyLeft > 0 && slice < _arena.Slices; _readyLeft--)
        {
            var id = _ready.Dequeue();
            ref var s = ref _table.Find(id);
            if (Unsafe.IsNullRef(ref s) || !s.Has(PollFlags.Queued)) continue;
            s.Poll &= ~PollFlags.Queued;
            if (!s.Has(PollFlags.Readable) || s.Descriptor < 0) continue;
            if (!s.Has(PollFlags.ReceiveArmed))
            {
                WatchForEnd(ref s, id.Slot);
                continue;
            }

            s.Flight |= Flight.Receive;
            s.Slice = (byte)slice;
            ref var entry = ref NextFor(ref s, id.Slot, Operation.Receive);
            entry.Operation = IoUring.OpReceive;
            entry.Address = (ulong)_arena.AddressOf(slice);
            entry.Length = (uint)_arena.SliceBytes;
            entry.OperationFlags = Syscalls.MessageDontWait;
            slice++;
        }

        return slice != 0;
    }

    private bool OnReceived(ref ConnectionSlot s, ConnectionId id, scoped in CompletionEntry entry, out Completion completion)
    {
        var result = entry.Result;
        if (End(ref s, id, Flight.Receive, out completion)) return true;
        if (result is -Errno.EAGAIN or -Errno.EINTR)
        {
            if (result == -Errno.EAGAIN) s.Poll &= ~PollFlags.Readable;
            if (s.Has(PollFlags.ReceiveArmed)) Arm(ref s, id.Slot);
            else if (s.Descriptor >= 0) WatchForEnd(ref s, id.Slot);
            return false;
        }

        s.Poll &= ~PollFlags.ReceiveArmed;
        // The peer's end is found by the next receive; its poll would say so again, but it needs none.
        if (result > 0 && (entry.Flags & IoUring.CompletionSocketNonEmpty) == 0 && !s.Has(PollFlags.HungUp)) s.Poll &= ~PollFlags.Readable;
        Feel(ref s, result);
        completion = new Completion { Kind = CompletionKind.Received, Id = id, Result = result, Bytes = _arena.Bytes(s.Slice, Math.Max(result, 0)) };
        return true;
    }

    /// <summary>Short receives in quick succession heat a connection up; a pause or a long one cools it down at once.</summary>
    private void Feel(ref ConnectionSlot s, int received)
    {
        var isBusy = _busyGapTicks != 0 && received > 0 && received < _options.BusyBufferBytes && _tick - s.LastReceived <= _busyGapTicks;
        s.Heat = isBusy ? (byte)Math.Min(s.Heat + 1, byte.MaxValue) : (byte)0;
    }

    private bool TryArmMultishot(ref ConnectionSlot s, uint slot)
    {
        var ring = _rings.RingOf(s.Descriptor);
        ring.Buffers ??= ProvidedBuffers.Give(ring, _options.BusyBuffers, _options.BusyBufferBytes);
        if (ring.Buffers is null)
        {
            s.Heat = 0;
            return false;
        }

        if (s.Has(Flight.QuietPoll)) Cancel(ref s, slot, Operation.QuietPoll);
        s.Flight |= Flight.Multishot;
        ring.Multishots++;
        ref var entry = ref NextFor(ref s, slot, Operation.Multishot);
        entry.Operation = IoUring.OpReceive;
        entry.Flags = IoUring.FixedFile | IoUring.BufferSelect;
        entry.Priority = IoUring.ReceiveMultishot;
        if (s.Has(PollFlags.Busy)) return true;
        s.Poll |= PollFlags.Busy;
        Promoted++;
        _busy.Enqueue(new ConnectionId(slot, s.Generation));
        return true;
    }

    private void EndMultishot(ref ConnectionSlot s, uint slot)
    {
        if (s.Has(Flight.Ending)) return;
        s.Flight |= Flight.Ending;
        Cancel(ref s, slot, Operation.Multishot);
    }

    private bool OnMultishot(Ring ring, ref ConnectionSlot s, ConnectionId id, scoped in CompletionEntry entry, out Completion completion)
    {
        var result = entry.Result;
        var bytes = TakeBuffer(ring, in entry);
        if ((entry.Flags & IoUring.CompletionMore) == 0)
        {
            s.Flight &= ~Flight.Ending;
            ring.Multishots--;
            if (End(ref s, id, Flight.Multishot, out completion)) return true;
        }

        if (s.Descriptor < 0) return None(out completion);
        if (result == -Errno.ENOBUFS)
        {
            // What it could not take is still there: it is received with the quiet ones (pitfall 7).
            BuffersRanOut++;
            s.Heat = 0;
            s.Poll |= PollFlags.Readable;
            if (s.Has(PollFlags.ReceiveArmed)) Arm(ref s, id.Slot);
            return None(out completion);
        }

        if (result == -Errno.ECANCELED)
        {
            if (s.Has(PollFlags.ReceiveArmed)) Arm(ref s, id.Slot);
            else WatchForEnd(ref s, id.Slot);
            return None(out completion);
        }

        if (result == ring.Buffers!.BufferBytes && s.Has(Flight.Multishot))
        {
            s.Heat = 0;
            EndMultishot(ref s, id.Slot);
        }

        s.Poll &= ~PollFlags.ReceiveArmed;
        completion = new Completion { Kind = CompletionKind.Received, Id = id, Result = result, Bytes = bytes };
        return true;
    }

    /// <summary>The bytes of a multishot receive. Their buffer goes back at the next reap.</summary>
    private ReadOnlySpan<byte> TakeBuffer(Ring ring, scoped in CompletionEntry entry)
    {
        if ((entry.Flags & IoUring.CompletionBuffer) == 0) return default;
        ReturnLent();
        _lentRing = ring.Index;
        _lentBuffer = (int)(entry.Flags >> IoUring.CompletionBufferShift);
        return ring.Buffers!.Bytes(_lentBuffer, Math.Max(entry.Result, 0));
    }

    /// <summary>Once a tick: some of the busy ones are looked at, so that each is once in a while.</summary>
    private void CoolDown()
    {
        if (_busy.Count == 0) return;
        for (var left = (_busy.Count + (int)_busyGapTicks - 1) / (int)_busyGapTicks; left > 0; left--)
        {
            var id = _busy.Dequeue();
            ref var s = ref _table.Find(id);
            if (Unsafe.IsNullRef(ref s) || s.Descriptor < 0) continue;
            if (s.Has(Flight.Multishot) && _tick - s.LastReceived <= _busyGapTicks * GapsUntilQuiet)
            {
                _busy.Enqueue(id);
                continue;
            }

            s.Poll &= ~PollFlags.Busy;
            s.Heat = 0;
            Demoted++;
            if (s.Has(Flight.Multishot)) EndMultishot(ref s, id.Slot);
        }
    }

    private void Enqueue(ref ConnectionSlot s, uint slot)
    {
        s.Poll |= PollFlags.Queued;
        _ready.Enqueue(new ConnectionId(slot, s.Generation));
    }

    private void Cancel(ref ConnectionSlot s, uint slot, Operation operation) => _rings.RingOf(s.Descriptor).Cancel(UserData.Of(operation, slot, in s));
}
