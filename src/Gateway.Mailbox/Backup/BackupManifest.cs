using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gateway.Mailbox.Format;

namespace Gateway.Mailbox.Backup;

/// <summary>The backup cannot be trusted: a file is missing, or is not what the manifest says.</summary>
public sealed class BackupDamagedException(string path, string what) : Exception($"{path}: {what}")
{
    public string Path { get; } = path;
}

/// <summary>There is no backup in the folder.</summary>
public sealed class BackupAbsentException(string folder) : Exception($"There is no backup in {folder}: it has no {BackupManifest.FileName}. An interrupted backup leaves FOLDER.new, which is none.")
{
    public string Folder { get; } = folder;
}

/// <summary>One file of a backup.</summary>
/// <param name="Name">In the backup's folder.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Sha256">Of all of it, lower-case hex.</param>
public sealed record BackupFile(string Name, long Bytes, string Sha256);

/// <summary>
/// What a backup holds: <c>manifest.json</c>, and beside it <c>manifest.sha256</c> with the manifest's own checksum in the form that sha256sum
/// checks. LOG-FORMAT.md, "Backups".
/// </summary>
public sealed record BackupManifest
{
    public const string FileName = "manifest.json";
    public const string ChecksumName = "manifest.sha256";

    /// <summary>The superblock's copy: not by the name that a node looks for, so that none starts on a backup, in its old generation.</summary>
    public const string SuperblockName = "superblock.backup";

    public const uint NewestFormat = 1;
    private const int LongestBytes = 64 << 20;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>Of this file.</summary>
    public required uint Format { get; init; }

    /// <summary>Of the segments and the superblock.</summary>
    public required uint LogFormat { get; init; }

    /// <summary>The log's, hex. Secret: who knows it can pose as a mark.</summary>
    public required string LogIdentity { get; init; }

    /// <summary>Of the node that the backup was taken of; 0 and 1: it never was restored.</summary>
    public required uint Generation { get; init; }

    public required DateTimeOffset TakenAt { get; init; }

    /// <summary>A node had the folder: what it accepted behind <see cref="CompleteThrough"/> is not here.</summary>
    public required bool NodeWasRunning { get; init; }

    /// <summary>The log's first kept address, and the one up to which the backup has all of it.</summary>
    public required long BeginAddress { get; init; }
    public required long CompleteThrough { get; init; }

    /// <summary>Segments by rising number, then the superblock, then what the node keeps beside its log.</summary>
    public required IReadOnlyList<BackupFile> Files { get; init; }

    internal byte[] ToBytes() => [.. JsonSerializer.SerializeToUtf8Bytes(this, Json), (byte)'\n'];

    internal static byte[] ChecksumOf(ReadOnlySpan<byte> manifest) => Encoding.ASCII.GetBytes($"{Convert.ToHexStringLower(SHA256.HashData(manifest))}  {FileName}\n");

    /// <summary>Reads a backup's manifest and checks that it is whole and of a format that this build reads.</summary>
    /// <exception cref="BackupAbsentException">There is none.</exception>
    /// <exception cref="BackupDamagedException">It is not what was written.</exception>
    /// <exception cref="LogVersionException">A newer build wrote it, or the log in it.</exception>
    public static BackupManifest Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path)) throw new BackupAbsentException(folder);
        if (new FileInfo(path).Length > LongestBytes) throw new BackupDamagedException(path, "too long to be a backup's manifest");
        var bytes = File.ReadAllBytes(path);
        var checksum = Path.Combine(folder, ChecksumName);
        if (!File.Exists(checksum)) throw new BackupDamagedException(checksum, "the manifest's checksum is missing");
        if (!File.ReadAllBytes(checksum).AsSpan().SequenceEqual(ChecksumOf(bytes))) throw new BackupDamagedException(path, $"it is not what {ChecksumName} says");

        // The checksum holds, so what cannot be read was written by somebody who knows more.
        using var document = JsonDocument.Parse(bytes);
        var format = document.RootElement.TryGetProperty("format", out var value) && value.TryGetUInt32(out var found) ? found : 0;
        if (format is 0 or > NewestFormat)
            throw new LogVersionException($"{path} is in backup format {format}; this build reads formats up to {NewestFormat}. Restore it with the newer build.", format, NewestFormat);
        BackupManifest manifest;
        try
        {
            manifest = document.Deserialize<BackupManifest>(Json) ?? throw new BackupDamagedException(path, "it is empty");
        }
        catch (JsonException e)
        {
            throw new BackupDamagedException(path, e.Message);
        }

        FormatVersions.Require(manifest.LogFormat, path);
        foreach (var file in manifest.Files)
        {
            // A restore has its own reasons for when it writes these.
            var isOurs = file.Name is Superblock.FileName or MailboxLog.LockName or LogRestore.Unfinished;
            if (isOurs || file.Name.Length == 0 || file.Name is "." or ".." || file.Name.AsSpan().ContainsAny('/', '\0')) throw new BackupDamagedException(path, $"'{file.Name}' is no name of a file in it");
        }

        return manifest;
    }
}
