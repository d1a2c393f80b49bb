using Gateway.Mailbox.Format;

namespace Gateway.Mailbox.Storage;

/// <summary>
/// The two slots on disk. One thread at a time: the opener, then the commit pump, then the closer.
/// A write goes to the slot that does not hold the current superblock, so a torn one leaves the current.
/// </summary>
internal sealed class SuperblockFile : IDisposable
{
    private readonly ILogFile _file;
    private readonly byte[] _slot = new byte[Superblock.SlotBytes];

    private SuperblockFile(ILogFile file, Superblock current)
    {
        _file = file;
        Current = current;
    }

    public Superblock Current { get; private set; }

    /// <summary>Null when the folder has none.</summary>
    /// <exception cref="LogCorruptException">Neither slot holds.</exception>
    public static SuperblockFile? TryOpen(ILogFileSystem files)
    {
        if (!files.List().Contains(Superblock.FileName)) return null;
        var file = files.Open(Superblock.FileName);
        try
        {
            var slot = new byte[Superblock.SlotBytes];
            Superblock? newest = null;
            for (var i = 0; i < 2; i++)
            {
                var read = file.Read(i * Superblock.SlotBytes, slot);
                if (Superblock.TryRead(slot.AsSpan(0, read), file.Path, out var found) && (newest is null || found.Number > newest.Value.Number)) newest = found;
            }

            if (newest is null) throw new LogCorruptException(file.Path, 0, "neither slot of the superblock is valid");
            return new SuperblockFile(file, newest.Value);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <exception cref="LogIOException">The disk has no room for it.</exception>
    public static SuperblockFile Create(ILogFileSystem files, Superblock first)
    {
        // Made under another name: a folder either has a whole superblock or none.
        const string Temporary = Superblock.FileName + ".new";
        files.Delete(Temporary);
        var file = files.TryCreate(Temporary, Superblock.FileBytes) ?? throw new LogIOException(Path.Combine(files.Folder, Superblock.FileName), "fallocate", Posix.ENOSPC);
        using (var made = new SuperblockFile(file, first with { Number = 0 })) made.Replace(first);
        files.Rename(Temporary, Superblock.FileName);
        files.SyncFolder();
        return TryOpen(files) ?? throw new LogIOException(Path.Combine(files.Folder, Superblock.FileName), "open", Posix.ENOENT);
    }

    /// <summary>Durable when it returns.</summary>
    public void Replace(Superblock next)
    {
        next = next with { Number = Current.Number + 1 };
        next.Write(_slot);
        _file.Write((long)(next.Number % 2) * Superblock.SlotBytes, _slot);
        _file.Sync();
        Current = next;
    }

    public void Dispose() => _file.Dispose();
}
