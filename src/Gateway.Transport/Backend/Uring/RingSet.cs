using Gateway.Transport.Linux;
using Gateway.Transport.Pools;

namespace Gateway.Transport.Backend.Uring;

/// <summary>
/// The rings of one reactor. A table of direct descriptors holds no more than the process may open files, so a reactor has as many rings
/// as its connections need; each is made when those before it are full. The first is the one the thread sleeps in. The others say that they
/// have work by an eventfd, which the first one reads: a thread that waits in one ring sees nothing of another, and with deferred work a
/// poll of a ring's own descriptor never wakes (pitfall 2).
/// <para>A ring other than the first is awake or at rest. Awake ones are looked at in each turn and do not signal. One that had nothing for
/// <see cref="RestAfterTurns"/> is put to rest, and so are all before the thread sleeps: it signals and is not looked at until the eventfd was read
/// (<see cref="LookAround"/>) or an operation is made in it. So a busy ring does not pay for a look at fifty quiet ones in each turn.</para>
/// Owned by the reactor's thread; others may <see cref="TryReserve"/> and <see cref="Release"/>, and so a ring that was made stays until all
/// threads have ended.
/// </summary>
internal sealed class RingSet(ReactorGroupOptions options, int eventDescriptor) : IElastic, IDisposable
{
    private const uint Submissions = 256;
    private const uint Completions = 4096;

    /// <summary>A signal, its read and a look at all rings cost about what so many looks at one do.</summary>
    private const int RestAfterTurns = 64;

    private readonly List<Ring> _rings = [];
    private readonly int _socketsPerRing = UringProbe.SocketsPerRing(options);
    private readonly uint _collectAtMost = (uint)options.EventsPerWait;
    // What other threads look through: replaced, never changed.
    private Ring[] _published = [];
    private int _roomy;
    private int _roomAsked;

    public int Count => _rings.Count;

    public int CountBuffered => _rings.Count(ring => ring.Buffers is not null);

    public int Places => _rings.Sum(ring => ring.InUse);

    /// <summary>For an operation in it: it is awake from here on.</summary>
    public Ring this[int index]
    {
        get
        {
            var ring = _rings[index];
            if (!ring.IsAwake) Rouse(ring);
            return ring;
        }
    }

    /// <summary>The one the thread sleeps in. Any thread.</summary>
    public Ring Primary { get; private set; } = null!;

    /// <summary>Those that may have something, the first ring first. One may join while it is gone through, none leaves.</summary>
    public List<Ring> Awake { get; } = [];

    /// <summary>Where a socket lies, for an operation on it.</summary>
    public Ring RingOf(int descriptor) => this[DirectSocket.RingOf(descriptor)];

    /// <summary>A reserved place is free again. Any thread.</summary>
    public void Release(int descriptor) => Volatile.Read(ref _published)[DirectSocket.RingOf(descriptor)].Release();

    /// <summary>Makes one more ring; 0 or a negated errno.</summary>
    public int Open(out string failed)
    {
        failed = "the number of rings";
        if (_rings.Count == DirectSocket.MaxRings) return -Errno.ENFILE;
        var result = Ring.TryOpen(Submissions, Completions, _socketsPerRing, register: true, out var ring, out failed);
        if (result < 0) return result;
        if (_rings.Count != 0)
        {
            failed = "the eventfd of a ring";
            result = ring!.RegisterEventDescriptor(eventDescriptor);
            if (result < 0)
            {
                ring.Dispose();
                return result;
            }
        }

        ring!.Index = _rings.Count;
        if (ring.Index == 0) Primary = ring;
        _rings.Add(ring);
        Rouse(ring);
        Volatile.Write(ref _published, [.. _rings]);
        return 0;
    }

    /// <summary>
    /// A ring that had a free place, made if there was none, with up to <paramref name="wanted"/> places in it reserved; a negated errno
    /// when it cannot be made.
    /// </summary>
    public int FindRoom(int wanted, out int reserved)
    {
        while (true)
        {
            if ((reserved = _rings[_roomy].Reserve(wanted)) != 0) return _roomy;
            for (var i = 0; i < _rings.Count; i++)
            {
                if ((reserved = _rings[i].Reserve(wanted)) != 0) return _roomy = i;
            }

            var result = Open(out _);
            if (result < 0) return result;
            // Other reactors may have filled it before we look.
            _roomy = _rings.Count - 1;
        }
    }

