using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Gateway.Transport.Linux;
using Gateway.Transport.Pools;

namespace Gateway.Transport.Backend.Uring;

/// <summary>
/// One io_uring with its table of direct descriptors, made and used by one thread alone (SINGLE_ISSUER); disposed after that has ended.
/// Work that the kernel defers is done only when this thread enters with the wish to get events (DEFER_TASKRUN). Invariant: a submission
/// is either still ours or handed over whole; a completion is taken once, in the ring's order or, by <see cref="TryTakeAhead"/>, before
/// its turn, and then left in its place as one that nobody waits for.
/// </summary>
internal sealed unsafe class Ring : IElastic, IDisposable
{
    private const uint AnyPlace = uint.MaxValue;
    private const int MaxFruitlessEnters = 1000;

    private readonly int _descriptor;
    private readonly int _enterDescriptor;
    private readonly uint _enterFlags;
    private readonly byte* _map;
    private readonly nuint _mapBytes;
    private readonly Submission* _submissions;
    private readonly nuint _submissionsBytes;
    private readonly CompletionEntry* _completions;
    private readonly uint* _submissionHead;
    private readonly uint* _submissionTail;
    private readonly uint* _submissionFlags;
    private readonly uint _submissionMask;
    private readonly uint* _completionHead;
    private readonly uint* _completionTail;
    private readonly uint* _completionFlags;
    private readonly uint _completionMask;
    private readonly byte* _addresses;
    private readonly KernelTime* _timeout;
    private readonly WaitArgument* _waitArgument;
    // Completions taken out of a full ring, older than those in it.
    private readonly ElasticQueue<CompletionEntry> _spilled = new();
    private uint _tail;
    private uint _head;
    private uint _ahead;
    private int _inUse;
    // Rolled over since a multishot receive was last seen.
    private int _unusedIntervals;
    private bool _disposed;

    private Ring(int descriptor, in RingParameters p, byte* map, nuint mapBytes, Submission* submissions, bool register)
    {
        _descriptor = descriptor;
        _map = map;
        _mapBytes = mapBytes;
        _submissions = submissions;
        _submissionsBytes = (nuint)p.SubmissionEntries * Submission.SizeBytes;
        _submissionHead = (uint*)(map + p.SubmissionHead);
        _submissionTail = (uint*)(map + p.SubmissionTail);
        _submissionFlags = (uint*)(map + p.SubmissionFlags);
        _submissionMask = *(uint*)(map + p.SubmissionMask);
        _completionHead = (uint*)(map + p.CompletionHead);
        _completionTail = (uint*)(map + p.CompletionTail);
        _completionFlags = (uint*)(map + p.CompletionFlags);
        _completionMask = *(uint*)(map + p.CompletionMask);
        _completions = (CompletionEntry*)(map + p.Completions);
        // SAFETY: freed in Dispose; one address for each submission, a timeout and its argument.
        _addresses = (byte*)NativeMemory.AllocZeroed(p.SubmissionEntries, AddressBytes);
        _timeout = (KernelTime*)NativeMemory.AllocZeroed((nuint)(sizeof(KernelTime) + WaitArgument.SizeBytes));
        _waitArgument = (WaitArgument*)(_timeout + 1);
        _waitArgument->Timeout = (ulong)_timeout;
        (_enterDescriptor, _enterFlags) = register ? RegisterSelf(descriptor) : (descriptor, 0);
    }

    /// <summary>Room for a socket address beside each submission: SocketAddress.MaxLength, rounded up.</summary>
    private const int AddressBytes = 32;

    /// <summary>Its place among the reactor's rings.</summary>
    public int Index { get; set; }

    /// <summary>Whether its set looks at it in each turn.</summary>
    public bool IsAwake { get; set; }

    /// <summary>In a row, in which it had nothing.</summary>
    public int QuietTurns { get; set; }

    /// <summary>Places in the table.</summary>
    public int Capacity { get; private set; }

    /// <summary>Places that are taken, or may be by an operation under way. Any thread.</summary>
    public int InUse => Volatile.Read(ref _inUse);

    /// <summary>
    /// Reserves up to that many places for sockets that will be put there; returns how many. Any thread, since other reactors put theirs:
    /// whoever puts one without would find the table full, and with an accept the client would be lost (pitfall 4).
    /// </summary>
    public int Reserve(int wanted)
    {
        while (true)
        {
            var inUse = Volatile.Read(ref _inUse);
            var granted = Math.Min(wanted, Capacity - inUse);
            if (granted <= 0) return 0;
            if (Interlocked.CompareExchange(ref _inUse, inUse + granted, inUse) == inUse) return granted;
        }
    }

