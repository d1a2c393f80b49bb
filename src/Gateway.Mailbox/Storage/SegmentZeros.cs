using System.Runtime.InteropServices;
using Gateway.Mailbox.Format;

namespace Gateway.Mailbox.Storage;

/// <summary>
/// Writes zeros over the blocks of a segment that nobody uses yet. Blocks that are only allocated become written ones with the log's first
/// write, and each such change costs its fdatasync a commit of the file system's journal: twice the time of one into blocks once written.
/// The zeros go around the page cache, so that they neither push anything out of it nor have to be copied.
/// </summary>
internal static unsafe class SegmentZeros
{
    /// <summary>Bytes between two questions whether to go on, written at once: small, since a commit's own write waits behind it at the disk.</summary>
    public const int PieceBytes = 256 * 1024;

    /// <summary>
    /// Until the segment's end, or until <paramref name="goOn"/>, asked after each piece with the bytes written so far, says no: what is
    /// not written works, but slower. Does nothing where it would not help.
    /// </summary>
    /// <param name="files">Of the data folder.</param>
    /// <param name="name">A file with the segment's blocks allocated.</param>
    /// <param name="segmentBytes">Of its records.</param>
    /// <param name="goOn">See above.</param>
    public static void Write(ILogFileSystem files, string name, long segmentBytes, Func<long, bool> goOn)
    {
        using var file = files.TryOpenDirect(name);
        if (file is null) return;
        var piece = (int)Math.Min(PieceBytes, segmentBytes);
        // SAFETY: freed below, after the last write; direct writes want aligned memory.
        var zeros = NativeMemory.AlignedAlloc((nuint)piece, ILogFile.BlockBytes);
        try
        {
            NativeMemory.Clear(zeros, (nuint)piece);
            for (long written = 0; written < segmentBytes;)
            {
                // SAFETY: the memory is this long.
                file.Write(SegmentHeader.Bytes + written, new ReadOnlySpan<byte>(zeros, piece));
                written += piece;
                if (!goOn(written)) return;
            }
        }
        finally
        {
            NativeMemory.AlignedFree(zeros);
        }
    }
}
