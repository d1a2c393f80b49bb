using System.Globalization;
using System.Text;
using Gateway.Mailbox.Backup;

namespace Gateway.Ctl.Backup;

/// <summary>What was backed up or restored, in words: what it holds, what it does not, and what to do next.</summary>
internal static class BackupText
{
    public static bool HasSecret(BackupManifest manifest) => manifest.Files.Any(f => f.Name == "secret");

    public static string Taken(BackupManifest manifest, string folder)
    {
        var text = new StringBuilder();
        text.AppendLine(Invariant($"{folder}: {manifest.Files.Count} files, {manifest.Files.Sum(f => f.Bytes)} bytes; the log from address {manifest.BeginAddress} to {manifest.CompleteThrough}"));
        text.AppendLine(manifest.NodeWasRunning
            ? "A node was running: what it has accepted since, and the last second or so before, is not in the backup."
            : "No node was running: everything is in the backup.");
        text.Append(HasSecret(manifest)
            ? "It holds messages and the node's secret: whoever has it can be any device. Keep it where only you can read it."
            : "It holds messages, and not the node's secret: keep that elsewhere, or no device's key will fit after a restore.");
        return text.ToString();
    }

    public static string Restored(RestoreOutcome outcome, string folder, DateTimeOffset now)
    {
        var text = new StringBuilder();
        var age = now - outcome.Manifest.TakenAt;
        text.AppendLine(Invariant($"{folder}: restored, as of {outcome.Manifest.TakenAt.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'} ({(long)age.TotalHours} h {age.Minutes} min ago), in generation {outcome.Generation}."));
        text.AppendLine("Devices are told at their next login that messages accepted since then may be lost. Keys revoked since then are good again: revoke them once more.");
        text.Append(HasSecret(outcome.Manifest)
            ? "Next, when the node that this was taken of can never run again: start the node"
            : $"The backup was made without the node's secret. Next: put it at {Path.Combine(folder, "secret")} (chmod 600), then start the node");
        return text.ToString();
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
