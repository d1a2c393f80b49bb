using System.Globalization;
using Gateway.Mailbox.Backup;

namespace Gateway.Ctl.Backup;

/// <summary>Says on the error stream how far a backup or restore is, once that takes longer than two seconds, and every two seconds from then on.</summary>
internal sealed class BackupWork(CtlEnvironment environment)
{
    private static readonly TimeSpan TellAfter = TimeSpan.FromSeconds(2);

    private long _toldAt = environment.Time.GetTimestamp();

    public void Tell(BackupStep step, long bytes, long totalBytes)
    {
        if (environment.Time.GetElapsedTime(_toldAt) < TellAfter) return;
        _toldAt = environment.Time.GetTimestamp();
        var doing = step == BackupStep.Reading ? "reading and checking" : "copying";
        environment.Errors.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{doing}: {bytes >> 20} of at most {totalBytes >> 20} MiB"));
    }
}
