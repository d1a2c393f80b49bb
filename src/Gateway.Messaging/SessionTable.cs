using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Gateway.Messaging.Pools;

namespace Gateway.Messaging;

/// <summary>
/// What a session is while nothing of it is under way: 40 bytes. All its sequences are one then, and all its lists empty.
/// While the session is busy, only <see cref="Busy"/> means anything.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IdleSession
{
    /// <summary>Seconds since 1970. First, because a free place's link lies here and everything else must say that there is nobody.</summary>
    public uint LoggedInAt;

    /// <summary>The whole session, 0 while it is idle.</summary>
    public uint Busy;

    /// <summary>0 when the place is free.</summary>
    public ulong Connection;

    /// <summary>The cursor, the highest sequence delivered and the highest processed.</summary>
    public ulong Position;

    public uint Epoch;
    public uint Window;
    public uint CreditBytes;
    public ushort CreditMessages;

    /// <summary>Of <see cref="SessionFlags.WhileIdle"/>.</summary>
    public SessionFlags Flags;
}

/// <summary>
/// The sessions of a home, each at an index that stays its own. Most of very many are idle, and are kept small: a session is whole
/// (<see cref="Session"/>) while something of it is under way and from the moment it is opened to the end of the turn.
/// Owned by the home's thread. Invariant: a session that is not whole is <see cref="Session.IsIdle"/>, with nothing in its mailbox.
/// </summary>
internal sealed class SessionTable(WindowTable windows)
{
    private readonly Slab<IdleSession> _places = new(int.MaxValue);
    private readonly Slab<Session> _busy = new(int.MaxValue);

    /// <summary>Opened in this turn: to be looked at once at its end. Each is in it once (<see cref="Session.Opened"/>).</summary>
    private readonly ElasticQueue<uint> _opened = new();

    public int Count => _places.Count;

    /// <summary>Sessions that are whole.</summary>
    public int BusyCount => _busy.Count;

    /// <summary>Bytes of the chunks of both kinds.</summary>
    public long HeldBytes => _places.HeldBytes + _busy.HeldBytes;

    public void AddTo(Housekeeping keeping) => keeping.Add(_places, _busy, _opened);

    /// <summary>One past the highest index ever given out; what lies below may be free.</summary>
    public uint End => _places.End;

    /// <summary>The device's session, or 0.</summary>
    public uint Find(ulong device)
    {
        var window = windows.Find(device);
        return window == 0 ? 0 : windows[window].Session;
    }

    /// <summary>Makes a session for a device that has none; its window is there.</summary>
    public uint Add(uint window)
    {
        var index = _places.Rent();
        var busy = _busy.Rent();
        _places[index].Busy = busy;
        ref var s = ref _busy[busy];
        s.Key = windows[window].Device;
        s.Window = window;
        windows[window].Session = index;
        return index;
    }

    /// <summary>Forgets a session; its window was in use up to <paramref name="usedAt"/>, s of the log's steady time.</summary>
    public void Remove(uint index, uint usedAt)
    {
        ref var place = ref _places[index];
        windows[_busy[place.Busy].Window].UsedAt = usedAt;
        _busy.Return(place.Busy);
        place = default;
        _places.Return(index);
    }

    /// <summary>The session's window has another index now.</summary>
    public void OnWindowMoved(uint index, uint window)
    {
        ref var place = ref _places[index];
        if (place.Busy != 0) _busy[place.Busy].Window = window;
        else place.Window = window;
    }

    /// <summary>The session, whole until the end of the turn. It must be there.</summary>
    public ref Session Open(uint index)
    {
        ref var place = ref _places[index];
        if (place.Busy == 0) Unfold(ref place);
        ref var s = ref _busy[place.Busy];
        if (!s.Opened)
        {
            s.Opened = true;
            _opened.Enqueue(index);
        }

        return ref s;
    }

    /// <summary>The session, if it is there and has this connection; otherwise <see cref="IsNone"/>.</summary>
    public ref Session OfConnection(uint index, ulong connection)
    {
        ref var place = ref _places[index];
        var has = place.Busy != 0 ? _busy[place.Busy].Connection : place.Connection;
        return ref has == connection ? ref Open(index) : ref Unsafe.NullRef<Session>();
    }

    /// <summary>The session, if it is there and still in this epoch; otherwise <see cref="IsNone"/>.</summary>
    public ref Session OfEpoch(uint index, uint epoch)
    {
        ref var place = ref _places[index];
        var has = place.Busy != 0 ? _busy[place.Busy].Epoch : place.Epoch;
        return ref has == epoch ? ref Open(index) : ref Unsafe.NullRef<Session>();
    }

    public static bool IsNone(ref Session s) => Unsafe.IsNullRef(ref s);

    /// <summary>A copy for those who only look; false for a free place.</summary>
    public bool TryRead(uint index, out Session session)
    {
        ref var place = ref _places[index];
        session = place.Busy != 0 ? _busy[place.Busy] : place.Connection != 0 ? Whole(in place) : default;
        return place.Busy != 0 || place.Connection != 0;
    }

    /// <summary>The numbers of this session that are in flight, at no more than a look at it.</summary>
    public ulong InFlightOf(uint index)
    {
        var busy = _places[index].Busy;
        return busy == 0 ? 0 : _busy[busy].InFlight;
    }

    /// <summary>Ends the turn: makes small again what was opened and has come to rest.</summary>
    public void FoldIdle(IHomeLog log)
    {
        while (_opened.TryDequeue(out var index))
        {
            ref var place = ref _places[index];
            if (place.Busy == 0) continue;
            ref var s = ref _busy[place.Busy];
            s.Opened = false;
            if (s.IsIdle && log.State(s.Key).Entries == 0) Fold(ref place, in s);
        }
    }

    private void Unfold(ref IdleSession place)
    {
        var busy = _busy.Rent();
        _busy[busy] = Whole(in place);
        place.Busy = busy;
    }

    private void Fold(ref IdleSession place, in Session s)
    {
        var busy = place.Busy;
        place = new IdleSession
        {
            LoggedInAt = s.LoggedInAt,
            Connection = s.Connection,
            Position = s.Processed,
            Epoch = s.Epoch,
            Window = s.Window,
            CreditBytes = s.CreditBytes,
            CreditMessages = (ushort)s.CreditMessages,
            Flags = s.Flags | (s.LastAppended != 0 ? SessionFlags.LastAppendedHere : SessionFlags.None),
        };
        _busy.Return(busy);
    }

    private Session Whole(in IdleSession place) => new()
    {
        Key = windows[place.Window].Device,
        Connection = place.Connection,
        Epoch = place.Epoch,
        Delivered = place.Position,
        HighestDelivered = place.Position,
        Processed = place.Position,
        OwedThrough = place.Position,
        LastAppended = (place.Flags & SessionFlags.LastAppendedHere) != 0 ? place.Position : 0,
        LoggedInAt = place.LoggedInAt,
        CreditMessages = place.CreditMessages,
        CreditBytes = place.CreditBytes,
        Window = place.Window,
        Flags = place.Flags & ~SessionFlags.LastAppendedHere,
    };
}
