namespace Gateway.Transport;

/// <summary>What reactors drive the kernel with.</summary>
public enum IoBackend : byte
{
    /// <summary>epoll while the process may open a file for each connection; io_uring when it may not and the kernel has it.</summary>
    Auto = 0,
    /// <summary>Readiness: each connection is a descriptor of the process.</summary>
    Epoll = 1,
    /// <summary>Completions: connections are direct descriptors, limited by memory alone.</summary>
    Uring = 2,
}
