using System.Security.Cryptography;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Backup;

/// <summary>Fills <paramref name="into"/> from an offset on; returns the bytes there were.</summary>
internal delegate int ReadAt(long offset, Span<byte> into);

/// <summary>Copies files into a folder, durably, and computes their checksums on the way. One thread.</summary>
internal sealed class FileCopy(ILogFileSystem target, Action<long> onCopied)
{
    private readonly byte[] _chunk = new byte[1 << 20];

    /// <summary>
    /// Makes the file: <paramref name="bytes"/> of the source, and zeros up to <paramref name="length"/>. A source that ends before counts as
    /// zeros from there on, as a cut segment does.
    /// </summary>
    /// <returns>The checksum of the source's bytes.</returns>
    /// <exception cref="LogIOException">For one because the disk is full.</exception>
    public string Copy(string name, ReadAt source, long bytes, long length)
    {
        target.Delete(name);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var file = target.TryCreate(name, length) ?? throw new LogIOException(Path.Combine(target.Folder, name), "fallocate", Posix.ENOSPC);
        for (long done = 0; done < bytes;)
        {
            var part = _chunk.AsSpan(0, (int)Math.Min(_chunk.Length, bytes - done));
            part[source(done, part)..].Clear();
            file.Write(done, part);
            hash.AppendData(part);
            done += part.Length;
            onCopied(part.Length);
        }

        file.Sync();
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    public string Copy(string name, byte[] content) => Copy(name, (offset, into) =>
    {
        var part = content.AsSpan((int)offset, into.Length);
        part.CopyTo(into);
        return part.Length;
    }, content.Length, content.Length);
}
