using System.Buffers.Binary;
using Gateway.Load.Measure;
using Gateway.Protocol;
using Gateway.Transport;

namespace Gateway.Load.Devices;

/// <summary>Connect → OnConnected → hello → challenge → authenticate → welcome, at a rate or as fast as it goes.</summary>
internal sealed partial class Fleet
{
    /// <summary>A node may say "later" this often before a device gives up.</summary>
    private const int MaxLoginAttempts = 30;

    /// <summary>A node that names no delay is asked again after this long, times the attempts so far.</summary>
    private const int RetryStepMs = 50;

    /// <summary>From the connection to the welcome.</summary>
    private const int LoginTimeoutMs = 60_000;

    private readonly Handshakes _handshakes;
    /// <summary>By when they are to come back: a node gives each its own moment, in no order.</summary>
    private readonly PriorityQueue<int, long> _loginAgain = new();
    private int _loginCursor;
    private Who _loginWho;
    private Visit _visit;

    public void OnConnected(ConnectionId c, int errno)
    {
        if (!_slots.TryDeviceOf(c, out var index)) return;
        _nowUs = _settings.Time.NowUs();
        ref var d = ref _devices[index];
        if (errno != 0)
        {
            var given = d.State == DeviceState.Closing;
            Detach(ref d);
            if (given) return;
            if (_settings.Reconnect && d.Has(DeviceFlags.Known)) LoginAgain(index, "connect_failed_too_often");
            else _tally.Count($"connect_errno_{errno}");
            return;
        }

        if (_visit == Visit.Touch)
        {
            _tally[Counter.Visits]++;
            Part(ref d);
            return;
        }

        d.State = DeviceState.AwaitChallenge;
        _reactor.SetTimer(c, _reactor.NowMs + LoginTimeoutMs);
        var nonce = _handshakes.ClientNonce(d.Handshake);
        BinaryPrimitives.WriteUInt64LittleEndian(nonce, Hash.Of(_settings.Seed ^ 0x107, (ulong)OrdinalOf(index), (ulong)_nowUs));
        BinaryPrimitives.WriteUInt64LittleEndian(nonce[8..], Hash.Of(_settings.Seed ^ 0x108, (ulong)OrdinalOf(index), (ulong)_nowUs));
        _reactor.Advance(c, HelloFrame.Write(_reactor.GetSpan(c, HelloFrame.FrameBytes), nonce));
    }

    public void OnTimeout(ConnectionId c, TimeoutKind kind)
    {
        if (!_slots.TryDeviceOf(c, out var index)) return;
        _nowUs = _settings.Time.NowUs();
        ref var d = ref _devices[index];
        if (kind != TimeoutKind.Application) return;
        if (d.State == DeviceState.Established) KeepAlive(index, ref d);
        else if (_visit == Visit.HalfHandshake && d.State == DeviceState.AwaitWelcome) BreakOff(ref d);
        else if (d.State is DeviceState.AwaitChallenge or DeviceState.AwaitWelcome) Fail(index, "login_timeout");
    }

    private void BeginLogins(Order order)
    {
        _loginWho = order.Who;
        _visit = order.Visit;
        _loginCursor = 0;
        _logins.Begin(order, _nowUs);
        if (_visit != Visit.None) _logins.RotateSources();
        SkipToLogin();
    }

    private void PumpLogins()
    {
        while (_logins.HasRoom && _loginAgain.TryPeek(out var device, out var dueUs) && dueUs <= _nowUs)
        {
            _loginAgain.Dequeue();
            if (_devices[device].State == DeviceState.Offline) BeginLogin(device);
        }

        while (_loginCursor < _devices.Length && _logins.IsDue(_nowUs))
        {
            BeginLogin(_loginCursor++);
            _logins.Advance();
            SkipToLogin();
        }
    }

    /// <summary>Moves the cursor to the next device that is to log in.</summary>
    private void SkipToLogin()
    {
        for (; _loginCursor < _devices.Length; _loginCursor++)
        {
            if (_devices[_loginCursor].State != DeviceState.Offline) continue;
            if (_loginWho == Who.Senders && !_shape.Sends(OrdinalOf(_loginCursor))) continue;
            if (_loginWho == Who.Recipients && !_shape.Receives(OrdinalOf(_loginCursor))) continue;
            return;
        }
    }

    private void BeginLogin(int index)
    {
        ref var d = ref _devices[index];
        d.LoginStartedAt = _settings.Time.NowUs();
        if (!_logins.TryConnect(index, out var c)) return;
        d.State = DeviceState.Connecting;
        d.Handshake = _handshakes.Rent();
        d.Connection = c;
        _slots.Add(c, index);
    }

    /// <summary>The login is over, well or not.</summary>
    private void LeaveLogin(ref Device d)
    {
        if (d.Handshake < 0) return;
        _handshakes.Return(d.Handshake);
        d.Handshake = -1;
        _tally[Counter.LoginsInFlight]--;
    }

