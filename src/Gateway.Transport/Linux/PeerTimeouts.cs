namespace Gateway.Transport.Linux;

/// <summary>When the kernel asks after a silent peer, and when it gives up one that takes nothing; milliseconds, 0: the kernel's own. See <see cref="ReactorGroupOptions"/>.</summary>
internal readonly record struct PeerTimeouts(int KeepAliveMs, int UserTimeoutMs);
