using System.Collections.Concurrent;
using Gateway.Mailbox.Storage;

namespace Gateway.Benchmarks.Mailbox.Bars;

/// <summary>Files without a disk: small ones are kept in memory, of segments nothing is. Under a log on it only the processor is left. Any thread.</summary>
internal sealed class NoDisk : ILogFileSystem
{
    private const int LargestKept = 64 * 1024;

    private readonly ConcurrentDictionary<string, NoFile> _files = [];

    public string Folder => "none";

    public IReadOnlyList<string> List() => [.. _files.Keys];

    public ILogFile Open(string name) => _files[name];

    public ILogFile? TryCreate(string name, long bytes) => _files[name] = new NoFile(name, bytes);

    public void Rename(string from, string to)
    {
        _files.TryRemove(from, out var file);
        _files[to] = file!;
    }

    public void Delete(string name) => _files.TryRemove(name, out _);

    public void SyncFolder()
    {
    }

    public IDisposable Lock(string name) => new NoFile(name, 0);

    private sealed class NoFile(string name, long bytes) : ILogFile
    {
        private readonly byte[] _kept = new byte[bytes <= LargestKept ? bytes : 0];

        public string Path => name;

        public long Length { get; private set; } = bytes;

        /// <summary>There is nothing to gain by writing twice.</summary>
        public bool OverwritesInPlace => false;

        public void Write(long offset, ReadOnlySpan<byte> bytes)
        {
            if (_kept.Length > 0) bytes.CopyTo(_kept.AsSpan((int)offset));
        }

        public int Read(long offset, Span<byte> into)
        {
            if (offset >= Length) return 0;
            var read = into[..(int)Math.Min(into.Length, Length - offset)];
            if (_kept.Length > 0) _kept.AsSpan((int)offset, read.Length).CopyTo(read);
            else read.Clear();
            return read.Length;
        }

        public void DropCache(long offset, long bytes)
        {
        }

        public void ReadAhead(long offset, long bytes)
        {
        }

        public void StartWriteOut(long offset, long bytes)
        {
        }

        public void AwaitWriteOut(long offset, long bytes)
        {
        }

        public void Sync()
        {
        }

        public bool TryHold(bool alone) => true;

        public bool TryExtend(long bytes)
        {
            Length = Math.Max(Length, bytes);
            return true;
        }

        /// <summary>There is none: what recovery would have to clear is not there.</summary>
        public bool TryFindData(long offset, out long start, out long end)
        {
            (start, end) = (0, 0);
            return false;
        }

        public void Dispose()
        {
        }
    }
}
