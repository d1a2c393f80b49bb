using Gateway.Transport.Linux;
using Gateway.Transport.Pools;

namespace Gateway.Transport.Backend.Uring;

/// <summary>
/// Accepting. A listener stays a descriptor of the process and is polled, one-shot; when it is readable, as many accepts are submitted as
/// the reactor has room for, each with a place of a table reserved, and none of them waits. A multishot accept would take every client
/// there is: beyond the reactor's limits, which promise that they wait in the backlog; and with a full table the kernel takes them and
/// drops them (pitfall 4).
/// </summary>
internal sealed unsafe partial class UringBackend
{
    private readonly List<Listener> _listeners = [];
    private readonly ElasticQueue<(uint Listener, int Result)> _acceptFaults = new();
    private int _acceptRoom;

    public int AttachListener(uint listener, int descriptor)
    {
        _listeners.Add(new Listener { Descriptor = descriptor });
        return 0;
    }

    public void SubmitAccept(uint listener)
    {
        var l = _listeners[(int)listener];
        l.Armed = true;
        PollUnlessReady(l, listener);
    }

    public void CancelAccept(uint listener) => _listeners[(int)listener].Armed = false;

    public void AllowAccepts(int room) => _acceptRoom = room;

    public int Attach(uint slot) => 0;

    public void Refuse(int accepted)
    {
        ref var entry = ref _rings.RingOf(accepted).Next(UserData.Of(Operation.Close, uint.MaxValue));
        entry.Operation = IoUring.OpClose;
        entry.FileIndex = (uint)DirectSocket.PlaceOf(accepted) + 1;
    }

    private bool CanAccept
    {
        get
        {
            if (_acceptRoom <= 0) return false;
            foreach (var l in _listeners)
            {
                if (l is { Armed: true, Ready: true, Waiting: 0 }) return true;
            }

            return false;
        }
    }

    private bool SubmitAccepts()
    {
        var submitted = false;
        for (var i = 0; i < _listeners.Count && _acceptRoom > 0; i++)
        {
            var l = _listeners[i];
            if (l is not { Armed: true, Ready: true, Waiting: 0 }) continue;
            if (_options.AcceptFault?.Invoke() is > 0 and var fault)
            {
                if (IsOfOneClient(-fault)) continue;
                _acceptFaults.Enqueue(((uint)i, -fault));
                continue;
            }

            submitted |= SubmitAccepts(l, (uint)i);
        }

        return submitted;
    }

    private bool SubmitAccepts(Listener l, uint listener)
    {
        var index = _rings.FindRoom(Math.Min(l.Batch, _acceptRoom), out var places);
        if (index < 0)
        {
            _acceptFaults.Enqueue((listener, index));
            return false;
        }

        var ring = _rings[index];
        l.Waiting = places;
        l.Ready = false;
        _acceptRoom -= l.Waiting;
        l.Batch = Math.Min(l.Batch * 2, _options.AcceptsPerTurn);
        for (var i = 0; i < l.Waiting; i++)
        {
            ref var entry = ref ring.Next(UserData.Of(Operation.Accept, listener));
            entry.Operation = IoUring.OpAccept;
            entry.Descriptor = l.Descriptor;
            entry.Priority = IoUring.AcceptDontWait;
            entry.FileIndex = IoUring.FileIndexAllocate;
        }

        return true;
    }

    private bool OnAccepted(Ring ring, uint listener, scoped in CompletionEntry entry, out Completion completion)
    {
        var l = _listeners[(int)listener];
        l.Waiting--;
        if (entry.Result < 0)
        {
            ring.Release();
            _acceptRoom++;
            // The kernel tells with each client whether another one waits; at the end it is the poll that knows.
            if (entry.Result == -Errno.EAGAIN) l.Batch = 1;
            else if (IsOfOneClient(entry.Result)) l.Ready = true;
        }
        else if ((entry.Flags & IoUring.CompletionSocketNonEmpty) != 0)
        {
            l.Ready = true;
        }
        else
        {
            l.Ready = false;
            l.Batch = 1;
        }

        PollUnlessReady(l, listener);
        if (entry.Result < 0 && (entry.Result == -Errno.EAGAIN || IsOfOneClient(entry.Result) || !l.Armed)) return None(out completion);
        completion = new Completion
        {
            Kind = CompletionKind.Accepted,
            Id = new ConnectionId(listener, 0),
            Result = entry.Result < 0 ? entry.Result : DirectSocket.Of(ring.Index, entry.Result),
        };
        return true;
    }

    private void OnListenerReady(uint listener)
    {
        var l = _listeners[(int)listener];
        l.Polling = false;
        l.Ready = true;
    }

    private void PollUnlessReady(Listener l, uint listener)
    {
        if (!l.Armed || l.Ready || l.Polling || l.Waiting != 0) return;
        l.Polling = true;
        ref var entry = ref _rings.Primary.Next(UserData.Of(Operation.Listen, listener));
        entry.Operation = IoUring.OpPollAdd;
        entry.Descriptor = l.Descriptor;
        entry.OperationFlags = EpollEvent.In;
    }

    /// <summary>The client gave up while it waited in the queue; accept(2) says to go on as after EAGAIN.</summary>
    private static bool IsOfOneClient(int result) => result is -Errno.EINTR or -Errno.ECONNABORTED or -Errno.EPROTO;

    private sealed class Listener
    {
        public required int Descriptor { get; init; }

        /// <summary>The reactor wants its clients.</summary>
        public bool Armed { get; set; }

        /// <summary>A poll is in flight.</summary>
        public bool Polling { get; set; }

        /// <summary>A client waits, as far as is known.</summary>
        public bool Ready { get; set; }

        /// <summary>Accepts in flight.</summary>
        public int Waiting { get; set; }

        /// <summary>Accepts to submit next: doubled while clients keep coming.</summary>
        public int Batch { get; set; } = 1;
    }
}
