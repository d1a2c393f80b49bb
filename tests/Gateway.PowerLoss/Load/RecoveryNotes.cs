using System.Globalization;
using Gateway.Mailbox;

namespace Gateway.PowerLoss.Load;

/// <summary>What an opening told of windows, origins and devices, in order.</summary>
internal sealed class RecoveryNotes : IRecoveryObserver
{
    public List<string> Told { get; } = [];

    /// <summary>What these entries must make an opening tell.</summary>
    public static List<string> Of(IEnumerable<Entry> entries)
    {
        var notes = new RecoveryNotes();
        foreach (var e in entries)
        {
            if (e.Type == RecordType.Window) notes.OnWindow(e.Mailbox, e.Incarnation, e.Low, e.Number, e.EnqueuedAt);
            else if (e.Type == RecordType.Device) notes.OnDevice(e.Mailbox, e.Incarnation);
            else if (e.IsStored && e.Incarnation != 0) notes.OnOrigin(e.Sender, e.Incarnation, e.Number, e.Low);
        }

        return notes.Told;
    }

    public void OnWindow(ulong device, uint incarnation, ulong low, ulong settled, uint usedAt) =>
        Told.Add(string.Create(CultureInfo.InvariantCulture, $"window {device} {incarnation} {low} {settled} {usedAt}"));

    public void OnOrigin(ulong device, uint incarnation, ulong number, ulong low) =>
        Told.Add(string.Create(CultureInfo.InvariantCulture, $"origin {device} {incarnation} {number} {low}"));

    public void OnDevice(ulong device, uint keyEpoch) => Told.Add(string.Create(CultureInfo.InvariantCulture, $"device {device} {keyEpoch}"));

    public void OnProgress(long scannedBytes, long totalBytes)
    {
    }
}
