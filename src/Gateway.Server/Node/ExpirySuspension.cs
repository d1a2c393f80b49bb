using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Gateway.Server.Node;

/// <summary>
/// Whether expiry is suspended because the clock could not be trusted, kept as a file in the data folder so that a restart does not forget it: by
/// then the log itself holds times of the wrong clock. Any thread.
/// </summary>
internal sealed class ExpirySuspension(string folder, ILogger log)
{
    private readonly string _path = Path.Combine(folder, "expiry-suspended");
    private readonly Lock _gate = new();
    private volatile string? _reason;

    /// <summary>Why, in a sentence; null when it is not.</summary>
    public string? Reason => _reason;

    /// <summary>At the start, when the folder is there.</summary>
    public void Load()
    {
        if (File.Exists(_path)) _reason = File.ReadAllText(_path).TrimEnd();
        if (_reason is { } reason) log.LogWarning("{Reason}", reason);
    }

    /// <summary>The clock says this where it should have said at most that; seconds since 1970. Returns at once: a reactor calls it.</summary>
    public void Raise(uint clock, uint expected)
    {
        var reason = string.Create(
            CultureInfo.InvariantCulture,
            $"expiry is suspended: the clock said {Time(clock)} UTC where {Time(expected)} was expected at the latest; if it is right, run gatewayctl expiry resume");
        lock (_gate)
        {
            if (_reason is not null) return;
            _reason = reason;
        }

        log.LogWarning("{Reason}", reason);
        _ = Task.Run(() => Write(reason));
    }

    /// <summary>False: it was not suspended.</summary>
    public bool Clear()
    {
        lock (_gate)
        {
            if (_reason is null) return false;
            File.Delete(_path);
            _reason = null;
        }

        log.LogInformation("expiry goes on");
        return true;
    }

    private void Write(string reason)
    {
        try
        {
            lock (_gate)
            {
                if (_reason == reason) File.WriteAllText(_path, reason + "\n");
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.LogError("{Path} cannot be written: {Error}. A restart before gatewayctl expiry resume may let messages expire by a wrong clock", _path, e.Message);
        }
    }

    private static string Time(uint seconds) => DateTimeOffset.FromUnixTimeSeconds(seconds).ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
}
