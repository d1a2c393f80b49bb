using Gateway.Transport.Backend;
using Gateway.Transport.Buffers;
using Gateway.Transport.Connections;
using Gateway.Transport.Pools;

namespace Gateway.Transport;

/// <summary>
/// Output: written into a turn buffer and sent once, at the end of the turn, or a little later if it may wait. What the kernel does not take stays in that buffer; what is
/// written while it takes no more goes to a lease behind it. Both go back as soon as they are drained.
/// </summary>
public sealed partial class Reactor
{
    private readonly ElasticQueue<ConnectionId> _submitted = new();
    private readonly ElasticQueue<ConnectionId> _drained = new();
    // What is written to a connection that is gone lands here.
    private byte[] _discarded = [];

    /// <summary>
    /// Room for at least <paramref name="sizeHint"/> bytes of output (0: some), valid until the next call of any verb. A stale or closing
    /// id gets room too, whose bytes go nowhere, as they would in the kernel.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The hint is negative or above <see cref="ReactorGroupOptions.MaxSpanBytes"/>.</exception>
    public Span<byte> GetSpan(ConnectionId c, int sizeHint)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)sizeHint, (uint)Options.MaxSpanBytes, nameof(sizeHint));
        ref var slot = ref FindOpen(c);
        if (IsNone(ref slot)) return Discarded(sizeHint);

        var output = OutputOf(ref slot, c);
        if (!IsBlocked(ref slot))
        {
            if (TryFit(output, sizeHint, out var room)) return room;
            SendBuffer(ref slot, c.Slot, output);
            if (IsBlocked(ref slot)) ReapSent();
            if (slot.State == SlotState.Dead) return Discarded(sizeHint);
            if (!IsBlocked(ref slot))
            {
                // A backend that took it a moment later than at once has had the record returned.
                output = OutputOf(ref slot, c);
                _outputs.ReleaseBuffer(output);
                _ = TryFit(output, sizeHint, out room);
                return room;
            }
        }

        output.WritingBehind = true;
        return _outputs.Behind(output, NowMs).GetSpan(Math.Max(sizeHint, 1));
    }

    /// <summary>Adds the first <paramref name="bytes"/> of the last span to the connection's output, which goes out at the end of the turn.</summary>
    /// <exception cref="ArgumentOutOfRangeException">More than the span held.</exception>
    public void Advance(ConnectionId c, int bytes) => Advance(c, bytes, urgent: true);

    /// <summary>
    /// The same for what need not go out by itself: it goes with the next output of the connection, at the latest about
    /// <see cref="ReactorGroupOptions.OutputWaitMs"/> later. A send costs as much as hundreds of frames written.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">More than the span held.</exception>
    public void AdvanceWithNext(ConnectionId c, int bytes) => Advance(c, bytes, urgent: false);

    private void Advance(ConnectionId c, int bytes, bool urgent)
    {
        ref var slot = ref FindOpen(c);
        if (IsNone(ref slot)) return;
        if (slot.Output == 0) throw new InvalidOperationException("Advance without a span from GetSpan.");
        var output = _outputs[slot.Output];
        output.Urgent |= urgent;
        if (output.WritingBehind)
        {
            output.Behind!.Advance(bytes);
            return;
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)bytes, (uint)(output.Buffer!.Array.Length - output.Written), nameof(bytes));
        output.Written += bytes;
    }

    /// <summary>Bytes of output that the kernel has not taken, this turn's included; 0 for a stale id.</summary>
    public int UnsentBytes(ConnectionId c)
    {
        AssertOwner();
        ref var slot = ref _table.Find(c);
        return IsNone(ref slot) || slot.State == SlotState.Dead || slot.Output == 0 ? 0 : (int)Math.Min(_outputs[slot.Output].Unsent, int.MaxValue);
    }

    private static bool IsBlocked(ref ConnectionSlot slot) => slot.Has(PollFlags.SendBlocked);

    private Output OutputOf(ref ConnectionSlot slot, ConnectionId id)
    {
        Output output;
        if (slot.Output == 0)
        {
            if (_dirty.Count >= Options.OutputsPerTurn) FlushDirty();
            output = _outputs.Take();
            slot.Output = output.Index;
        }
        else
        {
            output = _outputs[slot.Output];
        }

        if (!slot.Has(SlotFlags.Dirty))
        {
            slot.Flags |= SlotFlags.Dirty;
            _dirty.Enqueue(id);
        }

        return output;
    }

    private bool TryFit(Output output, int sizeHint, out Span<byte> room)
    {
        output.WritingBehind = false;
        var needed = output.Written + Math.Max(sizeHint, 1);
        if (output.Buffer is null) output.Buffer = _segments.Lend(needed);
        else if (needed > output.Buffer.Array.Length && needed <= Options.OutputBufferBytes && output.Sent == 0) Widen(output);
        room = output.Buffer.Array.AsSpan(output.Written);
        return room.Length >= Math.Max(sizeHint, 1);
    }

    /// <summary>
    /// A turn buffer begins as small as its first frame, and becomes a full one when the connection is written to again before it goes out.
    /// A storm of logins writes one short frame to each of very many, which would take a page each.
    /// </summary>
    private void Widen(Output output)
    {
        var small = output.Buffer!;
        output.Buffer = _segments.Lend(Options.OutputBufferBytes);
        small.Array.AsSpan(0, output.Written).CopyTo(output.Buffer.Array);
        _segments.Return(small);
    }

    private Span<byte> Discarded(int sizeHint)
    {
        if (_discarded.Length < Math.Max(sizeHint, Options.OutputBufferBytes)) _discarded = new byte[Math.Max(sizeHint, Options.OutputBufferBytes)];
        return _discarded;
    }

    /// <summary>
    /// Hands everything written to the kernel in one go. What it takes at once was never unsent; what is left afterwards holds a buffer and
    /// may hold back reading.
    /// </summary>
    private void FlushDirty()
    {
        while (_dirty.Count != 0)
        {
            var id = _dirty.Dequeue();
            ref var slot = ref _table.Find(id);
            if (IsNone(ref slot)) continue;
            slot.Flags &= ~SlotFlags.Dirty;
            // A Sent completion may have drained it since it was written to; or it stays for a while.
            if (slot.Output == 0 || LetWait(ref slot, id)) continue;
            if (slot.State is SlotState.Open or SlotState.Closing or SlotState.Moving) Flush(ref slot, id);
        }

        ReapSent();
        while (_submitted.Count != 0)
        {
            var id = _submitted.Dequeue();
            ref var slot = ref _table.Find(id);
            if (!IsNone(ref slot) && slot.Output != 0 && slot.State != SlotState.Dead) NoteUnsent(ref slot, id);
        }
    }

    private void Flush(ref ConnectionSlot slot, ConnectionId id)
    {
        var output = _outputs[slot.Output];
        if (!IsBlocked(ref slot)) SendBuffer(ref slot, id.Slot, output);
        if (slot.State == SlotState.Dead) return;
        if (output.Unsent == 0) OnAllTaken(ref slot, id.Slot, output);
        else _submitted.Enqueue(id);
    }

    private void NoteUnsent(ref ConnectionSlot slot, ConnectionId id)
    {
        if (!slot.Has(SlotFlags.Lagging)) _outputs[slot.Output].LaggingSinceMs = NowMs;
        slot.Flags |= SlotFlags.Lagging;
        if (slot.State != SlotState.Open) return;
        if (_outputs[slot.Output].Unsent > Options.MaxUnsentBytes)
        {
            slot.Flags |= SlotFlags.PausedByUnsent;
            _backend.CancelReceive(id.Slot);
        }

        if (_budget.IsOverSoft) PauseIfNoisy(ref slot, id);
    }

    /// <summary>Takes what came of the sends submitted so far, and sends on. Part of a verb: the handler is told later, by <see cref="TellDrained"/>.</summary>
    private void ReapSent()
    {
        bool any;
        do
        {
            any = false;
            _backend.Submit();
            while (_backend.TryReapSent(out var completion))
            {
                any = true;
                _meters.Events++;
                ref var slot = ref _table.Find(completion.Id);
                if (IsNone(ref slot)) _meters.StaleCompletions++;
                else if (completion.Kind == CompletionKind.Closed) Free(ref slot, completion.Id.Slot);
                else if (TakeSent(ref slot, completion.Id, completion.Result)) _drained.Enqueue(completion.Id);
            }
        }
        while (any);
    }

    private void TellDrained()
    {
        while (_drained.Count != 0)
        {
            var id = _drained.Dequeue();
            ref var slot = ref FindOpen(id);
            if (!IsNone(ref slot)) _handler.OnDrained(id);
        }
    }

    private void OnAllTaken(ref ConnectionSlot slot, uint index, Output output)
    {
        slot.Output = 0;
        _outputs.Return(output);
        if (slot.State == SlotState.Closing) FinishClose(ref slot, index);
    }

    /// <summary>Sends what is in the turn buffer. Afterwards it is empty, or the connection is blocked, or dead.</summary>
    private void SendBuffer(ref ConnectionSlot slot, uint index, Output output)
    {
        if (output.Written == output.Sent) return;
        var taken = Submit(ref slot, index, output.Buffer!.Array.AsSpan(output.Sent, output.Written - output.Sent));
        if (taken < 0) return;
        output.Sent += taken;
        if (output.Sent != output.Written) return;
        output.Sent = 0;
        output.Written = 0;
    }

    private int Submit(ref ConnectionSlot slot, uint index, ReadOnlySpan<byte> bytes)
    {
        var taken = _backend.SubmitSend(index, bytes);
        if (taken < 0)
        {
            // A move always arrives: what could not be sent goes along, and the target finds out.
            if (slot.State != SlotState.Moving) Kill(ref slot, index, ReasonOf(-taken), -taken);
            return -1;
        }

        _meters.SentBytes += taken;
        return taken;
    }

    private void OnSent(ref ConnectionSlot slot, ConnectionId id, int result)
    {
        if (TakeSent(ref slot, id, result)) _handler.OnDrained(id);
    }

    /// <summary>
    /// The backend took more, or could: what is left of the turn buffer goes first, then what stands behind it. True when that drained a
    /// connection that was lagging, and the handler is to be told.
    /// </summary>
    private bool TakeSent(ref ConnectionSlot slot, ConnectionId id, int result)
    {
        if (slot.Output == 0) return false;
        _meters.SentBytes += Math.Max(result, 0);
        var output = _outputs[slot.Output];
        if (slot.State == SlotState.Moving)
        {
            // Its rest goes along; so does what a broken connection did not take, and the target finds out.
            Consume(output, Math.Max(result, 0));
            return false;
        }

        if (slot.State is not (SlotState.Open or SlotState.Closing)) return false;
        if (result < 0)
        {
            Kill(ref slot, id.Slot, ReasonOf(-result), -result);
            return false;
        }

        // Room in the kernel is a sign of life: a connection that is not read for its unsent output must not look idle.
        if (slot.Has(SlotFlags.Lagging)) slot.LastReceived = _nowTick;
        if (!TrySendRest(ref slot, id.Slot, output, result)) return false;

        var drained = slot.Has(SlotFlags.Lagging);
        slot.Flags &= ~SlotFlags.Lagging;
        OnAllTaken(ref slot, id.Slot, output);
        if (slot.State != SlotState.Open) return false;
        Unpause(ref slot, id, SlotFlags.PausedByUnsent);
        return drained;
    }

    /// <summary>Drops what the backend took of the submission under way.</summary>
    private static void Consume(Output output, int taken)
    {
        if (output.Written != 0)
        {
            output.Sent += taken;
            if (output.Sent == output.Written) output.Sent = output.Written = 0;
        }
        else if (output.Behind is { } behind)
        {
            var rest = behind.Peek();
            behind.Consume(in rest, taken);
        }
    }

    /// <summary>True when nothing is left. False: blocked again, or dead.</summary>
    private bool TrySendRest(ref ConnectionSlot slot, uint index, Output output, int taken)
    {
        if (output.Written != 0)
        {
            Consume(output, taken);
            taken = 0;
            SendBuffer(ref slot, index, output);
            if (slot.State == SlotState.Dead || output.Written != 0) return false;
        }

        // The rest stands behind; the buffer is not needed until that is gone.
        _outputs.ReleaseBuffer(output);
        if (output.Behind is not { } behind) return true;
        while (true)
        {
            var rest = behind.Peek();
            behind.Consume(in rest, taken);
            if (behind.Bytes == 0) return true;
            rest = behind.Peek();
            var first = rest.FirstSpan;
            taken = Submit(ref slot, index, first);
            behind.Consume(in rest, Math.Max(taken, 0));
            if (taken < first.Length) return false;
            taken = 0;
        }
    }
}
