using System.Globalization;
using System.Security.Cryptography;
using Gateway.Mailbox.Format;
using Gateway.Mailbox.Storage;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Mailbox.Backup;

/// <summary>What a restore made.</summary>
/// <param name="Manifest">Of the backup.</param>
/// <param name="Generation">That the node will tell every device.</param>
/// <param name="SequencesAbove">Every sequence it gives out is above this one.</param>
public sealed record RestoreOutcome(BackupManifest Manifest, uint Generation, ulong SequencesAbove);

/// <summary>
/// Makes a data folder from a backup: a log that goes on where the backup ends, in a new generation. The superblock is written last, and a node
/// starts on no folder that has segments and no superblock; so there is a whole restored folder, or one that a restore can begin again.
/// </summary>
public static class LogRestore
{
    /// <summary>Lies in a folder while a restore writes to it.</summary>
    public const string Unfinished = "restore-unfinished";

    /// <summary>
    /// Sequences go on from this far ahead of the clock. The lost part of the log gave out sequences up to its clock, and beyond it where its floor
    /// was ahead: after a clock that was set back, or another restore. It reserved at most this far ahead.
    /// </summary>
    private static readonly TimeSpan SequencesAhead = TimeSpan.FromHours(1);

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Checks every checksum of the backup, then writes. Durable when it returns.</summary>
    /// <param name="from">A backup.</param>
    /// <param name="data">A folder that does not exist, is empty, or holds an unfinished restore.</param>
    /// <param name="time">For the generation and the sequences.</param>
    /// <param name="progress">Told now and then.</param>
    /// <exception cref="BackupAbsentException">It is no backup.</exception>
    /// <exception cref="BackupDamagedException">A file of it is missing or not what the manifest says. Nothing was written.</exception>
    /// <exception cref="LogVersionException">A newer build made it. Nothing was written.</exception>
    /// <exception cref="LogLockedException">Another restore is writing there.</exception>
    /// <exception cref="IOException">The folder is not empty, the clock is behind the backup's, the disk is full, or a file cannot be read.</exception>
    public static RestoreOutcome Restore(string from, string data, TimeProvider time, BackupProgress? progress = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(data);
        ArgumentNullException.ThrowIfNull(time);
        var manifest = BackupManifest.Read(from);
        var now = time.GetUtcNow();
        if (now < manifest.TakenAt)
        {
            throw new IOException(string.Create(CultureInfo.InvariantCulture,
                $"The clock says {now:yyyy-MM-dd'T'HH:mm:ss'Z'}, but the backup was taken at {manifest.TakenAt:yyyy-MM-dd'T'HH:mm:ss'Z'}: sequences follow the clock and would be given twice. Set the clock."));
        }

        RequireFree(data);
        var old = Verify(from, manifest, progress);
        Directory.CreateDirectory(data, OwnerOnly);
        var target = new PosixFileSystem(data);
        using (target.Lock(MailboxLog.LockName))
        {
            RequireFree(data);
            var ahead = (ulong)((now + SequencesAhead).UtcTicks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond;
            var next = old with
            {
                Generation = Superblock.GenerationAfter(Math.Max(1, old.Generation), now),
                ReservedThrough = Math.Max(old.ReservedThrough, ahead),
                Clean = false,
            };
            Write(from, manifest, old, next, target, progress);
            return new RestoreOutcome(manifest, next.Generation, next.ReservedThrough);
        }
    }

    /// <summary>Returns the backup's superblock.</summary>
    private static Superblock Verify(string from, BackupManifest manifest, BackupProgress? progress)
    {
        var (read, total) = (0L, manifest.Files.Sum(f => f.Bytes));
        foreach (var file in manifest.Files)
        {
            var path = Path.Combine(from, file.Name);
            if (!File.Exists(path)) throw new BackupDamagedException(path, "the file is missing");
            using var handle = File.OpenHandle(path);
            var length = RandomAccess.GetLength(handle);
            if (length != file.Bytes) throw new BackupDamagedException(path, $"it has {length} bytes, the manifest says {file.Bytes}");
            if (ChecksumOf(handle, length, bytes => progress?.Invoke(BackupStep.Reading, read += bytes, total)) != file.Sha256)
                throw new BackupDamagedException(path, "its checksum is not what the manifest says");
        }

        var slot = Path.Combine(from, BackupManifest.SuperblockName);
        if (manifest.Files.All(f => f.Name != BackupManifest.SuperblockName)) throw new BackupDamagedException(slot, "the manifest names no superblock");
        if (!Superblock.TryRead(File.ReadAllBytes(slot), slot, out var superblock)) throw new BackupDamagedException(slot, "this is no superblock");
        var first = superblock.Begin / superblock.SegmentBytes;
        var end = (superblock.Durable + superblock.SegmentBytes - 1) / superblock.SegmentBytes;
        for (var segment = first; segment < end; segment++)
        {
            var name = SegmentHeader.FileName(segment);
            if (manifest.Files.All(f => f.Name != name)) throw new BackupDamagedException(Path.Combine(from, name), "the manifest does not name this segment");
        }

        return superblock;
    }

    private static void Write(string from, BackupManifest manifest, Superblock old, Superblock next, PosixFileSystem target, BackupProgress? progress)
    {
        foreach (var name in target.List().Where(n => n is not (MailboxLog.LockName or Unfinished))) target.Delete(name);
        var (copied, total) = (0L, manifest.Files.Sum(f => f.Bytes));
        var copy = new FileCopy(target, bytes => progress?.Invoke(BackupStep.Copying, copied += bytes, total));
        copy.Copy(Unfinished, "A restore began here and has not ended. Run it again.\n"u8.ToArray());
        target.SyncFolder();

        // Segments first: with one of them there, and no superblock, no node takes the folder for a new one.
        foreach (var file in manifest.Files.Where(f => f.Name != BackupManifest.SuperblockName))
        {
            var path = Path.Combine(from, file.Name);
            using var handle = File.OpenHandle(path);
            var length = SegmentHeader.TryParseFileName(file.Name, out _) ? SegmentHeader.Bytes + old.SegmentBytes : file.Bytes;
            var checksum = copy.Copy(file.Name, (offset, into) => ReadWhole(handle, offset, into), file.Bytes, length);
            if (checksum != file.Sha256) throw new BackupDamagedException(path, "it changed while it was restored");
        }

        target.SyncFolder();
        SuperblockFile.Create(target, next).Dispose();
        target.Delete(Unfinished);
        target.SyncFolder();
        if (Path.GetDirectoryName(target.Folder) is { } parent) new PosixFileSystem(parent).SyncFolder();
    }

    private static string ChecksumOf(SafeFileHandle file, long length, Action<long> onRead)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var chunk = new byte[1 << 20];
        for (long at = 0; at < length;)
        {
            var part = chunk.AsSpan(0, (int)Math.Min(chunk.Length, length - at));
            part = part[..ReadWhole(file, at, part)];
            if (part.IsEmpty) break;
            hash.AppendData(part);
            at += part.Length;
            onRead(part.Length);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static int ReadWhole(SafeFileHandle file, long offset, Span<byte> into)
    {
        var done = 0;
        while (done < into.Length && RandomAccess.Read(file, into[done..], offset + done) is var read and > 0) done += read;
        return done;
    }

    private static void RequireFree(string data)
    {
        if (File.Exists(data)) throw new IOException($"{data} is a file; the data folder is to be a folder.");
        if (!Directory.Exists(data)) return;
        var names = Directory.EnumerateFileSystemEntries(data).Select(Path.GetFileName).Where(n => n is not (MailboxLog.LockName or "lost+found")).ToList();
        if (names.Count > 0 && !names.Contains(Unfinished))
            throw new IOException($"{data} is not empty ({names[0]}). Nothing is restored over anything: name another folder, or move this one away.");
    }
}
