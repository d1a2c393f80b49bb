namespace Gateway.PowerLoss.Disk;

/// <summary>
/// One thing the log asked of its files, in the order in which the page cache and the folder took them. An event's index in the recording is
/// the clock of everything here. Files go by inode: names move between them.
/// </summary>
internal abstract record DiskEvent;

internal sealed record WriteEvent(int Inode, long Offset, byte[] Bytes) : DiskEvent;

internal sealed record LengthEvent(int Inode, long Length) : DiskEvent;

/// <summary>An fdatasync returned; it covers what was written before event <paramref name="Began"/>.</summary>
internal sealed record SyncEvent(int Inode, int Began) : DiskEvent;

/// <summary>
/// An fdatasync failed: what was written before <paramref name="Began"/> may or may not be on the disk, and the kernel has marked it clean, so
/// that no later sync writes it.
/// </summary>
internal sealed record SyncFailedEvent(int Inode, int Began) : DiskEvent;

internal sealed record CreateEvent(string Name, int Inode) : DiskEvent;

internal sealed record RenameEvent(string From, string To, int Inode) : DiskEvent;

internal sealed record DeleteEvent(string Name) : DiskEvent;

internal sealed record SyncFolderEvent(int Began) : DiskEvent;