    /// <summary>A reserved place is free again. Any thread.</summary>
    public void Release() => Interlocked.Decrement(ref _inUse);

    /// <summary>The buffers of its multishot receives; null until the first of them, and again some time after the last.</summary>
    public ProvidedBuffers? Buffers { get; set; }

    /// <summary>Multishot receives that have not had their last completion.</summary>
    public int Multishots { get; set; }

    /// <summary>What another ring sends its messages to.</summary>
    public int Descriptor => _descriptor;

    /// <summary>Submissions not handed over yet.</summary>
    public uint Pending => _tail - Volatile.Read(ref *_submissionHead);

    /// <summary>The kernel has deferred work, or completions that found no room: only entering brings them.</summary>
    public bool WantsEnter => (Volatile.Read(ref *_submissionFlags) & (IoUring.TaskRun | IoUring.CompletionsOverflown)) != 0;

    /// <summary>Takes the flag of deferred work down; the kernel looks at the work itself when it is entered, and sets the flag again for what comes or is left.</summary>
    public void ForgetFlag() => Interlocked.And(ref *_submissionFlags, ~IoUring.TaskRun);

    /// <summary>Leaves the flag of deferred work set without any, as the kernel may; it takes it back when it has some to do. For tests.</summary>
    public void LeaveFlagStale() => Interlocked.Or(ref *_submissionFlags, IoUring.TaskRun);

    /// <summary>Completions that wait to be taken.</summary>
    public bool HasCompletions
    {
        get
        {
            SkipTaken();
            return _spilled.Count != 0 || _head != Volatile.Read(ref *_completionTail);
        }
    }

    public uint Waiting => (uint)_spilled.Count + Volatile.Read(ref *_completionTail) - _head;

    /// <summary>
    /// Makes a ring with room for <paramref name="submissions"/>, <paramref name="completions"/> and a table of <paramref name="files"/>
    /// (none: 0). A ring that its thread registers lives until that has ended. Returns 0 or a negated errno; <paramref name="failed"/> then
    /// names the step.
    /// </summary>
    public static int TryOpen(uint submissions, uint completions, int files, bool register, [NotNullWhen(true)] out Ring? ring, out string failed)
    {
        ring = null;
        failed = "io_uring_setup";
        var p = new RingParameters
        {
            CompletionEntries = completions,
            Flags = IoUring.SetupCompletionSize | IoUring.SetupSubmitAll | IoUring.SetupTaskRunFlag | IoUring.SetupSingleIssuer
                | IoUring.SetupDeferTaskRun | IoUring.SetupNoSubmissionArray,
        };
        // SAFETY: p lives on the stack across the call.
        var descriptor = Syscalls.RingSetup(submissions, &p);
        if (descriptor < 0) return descriptor;

        const uint needed = IoUring.FeatureSingleMap | IoUring.FeatureNoDrop | IoUring.FeatureExtendedArgument | IoUring.FeatureSkipSuccess;
        if ((p.Features & needed) != needed)
        {
            failed = "the ring's features";
            _ = Syscalls.Close(descriptor);
            return -Errno.ENOSYS;
        }

        failed = "mmap of a ring";
        var mapBytes = p.Completions + (nuint)p.CompletionEntries * CompletionEntry.SizeBytes;
        var map = Syscalls.MapShare(descriptor, mapBytes, IoUring.OffsetRings);
        var entriesBytes = (nuint)p.SubmissionEntries * Submission.SizeBytes;
        var entries = map == 0 ? 0 : Syscalls.MapShare(descriptor, entriesBytes, IoUring.OffsetSubmissions);
        if (entries == 0)
        {
            if (map != 0) _ = Syscalls.Unmap(map, mapBytes);
            _ = Syscalls.Close(descriptor);
            return -Errno.ENOMEM;
        }

        ring = new Ring(descriptor, in p, (byte*)map, mapBytes, (Submission*)entries, register);
        failed = $"a table of {files} direct descriptors";
        var result = files == 0 ? 0 : ring.RegisterTable(files);
        if (result >= 0) return 0;
        ring.Dispose();
        ring = null;
        return result;
    }

    /// <summary>Room for a submission, all zero but its user_data. Hands over what is pending when there is none.</summary>
    public ref Submission Next(ulong userData)
    {
        if (Pending > _submissionMask) Push(getEvents: false);
        // SAFETY: masked into the mapped array; the kernel reads it only between the tail's publication and its own head.
        var entry = _submissions + (_tail++ & _submissionMask);
        *entry = new Submission { UserData = userData };
        return ref *entry;
    }