    /// <summary>A ring with a place reserved in it; null when all are full, and then the owner makes another in its next turn. Any thread.</summary>
    public Ring? TryReserve()
    {
        var rings = Volatile.Read(ref _published);
        for (var i = rings.Length - 1; i >= 0; i--)
        {
            if (rings[i].Reserve(1) != 0) return rings[i];
        }

        Volatile.Write(ref _roomAsked, 1);
        return null;
    }

    /// <summary>Owner: makes the ring that <see cref="TryReserve"/> missed. When the kernel refuses, the asker comes again.</summary>
    public void MakeRoomIfAsked()
    {
        if (Volatile.Read(ref _roomAsked) == 0) return;
        Volatile.Write(ref _roomAsked, 0);
        if (FindRoom(1, out _) is >= 0 and var ring) _rings[ring].Release();
    }

    public bool HasCompletions
    {
        get
        {
            foreach (var ring in Awake)
            {
                if (ring.HasCompletions) return true;
            }

            return false;
        }
    }

    /// <summary>Hands over what is pending on every ring.</summary>
    public void Push()
    {
        foreach (var ring in Awake)
        {
            if (ring.Pending != 0) ring.Push(getEvents: false);
        }
    }

    /// <summary>
    /// Hands over what is pending and has the kernel do what it deferred, 20 pieces an enter (pitfall 5), up to a bound. An enter that
    /// brings nothing is the last: the flag may be set although there is no work, for the kernel sets it a moment after it queued the work
    /// and clears it only when it has some to do, and in between we may have been there already.
    /// </summary>
    public void Collect()
    {
        for (var i = Awake.Count - 1; i >= 0; i--)
        {
            var ring = Awake[i];
            if (ring.Pending != 0) ring.Push(getEvents: true);
            for (var before = uint.MaxValue; ring.WantsEnter && ring.Waiting != before && ring.Waiting < _collectAtMost;)
            {
                before = ring.Waiting;
                ring.Push(getEvents: true);
            }

            ring.QuietTurns = ring.HasCompletions ? 0 : ring.QuietTurns + 1;
            if (i != 0 && ring.QuietTurns >= RestAfterTurns) TryRest(i);
        }
    }

    /// <summary>Waits until any ring has something, at most <paramref name="timeoutMs"/>.</summary>
    public void Sleep(int timeoutMs)
    {
        var rest = true;
        for (var i = Awake.Count - 1; i > 0; i--) rest &= TryRest(i);
        if (rest) Primary.Wait(timeoutMs);
        Collect();
    }

    /// <summary>The eventfd was signalled: rings at rest that have something are awake again, and it is there to be taken.</summary>
    public void LookAround()
    {
        foreach (var ring in _rings)
        {
            if (ring.IsAwake || !(ring.WantsEnter || ring.HasCompletions)) continue;
            Rouse(ring);
            ring.Push(getEvents: true);
        }
    }

    public void Roll()
    {
        foreach (var ring in _rings) ring.Roll();
    }

    public bool GiveBack()
    {
        foreach (var ring in _rings)
        {
            if (ring.GiveBack()) return true;
        }

        return false;
    }

    public void Dispose()
    {
        foreach (var ring in _rings) ring.Dispose();
    }

    private void Rouse(Ring ring)
    {
        if (ring.Index != 0) ring.Signals = false;
        (ring.IsAwake, ring.QuietTurns) = (true, 0);
        Awake.Add(ring);
    }

    /// <summary>
    /// Has an awake ring signal from here on; false when it has something, and then it stays awake. The kernel stores the work's flag before it
    /// looks whether to signal, and we allow the signal before we look at the flag, with a full fence on each side (the kernel's is x86's locked
    /// operation): one of the two sees the other. The kernel signals what comes first to an empty list only; of work that it left over when it had
    /// done its 20 pieces it says nothing more. So the flag must be down when the ring rests. One without work (see <see cref="Collect"/>) we take
    /// down ourselves, before the enter that does what there is: what sets it again is real.
    /// </summary>
    private bool TryRest(int place)
    {
        var ring = Awake[place];
        if (ring.Pending != 0) ring.Push(getEvents: false);
        ring.Signals = true;
        Interlocked.MemoryBarrier();
        if (ring.WantsEnter)
        {
            ring.ForgetFlag();
            ring.Push(getEvents: true);
        }

        if (ring.HasCompletions || ring.WantsEnter)
        {
            ring.Signals = false;
            ring.QuietTurns = 0;
            return false;
        }

        ring.IsAwake = false;
        Awake[place] = Awake[^1];
        Awake.RemoveAt(Awake.Count - 1);
        return true;
    }
}
