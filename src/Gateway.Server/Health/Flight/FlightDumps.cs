using System.Globalization;
using System.Text;

namespace Gateway.Server.Health.Flight;

/// <summary>
/// Writes the flight rings to a file in the data folder for a person to read afterwards. Alerts get one file a minute at most, an operator each time;
/// beyond <see cref="Kept"/> the oldest go. Any thread, one dump at a time.
/// </summary>
internal sealed class FlightDumps(INodeInsight insight, NodeKeys keys, string dataFolder, TimeProvider time)
{
    public const int Kept = 16;
    private const string Prefix = "flight-";

    private static readonly TimeSpan BetweenAlerts = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly string _folder = Path.Combine(dataFolder, "dumps");
    private long? _alertedAt;

    /// <summary>For an alert; null when the last such dump is younger than a minute.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public string? WriteForAlert(IEnumerable<string> reasons)
    {
        lock (_gate)
        {
            if (_alertedAt is { } at && time.GetElapsedTime(at) < BetweenAlerts) return null;
            _alertedAt = time.GetTimestamp();
            return WriteNow(reasons);
        }
    }

    /// <summary>Returns the path.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public string Write(IEnumerable<string> reasons)
    {
        lock (_gate) return WriteNow(reasons);
    }

    private string WriteNow(IEnumerable<string> reasons)
    {
        var now = time.GetUtcNow();
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"flight recorder, {now.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC\n");
        foreach (var reason in reasons) text.Append(reason).Append('\n');
        text.Append('\n');
        var lines = new FlightText(keys);
        foreach (var (ring, entry) in FlightText.Gather(insight.Flights, DateTimeOffset.UnixEpoch)) text.Append(lines.Line(ring, in entry)).Append('\n');

        // Lines name devices by pseudonym only, yet who was connected when is nobody else's business.
        Directory.CreateDirectory(_folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var path = Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{now.UtcDateTime:yyyy-MM-ddTHH-mm-ss.fffffff}.txt"));
        using (var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        {
            file.Write(Encoding.UTF8.GetBytes(text.ToString()));
        }

        foreach (var old in Directory.GetFiles(_folder, Prefix + "*").Order(StringComparer.Ordinal).SkipLast(Kept)) File.Delete(old);
        return path;
    }
}