    /// <summary>Memory beside the submission made last, for a socket address; it stays until that is handed over.</summary>
    public byte* AddressOfLast => _addresses + ((_tail - 1) & _submissionMask) * AddressBytes;

    /// <summary>Takes back an operation of ours. Its own completion tells how it went; this one's is of interest to nobody.</summary>
    public void Cancel(ulong userData)
    {
        ref var entry = ref Next(UserData.Of(Operation.None));
        entry.Operation = IoUring.OpAsyncCancel;
        entry.Flags = IoUring.SkipSuccess;
        entry.Descriptor = -1;
        entry.Address = userData;
    }

    /// <summary>Hands over what is pending; with <paramref name="getEvents"/> the kernel's deferred work is done too, at most 20 pieces of it.</summary>
    public void Push(bool getEvents)
    {
        Volatile.Write(ref *_submissionTail, _tail);
        for (var tries = 0; tries < MaxFruitlessEnters; tries++)
        {
            var pending = Pending;
            if (pending == 0 && !getEvents) return;
            var result = Syscalls.RingEnter(_enterDescriptor, pending, 0, _enterFlags | (getEvents ? IoUring.EnterGetEvents : 0), null);
            if (result >= 0)
            {
                if (Pending == 0) return;
            }
            else if (result is -Errno.EAGAIN or -Errno.EBUSY)
            {
                // The kernel is short of memory for a request, or holds completions that found no room.
                getEvents = true;
            }
            else if (result != -Errno.EINTR)
            {
                throw new IOException($"io_uring_enter failed with errno {-result}.");
            }
        }

        throw new IOException($"The kernel took none of {Pending} submissions in {MaxFruitlessEnters} attempts.");
    }

    /// <summary>Hands over what is pending and waits for a completion, at most <paramref name="timeoutMs"/>.</summary>
    public void Wait(int timeoutMs)
    {
        Volatile.Write(ref *_submissionTail, _tail);
        _timeout->Seconds = timeoutMs / 1000;
        _timeout->Nanoseconds = timeoutMs % 1000 * 1_000_000L;
        const uint flags = IoUring.EnterGetEvents | IoUring.EnterExtendedArgument;
        var result = Syscalls.RingEnter(_enterDescriptor, Pending, 1, _enterFlags | flags, _waitArgument);
        if (result < 0 && result is not (-Errno.ETIME or -Errno.EINTR or -Errno.EAGAIN or -Errno.EBUSY))
            throw new IOException($"io_uring_enter failed with errno {-result}.");
    }

    /// <summary>The next completion that somebody waits for.</summary>
    public bool TryTake(out CompletionEntry entry)
    {
        if (_spilled.TryDequeue(out entry)) return true;
        while (_head != Volatile.Read(ref *_completionTail))
        {
            // SAFETY: masked into the mapped array, below the kernel's tail.
            entry = _completions[_head & _completionMask];
            Volatile.Write(ref *_completionHead, ++_head);
            if (entry.UserData != 0) return true;
        }

        entry = default;
        return false;
    }

    /// <summary>Takes a completion of <paramref name="operation"/> before its turn, each looked at once.</summary>
    public bool TryTakeAhead(Operation operation, out CompletionEntry entry)
    {
        if ((int)(_ahead - _head) < 0) _ahead = _head;
        for (var tail = Volatile.Read(ref *_completionTail); _ahead != tail; _ahead++)
        {
            // SAFETY: as in TryTake; the kernel writes no entry between head and tail.
            var there = _completions + (_ahead & _completionMask);
            if (UserData.OperationOf(there->UserData) != operation) continue;
            entry = *there;
            there->UserData = 0;
            SkipTaken();
            return true;
        }

        entry = default;
        return false;
    }

    /// <summary>Hands over an operation that the kernel completes without waiting, and returns its result.</summary>
    public int Execute(in Submission submission)
    {
        ref var entry = ref Next(0);
        entry = submission;
        entry.UserData = UserData.Of(Operation.Execute);
        Push(getEvents: false);
        for (var tries = 0; tries < MaxFruitlessEnters; tries++)
        {
            for (var at = _head; at != Volatile.Read(ref *_completionTail); at++)
            {
                // SAFETY: as in TryTakeAhead.
                var there = _completions + (at & _completionMask);
                if (UserData.OperationOf(there->UserData) != Operation.Execute) continue;
                there->UserData = 0;
                return there->Result;
            }

            // A full completion ring keeps it in the kernel until there is room.
            Spill();
            Push(getEvents: true);
        }

        throw new UnreachableException($"Operation {submission.Operation} was not completed when it was handed over.");
    }

