using System.Runtime.InteropServices;

namespace Gateway.Transport.Linux;

/// <summary>The part of io_uring's interface that the transport uses; include/uapi/linux/io_uring.h, io_uring_enter(2), io_uring_register(2).</summary>
internal static class IoUring
{
    public const uint SetupCompletionSize = 1 << 3;
    public const uint SetupSubmitAll = 1 << 7;
    public const uint SetupTaskRunFlag = 1 << 9;
    public const uint SetupSingleIssuer = 1 << 12;
    public const uint SetupDeferTaskRun = 1 << 13;
    public const uint SetupNoSubmissionArray = 1 << 16;

    public const uint FeatureSingleMap = 1 << 0;
    public const uint FeatureNoDrop = 1 << 1;
    public const uint FeatureExtendedArgument = 1 << 8;
    public const uint FeatureSkipSuccess = 1 << 11;

    public const uint EnterGetEvents = 1 << 0;
    public const uint EnterExtendedArgument = 1 << 3;
    public const uint EnterRegisteredRing = 1 << 4;

    public const uint RegisterEventDescriptor = 4;
    public const uint RegisterProbe = 8;
    public const uint RegisterFiles2 = 13;
    public const uint RegisterRingDescriptors = 20;
    public const uint RegisterBufferRing = 22;
    public const uint UnregisterBufferRing = 23;

    public const uint SparseFiles = 1;

    /// <summary>In the submission ring's flags.</summary>
    public const uint CompletionsOverflown = 1 << 1;
    public const uint TaskRun = 1 << 2;

    /// <summary>In the completion ring's flags, which are ours to write.</summary>
    public const uint EventDescriptorDisabled = 1;

    public const long OffsetRings = 0;
    public const long OffsetSubmissions = 0x1000_0000;

    public const byte OpPollAdd = 6;
    public const byte OpAccept = 13;
    public const byte OpAsyncCancel = 14;
    public const byte OpConnect = 16;
    public const byte OpClose = 19;
    public const byte OpFilesUpdate = 20;
    public const byte OpRead = 22;
    public const byte OpSend = 26;
    public const byte OpReceive = 27;
    public const byte OpShutdown = 34;
    public const byte OpMessageRing = 40;
    public const byte OpCommand = 46;
    public const byte OpFixedDescriptorInstall = 54;

    public const byte FixedFile = 1 << 0;
    public const byte BufferSelect = 1 << 5;
    public const byte SkipSuccess = 1 << 6;

    /// <summary>addr of <see cref="OpMessageRing"/>: puts a file of our table into the other's.</summary>
    public const uint MessageSendDescriptor = 1;

    /// <summary>msg_ring_flags: the other ring is not told.</summary>
    public const uint MessageSkipCompletion = 1 << 0;

    public const ushort AcceptDontWait = 1 << 1;
    public const ushort ReceiveMultishot = 1 << 1;

    /// <summary>file_index: the kernel chooses a free place of the table and returns it.</summary>
    public const uint FileIndexAllocate = uint.MaxValue;

    /// <summary>cmd_op of <see cref="OpCommand"/> on a socket.</summary>
    public const uint SocketGetOption = 2;
    public const uint SocketSetOption = 3;

    public const uint CompletionBuffer = 1 << 0;
    public const uint CompletionMore = 1 << 1;
    public const uint CompletionSocketNonEmpty = 1 << 2;
    public const int CompletionBufferShift = 16;

    public const int MaxDirectDescriptors = 1 << 20;
}

/// <summary>struct io_uring_sqe, 64 bytes. Names are those of the fields that operations of ours give a meaning to.</summary>
[StructLayout(LayoutKind.Explicit, Size = SizeBytes)]
internal struct Submission
{
    public const int SizeBytes = 64;

