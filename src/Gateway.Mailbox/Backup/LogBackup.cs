using Gateway.Mailbox.Format;
using Gateway.Mailbox.Inspection;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Backup;

/// <summary>Told while a backup or restore works: what it does, bytes done, bytes in all.</summary>
public delegate void BackupProgress(BackupStep step, long bytes, long totalBytes);

/// <summary>What takes the time.</summary>
public enum BackupStep
{
    /// <summary>The log, or the backup, is read and every checksum compared.</summary>
    Reading = 0,
    Copying = 1,
}

/// <summary>Takes a backup of a data folder, of a running node too. LOG-FORMAT.md, "Backups", says what is in it.</summary>
public static class LogBackup
{
    /// <summary>Where a backup lies until it is whole, behind the folder's name.</summary>
    public const string Unfinished = ".new";

    private const int LongestBesideBytes = 1 << 20;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>
    /// Copies the log up to the last address known durable (a stopped node's: up to its end), and names it when all of it is on the disk:
    /// <paramref name="to"/> either does not exist or is a whole backup.
    /// </summary>
    /// <param name="data">The node's data folder.</param>
    /// <param name="to">A folder that does not exist, or is empty.</param>
    /// <param name="beside">Names of further files of the data folder to take along; those that are not there are left out.</param>
    /// <param name="time">For the manifest.</param>
    /// <param name="progress">Told now and then.</param>
    /// <exception cref="LogAbsentException">There is no log in the data folder.</exception>
    /// <exception cref="LogCorruptException">The log is damaged; no backup was made.</exception>
    /// <exception cref="LogVersionException">A newer build wrote it.</exception>
    /// <exception cref="LogLockedException">Another backup is being written there.</exception>
    /// <exception cref="IOException">The target holds something, the disk is full, or a file cannot be read.</exception>
    public static BackupManifest Take(string data, string to, IReadOnlyList<string> beside, TimeProvider time, BackupProgress? progress = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(to);
        ArgumentNullException.ThrowIfNull(beside);
        ArgumentNullException.ThrowIfNull(time);
        if (!StoppedLog.Holds(data)) throw new LogAbsentException(data);
        to = Path.TrimEndingDirectorySeparator(Path.GetFullPath(to));
        RequireFree(to);
        using var source = BackupSource.Open(new PosixFileSystem(data), (done, all) => progress?.Invoke(BackupStep.Reading, done, all));

        var folder = to + Unfinished;
        Directory.CreateDirectory(folder, OwnerOnly);
        File.SetUnixFileMode(folder, OwnerOnly);
        var target = new PosixFileSystem(folder);
        BackupManifest manifest;
        using (target.Lock(MailboxLog.LockName))
        {
            Empty(target);
            manifest = Write(source, data, beside, target, time, progress);
            target.Delete(MailboxLog.LockName);
        }

        target.SyncFolder();
        RequireFree(to);
        if (Directory.Exists(to)) Directory.Delete(to);
        Directory.Move(folder, to);
        new PosixFileSystem(Path.GetDirectoryName(to)!).SyncFolder();
        return manifest;
    }

    private static BackupManifest Write(
        BackupSource source, string data, IReadOnlyList<string> beside, PosixFileSystem target, TimeProvider time, BackupProgress? progress)
    {
        var (segments, through) = (source.Segments, source.CompleteThrough);
        var first = segments.FirstSegment * segments.SegmentBytes;
        var (copied, files) = (0L, new List<BackupFile>());
        var copy = new FileCopy(target, bytes => progress?.Invoke(BackupStep.Copying, copied += bytes, through - first));
        for (var start = first; start < through; start += segments.SegmentBytes)
        {
            var (name, from) = (SegmentHeader.FileName(segments.SegmentOf(start)), segments.FileOf(start));
            var bytes = SegmentHeader.Bytes + Math.Min(segments.SegmentBytes, through - start);
            files.Add(new BackupFile(name, bytes, copy.Copy(name, from.Read, bytes, bytes)));
        }

        var slot = new byte[Superblock.SlotBytes];
        source.Superblock.Write(slot);
        files.Add(new BackupFile(BackupManifest.SuperblockName, slot.Length, copy.Copy(BackupManifest.SuperblockName, slot)));
        foreach (var name in beside)
        {
            var path = Path.Combine(data, name);
            if (!File.Exists(path)) continue;
            if (new FileInfo(path).Length > LongestBesideBytes) throw new IOException($"{path} is longer than {LongestBesideBytes} bytes: this is not the file that a node keeps there.");
            var content = File.ReadAllBytes(path);
            files.Add(new BackupFile(name, content.Length, copy.Copy(name, content)));
        }

        var manifest = new BackupManifest
        {
            Format = BackupManifest.NewestFormat,
            LogFormat = RecordLayout.FormatVersion,
            LogIdentity = source.Superblock.Identity.ToString("x16", System.Globalization.CultureInfo.InvariantCulture),
            Generation = source.Superblock.Generation,
            TakenAt = time.GetUtcNow(),
            NodeWasRunning = source.NodeIsRunning,
            BeginAddress = source.Superblock.Begin,
            CompleteThrough = through,
            Files = files,
        };
        var text = manifest.ToBytes();
        copy.Copy(BackupManifest.FileName, text);
        copy.Copy(BackupManifest.ChecksumName, BackupManifest.ChecksumOf(text));
        return manifest;
    }

    private static void RequireFree(string to)
    {
        if (File.Exists(to)) throw new IOException($"{to} is a file; a backup is a folder.");
        if (Directory.Exists(to) && Directory.EnumerateFileSystemEntries(to).Any()) throw new IOException($"{to} is not empty; name a folder that does not exist yet.");
    }

    /// <summary>What an interrupted backup left behind goes; of anything else the folder is not ours.</summary>
    private static void Empty(PosixFileSystem target)
    {
        var strange = Directory.EnumerateDirectories(target.Folder).FirstOrDefault() ?? target.List().FirstOrDefault(name => name != MailboxLog.LockName && !IsOurs(target, name));
        if (strange is not null) throw new IOException($"{target.Folder} holds {Path.GetFileName(strange)}, which no backup left there; a backup is written there first. Move it away.");
        foreach (var name in target.List().Where(n => n != MailboxLog.LockName)) target.Delete(name);
    }

    // With a segment or superblock there, what lies beside them came with them.
    private static bool IsOurs(PosixFileSystem target, string name) =>
        SegmentHeader.TryParseFileName(name, out _) || name is BackupManifest.SuperblockName or BackupManifest.FileName or BackupManifest.ChecksumName
        || target.List().Any(n => n == BackupManifest.SuperblockName);
}