    /// <summary>Has deferred work of this ring signal an event descriptor, while <see cref="Signals"/> is on.</summary>
    public int RegisterEventDescriptor(int eventDescriptor)
    {
        Signals = false;
        return Syscalls.RingRegister(_descriptor, IoUring.RegisterEventDescriptor, &eventDescriptor, 1);
    }

    public bool Signals
    {
        set => Volatile.Write(ref *_completionFlags, value ? 0 : IoUring.EventDescriptorDisabled);
    }

    /// <summary>What the kernel knows of an operation: <see langword="true"/> when it supports it. For the probe.</summary>
    public int TryProbe(Span<bool> supported)
    {
        // struct io_uring_probe: last_op u8, ops_len u8, 14 bytes; then 8 bytes an operation: op u8, resv u8, flags u16 (1: supported), resv u32.
        const int headBytes = 16;
        const int operationBytes = 8;
        const int operations = 64;
        var probe = stackalloc byte[headBytes + operations * operationBytes];
        new Span<byte>(probe, headBytes + operations * operationBytes).Clear();
        var result = Syscalls.RingRegister(_descriptor, IoUring.RegisterProbe, probe, operations);
        if (result < 0) return result;
        for (var i = 0; i < Math.Min(supported.Length, operations); i++) supported[i] = i <= probe[0] && (probe[headBytes + i * operationBytes + 2] & 1) != 0;
        return 0;
    }

    /// <summary>Registers the buffers of multishot receives.</summary>
    public int RegisterBuffers(nint memory, int entries)
    {
        var registration = new BufferRingRegistration { Address = (ulong)memory, Entries = (uint)entries, Group = 0 };
        return Syscalls.RingRegister(_descriptor, IoUring.RegisterBufferRing, &registration, 1);
    }

    public void Roll()
    {
        _spilled.Roll();
        _unusedIntervals = Multishots == 0 ? _unusedIntervals + 1 : 0;
    }

    /// <summary>Between turns: nobody reads what a buffer holds then, and without a multishot receive the kernel takes none.</summary>
    public bool GiveBack()
    {
        if (_spilled.GiveBack()) return true;
        if (Buffers is null || Multishots != 0 || _unusedIntervals < 2) return false;
        var registration = new BufferRingRegistration { Group = 0 };
        if (Syscalls.RingRegister(_descriptor, IoUring.UnregisterBufferRing, &registration, 1) < 0) return false;
        Buffers.Dispose();
        Buffers = null;
        return true;
    }

    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        // Closing the ring closes what is left in its table.
        _ = Syscalls.Close(_descriptor);
        _ = Syscalls.Unmap((nint)_map, _mapBytes);
        _ = Syscalls.Unmap((nint)_submissions, _submissionsBytes);
        NativeMemory.Free(_addresses);
        NativeMemory.Free(_timeout);
        Buffers?.Dispose();
    }

    /// <summary>Makes room in the completion ring. What is taken out here is still the first to be taken.</summary>
    private void Spill()
    {
        for (var tail = Volatile.Read(ref *_completionTail); _head != tail; _head++)
        {
            // SAFETY: as in TryTake.
            var entry = _completions[_head & _completionMask];
            if (entry.UserData != 0) _spilled.Enqueue(entry);
        }

        Volatile.Write(ref *_completionHead, _head);
    }

    private void SkipTaken()
    {
        var tail = Volatile.Read(ref *_completionTail);
        var head = _head;
        while (head != tail && _completions[head & _completionMask].UserData == 0) head++;
        if (head == _head) return;
        _head = head;
        Volatile.Write(ref *_completionHead, head);
    }

    private int RegisterTable(int files)
    {
        var registration = new FilesRegistration { Count = (uint)files, Flags = IoUring.SparseFiles };
        var result = Syscalls.RingRegister(_descriptor, IoUring.RegisterFiles2, &registration, FilesRegistration.SizeBytes);
        if (result >= 0) Capacity = files;
        return result;
    }

    /// <summary>A registered ring saves a look-up at each enter; a thread may register 16.</summary>
    private static (int Descriptor, uint Flags) RegisterSelf(int descriptor)
    {
        var registration = new RingDescriptorRegistration { Offset = AnyPlace, Descriptor = (ulong)descriptor };
        var result = Syscalls.RingRegister(descriptor, IoUring.RegisterRingDescriptors, &registration, 1);
        return result == 1 ? ((int)registration.Offset, IoUring.EnterRegisteredRing) : (descriptor, 0);
    }
}
