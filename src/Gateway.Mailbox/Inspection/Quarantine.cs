using System.Globalization;
using System.Text;
using System.Text.Json;
using Gateway.Mailbox.Storage;

namespace Gateway.Mailbox.Inspection;

/// <summary>
/// Keeps what a repair takes out of a log: the bytes of every damaged stretch, one after another, in one file of the data folder, and beside it
/// a line of JSON for each that says where it came from. Neither is ever read by the node; both are a person's to keep or delete.
/// </summary>
internal static class Quarantine
{
    private const string Prefix = "quarantine-";

    /// <summary>Durable when it returns; the paths of both files.</summary>
    /// <exception cref="LogIOException">The disk has no room, or a file cannot be read. Nothing of the log was changed.</exception>
    public static (string Bytes, string Index) Keep(ILogFileSystem disk, IReadOnlyList<LogDamage> damage, DateTimeOffset now)
    {
        var present = disk.List();
        var kept = damage.Where(d => d.Bytes > 0 && present.Contains(Path.GetFileName(d.Place.File))).ToList();
        var stamp = now.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
        var name = Prefix + stamp;
        for (var i = 2; present.Contains(name + ".bytes"); i++) name = string.Create(CultureInfo.InvariantCulture, $"{Prefix}{stamp}-{i}");

        var index = new StringBuilder();
        long at = 0;
        Make(disk, name + ".bytes", Math.Max(1, kept.Sum(d => d.Bytes)), file =>
        {
            var chunk = new byte[1 << 20];
            foreach (var stretch in kept)
            {
                Describe(index, stretch, at);
                using var from = disk.Open(Path.GetFileName(stretch.Place.File));
                for (long done = 0; done < stretch.Bytes;)
                {
                    var part = chunk.AsSpan(0, (int)Math.Min(chunk.Length, stretch.Bytes - done));
                    part[from.Read(stretch.Place.Offset + done, part)..].Clear();
                    file.Write(at + done, part);
                    done += part.Length;
                }

                at += stretch.Bytes;
            }
        });
        foreach (var stretch in damage.Except(kept)) Describe(index, stretch, -1);
        var text = Encoding.UTF8.GetBytes(index.ToString());
        Make(disk, name + ".json", text.Length, file => file.Write(0, text));
        return (Path.Combine(disk.Folder, name + ".bytes"), Path.Combine(disk.Folder, name + ".json"));
    }

    private static void Describe(StringBuilder index, LogDamage stretch, long at) => index.Append(JsonSerializer.Serialize(new
    {
        file = Path.GetFileName(stretch.Place.File),
        offset = stretch.Place.Offset,
        address = stretch.Place.Address,
        bytes = stretch.Bytes,
        quarantinedAt = at,
        kind = stretch.Kind.ToString(),
        reason = stretch.Reason,
        record = stretch.Record.ToString(),
        mailbox = stretch.Mailbox,
        sequence = stretch.Sequence,
        lostMessages = stretch.LostMessages,
        lostReceipts = stretch.LostReceipts,
    })).Append('\n');

    private static void Make(ILogFileSystem disk, string name, long bytes, Action<ILogFile> write)
    {
        var temporary = name + ".new";
        disk.Delete(temporary);
        using (var file = disk.TryCreate(temporary, bytes) ?? throw new LogIOException(Path.Combine(disk.Folder, name), "fallocate", Posix.ENOSPC))
        {
            write(file);
            file.Sync();
        }

        disk.Rename(temporary, name);
        disk.SyncFolder();
    }
}
