using Gateway.Transport.Linux;

namespace Gateway.Transport.Backend.Uring;

/// <summary>
/// Waking. A thread without a ring signals the eventfd that the first ring reads. A reactor sends the other's first ring a message, which
/// spares both the eventfd: the write here, and the read there that has to be armed again. A message that the kernel refuses is followed
/// by the signal.
/// </summary>
internal sealed unsafe partial class UringBackend
{
    // A place that no message of ours has: it comes from elsewhere.
    private const uint Arrived = uint.MaxValue;

    // Whom this reactor has sent messages, by the place that their completions name.
    private readonly List<UringBackend> _messaged = [];

    /// <summary>Messages that the kernel refused. For tests.</summary>
    public long MessagesRefused;

    /// <summary>What takes the place of another reactor's ring, given its descriptor. For tests that need a message or a hand-over to fail.</summary>
    public Func<int, int>? RingFault { get; set; }

    public void WakeOther(IReactorBackend other)
    {
        var target = (UringBackend)other;
        var place = _messaged.IndexOf(target);
        if (place < 0)
        {
            place = _messaged.Count;
            _messaged.Add(target);
        }

        ref var entry = ref _rings.Primary.Next(UserData.Of(Operation.Message, (uint)place));
        entry.Operation = IoUring.OpMessageRing;
        entry.Descriptor = DescriptorOf(target._rings.Primary);
        entry.Flags = IoUring.SkipSuccess;
        entry.Offset = UserData.Of(Operation.Message, Arrived);
        _rings.Primary.Push(getEvents: false);
    }

    // The eventfd lives until Dispose, and the group disposes after its last waker.
    public void Wake() => _ = Syscalls.Signal(_wake);

    private void OnMessaged(uint place, int result)
    {
        if (place == Arrived || result >= 0) return;
        MessagesRefused++;
        _messaged[(int)place].Wake();
    }

    private int DescriptorOf(Ring ring) => RingFault?.Invoke(ring.Descriptor) ?? ring.Descriptor;
}
