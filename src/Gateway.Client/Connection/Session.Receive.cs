using System.Buffers;
using Gateway.Protocol;

namespace Gateway.Client;

/// <content>The reading loop.</content>
internal sealed partial class Session
{
    private async Task ReadAsync()
    {
        // More than the node takes itself: what was stored under a higher limit is still delivered.
        var maxPayload = ConnectionRules.MaxNodePayloadBytes(ConnectionPhase.Established);
        var scratch = Array.Empty<byte>();
        try
        {
            while (true)
            {
                var result = await _link.Input.ReadAsync(_end.Token);
                _keepAlive.OnReceived(_clock.NowMs);
                var buffer = result.Buffer;
                if (!buffer.IsSingleSegment && scratch.Length < buffer.Length) scratch = Grow(scratch, (int)Math.Min(buffer.Length, maxPayload + Wire.HeaderBytes));
                ReadFrames(ref buffer, maxPayload, scratch);
                _link.Input.AdvanceTo(buffer.Start, buffer.End);
                if (result.IsCompleted) throw new DisconnectedException(DisconnectReason.ConnectionLost, "The node closed the connection.");
            }
        }
        finally
        {
            if (scratch.Length != 0) ArrayPool<byte>.Shared.Return(scratch);
        }
    }

    /// <summary>Room for a payload that straddles segments: it is no longer than what has arrived.</summary>
    private static byte[] Grow(byte[] scratch, int length)
    {
        if (scratch.Length != 0) ArrayPool<byte>.Shared.Return(scratch);
        return ArrayPool<byte>.Shared.Rent(length);
    }

    private void ReadFrames(ref ReadOnlySequence<byte> buffer, int maxPayload, byte[] scratch)
    {
        while (true)
        {
            switch (FrameReader.TryRead(ref buffer, maxPayload, scratch, out var type, out var payload))
            {
                case FrameStatus.Partial: return;
                case FrameStatus.TooLarge: throw DisconnectedException.Violation($"A frame of type {type} is longer than the node's own limit.");
                default: OnFrame(type, payload); break;
            }
        }
    }

    private void OnFrame(FrameType type, ReadOnlySpan<byte> payload)
    {
        var error = ErrorCode.None;
        var readable = type switch
        {
            FrameType.Accepted => OnAccepted(payload, out error),
            FrameType.Refused => OnRefused(payload, out error),
            FrameType.Deliver => OnDeliver(payload, out error),
            FrameType.Receipt => OnReceipt(payload, out error),
            FrameType.Ephemeral => OnEphemeral(payload, out error),
            FrameType.Ping => OnPing(payload, out error),
            FrameType.Pong => OnPong(payload, out error),
            FrameType.GoAway => OnGoAway(payload, out error),
            FrameType.Error => OnError(payload, out error),
            _ => throw DisconnectedException.Violation($"The node sent a frame of type {type}, which it must not send now."),
        };
        if (!readable) throw DisconnectedException.Violation($"A frame of type {type} cannot be read: {error}.");
    }

    private bool OnAccepted(ReadOnlySpan<byte> payload, out ErrorCode error)
    {
        if (!AcceptedFrame.TryParse(payload, out var frame, out error)) return false;
        _parts.Outbox.OnAccepted(frame.Number);
        return true;
    }

    private bool OnRefused(ReadOnlySpan<byte> payload, out ErrorCode error)
    {
        if (!RefusedFrame.TryParse(payload, out var frame, out error)) return false;
        _parts.Outbox.OnRefused(frame);
        return true;
    }

    private bool OnDeliver(ReadOnlySpan<byte> payload, out ErrorCode error)
    {
        if (!DeliverFrame.TryParse(payload, out var frame, out error)) return false;
        if (!_parts.TakesMessages) return true;
        var message = new ReceivedMessage(
            frame.Sequence, frame.Previous, frame.From, frame.Incarnation, frame.Number, DateTimeOffset.FromUnixTimeSeconds(frame.EnqueuedAt),
            (frame.Flags & DeliverFlags.Redelivered) != 0, frame.Body.ToArray());
        OnEntry(new InboxItem(message, _ordinal));
        return true;
    }

    private bool OnReceipt(ReadOnlySpan<byte> payload, out ErrorCode error)
    {
        if (!ReceiptFrame.TryParse(payload, out var frame, out error)) return false;
        if (!_parts.TakesMessages) return true;
        var numbers = new ulong[frame.Count];
        for (var i = 0; i < numbers.Length; i++) numbers[i] = frame.Number(i);
        OnEntry(new InboxItem(new ReceivedReceipt(frame.Sequence, frame.Previous, frame.Peer, frame.Incarnation, frame.Kind, frame.Reason, numbers), _ordinal));
        return true;
    }

    private void OnEntry(InboxItem item)
    {
        if (item.Sequence > long.MaxValue) throw DisconnectedException.Violation($"Sequence {item.Sequence} is beyond what a mailbox can count.");
        if (!_parts.Inbox.Offer(item)) throw DisconnectedException.Violation("The node delivered far more than the credit it was given.");
        lock (_gate)
        {
            _acknowledger.OnSeen(item.Sequence, item.Bytes, _clock.NowMs);
            if (_acknowledger.DueMs == long.MaxValue && _rejection is null) return;
        }

        _signal.Set();
    }

    private bool OnEphemeral(ReadOnlySpan<byte> payload, out ErrorCode error)
    {
        if (!EphemeralFrame.TryParse(payload, out var frame, out error)) return false;
        // Kinds left to later versions are ignored. PROTOCOL.md, "Ephemeral".
        if (frame.Kind is EphemeralKind.Typing or EphemeralKind.StoppedTyping or >= (EphemeralKind)128) _parts.EphemeralReceived(new ReceivedEphemeral(frame.Peer, frame.Kind, frame.Data.ToArray()));
        return true;
    }

    private bool OnPing(ReadOnlySpan<byte> payload, out ErrorCode error)
    {
        if (!PingFrame.TryParse(payload, out var frame, out error)) return false;
        lock (_gate)
        {
            if (_pongs.Count == MaxPongs) throw DisconnectedException.Violation($"The node sent {MaxPongs} pings without reading the answers.");
            _pongs.Enqueue(frame.Token);
        }

        _signal.Set();
        return true;
    }

    private bool OnPong(ReadOnlySpan<byte> payload, out ErrorCode error)
    {
        if (!PingFrame.TryParse(payload, out var frame, out error)) return false;
        Rejection? taken = null;
        lock (_gate)
        {
            // Frames are taken in order, so the answer to a ping sent behind the rejection says that the rejection was taken.
            if (_rejection?.PingToken is { } token && frame.Token >= token) (taken, _rejection) = (_rejection, null);
        }

        taken?.Done.TrySetResult(true);
        return true;
    }

    private bool OnGoAway(ReadOnlySpan<byte> payload, out ErrorCode error)
    {
        if (!GoAwayFrame.TryParse(payload, out var frame, out error)) return false;
        lock (_gate)
        {
            _goAway = frame;
            EndWithin(_parts.Options.GoAwayLinger);
        }

        _signal.Set();
        return true;
    }

    private static bool OnError(ReadOnlySpan<byte> payload, out ErrorCode error)
    {
        if (!ErrorFrame.TryParse(payload, out var frame, out error)) return false;
        throw DisconnectedException.FromError(frame);
    }
}
