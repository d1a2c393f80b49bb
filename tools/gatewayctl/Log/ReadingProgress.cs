using System.Globalization;

namespace Gateway.Ctl.Log;

/// <summary>Says on the error stream how far a log has been read, once that takes longer than two seconds, and every two seconds from then on.</summary>
internal sealed class ReadingProgress(CtlEnvironment environment)
{
    private static readonly TimeSpan TellAfter = TimeSpan.FromSeconds(2);

    private readonly long _startedAt = environment.Time.GetTimestamp();
    private long _toldAt = environment.Time.GetTimestamp();

    public void Tell(long scannedBytes, long totalBytes)
    {
        if (environment.Time.GetElapsedTime(_toldAt) < TellAfter) return;
        _toldAt = environment.Time.GetTimestamp();
        environment.Errors.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"reading the log: {scannedBytes >> 20} of at most {totalBytes >> 20} MiB after {environment.Time.GetElapsedTime(_startedAt).TotalSeconds:F0} s"));
    }
}
