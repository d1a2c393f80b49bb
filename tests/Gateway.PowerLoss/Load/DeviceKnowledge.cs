using Gateway.Mailbox;

namespace Gateway.PowerLoss.Load;

/// <summary>
/// What records say of each device, as far as the log must not forget it: the highest number that any origin or window of it names, and the
/// highest key epoch. The load gives both out in rising order, so that the highest is the latest.
/// </summary>
internal sealed class DeviceKnowledge
{
    private readonly Dictionary<ulong, (ulong Window, uint KeyEpoch)> _devices = [];

    public DeviceKnowledge(IEnumerable<Entry> entries)
    {
        foreach (var entry in entries)
        {
            if (entry.Type == RecordType.Window) Note(entry.Mailbox, entry.Low, 0);
            else if (entry.Type == RecordType.Device) Note(entry.Mailbox, 0, entry.Incarnation);
            else if (entry.IsStored && entry.Incarnation != 0) Note(entry.Sender, entry.Number, 0);
        }
    }

    public IEnumerable<ulong> Devices => _devices.Keys;

    public (ulong Window, uint KeyEpoch) Of(ulong device) => _devices.GetValueOrDefault(device);

    public ulong NextWindow(ulong device)
    {
        Note(device, Of(device).Window + 1, 0);
        return Of(device).Window;
    }

    public uint NextKeyEpoch(ulong device)
    {
        Note(device, 0, Of(device).KeyEpoch + 1);
        return Of(device).KeyEpoch;
    }

    private void Note(ulong device, ulong window, uint keyEpoch)
    {
        var known = Of(device);
        _devices[device] = (Math.Max(known.Window, window), Math.Max(known.KeyEpoch, keyEpoch));
    }
}
