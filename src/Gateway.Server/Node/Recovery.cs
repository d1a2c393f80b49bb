using System.Globalization;
using Gateway.Mailbox;
using Gateway.Messaging;
using Microsoft.Extensions.Logging;

namespace Gateway.Server.Node;

/// <summary>Hands what the log remembers to whom it belongs, before any reactor runs, and tells how far recovery is once it takes time.</summary>
internal sealed class Recovery(Home[] homes, KeyEpochs epochs, TimeProvider time, ILogger log, Action<string> onProgress) : IRecoveryObserver
{
    private static readonly TimeSpan TellAfter = TimeSpan.FromSeconds(2);

    private readonly long _startedAt = time.GetTimestamp();
    private long _toldAt = time.GetTimestamp();

    public void OnWindow(ulong device, uint incarnation, ulong low, ulong settled, uint usedAt) =>
        HomeOf(device).RestoreWindow(device, incarnation, low, settled, usedAt);

    public void OnOrigin(ulong device, uint incarnation, ulong number, ulong low) =>
        HomeOf(device).RestoreOrigin(device, incarnation, number, low);

    public void OnDevice(ulong device, uint keyEpoch) => epochs.Set(device, keyEpoch);

    public void OnProgress(long scannedBytes, long totalBytes)
    {
        if (time.GetElapsedTime(_toldAt) < TellAfter) return;
        _toldAt = time.GetTimestamp();
        var percent = totalBytes == 0 ? 100 : 100.0 * scannedBytes / totalBytes;
        var text = string.Create(CultureInfo.InvariantCulture,
            $"recovering the log: {scannedBytes >> 20} of at most {totalBytes >> 20} MiB ({percent:F0} %) after {time.GetElapsedTime(_startedAt).TotalSeconds:F0} s");
        onProgress(text);
        log.LogInformation("{Progress}", text);
    }

    private Home HomeOf(ulong device) => homes[HomeMap.HomeOf(device, homes.Length)];
}