    private void LoginAgain(int index, string errorAtTheEnd, uint afterMs = 0)
    {
        ref var d = ref _devices[index];
        if (++d.LoginAttempts > MaxLoginAttempts)
        {
            _tally.Count(errorAtTheEnd);
            return;
        }

        _tally[Counter.LoginRetries]++;
        // Behind a hint a random part of up to a quarter of it: PROTOCOL.md, "GoAway".
        var spreadMs = afterMs == 0 ? 0 : (long)(Hash.Of(_settings.Seed ^ 0x109, (ulong)OrdinalOf(index), (ulong)_nowUs) % (afterMs / 4 + 1));
        _loginAgain.Enqueue(index, _nowUs + 1000L * (afterMs != 0 ? afterMs + spreadMs : RetryStepMs * (uint)d.LoginAttempts));
    }

    private void OnChallenge(int index, ReadOnlySpan<byte> payload)
    {
        if (!ChallengeFrame.TryParse(payload, out var challenge, out var error))
        {
            Fail(index, $"protocol_challenge_{error}");
            return;
        }

        ref var d = ref _devices[index];
        var key = _handshakes.Key(d.Handshake);
        var address = AddressOf(OrdinalOf(index));
        DeviceKey.Derive(_settings.Secret, address, 0, key);
        challenge.NodeNonce.CopyTo(_handshakes.NodeNonce(d.Handshake));
        d.State = DeviceState.AwaitWelcome;
        var written = AuthenticateFrame.Write(
            _reactor.GetSpan(d.Connection, AuthenticateFrame.FrameBytes),
            address, 0, d.Incarnation, d.LastSequence, _settings.CreditMessages, _settings.CreditBytes,
            key, _handshakes.ClientNonce(d.Handshake), challenge.NodeNonce);
        if (_visit != Visit.HalfHandshake)
        {
            _reactor.Advance(d.Connection, written);
            return;
        }

        // A reset takes along what was not sent yet: it comes with the next tick.
        _reactor.Advance(d.Connection, written / 2);
        _reactor.SetTimer(d.Connection, _reactor.NowMs + 1);
    }

    private void BreakOff(ref Device d)
    {
        _tally[Counter.Visits]++;
        Leave(ref d);
    }

    private void OnWelcome(int index, ReadOnlySpan<byte> payload)
    {
        ref var d = ref _devices[index];
        if (!WelcomeFrame.TryParse(payload, out var welcome, out var error))
        {
            Fail(index, $"protocol_welcome_{error}");
            return;
        }

        Span<byte> proof = stackalloc byte[Wire.ProofBytes];
        HandshakeProof.OfNode(
            _handshakes.Key(d.Handshake), _handshakes.ClientNonce(d.Handshake), _handshakes.NodeNonce(d.Handshake), welcome.Proven, proof);
        if (!HandshakeProof.Matches(proof, welcome.Proof))
        {
            Fail(index, "node_proof_wrong");
            return;
        }

        if (welcome.MaxBodyBytes < (uint)_settings.Mix.MaxBytes)
        {
            Fail(index, "size_above_the_nodes_limit");
            return;
        }

        LeaveLogin(ref d);
        d.State = DeviceState.Established;
        d.IdleTimeoutMs = welcome.IdleTimeoutMs;
        d.LoginAttempts = 0;
        d.AckedSequence = d.LastSequence;
        d.Unacknowledged = 0;
        d.WelcomedAt = _nowUs;
        _reactor.MarkEstablished(d.Connection);
        _tally.NoteLogin(d.LoginStartedAt, _nowUs);
        ArmKeepAlive(index, ref d, isFirst: true);

        if (!d.Has(DeviceFlags.Known))
        {
            d.Set(DeviceFlags.Known);
            d.Incarnation = welcome.Incarnation;
            d.FirstNumber = d.NextNumber = d.LowestOpen = d.LowestUnchecked = welcome.WindowLow;
        }
        else if (welcome.Incarnation != d.Incarnation)
        {
            Fail(index, "incarnation_changed");
        }
        else
        {
            _tally[Counter.Reconnects]++;
            Reconcile(index, welcome.WindowLow, welcome.WindowSettled);
        }

        if (_visit != Visit.Login || d.State != DeviceState.Established) return;
        _tally[Counter.Visits]++;
        Part(ref d);
    }

    /// <summary>
    /// PROTOCOL.md, "Liveness": half of what the node waits for a byte, less up to a tenth, and the first time a random part of it. Half a million devices that
    /// logged in within seconds would otherwise ping within seconds for ever.
    /// </summary>
    private void ArmKeepAlive(int index, ref Device d, bool isFirst)
    {
        var chance = Hash.Of(_settings.Seed ^ 0x10A, (ulong)OrdinalOf(index), (ulong)_nowUs);
        var interval = d.IdleTimeoutMs / 2;
        var after = isFirst ? 1 + chance % Math.Max(1, interval) : interval - chance % (interval / 10 + 1);
        _reactor.SetTimer(d.Connection, d.IdleTimeoutMs == 0 ? 0 : _reactor.NowMs + (long)after);
    }

    private void KeepAlive(int index, ref Device d)
    {
        _reactor.Advance(d.Connection, PingFrame.Write(_reactor.GetSpan(d.Connection, PingFrame.FrameBytes), KeepAliveToken));
        ArmKeepAlive(index, ref d, isFirst: false);
    }
}
