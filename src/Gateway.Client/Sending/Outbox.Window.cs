using Gateway.Protocol;

namespace Gateway.Client;

/// <content>What a session asks of the outbox and tells it, the end of an incarnation, and the filling of the window from the store.</content>
internal sealed partial class Outbox
{
    /// <summary>Who is to be woken when something may be sent: the session's output.</summary>
    public void Attach(Action wake)
    {
        lock (_gate) _wake = wake;
    }

    /// <summary>
    /// Begins a session with the window as the node knows it. False: the node knows of numbers that this
    /// store never gave, so the store is an old copy and its numbers cannot be trusted: nothing may be sent under this incarnation.
    /// </summary>
    public bool TryBegin(ulong windowLow, ulong windowSettled)
    {
        lock (_gate)
        {
            // Only what this device told moves the node's low mark, and it told durable marks only.
            if (windowLow > _window.Low) return false;
            for (var bit = 0; bit < Wire.WindowSize; bit++)
            {
                if ((windowSettled >> bit & 1) != 0 && windowLow + (ulong)bit >= _nextNumber) return false;
            }

            _window.Reset();
        }

        for (var bit = 0; bit < Wire.WindowSize; bit++)
        {
            if ((windowSettled >> bit & 1) != 0) OnAccepted(windowLow + (ulong)bit);
        }

        Fill();
        return true;
    }

    /// <summary>The next message to send, and the lowest open number to send with it.</summary>
    public bool TryTake(uint maxBodyBytes, out OutboxEntry? entry, out ulong lowestOpen)
    {
        while (true)
        {
            lock (_gate)
            {
                lowestOpen = _window.Low;
                if (!_window.TryTake(_clock.NowMs, out entry)) return false;
            }

            if (entry!.Body.Length <= maxBodyBytes) return true;
            // The node would close the connection over such a frame, each time anew.
            Settle(entry.Number, new SendOutcome(MessageState.Refused, (ushort)RefusalReason.BodyTooLarge));
        }
    }

    /// <summary>When something may be sent that may not be sent now; <see cref="long.MaxValue"/>: not by time alone.</summary>
    public long NextDueMs()
    {
        lock (_gate) return _window.NextDueMs();
    }

    public void OnAccepted(ulong number) => Settle(number, new SendOutcome(MessageState.Accepted));

    public void OnRefused(RefusedFrame refused)
    {
        if (refused.Reason.IsFinal())
        {
            Settle(refused.Number, refused.Reason == RefusalReason.OutcomeUnknown
                ? new SendOutcome(MessageState.OutcomeUnknown)
                : new SendOutcome(MessageState.Refused, (ushort)refused.Reason));
            return;
        }

        var spread = _jitter.Between(1, 1.5);
        lock (_gate)
        {
            if (!_window.Refuse(refused, _clock.NowMs, spread)) return;
        }

        Wake();
    }

    /// <summary>The store has noted what a receipt told.</summary>
    public void OnReceiptStored(IReadOnlyList<SettledMessage> changed)
    {
        foreach (var message in changed) _deliveries.OnStored(message);
    }

    /// <summary>Ends the incarnation: of everything that is open the outcome is unknown. Between sessions.</summary>
    public async Task FenceAsync()
    {
        await _order.WaitAsync();
        try
        {
            var settled = await _store.FenceAsync();
            lock (_gate)
            {
                _windowEpoch++;
                _fillEpoch++;
                _window = new SendWindow(1);
                _nextNumber = 1;
            }

            foreach (var message in settled) Tell(message);
        }
        finally
        {
            _order.Release();
        }
    }

    private void Settle(ulong number, SendOutcome outcome)
    {
        OutboxEntry? entry;
        int epoch;
        lock (_gate)
        {
            entry = _window.Settle(number, byNode: true);
            if (entry is null) return;
            epoch = _windowEpoch;
        }

        _ = StoreAndTellAsync(entry, outcome, epoch);
    }

    private void Fill()
    {
        lock (_gate)
        {
            if (_filling || !NeedsFilling()) return;
            _filling = true;
        }

        _ = FillAsync();
    }

    private bool NeedsFilling() => _window.Next < _nextNumber && _window.Next < _window.End;

    private async Task FillAsync()
    {
        while (true)
        {
            ulong from, below;
            int epoch;
            lock (_gate)
            {
                if (!NeedsFilling())
                {
                    _filling = false;
                    break;
                }

                from = _window.Next;
                below = Math.Min(_window.End, _nextNumber);
                epoch = _fillEpoch;
            }

            IReadOnlyList<OutboxEntry> entries;
            try
            {
                entries = await _store.ReadOpenAsync(from, below, Wire.WindowSize);
            }
            catch (Exception e)
            {
                _storeFailed(e);
                return;
            }

            lock (_gate)
            {
                if (epoch != _fillEpoch) continue;
                var loaded = 0;
                while (loaded < entries.Count && entries[loaded].Number < _window.End) _window.Load(entries[loaded++]);
                if (loaded == entries.Count && loaded < Wire.WindowSize) _window.SkipTo(below);
            }

            Wake();
        }

        CompleteFlushes();
    }
}
