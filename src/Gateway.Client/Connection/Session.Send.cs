using Gateway.Protocol;

namespace Gateway.Client;

/// <content>The writing loop.</content>
internal sealed partial class Session
{
    private const int FlushBytes = 64 * 1024;
    private const int MaxPongs = 16;

    private readonly Queue<ulong> _pongs = [];
    private Rejection? _rejection;
    private ulong _pingToken;

    private async Task WriteAsync()
    {
        while (true)
        {
            var now = _clock.NowMs;
            // First, so that it also watches over a flush that does not return.
            SetTimer(Math.Min(NextDueMs(), _keepAlive.DeadMs), now);
            if (WriteDue(now))
            {
                await _link.Output.FlushAsync(_end.Token);
                _keepAlive.OnSent(_clock.NowMs);
                continue;
            }

            if (IsDone())
            {
                // The node reads what was sent and closes. A close from here, with input unread, would be a reset and could take it away.
                _link.ShutdownSend();
                OnTimer();
                return;
            }

            await _signal.WaitAsync(_end.Token);
        }
    }

    /// <summary>Writes what is due into the pipe, up to about one flush. False: nothing was.</summary>
    private bool WriteDue(long now)
    {
        var before = _link.Output.UnflushedBytes;
        bool leaving;
        lock (_gate)
        {
            while (_pongs.TryDequeue(out var token)) _link.Output.Advance(PingFrame.WritePong(_link.Output.GetSpan(PingFrame.FrameBytes), token));
            WriteRejection();
            if (_acknowledger.TryTake(now, out var sequence)) _link.Output.Advance(AcknowledgeFrame.Write(_link.Output.GetSpan(AcknowledgeFrame.FrameBytes), sequence));
            leaving = _closeByMs != long.MaxValue;
        }

        if (!leaving)
        {
            while (_link.Output.UnflushedBytes < FlushBytes && _parts.Outbox.TryTake(_login.MaxBodyBytes, out var entry, out var lowestOpen))
            {
                var span = _link.Output.GetSpan(SendFrame.FrameBytes(entry!.Body.Length));
                _link.Output.Advance(SendFrame.Write(span, entry.To, entry.Number, lowestOpen, entry.ExpirySeconds, entry.Kind, entry.Body.Span));
            }

            while (_link.Output.UnflushedBytes < FlushBytes && _parts.Ephemerals.TryRead(out var e))
                _link.Output.Advance(EphemeralFrame.Write(_link.Output.GetSpan(EphemeralFrame.FrameBytes(e.Data.Length)), e.To, e.Kind, e.Data.Span));
        }

        if (now >= _keepAlive.DueMs)
        {
            WritePing();
            _keepAlive.OnPinged(now);
        }

        return _link.Output.UnflushedBytes != before;
    }

    /// <summary>Under the lock.</summary>
    private void WriteRejection()
    {
        if (_rejection is not { PingToken: null } rejection) return;
        var sequence = rejection.Item.Sequence;
        if (rejection.Item.SeenIn == _ordinal)
        {
            _link.Output.Advance(RejectFrame.Write(_link.Output.GetSpan(RejectFrame.FrameBytes), sequence, rejection.Reason));
            rejection.PingToken = WritePing();
        }
        else if (_acknowledger.SeenThrough > sequence)
        {
            // The node is past it without having delivered it again: it no longer has it.
            _rejection = null;
            rejection.Done.TrySetResult(true);
        }
    }

    private ulong WritePing()
    {
        _link.Output.Advance(PingFrame.Write(_link.Output.GetSpan(PingFrame.FrameBytes), ++_pingToken));
        return _pingToken;
    }

    private long NextDueMs()
    {
        lock (_gate)
        {
            var due = Math.Min(_keepAlive.DueMs, _acknowledger.DueMs);
            if (_closeByMs != long.MaxValue) return Math.Min(due, _closeByMs); // nothing new is sent any more
            return Math.Min(due, _parts.Outbox.NextDueMs());
        }
    }

    /// <summary>The session is to end, and what it waits for has happened: asked by the application, all is acknowledged; by the node, all is answered too.</summary>
    private bool IsDone()
    {
        lock (_gate)
        {
            if (_closeByMs == long.MaxValue || _acknowledger.DueMs != long.MaxValue) return false;
            if (_closing) return true;
        }

        return _parts.Outbox.InFlight == 0;
    }
}
