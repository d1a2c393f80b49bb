using System.Security.Cryptography;
using Gateway.Protocol;

namespace Gateway.Server.Hosting;

/// <summary>
/// The file <c>DATA/secret</c>: made from the system's random source at the first start, readable by its owner alone, and never replaced.
/// Whoever holds it can be any device, so a file that others can read is refused, and so is a folder that has lost it.
/// </summary>
internal static class SecretFile
{
    public const string FileName = "secret";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Folder = OwnerOnly | UnixFileMode.UserExecute;
    private const UnixFileMode Others = ~(OwnerOnly | UnixFileMode.UserExecute) & (UnixFileMode)0xFFF;
    private const int LongestBytes = 1024;

    /// <summary>Reads the secret, or makes the folder and the secret where neither is there yet; durable when this returns.</summary>
    /// <exception cref="NodeStartException">It cannot be read, made or trusted; the message says which and what to do.</exception>
    public static NodeKeys OpenOrCreate(string folder)
    {
        var path = Path.Combine(folder, FileName);
        try
        {
            if (File.Exists(folder)) throw new NodeStartException($"{folder}: the data folder is a file");
            if (!Directory.Exists(folder)) CreateFolder(folder);
            if (!File.Exists(path)) Create(folder, path);
            return Read(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NodeStartException($"{folder}: the data folder cannot be used: {e.Message}", e);
        }
    }

    private static NodeKeys Read(string path)
    {
        var mode = File.GetUnixFileMode(path);
        if ((mode & Others) != 0)
            throw new NodeStartException($"{path}: others may read or change the node's secret (mode {Octal(mode)}); if nobody has, chmod 600 {path}");
        if (new FileInfo(path).Length > LongestBytes) throw new NodeStartException($"{path}: too long to be a node secret, which is 64 hex digits");
        var text = File.ReadAllText(path);
        if (!NodeSecret.TryParse(text, out var secret, out var error)) throw new NodeStartException($"{path}: {error}");
        var keys = new NodeKeys(secret);
        CryptographicOperations.ZeroMemory(secret);
        return keys;
    }

    private static void CreateFolder(string folder)
    {
        var full = Path.GetFullPath(folder);
        Directory.CreateDirectory(full, Folder);
        if (Path.GetDirectoryName(full) is { } parent) PosixCalls.SyncFolder(parent);
    }

    private static void Create(string folder, string path)
    {
        // With another secret every device's key would be wrong and every pseudonym new: an old folder without one is a broken restore.
        // The secret itself is no other: a node that starts at the same moment may just have put it there.
        var other = Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName).FirstOrDefault(n => !MayPrecedeSecret(n!));
        if (other is not null)
        {
            throw new NodeStartException(
                $"{path}: the node's secret is missing, but the folder is not empty ({other}): restore it, or name an empty data folder");
        }

        Span<byte> secret = stackalloc byte[NodeSecret.SecretBytes];
        RandomNumberGenerator.Fill(secret);

        // Complete under another name first: a crash in between leaves no half secret, and of two nodes started at once one wins.
        var temporary = Path.Combine(folder, $"{FileName}.{Path.GetRandomFileName()}.new");
        using (var stream = new FileStream(temporary, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = OwnerOnly,
        }))
        {
            stream.Write(System.Text.Encoding.ASCII.GetBytes(NodeSecret.Format(secret)));
            stream.Flush(flushToDisk: true);
        }

        CryptographicOperations.ZeroMemory(secret);
        _ = PosixCalls.TryLink(temporary, path);
        File.Delete(temporary);
        PosixCalls.SyncFolder(folder);
    }

    private static bool MayPrecedeSecret(string name) =>
        name is FileName or "lost+found"
        || (name.StartsWith(FileName + ".", StringComparison.Ordinal) && name.EndsWith(".new", StringComparison.Ordinal));

    private static string Octal(UnixFileMode mode) => Convert.ToString((int)mode, 8).PadLeft(4, '0');
}
