using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Inspection;

/// <summary>
/// A data folder as it would be after a repair: the files on disk, read only, with bytes of ours in place of some of theirs, and files that
/// are not there. Recovery reads it like any other, so what a repair would give is known before a byte is changed.
/// One thread. Invariant: nothing reaches the disk but by <see cref="Apply"/>.
/// </summary>
internal sealed class PatchedFiles(ILogFileSystem disk) : ILogFileSystem
{
    private readonly SortedDictionary<string, FilePatches> _patched = new(StringComparer.Ordinal);

    public string Folder => disk.Folder;

    public bool IsChanged => _patched.Count > 0;

    /// <summary>A file of zeros takes the name, whether there is one or not.</summary>
    public void Replace(string name, long bytes) => _patched[name] = new FilePatches(bytes, IsNew: true);

    /// <summary>These bytes take their place in a file, which is at least <paramref name="bytes"/> long then.</summary>
    public void Patch(string name, long bytes, long offset, byte[] patch)
    {
        if (!_patched.TryGetValue(name, out var patches)) _patched[name] = patches = new FilePatches(bytes, IsNew: false);
        patches.At[offset] = patch;
    }

    /// <summary>Writes it all to the disk and syncs it. Killed at any point it has written part of it; the rest can be found and written again.</summary>
    /// <exception cref="LogIOException">The kernel refused, for one because the disk is full.</exception>
    public void Apply()
    {
        foreach (var (name, patches) in _patched)
        {
            if (patches.IsNew) Make(name, patches);
            else Change(name, patches);
        }
    }

    public IReadOnlyList<string> List() => [.. disk.List().Union(_patched.Keys).Order(StringComparer.Ordinal)];

    public ILogFile Open(string name)
    {
        var isNew = _patched.TryGetValue(name, out var patches) && patches.IsNew;
        return new PatchedFile(this, name, isNew ? null : disk.Open(name));
    }

    // What an opening would clear away stays: a look changes nothing.
    public void Delete(string name)
    {
    }

    public ILogFile? TryCreate(string name, long bytes) => throw ReadOnly();
    public void Rename(string from, string to) => throw ReadOnly();
    public void SyncFolder() => throw ReadOnly();
    public IDisposable Lock(string name) => throw ReadOnly();

    private void Make(string name, FilePatches patches)
    {
        var temporary = name + ".new";
        disk.Delete(temporary);
        using (var file = disk.TryCreate(temporary, patches.Bytes) ?? throw new LogIOException(Path.Combine(Folder, name), "fallocate", Posix.ENOSPC))
        {
            foreach (var (offset, patch) in patches.At) file.Write(offset, patch);
            file.Sync();
        }

        disk.Rename(temporary, name);
        disk.SyncFolder();
    }

    private void Change(string name, FilePatches patches)
    {
        using var file = disk.Open(name);
        if (!file.TryExtend(patches.Bytes)) throw new LogIOException(file.Path, "fallocate", Posix.ENOSPC);
        foreach (var (offset, patch) in patches.At) file.Write(offset, patch);
        file.Sync();
    }

    private static InvalidOperationException ReadOnly() => new("A look at a log changes nothing.");

    private sealed record FilePatches(long Bytes, bool IsNew)
    {
        public SortedDictionary<long, byte[]> At { get; } = [];
    }

    /// <summary>Sees patches that are made after it was opened.</summary>
    private sealed class PatchedFile(PatchedFiles owner, string name, ILogFile? file) : ILogFile
    {
        public string Path => System.IO.Path.Combine(owner.Folder, name);
        public long Length => Math.Max(file?.Length ?? 0, Patches?.Bytes ?? 0);
        public bool OverwritesInPlace => throw ReadOnly();
        private FilePatches? Patches => owner._patched.GetValueOrDefault(name);

        public int Read(long offset, Span<byte> into)
        {
            var read = file?.Read(offset, into) ?? 0;
            if (Patches is not { } patches) return read;
            var whole = (int)Math.Clamp(Length - offset, 0, into.Length);
            into[read..whole].Clear();
            foreach (var (at, patch) in patches.At)
            {
                var (from, to) = (Math.Max(at, offset), Math.Min(at + patch.Length, offset + whole));
                if (from < to) patch.AsSpan((int)(from - at), (int)(to - from)).CopyTo(into[(int)(from - offset)..]);
            }

            return whole;
        }

        public bool TryFindData(long offset, out long start, out long end)
        {
            if (Patches is null) return file!.TryFindData(offset, out start, out end);
            (start, end) = (offset, Length);
            return offset < end;
        }

        public void ReadAhead(long offset, long bytes) => file?.ReadAhead(offset, bytes);
        public void DropCache(long offset, long bytes) => file?.DropCache(offset, bytes);
        public bool TryHold(bool alone) => file?.TryHold(alone) ?? true;
        public void Write(long offset, ReadOnlySpan<byte> bytes) => throw ReadOnly();
        public void StartWriteOut(long offset, long bytes) => throw ReadOnly();
        public void AwaitWriteOut(long offset, long bytes) => throw ReadOnly();
        public void Sync() => throw ReadOnly();
        public bool TryExtend(long bytes) => throw ReadOnly();
        public void Dispose() => file?.Dispose();
    }
}
