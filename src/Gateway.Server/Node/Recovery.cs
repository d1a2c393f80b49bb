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
    private (long Stretches, long Bytes, long Messages, long Receipts) _gaps;

    public void OnWindow(ulong device, uint incarnation, ulong low, ulong settled, uint usedAt) =>
        HomeOf(device).RestoreWindow(device, incarnation, low, settled, usedAt);

    public void OnOrigin(ulong device, uint incarnation, ulong number, ulong low) =>
        HomeOf(device).RestoreOrigin(device, incarnation, number, low);

    public void OnDevice(ulong device, uint keyEpoch) => epochs.Set(device, keyEpoch);

    public void OnGap(long address, long bytes, long messages, long receipts) =>
        _gaps = (_gaps.Stretches + 1, _gaps.Bytes + bytes, _gaps.Messages + messages, _gaps.Receipts + receipts);

    /// <summary>At the end: whoever reads the node's log learns of a repair at every start, for as long as the log holds its traces.</summary>
    public void TellRepairs()
    {
        if (_gaps.Stretches == 0) return;
        log.LogWarning(
            "the log was repaired with gatewayctl log repair: {Stretches} stretches of {Bytes} bytes in all were given up, {Messages} messages and {Receipts} receipts are known to be lost with them",
            _gaps.Stretches, _gaps.Bytes, _gaps.Messages, _gaps.Receipts);
    }

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
