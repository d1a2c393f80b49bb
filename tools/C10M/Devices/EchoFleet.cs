using System.Buffers;
using Gateway.Load.Measure;
using Gateway.Transport;

namespace Gateway.Load.Devices;

/// <summary>
/// The connections of one reactor to a server that sends every byte back: each keeps a window of messages of one size on their way and
/// checks that they return whole and in order. No protocol, no login; an order to log in connects. A message that has returned counts as
/// accepted, delivered and double-checked at once. For the reactor's thread but <see cref="CopyTo"/>. Nothing is allocated per message.
/// </summary>
internal sealed class EchoFleet : IFleet
{
    private readonly Reactor _reactor;
    private readonly FleetSettings _settings;
    private readonly Slice _slice;
    private readonly int _size;
    private readonly Echo[] _echoes;

    /// <summary>When each message under way was sent: a ring of a window for each connection.</summary>
    private readonly long[] _sentAt;
    private readonly byte[] _straddling;
    private readonly FleetTally _tally;
    private readonly Logins _logins;
    private int _connectCursor;
    private long _nowUs;
    private bool _sending;

    private struct Echo
    {
        public ConnectionId Connection;
        public bool IsOpen;
        public long ConnectStartedAt;

        /// <summary>Messages sent, and those of them that came back.</summary>
        public ulong Sent, Returned;
    }

    public EchoFleet(Reactor reactor, FleetSettings settings, Slice slice)
    {
        _reactor = reactor;
        _settings = settings;
        _slice = slice;
        _tally = new FleetTally(reactor);
        _logins = new Logins(reactor, settings, slice, _tally);
        _size = settings.Mix.MaxBytes;
        _echoes = new Echo[slice.Count];
        _sentAt = new long[(long)slice.Count * settings.Window];
        _straddling = new byte[_size];
        _connectCursor = slice.Count;
    }

    public long WakeAtUs => long.MaxValue;

    public void CopyTo(LoadSnapshot into) => _tally.CopyTo(into);

    public void Apply(Order order)
    {
        _nowUs = _settings.Time.NowUs();
        switch (order.Kind)
        {
            case OrderKind.Login: _connectCursor = 0; break;
            case OrderKind.Send: BeginSending(); break;
            case OrderKind.Measure: _tally.Measure(order.FromUs, order.UntilUs); break;
            case OrderKind.Stop: _sending = false; break;
            // A connection whose last message returned needs no pong to prove that it lives.
            case OrderKind.Check: _tally[Counter.Pongs] = _tally[Counter.Open]; break;
            case OrderKind.Drop: DropAll(); break;
            default: throw new UnreachableOrderException(order.Kind);
        }

        UpdateGauges();
        _tally[Counter.OrdersTaken]++;
    }

    public void OnTurn(long nowMs)
    {
        _nowUs = _settings.Time.NowUs();
        while (_connectCursor < _echoes.Length && _logins.HasRoom) Connect(_connectCursor++);
        UpdateGauges();
    }

    public void OnConnected(ConnectionId c, int errno)
    {
        ref var echo = ref _echoes[IndexOf(c)];
        _tally[Counter.LoginsInFlight]--;
        if (errno != 0)
        {
            _tally[Counter.Attached]--;
            _tally.Count($"connect_errno_{errno}");
            return;
        }

        _nowUs = _settings.Time.NowUs();
        echo.IsOpen = true;
        _reactor.MarkEstablished(c);
        _tally.NoteLogin(echo.ConnectStartedAt, _nowUs);
    }

    public int OnReceived(ConnectionId c, ReadOnlySpan<byte> bytes)
    {
        _nowUs = _settings.Time.NowUs();
        var index = IndexOf(c);
        var consumed = 0;
        while (bytes.Length - consumed >= _size && _echoes[index].IsOpen)
        {
            OnReturned(index, bytes.Slice(consumed, _size));
            consumed += _size;
        }

        return consumed;
    }

    public long OnReceived(ConnectionId c, in ReadOnlySequence<byte> bytes)
    {
        _nowUs = _settings.Time.NowUs();
        var index = IndexOf(c);
        var rest = bytes;
        while (rest.Length >= _size && _echoes[index].IsOpen)
        {
            rest.Slice(0, _size).CopyTo(_straddling);
            OnReturned(index, _straddling);
            rest = rest.Slice(_size);
        }

        return bytes.Length - rest.Length;
    }

    public void OnClosed(ConnectionId c, ulong tag, CloseReason reason, int errno)
    {
        ref var echo = ref _echoes[(int)tag];
        _tally[Counter.Attached]--;
        if (!echo.IsOpen) return;
        echo.IsOpen = false;
        _tally[Counter.Open]--;
        if (reason != CloseReason.Shutdown) _tally.CountClosed(reason, errno);
    }

    private int IndexOf(ConnectionId c) => (int)_reactor.GetTag(c);

    private uint StreamOf(int index) => (uint)(_slice.First + index);

    private void Connect(int index)
    {
        if (!_logins.TryConnect(index, out var c)) return;
        _reactor.SetTag(c, (ulong)index);
        _echoes[index].Connection = c;
        _echoes[index].ConnectStartedAt = _nowUs;
    }

    private void BeginSending()
    {
        _sending = true;
        for (var index = 0; index < _echoes.Length; index++)
        {
            for (var i = 0; i < _settings.Window && _echoes[index].IsOpen; i++) Send(index);
        }
    }

    private void Send(int index)
    {
        ref var echo = ref _echoes[index];
        var span = _reactor.GetSpan(echo.Connection, _size)[.._size];
        _settings.Payload.Write(span, StreamOf(index), echo.Sent);
        SentAt(index, echo.Sent++) = _nowUs;
        _reactor.Advance(echo.Connection, _size);
        _tally[Counter.Sent]++;
    }

    private void OnReturned(int index, ReadOnlySpan<byte> message)
    {
        ref var echo = ref _echoes[index];
        if (!_settings.Payload.TryRead(message, out var stream, out var number) || stream != StreamOf(index) || number != echo.Returned
            || !_settings.Payload.IsIntact(message, stream, number))
        {
            _tally.Count("corrupt_body");
            Leave(ref echo);
            return;
        }

        var sentAt = SentAt(index, echo.Returned++);
        _tally[Counter.Accepted]++;
        _tally[Counter.Delivered]++;
        _tally.NoteDoubleCheck(_nowUs);
        _tally.TimeDoubleCheck(sentAt, _nowUs);
        if (MaySend) Send(index);
    }

    private bool MaySend => _sending && _nowUs < _tally.EndUs;

    private ref long SentAt(int index, ulong number) => ref _sentAt[(long)index * _settings.Window + (long)(number % (ulong)_settings.Window)];

    private void UpdateGauges()
    {
        _tally[Counter.LoginsLeft] = _echoes.Length - _connectCursor + _tally[Counter.LoginsInFlight];
        _tally[Counter.Sending] = MaySend ? _tally[Counter.Open] : 0;
    }

    private void DropAll()
    {
        _connectCursor = _echoes.Length;
        for (var i = 0; i < _echoes.Length; i++)
        {
            if (_echoes[i].IsOpen) Leave(ref _echoes[i]);
        }
    }

    private void Leave(ref Echo echo)
    {
        echo.IsOpen = false;
        _tally[Counter.Open]--;
        _reactor.Abort(echo.Connection);
    }
}
