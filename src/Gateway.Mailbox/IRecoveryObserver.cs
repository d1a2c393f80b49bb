namespace Gateway.Mailbox;

/// <summary>
/// Told, on the thread that opens the log and in log order, what recovery found that the log itself does not keep in memory.
/// An exception from it ends the opening.
/// </summary>
public interface IRecoveryObserver
{
    void OnWindow(ulong device, uint incarnation, ulong low, ulong settled, uint usedAt);

    /// <summary>Of every message, and every receipt that a device sent, with an origin (incarnation not 0), whether it is still pending or not.</summary>
    void OnOrigin(ulong device, uint incarnation, ulong number, ulong low);

    void OnDevice(ulong device, uint keyEpoch);

    /// <summary>
    /// A stretch of the log that a repair gave up, or a page's part of one: its place and length in bytes, and the entries known to be lost with it. Told at every
    /// opening for as long as the log holds it.
    /// </summary>
    void OnGap(long address, long bytes, long messages, long receipts)
    {
    }

    /// <summary>After every segment. <paramref name="totalBytes"/> is the size of the segment files, preallocated space included.</summary>
    void OnProgress(long scannedBytes, long totalBytes);
}