    [FieldOffset(0)] public byte Operation;
    [FieldOffset(1)] public byte Flags;
    [FieldOffset(2)] public ushort Priority;
    [FieldOffset(4)] public int Descriptor;
    /// <summary>off, addr2; the low half is cmd_op.</summary>
    [FieldOffset(8)] public ulong Offset;
    /// <summary>addr; the halves are level and optname.</summary>
    [FieldOffset(16)] public ulong Address;
    [FieldOffset(24)] public uint Length;
    /// <summary>msg_flags, poll32_events, accept_flags, cancel_flags, install_fd_flags, msg_ring_flags.</summary>
    [FieldOffset(28)] public uint OperationFlags;
    [FieldOffset(32)] public ulong UserData;
    [FieldOffset(40)] public ushort BufferGroup;
    /// <summary>file_index: a place in the table plus 1, or <see cref="IoUring.FileIndexAllocate"/>; optlen.</summary>
    [FieldOffset(44)] public uint FileIndex;
    /// <summary>addr3; optval; the place that a ring's message takes a file from.</summary>
    [FieldOffset(48)] public ulong Address3;
}

/// <summary>struct io_uring_cqe, 16 bytes.</summary>
[StructLayout(LayoutKind.Explicit, Size = SizeBytes)]
internal struct CompletionEntry
{
    public const int SizeBytes = 16;

    [FieldOffset(0)] public ulong UserData;
    [FieldOffset(8)] public int Result;
    [FieldOffset(12)] public uint Flags;
}

/// <summary>struct io_uring_params with its two tables of offsets, 120 bytes.</summary>
[StructLayout(LayoutKind.Explicit, Size = SizeBytes)]
internal struct RingParameters
{
    public const int SizeBytes = 120;

    [FieldOffset(0)] public uint SubmissionEntries;
    [FieldOffset(4)] public uint CompletionEntries;
    [FieldOffset(8)] public uint Flags;
    [FieldOffset(20)] public uint Features;
    [FieldOffset(40)] public uint SubmissionHead;
    [FieldOffset(44)] public uint SubmissionTail;
    [FieldOffset(48)] public uint SubmissionMask;
    [FieldOffset(56)] public uint SubmissionFlags;
    [FieldOffset(80)] public uint CompletionHead;
    [FieldOffset(84)] public uint CompletionTail;
    [FieldOffset(88)] public uint CompletionMask;
    [FieldOffset(100)] public uint Completions;
    [FieldOffset(104)] public uint CompletionFlags;
}

/// <summary>struct io_uring_rsrc_register, 32 bytes: a table of files.</summary>
[StructLayout(LayoutKind.Explicit, Size = SizeBytes)]
internal struct FilesRegistration
{
    public const int SizeBytes = 32;

    [FieldOffset(0)] public uint Count;
    [FieldOffset(4)] public uint Flags;
}

/// <summary>struct io_uring_rsrc_update, 16 bytes: one registered ring descriptor.</summary>
[StructLayout(LayoutKind.Explicit, Size = SizeBytes)]
internal struct RingDescriptorRegistration
{
    public const int SizeBytes = 16;

    [FieldOffset(0)] public uint Offset;
    [FieldOffset(8)] public ulong Descriptor;
}

/// <summary>struct io_uring_buf_reg, 40 bytes.</summary>
[StructLayout(LayoutKind.Explicit, Size = SizeBytes)]
internal struct BufferRingRegistration
{
    public const int SizeBytes = 40;

    [FieldOffset(0)] public ulong Address;
    [FieldOffset(8)] public uint Entries;
    [FieldOffset(12)] public ushort Group;
}

/// <summary>struct io_uring_buf, 16 bytes. The ring's tail lies over the first entry's last two bytes.</summary>
[StructLayout(LayoutKind.Explicit, Size = SizeBytes)]
internal struct ProvidedBuffer
{
    public const int SizeBytes = 16;
    public const int TailOffset = 14;

    [FieldOffset(0)] public ulong Address;
    [FieldOffset(8)] public uint Length;
    [FieldOffset(12)] public ushort Id;
}

/// <summary>struct io_uring_getevents_arg, 24 bytes.</summary>
[StructLayout(LayoutKind.Explicit, Size = SizeBytes)]
internal struct WaitArgument
{
    public const int SizeBytes = 24;

    /// <summary>Of a <see cref="KernelTime"/>; 0: without end.</summary>
    [FieldOffset(16)] public ulong Timeout;
}

/// <summary>struct __kernel_timespec.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KernelTime
{
    public long Seconds;
    public long Nanoseconds;
}
